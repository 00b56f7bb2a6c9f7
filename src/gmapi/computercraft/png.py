"""PNG files (ISO/IEC 15948): 8 bits a sample, not interlaced, the same filter for all rows."""

from __future__ import annotations

import struct
from typing import Literal

import numpy as np

from gmapi.computercraft.deflate import crc32, deflate
from gmapi.computercraft.screen import U8

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY, _RGB, _PALETTE = 0, 2, 3

Filter = Literal[0, 1, 2]
"""What a row holds: 0 its samples, 1 their differences to those of the pixel before, 2 to those
of the row above."""


def plain(pixels: U8) -> bytes:
    """A picture of (height, width, 3) u8 red, green, blue, or of (height, width, 1) u8 grey.

    Filter 2 for all rows: a choice for each row takes longer than it saves.
    """
    height, width, channels = pixels.shape
    lines = filtered(pixels.reshape(height, width * channels), 2)
    return _file(width, height, _RGB if channels == 3 else _GRAY, deflate(lines))


def indexed(indexes: U8, palette: U8, packed: bytes | None = None) -> bytes:
    """A picture with a palette, from (height, width) u8 and (1 to 256, 3) u8.

    `packed` are its rows, filtered and deflated; by default with filter 2.
    """
    height, width = indexes.shape
    if packed is None:
        packed = deflate(filtered(indexes, 2))
    return _file(width, height, _PALETTE, packed, palette)


def filtered(samples: U8, kind: Filter) -> U8:
    """Rows of samples, (height, n) u8 of a byte a pixel with filter 1, as a PNG file holds them:
    (height, 1 + n) u8."""
    height, count = samples.shape
    lines = np.empty((height, 1 + count), np.uint8)
    lines[:, 0] = kind
    lines[:, 1:2] = samples[:, :1]
    if kind == 2:
        lines[:1, 1:] = samples[:1]
        np.subtract(samples[1:], samples[:-1], out=lines[1:, 1:])
    elif kind == 1:
        np.subtract(samples[:, 1:], samples[:, :-1], out=lines[:, 2:])
    else:
        lines[:, 1:] = samples
    return lines


def _file(width: int, height: int, color: int, packed: bytes, palette: U8 | None = None) -> bytes:
    return b"".join(
        (
            _SIGNATURE,
            *_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)),
            *(() if palette is None else _chunk(b"PLTE", palette.tobytes())),
            *_chunk(b"IDAT", packed),
            *_chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    checksum = crc32(data, crc32(kind))
    return struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum)
