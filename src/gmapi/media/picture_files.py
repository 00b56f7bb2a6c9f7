"""Picture files that hold more than their picture, told by their bytes.

A camera's JPEG may have a gain map, thumbnails or a film behind its picture; raw motion JPEG is
pictures of one size one after another. ffmpeg calls both `jpeg_pipe`, or both `mjpeg`.
"""

from __future__ import annotations

import mmap
from pathlib import Path

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


def holds_film(path: Path, container: str) -> bool:
    """Whether a file that ffmpeg reads as `container` is many pictures that follow each other."""
    if container not in ("jpeg_pipe", "mjpeg", "png_pipe"):
        return False
    with open(path, "rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # empty
            return False
        with data:
            if container == "png_pipe":
                return data.find(_PNG_NEXT) != -1
            return _is_motion_jpeg(data)


def _is_motion_jpeg(data: mmap.mmap) -> bool:
    begin = data.find(_START, 0, _GAP_BYTES)
    first = _frame(data, begin) if begin != -1 else None
    if first is None:
        return False
    size, scan = first
    # Within a scan each 0xFF is followed by 0 or a bare marker, so this is its end.
    end = data.find(_END, scan)
    follower = data.find(_START, end, end + _GAP_BYTES) if end != -1 else -1
    second = _frame(data, follower) if follower != -1 else None
    return second is not None and second[0] == size


def _frame(data: mmap.mmap, at: int) -> tuple[bytes, int] | None:
    """Height and width of the picture at `at`, as it stands there, and where its scan begins; None
    when it says that others belong to it, or is no JPEG."""
    at += 2
    size = b""
    for _ in range(_SEGMENTS_MAX):
        head = data[at : at + 4]
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
        if marker == 0xE2 and data[body : body + 40].startswith(_SEVERAL_APP2):
            return None
        if marker == 0xE1 and data.find(_GAIN_MAP, body, at + 2 + length) != -1:
            return None
        if marker in _FRAMES:
            size = data[body + 1 : body + 5]
        at += 2 + length
    return None
