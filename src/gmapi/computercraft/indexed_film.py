"""A film in 255 colours: its pictures get a palette that stays as long as it serves.

Where pixels stay the same, so do their indexes: which of two colours is taken in a mix is a matter
of the place on the screen. So nothing flickers, and what is even becomes a pattern that packs well.
"""

from __future__ import annotations

import math

import numpy as np

from gmapi.computercraft import color_groups, png
from gmapi.computercraft.color_groups import F32
from gmapi.computercraft.deflate import deflate, deflate_small
from gmapi.computercraft.mixed_colors import COLORS_MAX, MixedColors
from gmapi.computercraft.screen import U8

_COLORS_MIN = 64
_GOOD = 48.0
"""Mean square of the distance, the three channels added, that a new palette is to have unmixed."""
_BETTER = 0.8
"""How much better than it must be one is made of an old one, so that it serves for a while."""
_SERVES = 68.0
"""What is always good enough for a picture: 34.6 dB."""
_SAFE = 0.9
"""What of that a palette made of an old one may have; else it is made anew."""
_WORSE = 1.3
"""Where a palette could not be as good, it serves until this has grown so many times."""
_FAR, _FAR_MORE = 48.0, 0.003
"""Nor may so many more pixels be so far from their colours: small things of a new colour, such as
subtitles, weigh little in a mean."""
_CUT = 1500.0
"""Mean square between two pictures, the channels added, by which another scene begins."""
_SCENE_MIN = 10
"""Pictures; scenes that are shorter are none, but pictures that move fast."""

_UNLIKE = 0.95

_JUDGED = 1 << 12
_COUNTED = 1 << 16
"""Pixels, about, by which a palette is judged, and is made."""
_BAND = 1 << 15
"""Pixels that are looked up at a time, so that they stay in the processor's cache."""
_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.intp)


class IndexedFilm:
    """Takes the pictures of one film in order, all of one size."""

    def __init__(self, height: int, width: int) -> None:
        self._judged = _step(height, width, _JUDGED)
        self._counted = _step(height, width, _COUNTED)
        self._rows = max(4, _BAND // width // 4 * 4)
        self._levels = np.tile(_BAYER, (self._rows // 4, -(-width // 4)))[:, :width]
        self._colors: MixedColors | None = None
        self._before = np.zeros((1, 1, 3), np.float32)
        self._age = 0
        self._worst = self._farthest = 0.0

    def png(self, pixels: U8) -> bytes:
        """The next picture as a PNG file; see `indexed`."""
        indexes, palette = self.indexed(pixels)
        # Patterns are smaller as they are, others as differences: the quick deflate tells which.
        # The good one makes more of patterns.
        rows, differences = png.filtered(indexes, 0), png.filtered(indexes, 1)
        if len(deflate(differences)) < _UNLIKE * len(deflate(rows)):
            rows = differences
        return png.indexed(indexes, palette, deflate_small(rows))

    def indexed(self, pixels: U8) -> tuple[U8, U8]:
        """A picture of (height, width, 3) u8 red, green, blue as indexes, (height, width) u8, and
        their palette, (k, 3) u8 with k <= 255."""
        seen = pixels[:: self._judged, :: self._judged].astype(np.float32)
        is_cut = self._is_cut(seen)
        self._before = seen
        self._age += 1
        if self._colors is not None:
            worst = _SERVES if is_cut else self._worst
            indexes, error, far = self._looked_up(pixels, seen, self._colors)
            if (error > worst or far > self._farthest) and not is_cut:
                self._colors = self._made(pixels, self._colors.palette)
                indexes, error, far = self._looked_up(pixels, seen, self._colors)
                worst *= _SAFE
            if error <= worst and far <= self._farthest:
                return indexes, self._colors.palette
        self._colors = self._made(pixels, None)
        indexes, error, far = self._looked_up(pixels, seen, self._colors)
        self._worst, self._farthest = max(_SERVES, _WORSE * error), far + _FAR_MORE
        self._age = 0
        return indexes, self._colors.palette

    def _is_cut(self, seen: F32) -> bool:
        if self._age < _SCENE_MIN:
            return False
        return float(_squares(seen - self._before).mean()) > _CUT

    def _made(self, pixels: U8, start: U8 | None) -> MixedColors:
        counted = pixels[:: self._counted, :: self._counted].reshape(-1, 3)
        palette = color_groups.palette_of(
            *color_groups.gathered(counted), least=_COLORS_MIN, most=COLORS_MAX,
            good=_GOOD if start is None else _BETTER * _GOOD,
            start=None if start is None else start.astype(np.float64),
        )  # fmt: skip
        return MixedColors(color_groups.in_order(np.unique(np.rint(palette), axis=0)))

    def _looked_up(self, pixels: U8, seen: F32, colors: MixedColors) -> tuple[U8, float, float]:
        """The indexes, the mean square of their distances, and the share of those far away."""
        indexes = np.empty(pixels.shape[:2], np.uint8)
        for top in range(0, len(pixels), self._rows):
            band = pixels[top : top + self._rows]
            indexes[top : top + self._rows] = colors.indexes(band, self._levels[: len(band)])
        shown = colors.palette[indexes[:: self._judged, :: self._judged]]
        squares = _squares(seen - shown)
        return indexes, float(squares.mean()), float((squares > _FAR * _FAR).mean())


def _squares(differences: F32) -> F32:
    squares: F32 = (differences * differences).sum(axis=-1)
    return squares


def _step(height: int, width: int, wanted: int) -> int:
    """Each how manieth row and column is taken to have about as many pixels as are `wanted`.

    An odd number, so that all levels of the pattern are among them.
    """
    return max(1, math.isqrt(height * width // wanted)) | 1
