"""PNG files of a film's pictures, in the order of the film."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from gmapi.computercraft import png
from gmapi.computercraft.indexed_film import IndexedFilm
from gmapi.computercraft.screen import U8

Kind = Literal["png", "png8", "gray"]


class FilmFiles:
    """Takes the pictures of one film, one after another, all of one size."""

    def __init__(self, kind: Kind, width: int, height: int) -> None:
        self._file_of: Callable[[U8], bytes] = png.plain
        if kind == "png8":
            self._file_of = IndexedFilm(height, width).png
        self._last = self._last_file = b""

    def file(self, pixels: U8) -> bytes:
        """The file of the next picture, (height, width, channels) u8: three channels, or one for
        `gray`. Of a picture that is equal to the one before it is the same object."""
        raw = pixels.tobytes()
        if raw != self._last:
            self._last, self._last_file = raw, self._file_of(pixels)
        return self._last_file
