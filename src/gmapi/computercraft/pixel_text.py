"""Subtitles as pixels, for formats that have pictures only: a character is 6 x 9 pixels."""

from __future__ import annotations

import numpy as np

from gmapi.computercraft.preview_font import GLYPH_HEIGHT, GLYPH_WIDTH, cells
from gmapi.computercraft.screen import U8, Screen
from gmapi.computercraft.subtitles import Hidden, Subtitles

_WIDTH, _HEIGHT = GLYPH_WIDTH + 1, GLYPH_HEIGHT + 1


class PixelText:
    """The subtitles of one picture size and rate; threads may share it."""

    def __init__(
        self, text: str, fps: float, width: int, height: int, *, blue_first: bool = False
    ) -> None:
        """See `Subtitles.from_text`; `width` and `height` are pixels of the picture, whose
        channels are red, green, blue unless blue comes first."""
        self._step = -1 if blue_first else 1
        self._columns, self._rows = width // _WIDTH, height // _HEIGHT
        # In the middle, and down to the last row.
        self._left, self._top = width % _WIDTH // 2, height % _HEIGHT
        # Laid out for a screen whose cells are as large as these characters.
        self._subtitles = Subtitles.from_text(text, fps, 2 * self._columns, 3 * self._rows)

    def hidden(self, frames: int) -> Hidden:
        """See `Subtitles.hidden`."""
        return self._subtitles.hidden(frames)

    def draw(self, pixels: U8, frame: int) -> U8:
        """(height, width, 3) u8 with the text of picture `frame`, from 0; the same array where
        there is none."""
        empty = np.zeros((self._rows, self._columns), np.uint8)
        screen = self._subtitles.burn(Screen(empty, empty, np.zeros((1, 3), np.uint8)), frame)
        if not screen.characters.any():
            return pixels
        drawn, palette = pixels.copy(), screen.palette[:, :: self._step]
        for row in np.flatnonzero(screen.characters.any(axis=1)):
            columns = np.flatnonzero(screen.characters[row])
            top = self._top + int(row) * _HEIGHT
            band = drawn[top : top + _HEIGHT]
            across = (self._left + columns * _WIDTH)[:, None] + np.arange(_WIDTH)
            ink = palette[screen.foreground[row, columns]][:, None, None]
            paper = palette[screen.background[row, columns]][:, None, None]
            shapes = cells()[screen.characters[row, columns]][..., None]
            # (letters, dots down, dots across, channels) as a band of the picture.
            band[:, across] = np.where(shapes, ink, paper).swapaxes(0, 1)
        return drawn
