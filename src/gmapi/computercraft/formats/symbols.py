"""Colour planes as symbols with repetitions, which both coders of 32vid use (formats document,
5.7).

0 to 15 is a colour, 15 + k for k of 1 to 7 repeats the last colour 2^k times more, 23 repeats it
256 times more.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmapi.computercraft.screen import U8

SCREEN_SYMBOLS = 32
COLOR_SYMBOLS = 24

_REPEAT = 15
_REPEAT_LONGEST = 23
_LONGEST = 256
_NONE = 255


def _patterns() -> U8:
    """(256, 9): the symbols of a colour (slot 0, filled in later) and up to 255 cells more; the
    slot after it says whether the colour is repeated once."""
    more = np.arange(_LONGEST)[:, None]
    table = np.full((_LONGEST, 9), _NONE, np.uint8)
    repeats = _REPEAT + np.arange(8)
    table[:, 1:] = np.where(more >> np.arange(8) & 1, repeats, _NONE)
    return table


_PATTERNS = _patterns()


def planes(colors: U8, first: tuple[int, int] | None) -> tuple[U8, U8]:
    """Foreground and background symbols of a plane of background * 16 + foreground.

    `first` is the foreground and background with which the coder starts. Unless they are the first
    cell's, which None means, the symbols have the reference's fault: the first cell, and the one
    after a run of a multiple of 256 cells, are taken for another cell of the run.
    """
    flat = colors.ravel()
    foreground, background = flat & np.uint8(15), flat >> np.uint8(4)
    if first is not None and flat.size and first != (int(foreground[0]), int(background[0])):
        foreground = _swallow(foreground, first[0])
        background = _swallow(background, first[1])
    return runs(foreground), runs(background)


def runs(plane: U8) -> U8:
    """Symbols of one plane, given in a row.

    A run to the end of the plane may be coded one cell too long: decoders stop there.
    """
    if not plane.size:
        return plane
    starts = _starts(plane)
    lengths = np.diff(starts, append=plane.size)
    literals = plane[starts]
    more = lengths - 1
    longest = more // _LONGEST
    if lengths[-1] % _LONGEST == 0:
        longest[-1] += 1
        more[-1] = 0
    rows = _PATTERNS[more % _LONGEST]
    rows[:, 0] = literals
    once = rows[:, 1] == _REPEAT
    rows[once, 1] = literals[once]
    kept = rows != _NONE
    symbols: U8 = rows[kept]
    if longest.any():
        counts = np.count_nonzero(kept, axis=1)
        behind_literals = np.cumsum(counts) - counts + 1
        symbols = np.insert(symbols, np.repeat(behind_literals, longest), _REPEAT_LONGEST)
    return symbols


def _starts(plane: U8) -> npt.NDArray[np.intp]:
    changes = np.flatnonzero(plane[1:] != plane[:-1]) + 1
    return np.concatenate((np.zeros(1, np.intp), changes))


def _swallow(plane: U8, first: int) -> U8:
    """What a decoder shows of a plane that the reference has coded."""
    plane = plane.copy()
    plane[0] = first
    starts = _starts(plane).tolist()
    ends = [*starts[1:], plane.size]
    color, length = first, 0
    for start, end in zip(starts, ends, strict=True):
        if plane[start] != color:
            if length and length % _LONGEST == 0:
                plane[start] = color
                length += 1
                start += 1
            if start < end:
                color, length = int(plane[start]), 0
        length += end - start
    return plane
