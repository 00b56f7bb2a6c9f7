"""The sound of a video, made beside its pictures and read in pieces while it is made."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Self

from gmapi.errors import MediaError
from gmapi.media import raw_pictures
from gmapi.media.process import PROGRESS_FD
from gmapi.media.selection import Selection
from gmapi.tools.base import Work

SECONDS_PER_PIECE = 0.5
_LOOK_SECONDS = 0.05


class SoundTrack:
    """One channel at 48 kHz, as unsigned 8-bit samples or DFPWM, in pieces of half a second.

    Inside `with` it is made in a thread of its own; leaving stops it.
    """

    def __init__(self, work: Work, source: Selection, *, dfpwm: bool) -> None:
        self._work = work
        self._source = source
        self._dfpwm = dfpwm
        self._path = work.outputs / "sound"
        # 24,000 samples, of which DFPWM has eight in a byte.
        self.piece_bytes = 3_000 if dfpwm else 24_000
        self._read = 0
        self._stopped = False

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sound")
        self._made: Future[None] = self._pool.submit(self._make)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopped = True
        self._pool.shutdown(wait=True)
        self._path.unlink(missing_ok=True)

    def _make(self) -> None:
        work = self._work
        argv = raw_pictures.sound(
            work.ffmpeg,
            self._source,
            self._path,
            dfpwm=self._dfpwm,
            max_pixels=work.settings.picture_max_pixels,
            progress_fd=PROGRESS_FD,
        )
        try:
            work.run_ffmpeg(
                argv, on_progress=lambda _: self._stop_with_pictures(), outputs=[self._path]
            )
        except MediaError as error:
            if not self._stopped:
                work.reporter.log(f"the sound could not be read to its end: {error.message}")

    def _stop_with_pictures(self) -> None:
        if self._stopped:
            raise MediaError("stopped")

    def piece(self) -> bytes:
        """The next piece, waited for; shorter at the end, and empty after it."""
        while not self._made.done() and self._size() - self._read < self.piece_bytes:
            self._work.check()
            wait([self._made], timeout=_LOOK_SECONDS)
        if self._made.done():
            self._made.result()
        if not self._size():
            return b""
        with open(self._path, "rb") as file:
            file.seek(self._read)
            data = file.read(self.piece_bytes)
        self._read += len(data)
        return data

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0
