"""The sound of a video, made beside its pictures and read in pieces while it is made."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Self

from gmapi.errors import MediaError
from gmapi.media.failures import SoundChanged
from gmapi.media.process import PROGRESS_FD
from gmapi.media.progress import Progress
from gmapi.media.selection import Selection
from gmapi.media.sound import PCM_SILENCE, QUIET_BYTES, dfpwm_silence, growing
from gmapi.tools import sound
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
        # Silence behind the sound, which is wanted only before more of it.
        self._quiet_bytes = QUIET_BYTES if dfpwm else 0
        self._silence = dfpwm_silence(b"") if dfpwm else PCM_SILENCE
        self._read = 0
        self._heard = False
        self._stopped = False
        self.on_wait: Callable[[], None] = lambda: None
        """Called some times a second while a piece is waited for."""

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
        try:
            try:
                self._write(self._source)
            except SoundChanged:
                even = sound.evened(
                    work, self._source, channels=1, on_progress=self._stop_with_pictures
                )
                with even as chosen:
                    # It begins with the same sound, so that its reader can go on where it is.
                    first, self._path = self._path, work.outputs / "sound_evened"
                    self._write(chosen)
                    first.unlink(missing_ok=True)
        except MediaError as error:
            if not self._stopped:
                work.warn(f"The sound could not be read to its end. {error.message}")

    def _write(self, source: Selection) -> None:
        argv = growing(
            self._work.ffmpeg,
            source,
            self._path,
            dfpwm=self._dfpwm,
            quiet=self._dfpwm,
            max_pixels=self._work.settings.picture_max_pixels,
            progress_fd=PROGRESS_FD,
        )
        self._work.run_ffmpeg(argv, on_progress=self._stop_with_pictures, outputs=[self._path])

    def _stop_with_pictures(self, now: Progress) -> None:
        if self._stopped:
            raise MediaError("stopped")

    def piece(self) -> bytes:
        """The next piece, waited for; shorter at the end, and empty after it."""
        while not self._made.done() and self._size() - self._read < self.piece_bytes:
            self._work.check()
            self.on_wait()
            wait([self._made], timeout=_LOOK_SECONDS)
        if self._made.done():
            self._made.result()
        data = self._bytes(min(self.piece_bytes, self._size() - self._read))
        if data:
            self._heard = self._heard or not sound.is_plain_silence(data)
        elif self._read and not self._heard:
            sound.warn_of_silence(self._work, self._source)
        return data

    def silence(self, seconds: float) -> bytes:
        """A piece behind the sound in which nothing is heard, at most as long as others are."""
        count = min(round(seconds / SECONDS_PER_PIECE * self.piece_bytes), self.piece_bytes)
        # The last byte may be filled up with anything.
        quiet = self._bytes(min(count, self._quiet_bytes - 1))
        self._quiet_bytes -= len(quiet)
        if quiet:
            self._silence = dfpwm_silence(quiet)
        return quiet + self._silence * (count - len(quiet))

    def _bytes(self, count: int) -> bytes:
        if count <= 0:
            return b""
        with open(self._path, "rb") as file:
            file.seek(self._read)
            data = file.read(count)
        self._read += len(data)
        return data

    def seconds(self, data: bytes) -> float:
        """How long a piece is."""
        return len(data) / self.piece_bytes * SECONDS_PER_PIECE

    def _size(self) -> int:
        """Bytes of sound so far."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return 0
        return max(0, size - self._quiet_bytes)
