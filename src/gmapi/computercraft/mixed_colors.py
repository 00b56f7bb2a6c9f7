"""What a palette makes of each colour: one of its own, or a mix of two by a pattern of pixels."""

from __future__ import annotations

import numpy as np

from gmapi.computercraft.color_groups import F32, Indexes, nearest
from gmapi.computercraft.screen import U8

LEVELS = 16
"""Of the pattern: a pixel of level n takes the second colour of a mix that has more than n of it.
"""

_UNKNOWN = 255
COLORS_MAX = 255
"""The last index of a byte is for what has not been looked up yet."""

_CALM = 0.5
"""How the noise of a mix weighs against its error: with 1 nothing is ever mixed, with 0 all is."""
_PARTNERS = 12
_AT_A_TIME = 4096

# The highest 6 bits of each channel, then the level.
_HIGH = np.arange(256, dtype=np.intp) & 252
_RED, _GREEN, _BLUE = _HIGH << 14, _HIGH << 8, _HIGH << 2
_COLORS = 1 << 18


class MixedColors:
    """A `palette`, (k, 3) u8 with k <= 255, and its mixes, which are found when they are needed."""

    def __init__(self, palette: U8) -> None:
        self.palette = palette
        self._colors = palette.astype(np.float32)
        distances = ((self._colors[:, None] - self._colors) ** 2).sum(axis=2)
        # The first one is the colour itself.
        self._partners = distances.argsort(axis=1, kind="stable")[:, :_PARTNERS]
        self._towards = self._colors[self._partners] - self._colors[:, None]
        self._lengths = (self._towards**2).sum(axis=2)
        self._indexes = np.full((_COLORS, LEVELS), _UNKNOWN, np.uint8)

    def indexes(self, pixels: U8, levels: Indexes) -> U8:
        """The palette's indexes for (height, width, 3) u8 pixels with these levels, 0 to 15."""
        places = _RED[pixels[..., 0]]
        places += _GREEN[pixels[..., 1]]
        places += _BLUE[pixels[..., 2]]
        places += levels
        found: U8 = self._indexes.take(places)
        unknown = found == _UNKNOWN
        if unknown.any():
            new = np.zeros(_COLORS, np.bool_)
            new[places[unknown] // LEVELS] = True
            self._find(np.flatnonzero(new))
            found = self._indexes.take(places)
        return found

    def _find(self, numbers: Indexes) -> None:
        channels = np.stack((numbers >> 12, numbers >> 6 & 63, numbers & 63), axis=1)
        # 6 bits to 8 so that 0 stays 0 and 63 becomes 255.
        colors = (channels << 2 | channels >> 4).astype(np.float32)
        for at in range(0, len(numbers), _AT_A_TIME):
            part = slice(at, at + _AT_A_TIME)
            self._indexes[numbers[part]] = self._mixes(colors[part])

    def _mixes(self, colors: F32) -> U8:
        """Of (n, 3) colours the indexes by level, (n, 16)."""
        first = nearest(colors, self._colors)
        away = colors - self._colors[first]
        lengths = self._lengths[first]
        along = np.einsum("nc,npc->np", away, self._towards[first])
        share = np.rint(along / np.maximum(lengths, 1) * LEVELS).clip(0, LEVELS // 2) / LEVELS
        # The square of what a mix is off, less that of its first colour, and what it varies.
        cost = share * (share * lengths - 2 * along) + _CALM * share * (1 - share) * lengths
        best = cost.argmin(axis=1)
        rows = np.arange(len(colors))
        second = self._partners[first, best]
        count = share[rows, best] * LEVELS
        is_second = np.arange(LEVELS) < count[:, None]
        return np.where(is_second, second[:, None], first[:, None]).astype(np.uint8)
