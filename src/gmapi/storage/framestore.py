"""The frames of one job in pack chunks, readable while they grow.

Layout of the folder of one attempt at a job, which has one writer in its life:

- `chunk-000000.pack`, `chunk-000001.pack`, ...: 100 frames each, every frame as a big-endian u32
  size and the bytes of its file, which is the wire format of `/api/framepack`. A full chunk never
  changes.
- `frames.index`: for each frame a record of 12 bytes, big-endian u64 offset of its size field in
  its chunk and u32 size of the file. A record is written after the bytes it speaks of. Frames of
  one chunk that are equal may have the same bytes there.

The number of frames per chunk is part of the layout.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Self

from gmapi.errors import NotFoundError
from gmapi.storage.base import Slice, read_at, space_errors, sync_folder, write_at

FRAMES_PER_CHUNK = 100
BUFFER_BYTES = 256 * 1024
INDEX_NAME = "frames.index"
MAX_FRAME_NUMBER = 999_999_999

_BLOCK_BYTES = 4096
_RECORD = struct.Struct(">QI")
_U32 = struct.Struct(">I")
_FRAME_NAME = re.compile(r"frame_([0-9]{6}|[1-9][0-9]{6,8})\.(?:png|jpg)")


def frame_name(number: int, ending: str = "png") -> str:
    """File name of a frame, counted from 1: `frame_000001.png`, or with "jpg"."""
    return f"frame_{number:06d}.{ending}"


def parse_frame_name(text: str) -> int | None:
    """The number in a frame's file name; None unless it is exactly what `frame_name` writes with
    one of the endings."""
    match = _FRAME_NAME.fullmatch(text)
    return (int(match[1]) or None) if match else None


class MissingFrame(LookupError):
    """Frame `number` is not readable, or not yet."""

    def __init__(self, number: int) -> None:
        super().__init__(f"frame {number} is not there")
        self.number = number


@dataclass(frozen=True)
class Pack:
    """A framepack: `header` (u32 count), then the slices; `length` bytes in all."""

    header: bytes
    slices: tuple[Slice, ...]
    length: int


class FrameWriter:
    """Appends frames, for one thread. As a context manager it closes, after an error unflushed.

    With `share_equal` a frame that is the same as the one before takes no room in its chunk.
    FileExistsError when the folder has had a writer already. When the folder is deleted under
    it, the writer finds out with NotFoundError at the next chunk.
    """

    def __init__(self, folder: Path, *, share_equal: bool = False) -> None:
        self._folder = folder
        self._share_equal = share_equal
        self._last = self._last_record = b""
        self.size = 0
        """Bytes that the frames taken have in the chunks."""
        with space_errors():
            folder.mkdir(parents=True, exist_ok=True)
            self._index = self._create(INDEX_NAME)
        self._chunk: FileIO | None = None
        self._chunk_bytes = 0
        self._taken = 0
        self._written = 0
        self._data = bytearray()
        self._records = bytearray()

    @property
    def room(self) -> int:
        """Bytes that all of it takes on a disk: the chunks, whose files fill whole blocks, and the
        index, which is what frames that are shared cost."""
        chunks = -(-self._taken // FRAMES_PER_CHUNK)
        return self.size + chunks * _BLOCK_BYTES + self._taken * _RECORD.size

    def append(self, frame: bytes) -> int:
        """Take the file of the next frame and return its number, from 1; readers see it after
        `flush`.

        If NoSpaceError is raised, the frame was not taken. ValueError: empty, or 4 GiB and more.
        """
        if not 0 < len(frame) < 1 << 32:
            raise ValueError(f"a frame cannot have {len(frame)} bytes")
        if len(self._data) >= BUFFER_BYTES:
            self.flush()
        if self._taken % FRAMES_PER_CHUNK == 0:
            self._next_chunk()
        is_shared = self._share_equal and bool(self._last_record) and frame == self._last
        if not is_shared:
            self._last_record = _RECORD.pack(self._chunk_bytes + len(self._data), len(frame))
            self._data += _U32.pack(len(frame))
            self._data += frame
            self.size += _U32.size + len(frame)
            if self._share_equal:
                self._last = frame
        self._records += self._last_record
        self._taken += 1
        return self._taken

    def flush(self) -> None:
        """Show readers all frames taken. After NoSpaceError it can be tried again."""
        if not self._records:
            return
        assert self._chunk is not None
        with space_errors():
            # By position: what a full disk left half written is written over by the next try.
            write_at(self._chunk, self._chunk_bytes, self._data)
            write_at(self._index, self._written * _RECORD.size, self._records)
        self._chunk_bytes += len(self._data)
        self._written = self._taken
        self._data.clear()
        self._records.clear()

    def close(self) -> None:
        """Flush and make all frames survive a crash. The files are closed even after an error."""
        if self._index.closed:
            return
        try:
            self.flush()
            with space_errors():
                for file in (self._chunk, self._index):
                    if file is not None:
                        os.fsync(file.fileno())
                if self._folder.exists():
                    sync_folder(self._folder)
                    sync_folder(self._folder.parent)
        finally:
            self._abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()

    def _abandon(self) -> None:
        self._index.close()
        if self._chunk is not None:
            self._chunk.close()

    def _next_chunk(self) -> None:
        self.flush()
        with space_errors():
            if self._chunk is not None:
                os.fsync(self._chunk.fileno())
            chunk = self._create(_chunk_name(self._taken // FRAMES_PER_CHUNK))
        if self._chunk is not None:
            self._chunk.close()
        self._chunk, self._chunk_bytes = chunk, 0
        self._last_record = b""

    def _create(self, name: str) -> FileIO:
        try:
            return open(self._folder / name, "xb", buffering=0)
        except FileNotFoundError as error:
            raise NotFoundError("The frames of this task were deleted.") from error


class FrameReader:
    """Reads the frames of a job that may still be growing, from any process; open one per request.

    Its slices live until `close`, also when the files are deleted meanwhile.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = folder
        self._index: FileIO | None = None
        self._chunks: dict[int, FileIO] = {}
        self._files: list[FileIO] = []

    def count(self) -> int:
        """Whole frames readable now; frames 1 to this number are there."""
        self._refresh()
        if self._index is None:
            return 0
        return os.fstat(self._index.fileno()).st_size // _RECORD.size

    def frame(self, number: int) -> Slice:
        """The file of a frame; MissingFrame if it is not there."""
        self._refresh()
        chunk, ((offset, size),) = self._locate(number, 1)
        return Slice(chunk, offset + _U32.size, size)

    def pack(self, numbers: Sequence[int]) -> Pack:
        """The frames in the order asked, neighbours in one slice.

        MissingFrame for the first that is not there.
        """
        self._refresh()
        slices: list[Slice] = []
        for first, count in _runs(numbers):
            chunk, records = self._locate(first, count)
            start = end = records[0][0]
            for offset, size in records:
                if offset != end:
                    slices.append(Slice(chunk, start, end - start))
                    start = offset
                end = offset + _U32.size + size
            slices.append(Slice(chunk, start, end - start))
        total = _U32.size + sum(part.length for part in slices)
        return Pack(_U32.pack(len(numbers)), tuple(slices), total)

    def close(self) -> None:
        """Close all files; the slices are dead then. Closing twice is fine."""
        for file in self._files:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _refresh(self) -> None:
        """Open the index as soon as there is one."""
        if self._index is None:
            try:
                self._index = open(f"{self._folder}/{INDEX_NAME}", "rb", buffering=0)  # noqa: SIM115
            except FileNotFoundError:
                return
            self._files.append(self._index)

    def _records(self, first: int, count: int) -> list[tuple[int, int]]:
        """Of so many frames the offset of the size field in their chunk, and the size of the
        file."""
        data = b""
        if self._index is not None and 1 <= first <= MAX_FRAME_NUMBER:
            data = read_at(self._index, (first - 1) * _RECORD.size, count * _RECORD.size)
        whole = len(data) // _RECORD.size
        if whole < count:
            raise MissingFrame(first + whole)
        return list(_RECORD.iter_unpack(data))

    def _locate(self, first: int, count: int) -> tuple[FileIO, list[tuple[int, int]]]:
        """The chunk that all of these frames are in, and where in it they are."""
        records = self._records(first, count)
        chunk_number = (first - 1) // FRAMES_PER_CHUNK
        chunk = self._chunks.get(chunk_number)
        if chunk is None:
            try:
                path = f"{self._folder}/{_chunk_name(chunk_number)}"
                chunk = open(path, "rb", buffering=0)  # noqa: SIM115
            except FileNotFoundError as error:
                raise MissingFrame(first) from error
            self._chunks[chunk_number] = chunk
            self._files.append(chunk)
        # After a power cut an index may be ahead of its chunk.
        there = os.fstat(chunk.fileno()).st_size - _U32.size
        for number, (offset, size) in enumerate(records, first):
            if offset + size > there:
                raise MissingFrame(number)
        return chunk, records


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first of each row of neighbours in one chunk, and how many they are."""
    at = 0
    while at < len(numbers):
        first, count = numbers[at], 1
        most = min(len(numbers) - at, FRAMES_PER_CHUNK - (first - 1) % FRAMES_PER_CHUNK)
        while count < most and numbers[at + count] == first + count:
            count += 1
        yield first, count
        at += count


def _chunk_name(number: int) -> str:
    return f"chunk-{number:06d}.pack"
