"""Bits most significant first, and pictures without compression (formats document, 5.7).

Codes of 32vid characters have five bits: pixel patterns keep their bits, a blank cell becomes 0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmapi.computercraft.screen import U8

Words = npt.NDArray[np.uint64]

CODE_BITS = 5
_GROUP = 8
"""Codes; together they fill whole bytes."""
_WORD = 32


def codes(characters: U8) -> U8:
    """The five bits that are stored of each character, in a row."""
    return characters.ravel() & np.uint8(31)


def encode(characters: U8, colors: U8) -> bytes:
    """Screen block and colour block: packed codes, the last group of eight filled with zeros, then
    one byte of colours per cell. Both planes are u8 of the same shape."""
    plane = codes(characters)
    padded = np.zeros(-(-plane.size // _GROUP) * _GROUP, np.uint8)
    padded[: plane.size] = plane
    bits = np.unpackbits(padded[:, None], axis=1)[:, -CODE_BITS:]
    return np.packbits(bits).tobytes() + colors.tobytes()


def pack(values: Words, lengths: npt.NDArray[np.intp]) -> bytes:
    """Numbers of 1 to 32 bits each (`lengths`), one after another, the last byte filled with
    zeros. A number must have no bits beyond its length."""
    ends = np.cumsum(lengths)
    if not ends.size:
        return b""
    starts = ends - lengths
    # A number lies in one 32-bit word or in two neighbours.
    shifts = 2 * _WORD - (starts % _WORD) - lengths
    placed = values << shifts.astype(np.uint64)
    indexes = starts // _WORD
    # No number is longer than a word, so each word but the last one has the start of a number.
    firsts = np.searchsorted(indexes, np.arange(indexes[-1] + 1))
    joined = np.bitwise_or.reduceat(placed, firsts)
    words = np.zeros(joined.size + 1, ">u4")
    words[:-1] = joined >> np.uint64(_WORD)
    words[1:] |= joined.astype(np.uint32)
    return words.tobytes()[: -(-int(ends[-1]) // 8)]
