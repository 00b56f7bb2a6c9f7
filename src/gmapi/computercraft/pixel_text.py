"""Subtitles as pixels, for formats that have pictures only: a character is 6 x 9 pixels."""

from __future__ import annotations

import numpy as np

from gmapi.computercraft.preview_font import GLYPH_HEIGHT, GLYPH_WIDTH, glyphs
from gmapi.computercraft.screen import BLANK, U8, Screen
from gmapi.computercraft.subtitles import Subtitles

_WIDTH, _HEIGHT = GLYPH_WIDTH + 1, GLYPH_HEIGHT + 1
_UNKNOWN = ord("?")


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

    def draw(self, pixels: U8, frame: int) -> U8:
        """(height, width, 3) u8 with the text of picture `frame`, from 0; the same array where
        there is none."""
        empty = np.zeros((self._rows, self._columns), np.uint8)
        screen = self._subtitles.burn(Screen(empty, empty, np.zeros((1, 3), np.uint8)), frame)
        if not screen.characters.any():
            return pixels
        drawn, palette = pixels.copy(), screen.palette[:, :: self._step]
        for row, column in np.argwhere(screen.characters):
            top, left = self._top + row * _HEIGHT, self._left + column * _WIDTH
            box = drawn[top : top + _HEIGHT, left : left + _WIDTH]
            box[:] = palette[screen.background[row, column]]
            code = int(screen.characters[row, column])
            if code != BLANK:
                shape = glyphs().get(code, glyphs()[_UNKNOWN]).astype(np.bool_)
                ink = palette[screen.foreground[row, column]]
                box[1:, :GLYPH_WIDTH][shape] = ink
        return drawn
