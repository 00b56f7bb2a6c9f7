"""Raw mode, the packets of CraftOS-PC's terminals: one line of base64 for each frame; formats
document, 5.5."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np

from gmapi.computercraft.formats import blit
from gmapi.computercraft.formats.writer import Ending, Film, Tally
from gmapi.computercraft.options import PALETTE_SIZE
from gmapi.computercraft.screen import U8, Screen

_RUN_MAX = 255
_SHORT_MAX = 0xFFFF
"""Longest base64 text whose length fits into four hexadecimal digits."""


class RawWriter:
    """See `writer.Writer`. All frames have the same duration, 1 / fps; a still says 0."""

    def __init__(self, film: Film) -> None:
        if film.wall is not None:
            raise ValueError("raw cannot hold the screens of a wall")
        self._fps = blit.number(0 if film.still else film.fps)

    def header(self) -> bytes:
        """Two lines, the second being pictures a second."""
        return b"32Vid 1.1\n%b\n" % self._fps

    def frame(self, screens: Sequence[Screen], seconds: float) -> bytes:
        """One packet."""
        (screen,) = screens
        return _packet(screen)

    def finish(self, tally: Tally) -> Ending:
        """Nothing."""
        return Ending()


def _packet(screen: Screen) -> bytes:
    palette = screen.palette.tobytes().ljust(3 * PALETTE_SIZE, b"\0")
    # Packet type, window, mode and blink before the size; cursor and grey scale after it.
    payload = b"".join(
        (
            struct.pack("<4xHH8x", screen.columns, screen.rows),
            _runs(screen.characters),
            _runs(screen.colors),
            palette,
        )
    )
    text = base64.b64encode(payload)
    start = b"!CPC%04X" if len(text) <= _SHORT_MAX else b"!CPD%012X"
    return b"%b%b%08x\n" % (start % len(text), text, zlib.crc32(payload))


def _runs(plane: U8) -> bytes:
    """Pairs of value and count, row by row."""
    values = plane.ravel()
    if not values.size:
        return b""
    starts = np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1))
    lengths = np.diff(starts, append=values.size)
    pieces = -(-lengths // _RUN_MAX)
    pairs = np.empty((int(pieces.sum()), 2), np.uint8)
    pairs[:, 0] = np.repeat(values[starts], pieces)
    pairs[:, 1] = _RUN_MAX
    pairs[np.cumsum(pieces) - 1, 1] = lengths - _RUN_MAX * (pieces - 1)
    return pairs.tobytes()
