"""Watching what a child process writes: bytes on disk, number of files, time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

Exceeded = Literal["bytes", "files", "time"]

# The unit of st_blocks on every system that has it (see stat(2)), whatever the file system's.
_BLOCK_BYTES = 512
# A scan of a large folder takes a while: rest at least this many times as long as it took.
_REST_FACTOR = 10


class FolderWatch:
    """Calls `on_exceeded` once when folders outgrow a limit or time is up; then it has ended.

    `max_bytes` bounds the allocated bytes (blocks, so that sparse files cost what they take),
    `max_files` the number of entries at any depth, folders included, `deadline_seconds` the time
    since the watch was entered. Looks every `interval` seconds, less often in folders so full
    that looking takes long. `on_exceeded` gets "bytes", "files" or "time" and runs in the
    watching thread; it must not leave the watch itself. What grows past a limit within the last
    interval before the watch is left goes unnoticed. A folder that may not be read counts as too
    many files: nobody can say what is in it.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        max_bytes: int,
        max_files: int,
        deadline_seconds: float,
        on_exceeded: Callable[[str], None],
        interval: float = 0.25,
    ) -> None:
        self._folders = tuple(folders)
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._deadline_seconds = deadline_seconds
        self._on_exceeded = on_exceeded
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gmapi-folder-watch", daemon=True)
        self.exceeded: Exceeded | None = None
        """What was exceeded, set before `on_exceeded` is called."""

    def __enter__(self) -> Self:
        self._deadline = time.monotonic() + self._deadline_seconds
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        rest = self._interval
        while not self._stop.wait(max(0.0, min(rest, self._deadline - time.monotonic()))):
            begun = time.monotonic()
            if begun >= self._deadline:
                self.exceeded = "time"
            else:
                self.exceeded = self._look()
            if self.exceeded is not None:
                self._on_exceeded(self.exceeded)
                return
            rest = max(self._interval, _REST_FACTOR * (time.monotonic() - begun))

    def _look(self) -> Exceeded | None:
        try:
            return self._scan()
        except PermissionError:
            return "files"

    def _scan(self) -> Exceeded | None:
        """One look at the folders, left at the first entry that is too much."""
        count = size = 0
        for entry in self._entries():
            count += 1
            if count > self._max_files:
                return "files"
            try:
                size += _allocated(entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue
            if size > self._max_bytes:
                return "bytes"
        return None

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        waiting = [str(folder) for folder in self._folders]
        while waiting:
            try:
                with os.scandir(waiting.pop()) as entries:
                    for entry in entries:
                        if self._stop.is_set():
                            return
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
                        yield entry
            except FileNotFoundError:  # moved or deleted since it was listed
                continue


def _allocated(status: os.stat_result) -> int:
    blocks: int | None = getattr(status, "st_blocks", None)  # Windows has none
    return status.st_size if blocks is None else blocks * _BLOCK_BYTES
