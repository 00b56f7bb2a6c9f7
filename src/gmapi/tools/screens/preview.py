"""A preview of the screens as a picture file that any browser shows."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from gmapi.errors import LimitError
from gmapi.media import raw_pictures
from gmapi.media.process import PROGRESS_FD
from gmapi.storage.base import StoredFile
from gmapi.tools.base import Work
from gmapi.tools.screens.rhythm import Rhythm


class PreviewFile:
    """Collects PNG pictures; a GIF is made of them by ffmpeg in the end, without loss."""

    def __init__(self, work: Work, kind: str, rhythm: Rhythm) -> None:
        self._work = work
        self._kind = kind
        self._rhythm = rhythm
        self._path = work.outputs / "pictures"
        self._size = 0

    def __enter__(self) -> Self:
        self._file = open(self._path, "wb")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, png: bytes) -> None:
        """Take the next picture."""
        self._file.write(png)
        self._size += len(png)
        if self._size > self._work.settings.output_limit:
            raise LimitError("The preview takes more space than this server allows for one job.")

    def publish(self, name: str) -> StoredFile:
        """Make the preview of the pictures taken."""
        if self._kind == "png":
            return self._work.publish(name, self._path)
        work = self._work
        output = work.outputs / name
        argv = raw_pictures.gif_of_pngs(
            work.ffmpeg,
            self._path,
            output,
            fps=self._rhythm.fps,
            max_pixels=work.settings.picture_max_pixels,
            progress_fd=PROGRESS_FD,
        )
        work.run_ffmpeg(argv, outputs=[output])
        self._path.unlink()
        return work.publish(name, output)
