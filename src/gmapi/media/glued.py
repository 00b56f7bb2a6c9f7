"""Whether a file is several films or songs glued together of which ffmpeg plays only the first.

Of MP3, AAC, MPEG and the like it plays all; Ogg and FLAC songs are taken apart, see `links`.
"""

from __future__ import annotations

import re
from pathlib import Path

from gmapi.media.completeness import completeness, top_boxes
from gmapi.media.links import found

_HEAD_BYTES = 16
# Its header, which says its own length, and the size of no tag before the first one.
_FLV = re.compile(rb"FLV\x01[\x00-\x05]\x00\x00\x00\x09\x00{4}")
_FLV_BYTES = 13
# Of Matroska that was written live, which does not say where it ends: its header, and in that its
# version.
_EBML = re.compile(rb"\x1a\x45\xdf\xa3(?:[\x90-\xbf]|\x01\x00{6}[\x10-\x3f])\x42\x86\x81\x01")
_EBML_BYTES = 16
# What begins a file whose header says where it ends; a RIFF that is no sound may go on.
_MARKS = (b"\x1a\x45\xdf\xa3", b"RF64", b"riff\x2e\x91\xcf\x11", b"FORM", b"\x30\x26\xb2\x75")


def second_at(path: Path) -> int | None:
    """Where the second of the files begins, in bytes; None for a file that is one. Raises OSError
    when it cannot be read."""
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
        if head[4:8] == b"ftyp":
            return _second_mp4(path)
        if head.startswith(b"FLV"):
            return _second(path, _FLV, _FLV_BYTES)
        mark = next((mark for mark in _MARKS if head.startswith(mark)), None)
        if mark is None and head[:4] == b"RIFF" and head[8:12] == b"WAVE":
            mark = b"RIFF"
        if mark is None:
            return None
        end = completeness(path).promised
        if end is None:
            return _second(path, _EBML, _EBML_BYTES) if mark == _MARKS[0] else None
        for at in (end, end + 1):  # parts of an odd length are filled up
            file.seek(at)
            if file.read(len(mark)) == mark:
                return at
    return None


def _second(path: Path, pattern: re.Pattern[bytes], overlap: int) -> int | None:
    places = [at for at, _ in found(path, pattern, overlap, 2)]
    return places[1] if len(places) > 1 else None


def _second_mp4(path: Path) -> int | None:
    """Of a file in fragments each part may begin as a file does."""
    kinds: set[bytes] = set()
    with open(path, "rb") as file:
        for kind, at, _ in top_boxes(file):
            if kind == b"moof":
                return None
            if kind == b"ftyp" and {b"moov", b"mdat"} <= kinds:
                return at
            kinds.add(kind)
    return None
