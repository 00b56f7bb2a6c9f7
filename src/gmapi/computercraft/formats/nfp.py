"""NFP: one hexadecimal digit for each pixel; formats document, 5.4."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmapi.computercraft.cells import pixels
from gmapi.computercraft.formats import blit
from gmapi.computercraft.formats.writer import Ending, Film, Tally
from gmapi.computercraft.screen import U8, Screen


def lines(indexes: U8) -> bytes:
    """(height, width) palette indexes to one line for each row."""
    height, width = indexes.shape
    text = np.full((height, width + 1), ord("\n"), np.uint8)
    text[:, :width] = blit.DIGITS[indexes]
    return text.tobytes()


class NfpWriter:
    """See `writer.Writer`. The format has neither palette nor time: colours are those of the
    default palette, and the frames of a video follow each other.

    With `blocks_only` a cell is one digit, its background, instead of 2 x 3.
    """

    def __init__(self, film: Film, *, blocks_only: bool = False) -> None:
        if film.wall is not None:
            raise ValueError("nfp cannot hold the screens of a wall")
        self._blocks_only = blocks_only

    def header(self) -> bytes:
        """Nothing."""
        return b""

    def frame(self, screens: Sequence[Screen], seconds: float) -> bytes:
        """The lines of one picture."""
        (screen,) = screens
        if self._blocks_only:
            return lines(screen.background)
        return lines(pixels(screen.characters, screen.colors))

    def finish(self, tally: Tally) -> Ending:
        """Nothing."""
        return Ending()
