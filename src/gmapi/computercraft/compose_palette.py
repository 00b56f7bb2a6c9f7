"""The palette of `best` pictures in NumPy: weighted k-means in OKLab that goes on from the frame
before. See native/compose_palette.hpp, whose constants and steps these are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from gmapi.computercraft.options import PALETTE_SIZE, Rgb
from gmapi.computercraft.screen import U8

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]

_CHROMA_BONUS = 4.0
_DARK_SHARE = 0.7
"""Weight of black against light colours."""
_SKIN_BONUS = 3.0
"""Faces are small, and all look at them."""
_STRETCH = np.array([1.0, 1.4, 1.4], np.float32)
"""Of the axes L, a, b: light can be mixed from any greys, chroma cannot."""
_CUT = 0.45
"""Share of pixels with another coarse colour that makes a cut."""
_STILL_COLOR = 0.004
"""An entry stays while its centre is nearer than this."""
_MOVE_MARGIN = 1.6
_WARM_STEPS = 4
_SETTLE_FRAMES = 4
_ENDS = (0, PALETTE_SIZE - 1)
"""The slots clients draw text with: assigned at cuts only."""

_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@cache
def _linear() -> npt.NDArray[np.float64]:
    v = np.arange(256) / 255
    light: npt.NDArray[np.float64] = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    return light


def oklab(pixels: U8) -> F32:
    """(..., 3) red, green, blue to OKLab (Bjorn Ottosson, "A perceptual color space for image
    processing")."""
    cones = np.cbrt(_linear()[pixels] @ _CONES.T)
    lab: F32 = (cones @ _LAB.T).astype(np.float32)
    return lab


def planes_of(pixels: U8) -> F32:
    """(3, n) red, green, blue to OKLab, by a table of cube roots."""
    light = _light_table().take(pixels)
    cones = _CONES.astype(np.float32) @ light
    planes: F32 = _LAB.astype(np.float32) @ _root_table().take(cones.astype(np.uint16))
    return planes


@cache
def _light_table() -> F32:
    return np.asarray(_linear() * 65534, np.float32)


@cache
def _root_table() -> F32:
    return np.asarray(np.cbrt(np.arange(65536) / 65534.5), np.float32)


def srgb(lab: F32) -> U8:
    """OKLab to the nearest bytes of red, green, blue."""
    light = ((lab @ np.linalg.inv(_LAB).T) ** 3) @ np.linalg.inv(_CONES).T
    light = np.clip(light, 0, 1)
    v = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(255 * v), np.uint8)


