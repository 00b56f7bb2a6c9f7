"""Internet radio by the protocol of SHOUTcast and Icecast, HTTP with a few ways of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from gmapi.fetch import song_title

STATUS = b"ICY "
"""What a status line begins with instead of HTTP and its version."""

SIGN = "icy-protocol"
"""The header that an answer with such a status line is given here."""

ASK_FOR_TITLES = "Icy-MetaData"
"""The header of a request, `1`, by which a station mixes titles into its sound."""

_INTERVAL_MIN = 64
_INTERVAL = re.compile(r"[0-9]{1,9}")
_PIECE = 16


def is_radio(headers: Mapping[str, str]) -> bool:
    """Whether an answer is that of a station: its broadcast has no end where no length is told."""
    server = headers.get("Server", "").lower()
    return server.startswith(("icecast", "shoutcast")) or _names_itself(headers)


def is_length_made_up(headers: Mapping[str, str]) -> bool:
    """Whether the length that an answer tells is some large number, as some stations do for
    players that insist on one. A file has a date or a version, or comes in parts."""
    return _names_itself(headers) and not any(
        name in headers for name in ("ETag", "Last-Modified", "Accept-Ranges")
    )


def _names_itself(headers: Mapping[str, str]) -> bool:
    return any(name.lower().startswith(("icy-", "ice-")) for name in headers)


def titles_every(value: str | None) -> int | None:
    """The bytes of sound between two titles, of the header `icy-metaint`; None without titles."""
    match = _INTERVAL.fullmatch((value or "").strip())
    interval = int(match[0]) if match else 0
    return interval if interval >= _INTERVAL_MIN else None


OnTitle = Callable[[str], None]
"""Told each title that comes, as one short line; empty where a station tells that there is none."""


def nobody_listens(title: str) -> None:
    """For whoever wants the sound alone."""


class Titles:
    """Takes out the titles of songs that a station mixes into its sound every `interval` bytes:
    one byte with their length in pieces of 16 bytes, then the text, which goes to `on_title`."""

    def __init__(self, interval: int, on_title: OnTitle = nobody_listens) -> None:
        self._interval = interval
        self._on_title = on_title
        self._text = bytearray()
        self._sound_left = interval
        self._title_left = 0

    def strip(self, data: bytes) -> bytes:
        """The sound of the next bytes that came."""
        sound = bytearray()
        at = 0
        while at < len(data):
            if self._title_left:
                step = min(self._title_left, len(data) - at)
                self._title_left -= step
                self._text += data[at : at + step]
                if not self._title_left:
                    self._tell()
            elif self._sound_left:
                step = min(self._sound_left, len(data) - at)
                sound += data[at : at + step]
                self._sound_left -= step
            else:
                step = 1
                self._title_left = data[at] * _PIECE
                self._sound_left = self._interval
            at += step
        return bytes(sound)

    def _tell(self) -> None:
        title = song_title.in_icy(bytes(self._text))
        self._text.clear()
        if title is not None:
            self._on_title(title)
