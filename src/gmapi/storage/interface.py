"""What every storage offers: published files by id and name, also while they grow, frames, and
streams in numbered parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from gmapi.storage.base import OpenFile, StoredFile
from gmapi.storage.framestore import FrameReader, FrameWriter
from gmapi.storage.growing import GrowingFile, GrowingReader
from gmapi.storage.parts import PartReader, PartWriter


class Storage(Protocol):
    """Where outputs live. A malformed id or name is NotFoundError to readers, ValueError to
    writers, and nothing to `open_growing`, `delete` and `size`."""

    def publish(self, file_id: str, name: str, source: Path) -> StoredFile:
        """Move the finished file `source` into the storage, whole or not at all.

        It survives a crash from then on. NoSpaceError if there is no room; ValueError if `source`
        is not a regular file (a symbolic link is not).
        """

    def open(self, file_id: str, name: str) -> OpenFile:
        """Open a published file; NotFoundError if there is none."""

    def grow(self, file_id: str, name: str) -> GrowingFile:
        """Start a file that can be read while it is being made."""

    def open_growing(self, file_id: str, name: str) -> GrowingReader | None:
        """Open a file that grows; None if there is none (any more): it may be published now."""

    def delete(self, file_id: str) -> int:
        """Delete all files and frames of an id; bytes freed, 0 if there are none.

        Open files and readers go on.
        """

    def ids(self) -> Iterator[tuple[str, float]]:
        """All ids with the Unix time of their last change."""

    def size(self, file_id: str) -> int:
        """Bytes an id takes on the disk."""

    def used_bytes(self) -> int:
        """Bytes all ids take on the disk."""

    def address(self, file_id: str, name: str) -> str:
        """Path of a published file in the web server."""

    def frame_writer(self, file_id: str, *, share_equal: bool = False) -> FrameWriter:
        """Start the frames of an id, which has one writer in its life; see `FrameWriter`."""

    def frame_reader(self, file_id: str) -> FrameReader:
        """Read the frames of an id, of which there may be none yet."""

    def part_writer(
        self, file_id: str, stream: str, *, first: int = 1, window: int | None = None
    ) -> PartWriter:
        """Start a stream of an id, whose parts are numbered from `first` on and of which the last
        `window` are kept, or all."""

    def part_reader(self, file_id: str, stream: str) -> PartReader:
        """Read a stream of an id, of which there may be nothing yet."""
