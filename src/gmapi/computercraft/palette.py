"""Palettes: the fixed one, the median cut, and locked entries; formats document, 3.2 to 3.6."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gmapi.computercraft.options import PALETTE_SIZE
from gmapi.computercraft.screen import U8

DEFAULT_PALETTE: U8 = np.frombuffer(
    bytes.fromhex(
        "f0f0f0 f2b233 e57fd8 99b2f2 dede6c 7fcc19 f2b2cc 4c4c4c"
        "999999 4c99b2 b266e5 3366cc 7f664c 57a64e cc4c4c 111111"
    ),
    np.uint8,
).reshape(PALETTE_SIZE, 3)
"""The colours of the game: (16, 3) u8 red, green, blue, read-only; formats document, 3.2."""

_NEAR = 8
"""Ranges of channels that differ by less are about equal."""


def median_cut(pixels: U8) -> U8:
    """The median-cut palette of (n, 3) u8 pixels: (k, 3) u8 with k up to 16; formats document, 3.3.

    Of pixels with equal keys the earlier ones go to the first half, while the native kernel takes
    them in the order of the reference; so the two may differ slightly.
    """
    planes = np.ascontiguousarray(pixels.T)
    runs = np.flatnonzero((planes[:, 1:] != planes[:, :-1]).any(axis=0)) + 1
    if len(runs) < PALETTE_SIZE:
        return pixels[np.concatenate([[0], runs])] if len(pixels) else pixels
    return reorder(np.array(_cut(planes, PALETTE_SIZE, None), np.uint8))


def _cut(planes: U8, colors: int, parent: int | None) -> list[npt.NDArray[np.int64]]:
    """The means of `colors` equal parts of (3, n) pixels."""
    count = planes.shape[1]
    if colors == 1:
        return [planes.sum(axis=1, dtype=np.int64) // count]
    axis = _axis((planes.max(axis=1).astype(int) - planes.min(axis=1)).tolist(), parent)
    # A stable sort of bytes is a radix sort, which is the fastest.
    ordered = planes.take(planes[axis].argsort(kind="stable"), axis=1)
    middle, half = count // 2, colors // 2
    lower, upper = ordered[:, :middle], ordered[:, middle:]
    return _cut(lower, half, axis) + _cut(upper, half, axis)


def _axis(ranges: list[int], parent: int | None) -> int:
    """The channel of the greatest range, but not the parent's if another is about as great."""
    first, second, third = ranges
    if first > second and first > third:
        widest = 0
    elif second > third and second > first:
        widest = 1
    else:
        widest = 2
    if widest != parent:
        return widest
    a, b = (widest + 1) % 3, (widest + 2) % 3
    near = [x for x in (a, b) if abs(ranges[widest] - ranges[x]) < _NEAR]
    if len(near) == 2:
        return a if ranges[a] > ranges[b] else b
    return near[0] if near else widest


def reorder(palette: U8, *, kmeans: bool = False) -> U8:
    """(n, 3) u8 with the lightest colour moved to the front and the darkest to the end.

    Light and dark are sums of the three channels. Entries whose sums are all equal: the median cut
    loses its last colour, k-means gets one entry more unless it has 16 already.
    """
    if len(palette) == 0:
        return palette
    sums = palette.sum(axis=1, dtype=np.int64)
    dark, light = int(sums.argmin()), int(sums.argmax())
    if dark == light:
        kept = palette if kmeans else palette[:-1]
        return np.concatenate([kept, palette[:1]])[:PALETTE_SIZE]
    between = np.delete(palette, [dark, light], axis=0)
    return np.concatenate([palette[light, None], between, palette[dark, None]])


def merge_locked(made: U8, colors: Sequence[tuple[int, int, int] | None]) -> U8:
    """A made palette, (k, 3) u8, with the locked ones of 16 `colors` put in: (16, 3) u8.

    `colors` are triples in the space of `made`, None where a slot is free; formats document, 3.6.
    A palette of 16 keeps its entries in their slots; of a shorter one, free slots take the last
    entry that is left, and when none is, the first again.
    """
    rest = made.tolist()
    merged = []
    for slot, color in enumerate(colors):
        if color is not None:
            merged.append(list(color))
        elif len(made) == PALETTE_SIZE:
            merged.append(rest[slot])
        else:
            merged.append(rest.pop() if len(rest) > 1 else rest[0])
    return np.array(merged, np.uint8)
