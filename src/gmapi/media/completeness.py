"""Whether a file is all there, by what its own bytes say: the length in its header, its end mark.

Only fixed places of a file are read, so that it costs the same for every file. What is not known
counts as complete.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_HEAD_BYTES = 8192
_TAIL_BYTES = 64 * 1024
_BOXES_MAX = 10_000
_CHUNKS_MAX = 64
# Programs that write to a pipe know no length: they say none, all ones, or about 2 GiB.
_NO_LENGTH = frozenset(range(0x7FFFF000, 0x80000000)) | {0, 0xFFFFFFFF}
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_SYNC = 0x47
_TS_PACKETS = ((188, 0), (192, 4), (204, 0))
_OGG_LAST_PAGE = 4


@dataclass(frozen=True)
class Completeness:
    """`size` is how many bytes there are and `promised` how many the header speaks of, None when
    it does not; `is_cut` says that the end mark is missing or the last packet is not whole."""

    size: int
    promised: int | None = None
    is_cut: bool = False

    @property
    def missing(self) -> int:
        """Bytes that the header speaks of and that are not there."""
        return max(0, (self.promised or 0) - self.size)


def completeness(path: Path) -> Completeness:
    """Look at a file. Raises OSError when it cannot be read."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(_HEAD_BYTES)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read(_TAIL_BYTES)
        promised = _promised(file, head, size)
    return Completeness(size, promised, _is_cut(head, tail, size))


def _promised(file: BinaryIO, head: bytes, size: int) -> int | None:
    reader = next((reader for test, reader in _LENGTHS if test(head)), None)
    return None if reader is None else reader(file, head, size)


def _iff(file: BinaryIO, head: bytes, size: int) -> int | None:
    length = int.from_bytes(head[4:8], "big" if head[:4] == b"FORM" else "little")
    return None if length in _NO_LENGTH else length + 8


def _rf64(file: BinaryIO, head: bytes, size: int) -> int | None:
    length = int.from_bytes(head[20:28], "little") if head[12:16] == b"ds64" else 0
    return length + 8 if 0 < length < 1 << 62 else None


def _w64(file: BinaryIO, head: bytes, size: int) -> int | None:
    length = int.from_bytes(head[16:24], "little")
    return length if 0 < length < 1 << 62 else None


def _caf(file: BinaryIO, head: bytes, size: int) -> int | None:
    at = 8
    for _ in range(_CHUNKS_MAX):
        name, length = head[at : at + 4], int.from_bytes(head[at + 4 : at + 12], "big", signed=True)
        if len(name) < 4 or length < 0:
            return None
        at += 12 + length
        if name == b"data":
            return at
    return None


def _asf(file: BinaryIO, head: bytes, size: int) -> int | None:
    at = head.find(_ASF_FILE_PROPERTIES)
    if at < 0 or len(head) < at + 92:
        return None
    is_broadcast = head[at + 88] & 1
    length = int.from_bytes(head[at + 40 : at + 48], "little")
    return None if is_broadcast or not 0 < length < 1 << 62 else length


def top_boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of an MP4 file: kind, and where each begins and ends by its own words; up to the
    first one that is none."""
    at = 0
    for _ in range(_BOXES_MAX):
        file.seek(at)
        box = file.read(16)
        length = int.from_bytes(box[:4], "big")
        if length == 1:
            length = int.from_bytes(box[8:16], "big")
        # The length 0 is for a last box, as long as there is something.
        if len(box) < 8 or length < 8 or not box[4:8].isalnum():
            return
        yield box[4:8], at, at + length
        at += length


def _boxes(file: BinaryIO, head: bytes, size: int) -> int | None:
    """Where the last box of an MP4 file ends."""
    return next((end for _, _, end in top_boxes(file) if end >= size), None)


def _matroska(file: BinaryIO, head: bytes, size: int) -> int | None:
    """Where the segment of a Matroska file ends, which is all but a short header."""
    at = 4 + _number_length(head, 4) + (_number(head, 4) or 0)
    if head[at : at + 4] != b"\x18\x53\x80\x67":
        return None
    length = _number(head, at + 4)
    return None if length is None else at + 4 + _number_length(head, at + 4) + length


def _number_length(data: bytes, at: int) -> int:
    return 9 - data[at].bit_length() if at < len(data) else 1


def _number(data: bytes, at: int) -> int | None:
    """An EBML number; None when it says that nothing is known."""
    length = _number_length(data, at)
    if length > 8 or len(data) < at + length:
        return None
    bits = 7 * length
    value = int.from_bytes(data[at : at + length], "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value


_LENGTHS: tuple[
    tuple[Callable[[bytes], bool], Callable[[BinaryIO, bytes, int], int | None]], ...
] = (
    (lambda head: head[:4] in (b"RIFF", b"FORM"), _iff),
    (lambda head: head[:4] in (b"RF64", b"BW64"), _rf64),
    (lambda head: head.startswith(b"riff\x2e\x91\xcf\x11"), _w64),
    (lambda head: head.startswith(b"caff"), _caf),
    (lambda head: head.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), _asf),
    (lambda head: head[4:8] in (b"ftyp", b"styp", b"moov"), _boxes),
    (lambda head: head.startswith(b"\x1a\x45\xdf\xa3"), _matroska),
)


def _is_cut(head: bytes, tail: bytes, size: int) -> bool:
    if head.startswith(b"OggS"):
        return _lacks_last_page(tail)
    if head.startswith((b"GIF87a", b"GIF89a")):
        return not tail.rstrip(b"\0").endswith(b";")
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"IEND" not in tail
    return _has_part_of_packet(head, size)


def _lacks_last_page(tail: bytes) -> bool:
    """Whether an Ogg file does not end with a whole page that says that it is the last one."""
    at = tail.rfind(b"OggS")
    if at < 0:
        return False
    page = tail[at:]
    if len(page) < 27 or not page[5] & _OGG_LAST_PAGE:
        return True
    return len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


def _has_part_of_packet(head: bytes, size: int) -> bool:
    """Whether a transport stream ends in the middle of a packet. Where the first one begins does
    not matter: recordings begin anywhere."""
    for length, at in _TS_PACKETS:
        for start in range(length):
            marks = head[start + at : start + at + 8 * length : length]
            if len(marks) == 8 and all(mark == _SYNC for mark in marks):
                return (size - start) % length != 0
    return False
