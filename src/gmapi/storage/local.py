"""Storage in a local folder: `<root>/<file id>/<name>` and `<root>/<file id>/frames/`.

A file that grows has a hidden name until it is finished; see `growing`. Streams are in
`<root>/<file id>/parts/<stream>/`; see `parts`.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from gmapi.errors import NotFoundError
from gmapi.storage.base import (
    OpenFile,
    StoredFile,
    check_file_id,
    check_name,
    space_errors,
    sync_folder,
)
from gmapi.storage.framestore import FrameReader, FrameWriter
from gmapi.storage.growing import GrowingFile, GrowingReader
from gmapi.storage.parts import PARTS_FOLDER, PartReader, PartWriter, check_stream

FRAMES_FOLDER = "frames"


class LocalStorage:
    """A `Storage` in the folder `root`, which is made if missing."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def _folder(self, file_id: str) -> Path:
        if not check_file_id(file_id):
            raise ValueError(f"not a file id: {file_id!r}")
        return self._root / file_id

    def publish(self, file_id: str, name: str, source: Path) -> StoredFile:
        """Move `source` into place; see `Storage.publish`."""
        folder = self._folder(file_id)
        if not check_name(name):
            raise ValueError(f"not a file name: {name!r}")
        # A child process wrote the source: a link it left must not publish a file of the server.
        if not stat.S_ISREG(source.lstat().st_mode):
            raise ValueError(f"not a regular file: {source}")
        target = folder / name
        with space_errors():
            folder.mkdir(exist_ok=True)
            _sync_file(source)
            try:
                os.replace(source, target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _copy_into_place(source, target)
            sync_folder(folder)
            sync_folder(self._root)
        with self.open(file_id, name) as published:
            return published.stored

    def open(self, file_id: str, name: str) -> OpenFile:
        """Open a published file; NotFoundError if there is none."""
        try:
            if not (check_file_id(file_id) and check_name(name)):
                raise FileNotFoundError
            source = open(self._root / file_id / name, "rb", buffering=0)  # noqa: SIM115
        except FileNotFoundError as error:
            raise NotFoundError("There is no such file, or it has expired.") from error
        status = os.fstat(source.fileno())
        return OpenFile(StoredFile.of(file_id, name, status.st_size, status.st_mtime), source)

    def grow(self, file_id: str, name: str) -> GrowingFile:
        """Start a file that can be read while it is being made; see `GrowingFile`."""
        if not (check_file_id(file_id) and check_name(name)):
            raise ValueError(f"not a file id and a file name: {file_id!r}, {name!r}")
        return GrowingFile(self._root, file_id, name)

    def open_growing(self, file_id: str, name: str) -> GrowingReader | None:
        """Open a file that grows; None if there is none (any more): it may be published now."""
        if not (check_file_id(file_id) and check_name(name)):
            return None
        return GrowingReader.open(self._root / file_id, name)

    def delete(self, file_id: str) -> int:
        """Unlink everything of an id; bytes freed. Open downloads go on.

        What Windows holds because it is open stays listed in `ids`, for the next try.
        """
        if not check_file_id(file_id):
            return 0
        freed = 0
        for folder, _, names in os.walk(self._root / file_id, topdown=False):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    status = os.lstat(path)
                    os.unlink(path)
                    freed += _allocated(status)
                except FileNotFoundError:
                    pass
                except PermissionError:
                    if sys.platform != "win32":
                        raise
            try:
                os.rmdir(folder)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
                    raise
        return freed

    def ids(self) -> Iterator[tuple[str, float]]:
        """All ids with the Unix time of their last change."""
        for name in sorted(os.listdir(self._root)):
            if check_file_id(name):
                times = [status.st_mtime for status in self._statuses(name)]
                if times:
                    yield name, max(times)

    def size(self, file_id: str) -> int:
        """Bytes an id takes on the disk."""
        if not check_file_id(file_id):
            return 0
        return sum(_allocated(s) for s in self._statuses(file_id) if stat.S_ISREG(s.st_mode))

    def used_bytes(self) -> int:
        """Bytes all ids take on the disk."""
        return sum(self.size(file_id) for file_id in os.listdir(self._root))

    def address(self, file_id: str, name: str) -> str:
        """Path of a published file in the web server."""
        return f"/download/{file_id}/{name}"

    def frame_writer(self, file_id: str, *, share_equal: bool = False) -> FrameWriter:
        """Start the frames of an id; see `FrameWriter`."""
        return FrameWriter(self._folder(file_id) / FRAMES_FOLDER, share_equal=share_equal)

    def frame_reader(self, file_id: str) -> FrameReader:
        """Read the frames of an id, of which there may be none yet."""
        if not check_file_id(file_id):
            raise NotFoundError("There are no such frames, or they have expired.")
        # To join paths as objects takes longer than all else here.
        return FrameReader(f"{self._root}/{file_id}/{FRAMES_FOLDER}")

    def part_writer(
        self, file_id: str, stream: str, *, first: int = 1, window: int | None = None
    ) -> PartWriter:
        """Start a stream of an id; see `PartWriter`."""
        if not check_stream(stream):
            raise ValueError(f"not the name of a stream: {stream!r}")
        return PartWriter(self._folder(file_id) / PARTS_FOLDER / stream, first=first, window=window)

    def part_reader(self, file_id: str, stream: str) -> PartReader:
        """Read a stream of an id, of which there may be nothing yet."""
        if not (check_file_id(file_id) and check_stream(stream)):
            raise NotFoundError("There is no such stream, or it has expired.")
        return PartReader(self._folder(file_id) / PARTS_FOLDER / stream)

    def _statuses(self, file_id: str) -> Iterator[os.stat_result]:
        """Of the folder of an id and all in it, as far as it still exists."""
        for folder, _, names in os.walk(self._root / file_id):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                try:
                    yield os.lstat(path)
                except FileNotFoundError:
                    continue


def _allocated(status: os.stat_result) -> int:
    """Bytes on the disk; POSIX counts blocks of 512 bytes, Windows does not say."""
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else blocks * 512


def _sync_file(path: Path) -> None:
    with open(path, "r+b", buffering=0) as file:
        os.fsync(file.fileno())


def _copy_into_place(source: Path, target: Path) -> None:
    """Move across file systems: readers see the whole file or none."""
    copy = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        shutil.copyfile(source, copy, follow_symlinks=False)
        _sync_file(copy)
        os.replace(copy, target)
    finally:
        copy.unlink(missing_ok=True)
    source.unlink()
