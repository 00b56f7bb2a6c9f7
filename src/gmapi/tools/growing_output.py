"""An output that callers read while ffmpeg still writes it: DFPWM, which has no header and only
gets longer."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from gmapi.errors import MediaError, NoSpaceError
from gmapi.media.sound import RATE
from gmapi.storage.base import StoredFile
from gmapi.storage.growing import GrowingFile
from gmapi.tools.base import Work

FIRST_BYTES = RATE // 8
"""The first second of sound; before it nothing is shown."""

REPORT_SECONDS = 0.25
_LOOK_SECONDS = 0.05
_BLOCK_BYTES = 1 << 20


class GrowingOutput:
    """Shows callers what there is of `path`, which ffmpeg writes from its start to its end.

    Inside `with` a thread of its own carries on what has been written, but for the last `held`
    bytes: the end may still be cut or changed. `announce` is told how many bytes can be read, by
    that thread and at most four times a second. What is not finished in the block is deleted, and
    its readers are cut off. The file may be written anew from its start: the sound is the same
    then, but may be rounded otherwise, so what was shown is overwritten with it at the end.
    """

    def __init__(
        self, work: Work, path: Path, name: str, *, held: int, announce: Callable[[int], None]
    ) -> None:
        self._work = work
        self._path = path
        self._name = name
        self._held = held
        self._announce = announce
        self._file: GrowingFile | None = None
        self._shown = hashlib.sha256()
        self._told = 0
        self._told_at = -REPORT_SECONDS
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="growing")
        self._following: Future[None] = self._pool.submit(self._follow)
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._pool.shutdown(wait=True)
        if self._file is not None:
            self._file.abandon()

    def finish(self) -> StoredFile:
        """Publish the file, which nobody writes or changes any more; its path is gone then. Raises
        what `Work.check` and `Work.publish` do, and MediaError when it has become shorter than what
        was shown of it."""
        self._ended.set()
        self._following.result()
        if self._file is None:
            return self._work.publish(self._name, self._path)
        self._take(self._file, 0)
        self._correct(self._file)
        stored = self._file.finish()
        self._path.unlink()
        return stored

    def _follow(self) -> None:
        try:
            while not self._ended.wait(_LOOK_SECONDS):
                if self._file is None and self._size() - self._held >= FIRST_BYTES:
                    self._file = self._work.grow(self._name)
                if self._file is not None:
                    self._take(self._file, self._held)
                    self._tell(self._file.size)
        except NoSpaceError as error:
            # Tried once more at the end; the work itself stops when there is no room for it.
            self._work.reporter.log(f"the output cannot be read while it is made: {error.message}")

    def _take(self, file: GrowingFile, held: int) -> None:
        for data in self._blocks(file.size, self._size() - held):
            file.append(data)
            self._shown.update(data)
        file.flush()

    def _tell(self, size: int) -> None:
        now = time.monotonic()
        if size > self._told and now - self._told_at >= REPORT_SECONDS:
            self._told, self._told_at = size, now
            self._announce(size)

    def _correct(self, file: GrowingFile) -> None:
        size = self._size()
        if size < file.size:
            raise MediaError(
                "The sound became shorter while it was converted; ask for it again.",
                cause=f"{size} bytes, of which {file.size} had been shown",
            )
        made = hashlib.sha256()
        for data in self._blocks(0, size):
            made.update(data)
        if made.digest() == self._shown.digest():
            return
        self._work.reporter.log("the output was written anew, with the same sound")
        at = 0
        for data in self._blocks(0, size):
            file.patch(at, data)
            at += len(data)

    def _blocks(self, begin: int, end: int) -> Iterator[bytes]:
        """What stands in the file there, as far as it goes."""
        if begin >= end:
            return
        with open(self._path, "rb") as source:
            source.seek(begin)
            while data := source.read(min(_BLOCK_BYTES, end - source.tell())):
                self._work.check()
                yield data

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0
