"""One picture of a character screen, which is what every format stores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]

BLANK = 32
"""A cell of one colour is stored as a space on its background."""


@dataclass(frozen=True, eq=False)
class Screen:
    """Cells of 2 x 3 pixels.

    `characters`: (rows, columns) u8, 128 to 159 for pixel patterns (bit i of the low five set:
    pixel i, counted row by row, shows the foreground; the sixth always shows the background),
    32 for a blank cell, other codes for text.
    `colors`: (rows, columns) u8, background * 16 + foreground, both palette indexes.
    `palette`: (n, 3) u8, red, green, blue, 1 to 16 entries.
    """

    characters: U8
    colors: U8
    palette: U8

    @property
    def rows(self) -> int:
        """Cells from top to bottom."""
        return int(self.characters.shape[0])

    @property
    def columns(self) -> int:
        """Cells from left to right."""
        return int(self.characters.shape[1])

    @property
    def foreground(self) -> U8:
        """(rows, columns) u8: palette index of the drawn pixels."""
        return np.bitwise_and(self.colors, np.uint8(15))

    @property
    def background(self) -> U8:
        """(rows, columns) u8: palette index of the other pixels."""
        return np.right_shift(self.colors, np.uint8(4))
