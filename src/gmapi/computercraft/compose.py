"""`best` pictures in NumPy: cells chosen from the picture itself, in OKLab.

The native kernels search all promising pairs of colours for each cell and hand errors on to the row
below; here a cell has two candidates on video (the colours nearest to its two halves, and the
mixture nearest to its mean) and all pairs on stills, and errors stay in the cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from gmapi.computercraft.compose_palette import F32, I64, WarmPalette, planes_of
from gmapi.computercraft.kernels import ComposerSettings
from gmapi.computercraft.options import PALETTE_SIZE, Dither
from gmapi.computercraft.screen import BLANK, U8, Screen

_MEAN = 1.2
"""Weight of a cell's mean against its pixels."""
_GRAIN = 0.08
"""How much the contrast of a mixture disturbs, 1 = as pixel error."""
_SPREAD = 0.16
"""OKLab amplitude of the ordered pattern."""
_KEEP = 0.15
_HOLD = 0.6
_KEEP_FLOOR = 0.0001
"""The cell before stays if it is worse by at most a share, `_HOLD` where only the palette changed,
and this much."""
_NOISE = 2
"""Levels by which a byte may differ without the cell counting as changed."""
_PIXELS = 6
_FEW_CELLS = 4000
"""Pictures below this many cells show the palette search all their pixels, others a sixth."""

Cells = tuple[I64, I64, npt.NDArray[np.bool_]]
"""Foreground and background (n,), and which pixels are foreground (6, n)."""


@dataclass(frozen=True)
class _Target:
    """Cells to choose: OKLab `planes` (3, 6, n), their `mean` (3, n), the sum of their squares
    `square` (n,), and the ordered pattern `thresholds` (6, n)."""

    planes: F32
    mean: F32
    square: F32
    thresholds: F32

    @staticmethod
    def of(planes: F32, thresholds: F32, chosen: I64) -> _Target:
        if len(chosen) < planes.shape[2]:
            planes, thresholds = planes.take(chosen, axis=2), thresholds.take(chosen, axis=1)
        square = np.einsum("xpn,xpn->n", planes, planes)
        return _Target(planes, planes.mean(axis=1), square, thresholds)


