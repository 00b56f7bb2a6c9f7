"""32vid's "ans" coder: table ANS whose symbols have counts that are powers of two, so that each
takes as many bits as its Huffman code (formats document, 5.7)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from gmapi.computercraft.formats import packed, symbols
from gmapi.computercraft.formats.huffman import code_lengths, nibbles, only_symbol
from gmapi.computercraft.screen import U8

_LEAST_LOG = 3


def encode(characters: U8, colors: U8, first: tuple[int, int] | None) -> bytes:
    """Screen block and colour block. Both planes are u8 of the same shape; see `symbols.planes`
    for `first`."""
    foreground, background = symbols.planes(colors, first)
    return _block(packed.codes(characters), symbols.SCREEN_SYMBOLS) + _block(
        np.concatenate((background, foreground)), symbols.COLOR_SYMBOLS
    )


def _block(text: U8, alphabet: int) -> bytes:
    weights = np.bincount(text, minlength=alphabet)
    if np.count_nonzero(weights) < 2:
        return bytes(1 + alphabet // 2) + bytes([only_symbol(text)])
    lengths = code_lengths(weights.tolist())
    log = max(_LEAST_LOG, *lengths)
    table = [log - length + 1 if length else 0 for length in lengths]
    return bytes([log]) + nibbles(table) + _bits(text, lengths, log)


def _bits(text: U8, lengths: Sequence[int], log: int) -> bytes:
    """The coder's last state, then what it gave off for each symbol, in the decoder's order."""
    following = _transitions(lengths, log)
    state = 0
    # The decoder reads what is coded last, so coding starts at the end.
    states = [state]
    states += [state := following[symbol][state] for symbol in text[::-1].tolist()]
    visited = np.array(states, np.uint64)[::-1]
    taken = np.array(lengths)[text]
    given_off = visited[1:] & ((np.uint64(1) << taken.astype(np.uint64)) - np.uint64(1))
    return packed.pack(np.concatenate((visited[:1], given_off)), np.concatenate(([log], taken)))


def _transitions(lengths: Sequence[int], log: int) -> list[list[int]]:
    """For each symbol the state that follows each state; states count from 0, not from 2^log."""
    size = 1 << log
    counts = [size >> length if length else 0 for length in lengths]
    owners = np.empty(size, np.uint8)
    owners[_slot_order(log)] = np.repeat(np.arange(len(lengths)), counts)
    tables = []
    for symbol, length in enumerate(lengths):
        tables.append(np.repeat(np.flatnonzero(owners == symbol), 1 << length).tolist())
    return tables


@cache
def _slot_order(log: int) -> list[int]:
    """The slots of a table in the order in which symbols get them."""
    size = 1 << log
    step = 5 * size // 8 + 3
    taken = [False] * size
    order = []
    slot = 0
    for _ in range(size):
        while taken[slot]:
            slot = (slot + 1) % size
        taken[slot] = True
        order.append(slot)
        slot = (slot + step) % size
    return order
