"""Animated WebP by its own chunks (RFC 9649): ffmpeg writes them, but before version 8 it cannot
read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FRAMES_MAX = 1_000_000


@dataclass(frozen=True)
class Animation:
    """Sides in pixels, number of pictures, and how long they take together, seconds."""

    width: int
    height: int
    frames: int
    seconds: float


def animation(path: Path) -> Animation | None:
    """What an animated WebP file holds; None for anything else."""
    size, frames, milliseconds = (0, 0), 0, 0
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WEBP":
            return None
        while len(chunk := file.read(8)) == 8 and frames < _FRAMES_MAX:
            length = int.from_bytes(chunk[4:], "little")
            body = file.read(min(length, 16))
            if chunk[:4] == b"VP8X" and len(body) >= 10:
                size = (_u24(body, 4) + 1, _u24(body, 7) + 1)
            elif chunk[:4] == b"ANMF" and len(body) == 16:
                frames += 1
                milliseconds += _u24(body, 12)
            file.seek(length + length % 2 - len(body), 1)
    return Animation(*size, frames, milliseconds / 1000) if frames and all(size) else None


def _u24(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")