class NumpyComposer:
    """See `kernels.Composer`; for one thread at a time."""

    def __init__(self, settings: ComposerSettings) -> None:
        self._settings = settings
        self._rows, self._columns = settings.height // 3, settings.width // 2
        patient = settings.still or settings.thorough
        self._palette = WarmPalette(settings.colors, patient=patient)
        self._seen: U8 | None = None
        self._planes = np.empty((3, _PIXELS, 0), np.float32)
        self._cells: Cells | None = None
        self._mean = _MEAN if settings.dither is not Dither.NONE else 0.0
        self._thresholds = _bayer(self._rows, self._columns)
        if settings.dither is Dither.NONE:
            self._thresholds *= 0

    def compose(self, pixels: U8) -> Screen:
        """One picture; ValueError if it has another size than the composer."""
        height, width = self._settings.height, self._settings.width
        if pixels.shape != (height, width, 3):
            raise ValueError(f"the picture has shape {pixels.shape}, not {(height, width, 3)}")
        if self._rows and self._columns:
            dirty = self._take(pixels[: 3 * self._rows, : 2 * self._columns])
            if dirty.any() or self._palette.settling:
                self._choose(dirty)
        return self._screen()

    def _take(self, pixels: U8) -> npt.NDArray[np.bool_]:
        """Bring the picture up to date where it differs visibly; (n,) tells where."""
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        shape = (3, self._rows, 3, self._columns, 2)
        if self._seen is None:
            self._seen = planes.copy()
            dirty = np.ones((self._rows, self._columns), bool)
        else:
            apart = np.maximum(planes, self._seen) - np.minimum(planes, self._seen)
            rows = apart.reshape(3, self._rows, 3, -1).max(axis=(0, 2))
            pairs = rows.reshape(self._rows, self._columns, 2)
            dirty = np.asarray(np.maximum(pairs[..., 0], pairs[..., 1]) > _NOISE, bool)
            if not dirty.any():
                return dirty.ravel()
            # The two bytes of a cell in a row as one number: many times faster than one by one.
            halves = (3, self._rows, 3, self._columns)
            now, seen = (each.view(np.uint16).reshape(halves) for each in (planes, self._seen))
            np.copyto(seen, now, where=dirty[:, None, :])
        cells = self._seen.reshape(shape).transpose(0, 2, 4, 1, 3)
        self._planes = planes_of(cells.reshape(3, -1)).reshape(3, _PIXELS, -1)
        return dirty.ravel()

    def _choose(self, dirty: npt.NDArray[np.bool_]) -> None:
        samples = None
        if dirty.any():
            planes = self._planes
            n = planes.shape[2]
            if n >= _FEW_CELLS:
                cell = np.arange(n)
                samples = planes[:, (cell // self._columns * 5) % _PIXELS, cell].T
            else:
                samples = planes.reshape(3, -1).T
        cut, moved = self._palette.update(samples)
        if not moved.any() and not dirty.any():
            return
        before = None if cut else self._cells
        if before is None:
            again = np.arange(self._planes.shape[2])
        else:
            again = np.flatnonzero(dirty | moved[before[0]] | moved[before[1]])
        if len(again) == 0:
            return
        target = _Target.of(self._planes, self._thresholds, again)
        chosen, cost = self._search(target)
        if before is None:
            self._cells = chosen
            return
        old = before[0][again], before[1][again], before[2][:, again]
        _, old_cost = self._judge(target, old[0], old[1], old[2])
        margin = np.where(dirty[again], 1 + _KEEP, 1 + _HOLD)
        worse = old_cost > cost * margin + _KEEP_FLOOR
        changed = again[worse]
        for whole, new in zip(before, chosen, strict=True):
            whole[..., changed] = new[..., worse]

    def _search(self, target: _Target) -> tuple[Cells, F32]:
        """The best cells and their costs."""
        colors = self._palette.lab
        planes, mean = target.planes, target.mean
        if self._settings.still:
            return self._judge(target, *self._best_of_all(target))
        # Two halves across the line from the mean to the pixel farthest from it.
        apart = planes - mean[:, None]
        farthest = (apart[0] ** 2 + apart[1] ** 2 + apart[2] ** 2).argmax(axis=0)
        line = apart[:, farthest, np.arange(planes.shape[2])]
        side = _dot(apart, line) > 0
        count = side.sum(axis=0).astype(np.float32)
        here = (planes * side).sum(axis=1)
        there = (_PIXELS * mean - here) / np.maximum(_PIXELS - count, 1)
        here /= np.maximum(count, 1)
        one = _apart(colors, np.where(count > 0, here, mean)).argmin(axis=0)
        halves, cost = self._judge(target, one, _apart(colors, there).argmin(axis=0))
        if self._mean == 0:
            return halves, cost
        mixed, mixed_cost = self._judge(target, *self._mixture(mean))
        better = mixed_cost < cost
        for part, other in zip(halves, mixed, strict=True):
            np.copyto(part, other, where=better)
        return halves, np.minimum(cost, mixed_cost)

    def _mixture(self, mean: F32) -> tuple[I64, I64]:
        """The nearest colour to each mean and the one that makes the best mixture with it."""
        colors = self._palette.lab
        distance = _apart(colors, mean)
        nearest = distance.argmin(axis=0)
        least = distance[nearest, np.arange(mean.shape[1])]
        lengths = _lengths(colors)
        best, partner = least.copy(), nearest.copy()
        for slot in range(PALETTE_SIZE):
            length = lengths[slot][nearest]
            share = (least - distance[slot] + length) / np.maximum(2 * length, 1e-9)
            share = np.clip(share, 0, 1)
            # Squared distance to the mixture, and a part of its contrast.
            cost = least + share * (distance[slot] - least)
            cost -= (1 - _GRAIN) * length * (share - share * share)
            better = cost < best
            partner[better] = slot
            np.minimum(best, cost, out=best)
        return nearest, partner

    def _best_of_all(self, target: _Target) -> tuple[I64, I64]:
        """The best pair of all; stills only, for the time it takes."""
        colors = self._palette.lab
        pixels = [_apart(colors, target.planes[:, pixel]) for pixel in range(_PIXELS)]
        distance = np.stack(pixels, axis=1)
        whole = _PIXELS * self._mean * _apart(colors, target.mean)
        lengths = _PIXELS * self._mean * _lengths(colors)
        single = distance.sum(axis=1) + whole
        front = single.argmin(axis=0)
        back = front.copy()
        best = single.min(axis=0)
        for one, other in combinations(range(PALETTE_SIZE), 2):
            cost = np.minimum(distance[one], distance[other]).sum(axis=0)
            length = lengths[one, other]
            if length > 0:
                share = np.clip((whole[other] - whole[one] + length) / (2 * length), 0, 1)
                cost += whole[other] + share * (whole[one] - whole[other])
                cost -= (1 - _GRAIN) * length * (share - share * share)
            better = cost < best
            front[better], back[better] = one, other
            np.minimum(best, cost, out=best)
        return front, back

    def _judge(
        self, target: _Target, front: I64, back: I64, drawn: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Cells, F32]:
        """Cells of these colours and their cost: squared error of the pixels and, weighted, of the
        means. Without `drawn`, a pixel shows the foreground if its share is above its threshold.
        """
        colors = np.ascontiguousarray(self._palette.lab.T)
        base = colors.take(back, axis=1)
        way = colors.take(front, axis=1) - base
        length = (way * way).sum(axis=0)
        along = _dot(target.planes, way) - (base * way).sum(axis=0)
        if drawn is None:
            limit = np.minimum(length, _SPREAD * np.sqrt(length))
            drawn = along > 0.5 * length + target.thresholds * limit
        count = drawn.sum(axis=0).astype(np.float32)
        # The sum of (pixel - shown)^2 over a cell, multiplied out.
        pixels = target.square + _PIXELS * (base * (base - 2 * target.mean)).sum(axis=0)
        pixels += count * length - 2 * (along * drawn).sum(axis=0)
        missed = target.mean - base - way * (count / _PIXELS)
        return (front, back, drawn), pixels + _PIXELS * self._mean * (missed * missed).sum(axis=0)

    def _screen(self) -> Screen:
        shape = (self._rows, self._columns)
        if self._cells is None:
            empty = np.zeros(shape, np.uint8)
            return Screen(empty, empty.copy(), self._palette.rgb.copy())
        front, back, drawn = (part.copy() for part in self._cells)
        drawn &= front != back
        bits = (drawn << np.arange(_PIXELS)[:, None]).sum(axis=0)
        # The sixth pixel always shows the background.
        turned = drawn[_PIXELS - 1]
        bits[turned] ^= 63
        front[turned], back[turned] = back[turned], front[turned]
        # A blank keeps the foreground before it, for longer runs.
        front = front.reshape(shape)
        last = np.where(bits.reshape(shape) > 0, np.arange(self._columns), -1)
        last = np.maximum.accumulate(last, axis=1)
        front = np.where(last < 0, 0, np.take_along_axis(front, np.maximum(last, 0), axis=1))
        characters = np.where(bits == 0, BLANK, 128 + bits).astype(np.uint8).reshape(shape)
        colors = (back.reshape(shape) << 4 | front).astype(np.uint8)
        return Screen(characters, colors, self._palette.rgb.copy())


def _dot(planes: F32, way: F32) -> F32:
    """(6, n) products of (3, 6, n) and (3, n)."""
    product: F32 = planes[0] * way[0]
    product += planes[1] * way[1]
    product += planes[2] * way[2]
    return product


def _apart(colors: F32, points: F32) -> F32:
    """(16, n) squared distances of (16, 3) and (3, n)."""
    cross = (-2 * colors) @ points
    cross += (points * points).sum(axis=0)
    cross += (colors * colors).sum(axis=1)[:, None]
    np.maximum(cross, 0, out=cross)
    return cross


def _lengths(colors: F32) -> F32:
    apart = colors[:, None] - colors[None]
    return np.asarray((apart * apart).sum(axis=2), np.float32)


def _bayer(rows: int, columns: int) -> F32:
    """(6, n): the 8 x 8 Bayer matrix, -0.5 to 0.5, at the pixels of each cell."""
    y, x = np.mgrid[0 : 3 * rows, 0 : 2 * columns]
    z = x ^ y
    rank = (z & 1) << 5 | (y & 1) << 4 | (z & 2) << 2 | (y & 2) << 1 | (z & 4) >> 1 | (y & 4) >> 2
    cells = rank.reshape(rows, 3, columns, 2).transpose(1, 3, 0, 2).reshape(_PIXELS, -1)
    centred: F32 = ((cells + 0.5) / 64 - 0.5).astype(np.float32)
    return centred