class WarmPalette:
    """16 colours that follow a video.

    `rgb` (16, 3) u8 and `lab` (16, 3) f32 are what is shown.
    """

    def __init__(self, colors: Sequence[Rgb | None], *, patient: bool) -> None:
        self.rgb: U8 = np.zeros((PALETTE_SIZE, 3), np.uint8)
        self._locked = np.zeros(PALETTE_SIZE, bool)
        for slot, color in enumerate(colors):
            if color is not None:
                self.rgb[slot], self._locked[slot] = color, True
        self.lab = oklab(self.rgb)
        self._patient = patient
        self._centers = self.lab * _STRETCH
        self._points = np.empty((0, 3), np.float32)
        self._weights = np.empty(0, np.float32)
        self._coarse: I64 | None = None
        self._settling = 0

    @property
    def settling(self) -> bool:
        """Whether `update` can still change something though the picture does not."""
        return self._settling > 0

    def update(self, samples: F32 | None) -> tuple[bool, npt.NDArray[np.bool_]]:
        """Follow a picture, (n, 3) OKLab, or the one before if None. Gives whether this is a cut
        and which slots changed (16 bools)."""
        nothing = np.zeros(PALETTE_SIZE, bool)
        first = self._coarse is None
        change = 0.0 if samples is None else self._count(samples)
        cut = first or change > _CUT
        if self._locked.all():
            return first, nothing
        unsettled = True
        if cut:
            self._start()
        else:
            unsettled = self._steps(_WARM_STEPS * (2 if self._patient else 1))
            if self._move_one(_MOVE_MARGIN, keep=_ENDS):
                self._steps(_WARM_STEPS)
                unsettled = True
        self._settling = _SETTLE_FRAMES if samples is not None else self._settling - 1
        if not unsettled:
            self._settling = 0
        return cut, self._show(cut)

    def _count(self, samples: F32) -> float:
        """Group near-equal colours; the share of pixels that moved since the last time."""
        origin, scale = np.array([[0, 0.26, 0.34], [40, 55, 55]], np.float32)
        scaled = (samples + origin) * scale
        bins = np.clip(scaled, 0, (39, 31, 31)).astype(np.int64)
        index = (bins[:, 0] << 10) | (bins[:, 1] << 5) | bins[:, 2]
        counts = np.bincount(index, minlength=40 << 10)
        used = np.flatnonzero(counts)
        n = counts[used].astype(np.float32)
        sums = [np.bincount(index, samples[:, axis], 40 << 10)[used] for axis in range(3)]
        mean = (np.stack(sums, axis=1) / n[:, None]).astype(np.float32)
        light, a, b = mean.T
        skin = 1 / (1 + 1000 * ((a - 0.03) ** 2 + (b - 0.052) ** 2))
        self._points = mean * _STRETCH
        self._weights = (
            n**0.75
            * (1 + _CHROMA_BONUS * np.hypot(a, b))
            * np.minimum(1, _DARK_SHARE + 2 * (1 - _DARK_SHARE) * light)
            * (1 + _SKIN_BONUS * skin**2)
        )
        coarse = counts.reshape(10, 4, 8, 4, 8, 4).sum(axis=(1, 3, 5)).ravel()
        before, self._coarse = self._coarse, coarse
        if before is None:
            return 1.0
        return float(np.abs(coarse - before).sum()) / (2 * len(samples))

    def _distances(self, centers: F32) -> F32:
        """(groups, centres), squared."""
        points = self._points
        cross = points @ (-2 * centers.T)
        cross += (points * points).sum(axis=1)[:, None]
        cross += (centers * centers).sum(axis=1)
        np.maximum(cross, 0, out=cross)
        return cross

    def _start(self) -> None:
        """A new palette from nothing but the locked entries."""
        self._centers = self.lab * _STRETCH
        free = np.flatnonzero(~self._locked)
        least = np.full(len(self._points), 0.1, np.float32)
        if self._locked.any():
            least = np.minimum(least, self._distances(self._centers[self._locked]).min(axis=1))
        spare = 0
        for slot in free:
            gain = self._weights * least
            best = int(gain.argmax())
            if gain[best] < 1e-7:
                # A picture of few colours: black and white are of use to what is drawn on it.
                self._centers[slot] = (spare % 2, 0, 0)
                spare += 1
                continue
            self._centers[slot] = self._points[best]
            least = np.minimum(least, self._distances(self._points[best : best + 1])[:, 0])
        self._steps(4)
        for _ in range(24 if self._patient else 10):
            if not self._move_one(1.0, keep=()):
                break
            self._steps(2)
        self._steps(40 if self._patient else 8)
        self._centers[free] = self._centers[
            free[np.argsort(-self._centers[free, 0], kind="stable")]
        ]

    def _steps(self, most: int) -> bool:
        """Steps of k-means; whether a centre still moved visibly in the last."""
        for _ in range(most):
            slot = self._distances(self._centers).argmin(axis=1)
            weight = np.bincount(slot, self._weights, PALETTE_SIZE)
            moving = (weight > 0) & ~self._locked
            mean = self._centers.copy()
            for axis in range(3):
                total = np.bincount(slot, self._weights * self._points[:, axis], PALETTE_SIZE)
                mean[moving, axis] = total[moving] / weight[moving]
            moved = ((mean - self._centers) ** 2).sum(axis=1).max()
            self._centers = mean
            if moved <= 1e-6:
                return False
        return True

    def _move_one(self, margin: float, *, keep: Sequence[int]) -> bool:
        """Move the slot that would be missed least to where it gains most, if the gain is `margin`
        times the loss."""
        distance = self._distances(self._centers)
        slot = distance.argmin(axis=1)
        first, second = np.partition(distance, 1, axis=1)[:, :2].T
        loss = np.bincount(slot, self._weights * (second - first), PALETTE_SIZE)
        loss[self._locked] = np.inf
        loss[list(keep)] = np.inf
        poorest = int(loss.argmin())
        if not np.isfinite(loss[poorest]):
            return False
        errors = self._weights * first
        worst = np.argsort(-errors, kind="stable")[:8]
        target = self._points[worst]
        best, where = 0.0, target[0]
        for _ in range(2):
            better = np.maximum(first[:, None] - self._distances(target), 0)
            gains = self._weights @ better
            top = int(gains.argmax())
            if gains[top] > best:
                best, where = float(gains[top]), target[top]
            share = self._weights[:, None] * (better > 0)
            target = (share.T @ self._points) / np.maximum(share.sum(axis=0), 1e-9)[:, None]
        if best <= margin * loss[poorest] + (margin - 1) * 0.02 * errors.sum():
            return False
        self._centers[poorest] = where
        return True

    def _show(self, cut: bool) -> npt.NDArray[np.bool_]:
        wanted = self._centers / _STRETCH
        far = ((wanted - self.lab) ** 2).sum(axis=1) > _STILL_COLOR**2
        rgb = srgb(wanted)
        changed = ~self._locked & (far | cut) & (rgb != self.rgb).any(axis=1)
        self.rgb[changed] = rgb[changed]
        self.lab[changed] = oklab(rgb[changed])
        return np.asarray(changed, bool)
