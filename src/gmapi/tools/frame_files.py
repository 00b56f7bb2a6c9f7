"""The files of a film's frames, made of what ffmpeg writes to its standard output."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from gmapi.computercraft.film_files import FilmFiles
from gmapi.media.jpeg_stream import JpegSplitter
from gmapi.media.pictures import Written
from gmapi.media.shapes import PictureSize
from gmapi.tools.frame_formats import FrameFormat

WRITTEN: dict[FrameFormat, Written] = {"png": "rgb", "png8": "rgb", "gray": "gray", "jpeg": "jpeg"}
"""How ffmpeg has to write the pictures for these files."""


class FrameFiles(Protocol):
    """Makes the files of one film."""

    def feed(self, data: bytes) -> Iterable[bytes]:
        """The files that these bytes complete, in order; the pieces may be any."""


def frame_files(kind: FrameFormat, size: PictureSize) -> FrameFiles:
    """What takes the bytes that ffmpeg writes of pictures of this size, see `WRITTEN`."""
    return JpegSplitter() if kind == "jpeg" else FilmFiles(kind, size.width, size.height)
