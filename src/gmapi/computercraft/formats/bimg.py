"""BIMG: blit tables of all frames in one serialised Lua table; formats document, 5.6."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from gmapi import __version__
from gmapi.computercraft.formats import blit
from gmapi.computercraft.formats.writer import Ending, Film, Tally
from gmapi.computercraft.screen import Screen

CREATOR = "GMapiServer"


class BimgWriter:
    """See `writer.Writer`. The text form is printable ASCII and line breaks; the binary form has
    raw bytes in the strings of characters and is smaller.

    The frames of a wall are its parts, row by row. A frame has a `duration` of its own only where
    that differs from `secondsPerFrame`. The file is dated `now`, if given.
    """

    def __init__(self, film: Film, *, binary: bool = False, now: datetime | None = None) -> None:
        self._film = film
        self._binary = binary
        self._now = now
        self._seconds = blit.number(1 / film.fps)

    def header(self) -> bytes:
        """The opening brace."""
        return b"{" if self._binary else b"{\n"

    def frame(self, screens: Sequence[Screen], seconds: float) -> bytes:
        """One table for each screen."""
        duration = None if blit.number(seconds) == self._seconds else seconds
        if self._binary:
            return b"".join(blit.compact_frame(screen, duration) + b"," for screen in screens)
        return b"".join(blit.spread_frame(screen, duration) + b",\n" for screen in screens)

    def finish(self, tally: Tally) -> Ending:
        """What is known of the whole, and the closing brace."""
        fields = [
            ("creator", self._text(CREATOR)),
            ("version", self._text(__version__)),
            ("secondsPerFrame", self._seconds),
            ("animation", b"true" if tally.frames > 1 else b"false"),
        ]
        if self._now is not None:
            date = self._now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
            fields.append(("date", self._text(date)))
        fields.append(("title", self._text(self._film.title)))
        if self._film.wall is not None:
            fields.insert(0, ("multiMonitor", self._wall()))
        if self._binary:
            lines = b",".join(b"%b=%b" % (name.encode(), value) for name, value in fields)
            return Ending(lines + b"}")
        lines = b",\n".join(b"%b = %b" % (name.encode(), value) for name, value in fields)
        return Ending(lines + b"\n}\n")

    @staticmethod
    def _text(value: str) -> bytes:
        return b"'" + blit.escaped(value) + b"'"

    def _wall(self) -> bytes:
        wall = self._film.wall
        assert wall is not None
        values = (wall.columns, wall.rows, blit.number(wall.scale))
        if self._binary:
            return b"{width=%d,height=%d,scale=%b}" % values
        return b"{\n    width = %d,\n    height = %d,\n    scale = %b\n}" % values
