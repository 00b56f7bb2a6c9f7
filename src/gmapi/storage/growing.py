"""One file that callers may read while it is being made.

While it grows, the folder of its id holds two hidden files, whose names no caller can ask for:

- `.<name>.part`: the bytes so far. Finishing renames it to `<name>`.
- `.<name>.mark`: empty; holds one byte as soon as the file is finished.

A reader keeps both open and so learns from them alone what becomes of the file, also when all
names have been deleted meanwhile: a mark with a byte says finished, a part that has lost its
name without one says abandoned.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from io import FileIO
from pathlib import Path
from typing import Self

from gmapi.errors import NotFoundError
from gmapi.storage.base import Slice, StoredFile, read_at, space_errors, sync_folder, write_at

BUFFER_BYTES = 64 * 1024


class Stage(StrEnum):
    """What has become of a growing file."""

    GROWING = "growing"
    FINISHED = "finished"
    ABANDONED = "abandoned"


@dataclass(frozen=True)
class Growth:
    """How far a file has come: `size` bytes can be read, which is all of it once finished."""

    size: int
    stage: Stage


class GrowingFile:
    """Appends to a file that others read meanwhile, for one thread.

    As a context manager it abandons the file unless it was finished in the block. FileExistsError
    when there is a file of this name already, growing or finished; NotFoundError from the next
    `flush`, `patch` or `finish` when the file is deleted under the writer; ValueError when it is
    closed.
    """

    def __init__(self, root: Path, file_id: str, name: str) -> None:
        self._target = root / file_id / name
        self._part_path, self._mark_path = _paths(root / file_id, name)
        self._data = bytearray()
        self._written = 0
        with space_errors():
            self._target.parent.mkdir(exist_ok=True)
            self._mark = _create(self._mark_path)
            try:
                # Nobody else makes this name while the mark is ours.
                if self._target.exists():
                    raise FileExistsError(self._target)
                self._part = _create(self._part_path)
            except BaseException:
                self._mark.close()
                _remove(self._mark_path)
                raise

    @property
    def size(self) -> int:
        """Bytes appended so far."""
        return self._written + len(self._data)

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Add bytes at the end; readers see them after `flush`, or when many have gathered.

        If NoSpaceError is raised, they were not taken.
        """
        self._check_open()
        if len(self._data) >= BUFFER_BYTES:
            self.flush()
        self._data += data

    def flush(self) -> None:
        """Show readers all bytes appended. After NoSpaceError it can be tried again."""
        self._check_open()
        if not os.fstat(self._part.fileno()).st_nlink:
            raise _deleted()
        if self._data:
            with space_errors():
                # By position: what a full disk left half written is written over by the next try.
                write_at(self._part, self._written, self._data)
            self._written += len(self._data)
            self._data.clear()

    def patch(self, offset: int, data: bytes | bytearray) -> None:
        """Overwrite bytes appended before, such as a count in a header; ValueError outside them.

        Readers that were sent the old bytes keep them.
        """
        if offset < 0 or offset + len(data) > self.size:
            raise ValueError(f"{offset}+{len(data)} is outside a file of {self.size} bytes")
        self.flush()
        with space_errors():
            write_at(self._part, offset, data)

    def finish(self) -> StoredFile:
        """Publish the file, whole or not at all; it survives a crash from then on."""
        self.flush()
        with space_errors():
            os.fsync(self._part.fileno())
            status = os.fstat(self._part.fileno())
            self._part.close()
            self._publish()
            sync_folder(self._target.parent)
            sync_folder(self._target.parent.parent)
            # Last: who reads it here may take the file for published.
            write_at(self._mark, 0, b"\1")
        self._mark.close()
        _remove(self._mark_path)
        return StoredFile.of(
            self._target.parent.name, self._target.name, status.st_size, status.st_mtime
        )

    def _publish(self) -> None:
        try:
            os.replace(self._part_path, self._target)
        except FileNotFoundError as error:
            raise _deleted() from error
        except PermissionError:
            if sys.platform != "win32":
                raise
            # A name in use by readers cannot be changed there, only be given a second one.
            os.link(self._part_path, self._target)

    def abandon(self) -> None:
        """Delete the unfinished file, which ends its readers. Does nothing when it is closed."""
        if self._mark.closed:
            return
        self._part.close()
        self._mark.close()
        _remove(self._part_path)
        _remove(self._mark_path)

    def _check_open(self) -> None:
        if self._part.closed:
            raise ValueError(f"{self._target.name} is closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()


class GrowingReader:
    """Reads a file that grows, from any process; deleting the file does not disturb the reading."""

    def __init__(self, part: FileIO, mark: FileIO) -> None:
        self._part = part
        self._mark = mark

    @classmethod
    def open(cls, folder: Path, name: str) -> GrowingReader | None:
        """Open the growing file of this name; None when there is none, or it has just ended."""
        part_path, mark_path = _paths(folder, name)
        try:
            part = open(part_path, "rb", buffering=0)  # noqa: SIM115
        except FileNotFoundError:
            return None
        try:
            mark = open(mark_path, "rb", buffering=0)  # noqa: SIM115
        except FileNotFoundError:
            part.close()
            return None
        reader = cls(part, mark)
        if reader.look().stage is not Stage.GROWING:
            # Its mark may be that of a next file of the same name.
            reader.close()
            return None
        return reader

    def look(self) -> Growth:
        """How far the file has come."""
        # The mark first: a file found finished does not grow any more.
        finished = os.fstat(self._mark.fileno()).st_size > 0
        status = os.fstat(self._part.fileno())
        if finished:
            return Growth(status.st_size, Stage.FINISHED)
        return Growth(status.st_size, Stage.GROWING if status.st_nlink else Stage.ABANDONED)

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes at `offset`; fewer where the file ends now."""
        return read_at(self._part, offset, length)

    def slice(self, offset: int, length: int) -> Slice:
        """A part of what `look` has found; ValueError if it is not wholly there."""
        size = os.fstat(self._part.fileno()).st_size
        if offset < 0 or length < 0 or offset + length > size:
            raise ValueError(f"{offset}+{length} is outside the {size} bytes there are")
        return Slice(self._part, offset, length)

    def close(self) -> None:
        """Close the file; its slices are dead then. Closing twice is fine."""
        self._part.close()
        self._mark.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Where the bytes and the mark of a growing file are."""
    return folder / f".{name}.part", folder / f".{name}.mark"


def _create(path: Path) -> FileIO:
    try:
        return open(path, "xb", buffering=0)
    except FileNotFoundError as error:
        raise _deleted() from error


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        # Windows keeps what readers have open; deleting the id takes it later.
        if sys.platform != "win32":
            raise


def _deleted() -> NotFoundError:
    return NotFoundError("This file was deleted while it was being made.")
