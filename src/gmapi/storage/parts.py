"""Numbered parts of a named stream, each written once and whole: seconds of sound, of pictures.

A stream is a folder below that of its id, `parts/<stream>/`, and has one writer in its life. Part
7 is the file `000000000007`; it never changes. Until it is whole it has a hidden name, which no
reader asks for: a writer that dies in the middle leaves nothing that could be taken for a part.
With a window the oldest parts go as new ones come, so that what never ends takes no more room.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections import deque
from pathlib import Path
from typing import Self

from gmapi.errors import NotFoundError
from gmapi.storage.base import Slice, space_errors, sync_folder, write_at

PARTS_FOLDER = "parts"
NUMBER_MAX = 999_999_999_999
SYNCED_EVERY = 100
"""So many parts at most may be lost to a power cut while their stream is still being written."""

_STREAM = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NUMBER = re.compile(r"[0-9]{12}")


class MissingPart(LookupError):
    """Part `number` is not there: not yet, or not any more."""

    def __init__(self, number: int) -> None:
        super().__init__(f"part {number} is not there")
        self.number = number


def check_stream(name: str) -> bool:
    """Whether `name` may name a stream: a word of small letters, digits and `_`."""
    return _STREAM.fullmatch(name) is not None


class PartWriter:
    """Appends parts, for one thread. As a context manager it closes, after an error without making
    sure of the last ones.

    `first` is the number of the first part, `window` how many are kept; None: all. FileExistsError
    when the stream has had a writer already. When the id is deleted under it, the writer finds out
    with NotFoundError at the next part.
    """

    def __init__(self, folder: Path, *, first: int = 1, window: int | None = None) -> None:
        if not 1 <= first <= NUMBER_MAX or (window is not None and window < 1):
            raise ValueError(f"not a first number and a window: {first}, {window}")
        self._folder = folder
        self._next = first
        self._window = window
        self._kept: deque[int] = deque()
        self._unsynced: deque[int] = deque()
        with space_errors():
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()

    def append(self, data: bytes) -> int:
        """Write the next part and return its number; readers see it at once.

        If NoSpaceError is raised it was not taken, and can be tried again.
        """
        number = self._next
        hidden = self._folder / f".{_name(number)}"
        with space_errors():
            try:
                with open(hidden, "wb", buffering=0) as file:
                    write_at(file, 0, data)
                os.replace(hidden, self._folder / _name(number))
            except FileNotFoundError as error:
                raise NotFoundError("This stream was deleted while it was being made.") from error
            self._next += 1
            self._kept.append(number)
            self._unsynced.append(number)
            self._drop_old()
            if len(self._unsynced) >= SYNCED_EVERY:
                self._sync()
        return number

    def close(self) -> None:
        """Make all parts survive a crash. Closing twice is fine."""
        with space_errors():
            self._sync()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        if kind is None:
            self.close()

    def _drop_old(self) -> None:
        while self._window is not None and len(self._kept) > self._window:
            try:
                (self._folder / _name(self._kept[0])).unlink(missing_ok=True)
            except PermissionError:
                if sys.platform != "win32":
                    raise
                return  # somebody reads it: next time
            self._kept.popleft()

    def _sync(self) -> None:
        try:
            while self._unsynced:
                _sync_file(self._folder / _name(self._unsynced[0]))
                self._unsynced.popleft()
            for folder in (self._folder, *self._folder.parents[:3]):
                sync_folder(folder)
        except FileNotFoundError:  # the id was deleted: there is nothing to keep
            self._unsynced.clear()


class PartReader:
    """Reads the parts of a stream that may still be written, from any process; open one per
    request. Its slices live until `close`, also when the parts are dropped meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[Slice] = []

    def part(self, number: int) -> Slice:
        """All bytes of a part; MissingPart if it is not there."""
        if not 1 <= number <= NUMBER_MAX:
            raise MissingPart(number)
        try:
            source = open(self._folder / _name(number), "rb", buffering=0)  # noqa: SIM115
        except FileNotFoundError as error:
            raise MissingPart(number) from error
        found = Slice(source, 0, os.fstat(source.fileno()).st_size)
        self._files.append(found)
        return found

    def bounds(self) -> tuple[int, int] | None:
        """The numbers of the oldest and of the newest part there is; None without any."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return None
        numbers = [int(name) for name in names if _NUMBER.fullmatch(name)]
        return (min(numbers), max(numbers)) if numbers else None

    def close(self) -> None:
        """Close all files; the slices are dead then. Closing twice is fine."""
        for part in self._files:
            part.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _name(number: int) -> str:
    return f"{number:012d}"


def _sync_file(path: Path) -> None:
    try:
        with open(path, "r+b", buffering=0) as file:
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        # Dropped since, as all parts of a window are in the end.
