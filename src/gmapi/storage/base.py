"""What all of a storage is made of: file ids and names, published files, and parts of them.

Files of one job share a file id (128 random bits: knowing a link is the right to use it).
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Self

from gmapi.errors import NoSpaceError

FILE_ID = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}(\.[a-z0-9]{1,8}){1,4}")


def new_file_id() -> str:
    """A fresh id: 128 random bits as 32 lower-case hexadecimal digits."""
    return secrets.token_hex(16)


def check_file_id(text: str) -> bool:
    """Whether `text` has the form of a file id."""
    return FILE_ID.fullmatch(text) is not None


def check_name(text: str) -> bool:
    """Whether `text` may name a published file, such as `output.dfpwm`.

    One ASCII word and one to four lower-case extensions: no separators, no leading or double dots.
    """
    return _NAME.fullmatch(text) is not None


@contextmanager
def space_errors() -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" of the system into NoSpaceError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpaceError(
                "The disk of this server is full; try again later.", cause=error
            ) from error
        raise


if sys.platform == "win32":
    _position = threading.Lock()

    def read_at(source: FileIO, offset: int, length: int) -> bytes:
        """Read up to `length` bytes at `offset`, whoever else uses the same file object."""
        with _position:
            source.seek(offset)
            return source.read(length) or b""

else:

    def read_at(source: FileIO, offset: int, length: int) -> bytes:
        """Read up to `length` bytes at `offset`, whoever else uses the same file object."""
        return os.pread(source.fileno(), length, offset)


def write_at(file: FileIO, offset: int, data: bytes | bytearray) -> None:
    """Write all of `data` at `offset`."""
    file.seek(offset)
    with memoryview(data) as view:
        done = 0
        while done < len(view):
            done += file.write(view[done:]) or 0


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder survive a crash, where the system can."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class StoredFile:
    """A published file: size in bytes, strong ETag with its quotes, Unix time of its making."""

    file_id: str
    name: str
    size: int
    etag: str
    modified: float

    @classmethod
    def of(cls, file_id: str, name: str, size: int, modified: float) -> Self:
        """Describe a file. Its content never changes, so id, name and size make the ETag."""
        digest = hashlib.sha256(f"{file_id}/{name}/{size}".encode()).hexdigest()
        return cls(file_id, name, size, f'"{digest[:32]}"', modified)


@dataclass(frozen=True)
class Slice:
    """Bytes `offset` to `offset + length` of an open file, ready for `os.sendfile`.

    `source` is shared and stays open as long as the OpenFile, GrowingReader or FrameReader that
    gave the slice: read by position only, never close it.
    """

    source: FileIO
    offset: int
    length: int

    def read(self) -> bytes:
        """All bytes of the slice."""
        return read_at(self.source, self.offset, self.length)


class OpenFile:
    """A published file opened for reading; deleting the file does not disturb it."""

    def __init__(self, stored: StoredFile, source: FileIO) -> None:
        self.stored = stored
        self._source = source

    def fileno(self) -> int:
        """The file descriptor."""
        return self._source.fileno()

    def slice(self, offset: int, length: int) -> Slice:
        """Part of the file; ValueError if it is not wholly inside."""
        if offset < 0 or length < 0 or offset + length > self.stored.size:
            raise ValueError(f"{offset}+{length} is outside a file of {self.stored.size} bytes")
        return Slice(self._source, offset, length)

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes at `offset`; fewer at the end of the file."""
        return read_at(self._source, offset, length)

    def close(self) -> None:
        """Close the file; its slices are dead then. Closing twice is fine."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
