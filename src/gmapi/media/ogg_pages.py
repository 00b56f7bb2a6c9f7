"""How far the sound of an Ogg file goes, told by its pages (RFC 3533).

ffmpeg counts the seconds of a chain, of which each title is a stream of its own, anew with each.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct("<4sBBqIIIB")
_FIRST = 2
_SEGMENTS_MAX = 255
_HEAD_BYTES = 64
_RATE_MAX = 1_000_000
# A station hands on what is on, so the first page may tell of any time.
_FIRST_PAGE_SECONDS = 2


@dataclass(frozen=True)
class Reach:
    """`seconds` of sound lie before the offset `end` (bytes), in so many `links` of a chain."""

    seconds: float
    end: int
    links: int


def reach(path: Path, seconds: float) -> Reach | None:
    """The beginning of an Ogg file of Vorbis, Opus, FLAC or Speex that holds `seconds` of sound,
    to the end of a page; all of it where there is less. None for other files, also those with
    several streams beside each other. Only this beginning is read."""
    over = 0.0
    links = 0
    rate: int | None = None
    serial: int | None = None
    first: int | None = None
    link = 0.0
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        at = end = 0
        while at < size and over + link < seconds:
            file.seek(at)
            head = file.read(_HEADER.size + _SEGMENTS_MAX + _HEAD_BYTES)
            if len(head) < _HEADER.size:
                break
            mark, _, kind, position, stream, _, _, segments = _HEADER.unpack_from(head)
            if mark != b"OggS":
                return None
            begin = _HEADER.size + segments
            at += begin + sum(head[_HEADER.size : begin])
            if at > size:
                break
            if kind & _FIRST:
                if serial is not None and first is None and links and not link:
                    return None
                over, link, links, first = over + link, 0.0, links + 1, None
                rate, serial = _rate(head[begin:]), stream
            elif stream != serial:
                return None
            if not rate:
                return None
            if position > 0:
                if first is None:
                    first = position if position > _FIRST_PAGE_SECONDS * rate else 0
                link = max(0.0, (position - first) / rate)
            end = at
    return Reach(over + link, end, links) if links else None


def _rate(head: bytes) -> int | None:
    """Positions a second, by the head of a stream."""
    rate = 0
    if head.startswith(b"\x01vorbis"):
        rate = int.from_bytes(head[12:16], "little")
    elif head.startswith(b"OpusHead"):
        rate = 48_000
    elif head.startswith(b"\x7fFLAC"):
        rate = int.from_bytes(head[27:30], "big") >> 4
    elif head.startswith(b"Speex   "):
        rate = int.from_bytes(head[36:40], "little")
    return rate if 0 < rate <= _RATE_MAX else None
