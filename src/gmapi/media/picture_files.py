"""Picture files that hold more than their picture, told by their bytes.

A camera's JPEG may have a gain map, thumbnails or a film behind its picture; raw motion JPEG is
pictures of one size one after another. ffmpeg calls both `jpeg_pipe`, or both `mjpeg`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_START = b"\xff\xd8\xff"
_END = b"\xff\xd9"
_PNG_NEXT = b"IEND\xaeB`\x82\x89PNG\r\n\x1a\n"
# Multi-picture format (CIPA DC-007) and gain maps (ISO 21496-1, Adobe).
_SEVERAL_APP2 = (b"MPF\0", b"urn:iso:std:iso:ts:21496:-1\0")
_GAIN_MAP = b"hdrgm:"
# Markers without a length.
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Zeros and the like between two pictures.
_GAP_BYTES = 4096
_SEGMENTS_MAX = 10_000
_PIECE_BYTES = 1 << 20

_PICTURE_CONTAINERS = frozenset({"apng", "gif", "ico", "jpegxl_anim", "webp_anim"})
_HEIF_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1"})


def is_picture(path: Path, container: str) -> bool:
    """Whether a file that ffmpeg reads as `container` is of a format for pictures, moving or not:
    its streams mean nothing without it."""
    if container in _PICTURE_CONTAINERS or container.endswith("_pipe"):
        return True
    return is_heif(path)


def is_heif(path: Path) -> bool:
    """Whether a file is HEIF, as AVIF and HEIC are."""
    with open(path, "rb") as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:] in _HEIF_BRANDS


def holds_film(path: Path, container: str, check: Callable[[], None] = lambda: None) -> bool:
    """Whether a file that ffmpeg reads as `container` is many pictures that follow each other.

    `check` is called now and then, and what it raises passes through.
    """
    if container not in ("jpeg_pipe", "mjpeg", "png_pipe"):
        return False
    with open(path, "rb") as file:
        if container == "png_pipe":
            return _find(file, _PNG_NEXT, 0, None, check) is not None
        return _is_motion_jpeg(file, check)


def _is_motion_jpeg(file: BinaryIO, check: Callable[[], None]) -> bool:
    begin = _find(file, _START, 0, _GAP_BYTES, check)
    first = None if begin is None else _frame(file, begin)
    if first is None:
        return False
    size, scan = first
    # Within a scan each 0xFF is followed by 0 or a bare marker, so this is its end.
    end = _find(file, _END, scan, None, check)
    follower = None if end is None else _find(file, _START, end, end + _GAP_BYTES, check)
    second = None if follower is None else _frame(file, follower)
    return second is not None and second[0] == size


def _find(
    file: BinaryIO, mark: bytes, at: int, end: int | None, check: Callable[[], None]
) -> int | None:
    """Where `mark` stands, from `at` on and before `end`; None when it does not."""
    file.seek(at)
    kept = b""
    while piece := file.read(_PIECE_BYTES if end is None else min(_PIECE_BYTES, end - at)):
        check()
        found = (kept + piece).find(mark)
        if found != -1:
            return at - len(kept) + found
        at += len(piece)
        kept = (kept + piece)[1 - len(mark) :]
    return None


def _frame(file: BinaryIO, at: int) -> tuple[bytes, int] | None:
    """Height and width of the picture at `at`, as it stands there, and where its scan begins; None
    when it says that others belong to it, or is no JPEG."""
    at += 2
    size = b""
    for _ in range(_SEGMENTS_MAX):
        file.seek(at)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return None
        marker = head[1]
        if marker == 0xFF or marker in _BARE:
            at += 1 if marker == 0xFF else 2
            continue
        body = at + 4
        if marker == 0xDA:
            return (size, body) if size else None
        length = int.from_bytes(head[2:4])
        if length < 2:
            return None
        inside = file.read(length - 2)
        if marker == 0xE2 and inside.startswith(_SEVERAL_APP2):
            return None
        if marker == 0xE1 and _GAIN_MAP in inside:
            return None
        if marker in _FRAMES:
            size = inside[1:5]
        at += 2 + length
    return None
