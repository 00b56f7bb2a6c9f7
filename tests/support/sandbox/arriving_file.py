"""A file that a test makes longer while feeders read it, and what must not be left of those."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ArrivingFile:
    """The file; `waits` counts how often somebody has asked for more of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w+b", buffering=0)
        self._news = threading.Condition()
        self.is_whole = False
        self.failure: Exception | None = None
        self.waits = 0

    def append(self, data: bytes) -> None:
        with self._news:
            self._file.write(data)
            self._news.notify_all()

    def end(self, failure: Exception | None = None) -> None:
        with self._news:
            self.failure = failure
            self.is_whole = failure is None
            self._news.notify_all()

    def cut(self, size: int) -> None:
        self._file.truncate(size)
        self._file.seek(size)

    def fileno(self) -> int:
        return self._file.fileno()

    def wait(self, beyond: int, seconds: float) -> int:
        def size() -> int:
            return os.fstat(self.fileno()).st_size

        with self._news:
            self.waits += 1
            self._news.wait_for(
                lambda: size() > beyond or self.is_whole or self.failure is not None, seconds
            )
            if self.failure is not None:
                raise self.failure
            return size()

    def close(self) -> None:
        self._file.close()


@contextmanager
def nothing_left() -> Iterator[None]:
    """Checks that a block leaves no descriptor and no thread behind."""
    files, threads = descriptors(), set(threading.enumerate())
    yield
    assert descriptors() == files
    assert set(threading.enumerate()) <= threads


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/dev/fd"))
