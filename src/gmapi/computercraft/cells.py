"""Palette indexes to character cells of 2 x 3 pixels in NumPy; formats document, section 4."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gmapi.computercraft.screen import BLANK, U8

F32 = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp]
T = TypeVar("T", bound=np.generic)

_PIXELS = 6
_ALL = np.uint8(63)
_FIRST_PATTERN = 128
_BACKGROUND = np.uint8(4)
"""Bits by which a background is shifted in a colour byte."""

_LOWEST = np.array([0] + [(i & -i).bit_length() - 1 for i in range(1, 64)], np.intp)
"""The first pixel in a set of pixels (bit i: pixel i)."""

_SECOND = np.array([int(_LOWEST[i & (i - 1)]) if i & (i - 1) else 7 for i in range(64)], np.int64)
"""The second pixel in a set of pixels, 7 if there is none."""

_COUNT = np.array([i.bit_count() for i in range(64)], np.uint8)

# Shares of a pixel's error inside a cell, in sixteenths: pixel from, pixel to, share.
_SHARES = (
    (0, 1, 7), (0, 2, 5), (0, 3, 1), (1, 2, 3), (1, 3, 5), (2, 3, 7),
    (2, 4, 5), (2, 5, 1), (3, 4, 3), (3, 5, 5), (4, 5, 7),
)  # fmt: skip


def cells(indexes: U8, palette: U8) -> tuple[U8, U8]:
    """Palette indexes (height, width) u8 and palette (k, 3) u8, channels in the order blue, green,
    red, to characters and colours, (height // 3, width // 2) u8 each; see `Screen`."""
    slots = _split(indexes)
    shape = slots.shape[:2]
    slots = slots.reshape(-1, _PIXELS)
    where = _where(slots)
    # A pixel is the first of its colour if its colour has no pixel before it.
    first = _LOWEST[where] == np.arange(_PIXELS)
    distinct = first.sum(axis=1)
    characters = np.full(len(slots), BLANK, np.uint8)
    colors = slots[:, 0] << _BACKGROUND
    for count, rule in ((2, _two), (3, _three), (4, _four), (5, _crowded), (6, _crowded)):
        chosen = np.flatnonzero(distinct == count)
        if chosen.size:
            found = first[chosen].nonzero()[1].reshape(-1, count)
            shown, front, back, other = rule(slots[chosen], where[chosen], found, palette)
            inverse = (shown & 32) != 0
            bits = np.where(inverse, ~shown, shown) & 31
            characters[chosen] = _FIRST_PATTERN + bits
            colors[chosen] = np.where(
                inverse, other << _BACKGROUND | back, back << _BACKGROUND | front
            )
    return characters.reshape(shape), colors.reshape(shape)


def blocks(indexes: U8) -> tuple[U8, U8]:
    """Palette indexes (height, width) u8 to cells of one colour, the most frequent one, of several
    the first to be complete: characters, all 0, and colours, (height // 3, width // 2) u8 each."""
    slots = _split(indexes)
    so_far = (2 << np.arange(_PIXELS, dtype=np.uint8)) - 1
    last = _COUNT[_where(slots) & so_far].argmax(axis=-1)
    colors = np.take_along_axis(slots, last[..., None], axis=-1)[..., 0] << _BACKGROUND
    return np.zeros_like(colors), colors


def pixels(screen_characters: U8, colors: U8) -> U8:
    """Characters and colours of a screen, (rows, columns) u8 each, to the palette index of every
    pixel, (3 rows, 2 columns) u8. Text and blanks show their background only."""
    rows, columns = screen_characters.shape
    patterns = (screen_characters >= _FIRST_PATTERN) & (screen_characters < _FIRST_PATTERN + 32)
    bits = np.where(patterns, screen_characters & 31, np.uint8(0))
    shown = (bits[..., None] >> np.arange(_PIXELS, dtype=np.uint8)) & 1
    slots = np.where(shown != 0, (colors & 15)[..., None], (colors >> _BACKGROUND)[..., None])
    return slots.reshape(rows, columns, 3, 2).swapaxes(1, 2).reshape(rows * 3, columns * 2)


def _split(indexes: U8) -> U8:
    """(height, width) to (rows, columns, 6), without surplus pixels at the right and bottom."""
    rows, columns = indexes.shape[0] // 3, indexes.shape[1] // 2
    whole = indexes[: rows * 3, : columns * 2].reshape(rows, 3, columns, 2)
    return whole.swapaxes(1, 2).reshape(rows, columns, _PIXELS)


def _where(slots: U8) -> U8:
    """For every pixel the set of pixels of its cell with the same index; same shape."""
    same = slots[..., :, None] == slots[..., None, :]
    return np.packbits(same, axis=-1, bitorder="little")[..., 0]


# The rules take n cells: the indexes of their pixels (n, 6), for each pixel the set of pixels like
# it (n, 6), and the first pixels of their colours in order (n, colours). They give sets of pixels
# in the foreground, the foreground, the background, and the background once they are exchanged
# because the last pixel would be in the foreground.
_Choice = tuple[U8, U8, U8, U8]


def _two(slots: U8, where: U8, found: Index, _: U8) -> _Choice:
    front = _pick(slots, found[:, 1])
    return _pick(where, found[:, 1]), front, slots[:, 0], front


def _three(slots: U8, where: U8, found: Index, palette: U8) -> _Choice:
    order = _by_brightness((found[:, 0], found[:, 1], found[:, 2]), slots, palette)
    dark, middle, light = (_pick(slots, pixel) for pixel in order)
    dark_set, _, light_set = (_pick(where, pixel) for pixel in order)
    distance = _palette_distances(palette)
    gap = distance[middle, dark] - distance[light, middle]
    far = np.abs(gap) > 10
    faint = _brightness(palette)[dark] < 32
    shown: U8 = np.select([gap > 10, far, faint], [~dark_set, light_set, ~light_set], dark_set)
    return shown & _ALL, np.where(far, light, middle), np.where(far, dark, light), middle


def _four(slots: U8, where: U8, found: Index, palette: U8) -> _Choice:
    sets = np.take_along_axis(where, found, axis=1)
    twice = _SECOND[sets]
    order = twice.argsort(axis=1, kind="stable")
    front_at = _pick(found, order[:, 0])
    # Where only one appears twice, the stable order keeps the other three as they appear.
    first, second, third = (_pick(found, order[:, i]) for i in (1, 2, 3))
    _, middle, _ = _by_brightness((first, second, third), slots, palette)
    one_pair = _pick(twice, order[:, 1]) == 7
    back_at = np.where(one_pair, middle, first)
    front, back = _pick(slots, front_at), _pick(slots, back_at)
    distance = _palette_distances(palette)
    near = distance[slots, front[:, None]] < distance[slots, back[:, None]]
    near &= slots != back[:, None]
    near |= slots == front[:, None]
    return _bits(near), front, back, front


def _crowded(slots: U8, _: U8, found: Index, palette: U8) -> _Choice:
    """Five or six colours: the third and the last along the longest axis, with an error diffusion
    inside the cell, in 32-bit floats."""
    colors = palette.astype(np.float32)
    inside = colors[slots]
    ranges = np.ptp(inside, axis=1).T
    axis = np.full(len(slots), 2)
    axis[(ranges[1] > ranges[2]) & (ranges[1] > ranges[0])] = 1
    axis[(ranges[0] > ranges[1]) & (ranges[0] > ranges[2])] = 0
    along = np.take_along_axis(inside, axis[:, None, None], axis=2)[..., 0]
    order = along.argsort(axis=1, kind="stable")
    front, back = _pick(slots, order[:, 2]), _pick(slots, order[:, 5])
    values = [np.ascontiguousarray(inside[:, i].T) for i in range(_PIXELS)]
    front_color, back_color = colors[front].T, colors[back].T
    near = np.empty(slots.shape, np.bool_)
    for i in range(_PIXELS):
        from_front, from_back = values[i] - front_color, values[i] - back_color
        near[:, i] = _length(from_front) < _length(from_back)
        error = np.where(near[:, i], from_front, from_back)
        for source, to, share in _SHARES:
            if source == i:
                values[to] += error * np.float32(share / 16)
    near |= (front_color == back_color).all(axis=0)[:, None]
    return _bits(near), front, back, front


def _pick(table: npt.NDArray[T], column: Index) -> npt.NDArray[T]:
    """One entry of each row."""
    picked: npt.NDArray[T] = table[np.arange(len(table)), column]
    return picked


def _bits(shown: npt.NDArray[np.bool_]) -> U8:
    """(n, 6) to sets of pixels, (n,)."""
    return np.packbits(shown, axis=1, bitorder="little")[:, 0]


def _brightness(palette: U8) -> npt.NDArray[np.int64]:
    level: npt.NDArray[np.int64] = palette.sum(axis=1, dtype=np.int64)
    return level


def _palette_distances(palette: U8) -> F32:
    colors = palette.astype(np.float32).T
    return _length(colors[:, :, None] - colors[:, None, :])


def _length(difference: F32) -> F32:
    """(3, ...) to the Euclidean lengths, in 32-bit floats, added channel by channel."""
    squares = difference * difference
    root: F32 = np.sqrt(squares[0] + squares[1] + squares[2])
    return root


def _by_brightness(pixels: tuple[Index, Index, Index], slots: U8, palette: U8) -> list[Index]:
    """Three pixels of each cell, darkest first; equal ones may change places, as the order of
    comparisons has it."""
    ordered = list(pixels)
    level = _brightness(palette)[slots]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        wrong = _pick(level, ordered[a]) > _pick(level, ordered[b])
        ordered[a], ordered[b] = (
            np.where(wrong, ordered[b], ordered[a]),
            np.where(wrong, ordered[a], ordered[b]),
        )
    return ordered
