"""Palettes of up to 255 colours for pictures that are shown as they are: colours are put into
groups, and the widest groups are split until all colours are near the mean of theirs."""

from __future__ import annotations

import heapq
import itertools

import numpy as np
import numpy.typing as npt

from gmapi.computercraft.screen import U8

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.intp]

_BITS = 5
_ROUNDS = 3
_LIGHT = np.array((0.299, 0.587, 0.114))


def gathered(pixels: U8) -> tuple[F64, F64]:
    """Of (n, 3) u8 pixels the colours that are there, (k, 3), and how many pixels have each, (k,).

    Those that agree in the highest 5 bits of each channel are one colour, their mean.
    """
    high = pixels >> (8 - _BITS)
    places = high[:, 0].astype(np.intp) << (2 * _BITS)
    places |= high[:, 1].astype(np.intp) << _BITS
    places |= high[:, 2]
    counts = np.bincount(places, minlength=1 << (3 * _BITS))
    there = np.flatnonzero(counts)
    weights = counts[there].astype(np.float64)
    sums = [np.bincount(places, pixels[:, k], len(counts))[there] for k in range(3)]
    return np.stack(sums, axis=1) / weights[:, None], weights


def nearest(colors: F32 | F64, palette: F32 | F64) -> Indexes:
    """Of (n, 3) colours the nearest of a palette (k, 3) each: (n,)."""
    near = palette.astype(np.float32)
    keys = colors.astype(np.float32) @ (-2 * near.T)
    keys += (near * near).sum(axis=1)
    chosen: Indexes = keys.argmin(axis=1)
    return chosen


def palette_of(
    colors: F64, weights: F64, *, least: int, most: int, good: float, start: F64 | None = None
) -> F64:
    """A palette, (k, 3), of `least` to `most` colours where there are so many: as few as make the
    mean of the squared distances `good`, from `weights` pixels of each of the (n, 3) colours.

    With a palette to `start` from, its colours stay about where they are, and those that nothing
    is near to give way to others.
    """
    groups = [np.arange(len(colors))]
    if start is not None:
        chosen = nearest(colors, start)
        order = chosen.argsort(kind="stable")
        bounds = np.flatnonzero(np.diff(chosen[order])) + 1
        groups = np.split(order, bounds)
    palette = _split(colors, weights, groups, least, most, good)
    for _ in range(_ROUNDS):
        palette = _moved(colors, weights, palette)
    return palette


def _split(
    colors: F64, weights: F64, groups: list[Indexes], least: int, most: int, good: float
) -> F64:
    """The means of the groups, the widest of which are split at theirs."""
    number = itertools.count()
    heap: list[tuple[float, int, Indexes, F64, int]] = []
    total = 0.0

    def add(group: Indexes) -> float:
        weight = weights[group]
        mean = (weight @ colors[group]) / weight.sum()
        away = colors[group] - mean
        spread = weight @ (away * away)
        wide = float(spread.sum())
        heapq.heappush(heap, (-wide, next(number), group, mean, int(spread.argmax())))
        return wide

    for group in groups:
        total += add(group)
    enough = good * float(weights.sum())
    while len(heap) < most and (len(heap) < least or total > enough):
        _, _, group, mean, channel = heap[0]
        lower = colors[group, channel] <= mean[channel]
        if len(group) < 2 or lower.all():
            break  # of one colour, as all others are then
        wide, *_ = heapq.heappop(heap)
        total += wide + add(group[lower]) + add(group[~lower])
    return np.array([mean for _, _, _, mean, _ in heap])


def _moved(colors: F64, weights: F64, palette: F64) -> F64:
    """Each colour as the mean of those that it is nearest to."""
    chosen = nearest(colors, palette)
    total = np.bincount(chosen, weights, len(palette))
    sums = np.stack(
        [np.bincount(chosen, weights * colors[:, k], len(palette)) for k in range(3)], axis=1
    )
    used = total > 0
    palette = palette.copy()
    palette[used] = sums[used] / total[used, None]
    return palette


def in_order(palette: F64) -> U8:
    """The colours of (k, 3), whole numbers, as u8 and so that neighbours are alike: from the
    darkest on always the nearest of those that are left."""
    distances = ((palette[:, None] - palette) ** 2).sum(axis=2)
    now = int((palette @ _LIGHT).argmin())
    order = [now]
    for _ in range(len(palette) - 1):
        distances[:, now] = np.inf
        now = int(distances[now].argmin())
        order.append(now)
    return palette[order].astype(np.uint8)
