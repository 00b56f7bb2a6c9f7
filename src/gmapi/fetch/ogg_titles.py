"""Titles of songs in Ogg, where each song of a station is a stream of its own whose second page
begins with its comments (RFC 3533, RFC 7845, the Vorbis and FLAC mappings).

Pages go by without being kept, but for one that may hold comments, which is 64 KiB at most.
"""

from __future__ import annotations

from collections.abc import Callable

from gmapi.fetch.song_title import clean, decode

SIGN = b"OggS"

_HEADER = 27
_COMMENT_PAGE = 1
_COMMENTS_MAX = 1000
# What comments begin with, and how many bytes of it: of Opus, of Vorbis.
_SIGNS = (b"OpusTags", b"\3vorbis")
_FLAC_COMMENTS = (0x04, 0x84)
_FLAC_HEADER = 4


class OggTitles:
    """Reads a broadcast as it comes and tells each title."""

    def __init__(self, on_title: Callable[[str], None]) -> None:
        self._on_title = on_title
        self._data = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes. What is no Ogg is passed over, up to the next page."""
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        self._data += data[skipped:]
        while self._page():
            pass

    def _page(self) -> bool:
        """Look at the page at the beginning, if enough of it is there; whether to go on."""
        data = self._data
        if not data.startswith(SIGN):
            at = data.find(SIGN)
            # The sign itself may be cut in two.
            del data[: at if at >= 0 else max(0, len(data) - len(SIGN) + 1)]
            return at >= 0
        if len(data) < _HEADER or len(data) < _HEADER + data[26]:
            return False
        begin = _HEADER + data[26]
        size = begin + sum(data[_HEADER:begin])
        if int.from_bytes(data[18:22], "little") == _COMMENT_PAGE:
            if len(data) < size:
                return False
            if title := _title(bytes(data[begin:size])):
                self._on_title(title)
        self._skip = max(0, size - len(data))
        del data[:size]
        return bool(data)


def _title(packet: bytes) -> str | None:
    """The title that comments tell, as "Artist - Title"; of those that go on in another page what
    is in this one."""
    sign = next((sign for sign in _SIGNS if packet.startswith(sign)), None)
    if sign is None and packet[:1] and packet[0] not in _FLAC_COMMENTS:
        return None
    at = len(sign) if sign is not None else _FLAC_HEADER
    at += 4 + int.from_bytes(packet[at : at + 4], "little")  # who made it
    count = int.from_bytes(packet[at : at + 4], "little")
    at += 4
    texts: dict[str, str] = {}
    for _ in range(min(count, _COMMENTS_MAX)):
        size = int.from_bytes(packet[at : at + 4], "little")
        name, _, text = decode(packet[at + 4 : at + 4 + size][:4096]).partition("=")
        texts.setdefault(name.upper(), clean(text))
        at += 4 + size
        if at >= len(packet):
            break
    title, artist = texts.get("TITLE"), texts.get("ARTIST")
    return clean(f"{artist} - {title}") if title and artist else title or None
