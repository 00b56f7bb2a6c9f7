"""Pixels to palette indexes in NumPy; formats document, section 3.8."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmapi.computercraft.options import PALETTE_SIZE, Dither
from gmapi.computercraft.screen import U8

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

_BAYER = np.array(
    [
        [0, 32, 8, 40, 2, 34, 10, 42],
        [48, 16, 56, 24, 50, 18, 58, 26],
        [12, 44, 4, 36, 14, 46, 6, 38],
        [60, 28, 52, 20, 62, 30, 54, 22],
        [3, 35, 11, 43, 1, 33, 9, 41],
        [51, 19, 59, 27, 49, 17, 57, 25],
        [15, 47, 7, 39, 13, 45, 5, 37],
        [63, 31, 55, 23, 61, 29, 53, 21],
    ],
    np.float64,
)

_BLOCK = 16384
"""Pixels that are searched at a time, so that their keys stay in the processor's cache."""

_TIE = 1e-6
"""Squares of distances that differ by less may be one distance; far above what rounding adds."""

_RIGHT, _BELOW_LEFT, _BELOW, _BELOW_RIGHT = 5 / 16, 2 / 16, 3 / 16, 1 / 16


def dither(pixels: U8, palette: U8, method: Dither) -> U8:
    """(height, width, 3) u8 pixels and (k, 3) u8 palette of the same colour space to palette
    indexes, (height, width) u8; of equal colours the first.

    Raises ValueError unless the palette has 1 to 16 colours.
    """
    if not 1 <= len(palette) <= PALETTE_SIZE:
        raise ValueError(f"a palette has 1 to {PALETTE_SIZE} colours, not {len(palette)}")
    height, width = pixels.shape[:2]
    # A repeated colour always loses to its first slot.
    distinct = np.sort(np.unique(palette, axis=0, return_index=True)[1])
    colors = palette[distinct].astype(np.float64)
    if method is Dither.DIFFUSION:
        return distinct.astype(np.uint8)[_diffuse(pixels, colors)]
    slots = np.empty(height * width, np.uint8)
    shift = (
        np.zeros((8, 8)) if method is Dither.NONE else _ordered_shift(palette.astype(np.float64))
    )
    # Whole rows of the matrix, so that each block starts with its first row.
    rows = max(1, _BLOCK // max(1, width) // 8) * 8
    for y in range(0, height, rows):
        block = pixels[y : y + rows].astype(np.float64)
        count = len(block)
        pattern = np.tile(shift, (-(-count // 8), -(-width // 8)))
        block += pattern[:count, :width, None]
        slots[y * width : (y + count) * width] = _nearest(block.reshape(-1, 3), colors)
    return distinct.astype(np.uint8)[slots].reshape(height, width)


def _ordered_shift(colors: F64) -> F64:
    """(8, 8): what ordered dithering adds to all channels of a pixel."""
    total = 0.0
    for color in colors:
        for distance in _distances(color[:, None], colors)[:, 0].tolist():
            total += distance
    strength = total / (len(colors) * len(colors) * 6)
    shift: F64 = strength * (_BAYER / 64 - 0.5)
    return shift


def _distances(channels: F64, colors: F64) -> F64:
    """(3, n) colours to their distances from each palette colour, (k, n)."""
    difference = channels[:, None, :] - colors.T[:, :, None]
    difference *= difference
    squares: F64 = difference[0]
    squares += difference[1]
    squares += difference[2]
    return np.sqrt(squares, out=squares)


def _nearest(pixels: F64, colors: F64) -> U8:
    """(n, 3) colours to the indexes of the nearest palette colours, (n,).

    Keys in 32-bit floats, whose lowest bits are replaced by the index, find the best and the
    second best; where they are closer than such keys can be wrong, doubles decide.
    """
    centre = np.floor(colors.mean(axis=0))
    channels = np.ascontiguousarray((pixels - centre).T, np.float32)
    seen = (colors - centre).astype(np.float32)
    first = np.full(len(pixels), np.inf, np.float32)
    second = first.copy()
    loser = np.empty_like(first)
    keys = np.matmul(-2 * seen, channels)
    keys += (seen * seen).sum(axis=1)[:, None]
    bits = keys.view(np.int32)
    bits &= ~np.int32(PALETTE_SIZE - 1)
    bits |= np.arange(len(colors), dtype=np.int32)[:, None]
    for key in keys:
        np.maximum(first, key, out=loser)
        np.minimum(first, key, out=first)
        np.minimum(second, loser, out=second)
    slots = (first.view(np.int32) & (PALETTE_SIZE - 1)).astype(np.uint8)
    second -= first
    # With C = |c|^2 the best key is D - C, where D is the square of the distance. No term of a
    # close key is larger than 6 (C + D); the roundings of both keys and the indexes in their
    # lowest bits are less than 2^-16 of C + D together.
    np.einsum("kn,kn->n", channels, channels, out=loser)
    loser *= 2
    loser += first
    loser *= np.float32(2**-16)
    loser += np.float32(2**-5)
    unsure = np.flatnonzero(second < loser)
    if unsure.size:
        slots[unsure] = _distances(pixels[unsure].T, colors).argmin(axis=0)
    return slots


def _diffuse(pixels: U8, colors: F64) -> U8:
    """Error diffusion: all pixels with the same x + 2 y are done at once, since none of them gets
    a share of another's error. Shares are added in the order of a plain loop over the pixels."""
    height, width = pixels.shape[:2]
    if height == 0 or width == 0:
        return np.empty((height, width), np.uint8)
    # A step down such a line is `pitch` - 2 pixels in memory, and has to be at least one.
    pitch = max(width, 3)
    if pitch != width:
        pixels = np.pad(pixels, ((0, 0), (0, pitch - width), (0, 0)))
    source = pixels.reshape(-1, 3)
    slots = np.empty(height * pitch, np.uint8)
    by_channel = np.ascontiguousarray(colors.T)
    weights, norms = -2 * colors, (colors * colors).sum(axis=1)[:, None]
    # Errors of the last four steps by channel and row; 0 where a row was not yet or no more in
    # the line. Column 0 is the row above the picture.
    history = np.zeros((4, 3, height + 1))
    for step in range(width + 2 * (height - 1)):
        top = max(0, (step - width + 2) // 2)
        bottom = min(height, step // 2 + 1)
        now, one, two, three = (history[(step - age) & 3] for age in range(4))
        line = slice(top * (pitch - 2) + step, (bottom - 1) * (pitch - 2) + step + 1, pitch - 2)
        values = source[line].T.astype(np.float64)
        values += three[:, top:bottom] * _BELOW_RIGHT
        values += two[:, top:bottom] * _BELOW
        values += one[:, top:bottom] * _BELOW_LEFT
        values += one[:, top + 1 : bottom + 1] * _RIGHT
        keys = np.matmul(weights, values)
        keys += norms
        chosen = keys.argmin(axis=0)
        limit = np.minimum.reduce(keys, axis=0)
        limit += _TIE
        if np.count_nonzero(keys < limit) > bottom - top:
            chosen = _distances(values, colors).argmin(axis=0)
        slots[line] = chosen
        values -= by_channel.take(chosen, axis=1)
        now[:, top + 1 : bottom + 1] = values
        now[:, max(0, top - 3) : top + 1] = 0
    return slots.reshape(height, pitch)[:, :width].copy()
