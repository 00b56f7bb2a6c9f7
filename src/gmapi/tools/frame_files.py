"""The files of a film's frames, made of what ffmpeg writes to its standard output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from gmapi.computercraft.film_files import FilmFiles
from gmapi.computercraft.pipeline import Pipeline
from gmapi.media.jpeg_stream import JpegSplitter
from gmapi.media.pictures import Written
from gmapi.media.shapes import PictureSize
from gmapi.tools.frame_formats import FrameFormat

WRITTEN: dict[FrameFormat, Written] = {"png": "rgb", "png8": "rgb", "gray": "gray", "jpeg": "jpeg"}
"""How ffmpeg has to write the pictures for these files."""


class FrameFiles:
    """Takes bytes in any pieces and hands each file on, in order, to `deliver`, which is called by
    whoever calls `feed` and `finish`.

    Equal pictures that follow each other give equal files, which is the same object but for JPEG.
    """

    def __init__(
        self, kind: FrameFormat, size: PictureSize, deliver: Callable[[bytes], None]
    ) -> None:
        self._deliver = deliver
        self._pictures: Pipeline[bytes] | None = None
        self._splitter = JpegSplitter()
        if kind == "jpeg":
            return
        files = FilmFiles(kind, size.width, size.height)
        self._pictures = Pipeline(
            size.width,
            size.height,
            lambda _, pixels: files.file(pixels),
            deliver,
            threads=1,  # in their order
            channels=1 if kind == "gray" else 3,
        )

    def feed(self, data: bytes) -> None:
        """Take bytes, and hand on what has been made meanwhile."""
        if self._pictures is not None:
            self._pictures.feed(data)
            return
        for file in self._splitter.feed(data):
            self._deliver(file)

    def finish(self) -> None:
        """Hand on the rest; what is no whole picture is dropped."""
        if self._pictures is not None:
            self._pictures.finish()

    def __enter__(self) -> Self:
        if self._pictures is not None:
            self._pictures.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._pictures is not None:
            self._pictures.__exit__(*exc)
