"""PNG files of a film's pictures, in the order of the film."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

from gmapi.computercraft import png
from gmapi.computercraft.indexed_film import IndexedFilm
from gmapi.computercraft.screen import U8

Kind = Literal["png", "png8", "gray"]


class FilmFiles:
    """Cuts bytes into pictures, all of one size, and makes a file of each: in the caller's thread
    and at once, since whoever writes them runs ahead by what a pipe holds.

    The bytes are rows of pixels of three bytes, red, green, blue, or for `gray` of one.
    """

    def __init__(self, kind: Kind, width: int, height: int) -> None:
        self._shape = (height, width, 1 if kind == "gray" else 3)
        self._file_of: Callable[[U8], bytes] = png.plain
        if kind == "png8":
            self._file_of = IndexedFilm(height, width).png
        self._picture = bytearray(height * width * self._shape[2])
        self._filled = 0
        self._last = bytearray()
        self._file = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The files of the pictures that `data` completes. That of a picture which is equal to the
        one before is the same object."""
        view = memoryview(data)
        while view:
            taken = min(len(view), len(self._picture) - self._filled)
            self._picture[self._filled : self._filled + taken] = view[:taken]
            self._filled += taken
            view = view[taken:]
            if self._filled == len(self._picture):
                yield self._made()

    def _made(self) -> bytes:
        self._filled = 0
        if self._picture != self._last:
            pixels = np.frombuffer(self._picture, np.uint8).reshape(self._shape)
            self._file = self._file_of(pixels)
            self._last, self._picture = self._picture, self._last or bytearray(pixels.size)
        return self._file
