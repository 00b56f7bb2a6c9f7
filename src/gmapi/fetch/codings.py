"""Whether an answer was sent compressed: what its headers say, held against its first bytes.

Nothing is unpacked, for a few bytes can stand for any number. But many servers name a coding that
they have not applied, or a word that is none; such an answer is taken as it is.
"""

from __future__ import annotations

import re

_COMPRESSIONS = {
    "gzip": re.compile(rb"\x1f\x8b\x08"),
    "compress": re.compile(rb"\x1f\x9d"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
    "dcz": re.compile(rb"\x5e\x2a\x4d\x18"),
    "dcb": re.compile(rb"\xff\x44\x43\x42"),
    "deflate": None,
    "br": None,
}
"""How what was packed so begins; None where nothing can be told from its beginning."""

_OTHER_NAMES = {"x-gzip": "gzip", "x-compress": "compress", "x-deflate": "deflate"}

# How files begin that people convert, playlists and subtitles among them. Data packed with Brotli
# or deflate begins with any bytes, but hardly ever with these.
_MEDIA = re.compile(
    rb"\xff[\xd8\xe0-\xff]|\x89PNG\r\n|GIF8[79]a|RIFF....(?:WAVE|AVI |WEBP)|BM|II\*\x00|MM\x00\*"
    rb"|ID3[\x02-\x04]|OggS\x00|fLaC|\x1a\x45\xdf\xa3|FLV\x01|\x30\x26\xb2\x75|FORM|\.snd|MThd|caff"
    rb"|....(?:ftyp|moov|mdat|free|skip|wide|moof|styp)|\x00\x00\x01[\xb3\xba]|#!AMR|\x47.{187}\x47"
    rb"|[\t\n\r -~]{32}"
    rb"|(?:\xef\xbb\xbf)?+(?:WEBVTT|\[Script Info\]|1\r?\n\d\d:)",
    re.DOTALL,
)


def compression(coding: str) -> str | None:
    """The compression that was applied last, by a Content-Encoding; None without one.

    Words that are no compression, such as `none`, `binary` and `aws-chunked`, mean nothing.
    """
    words = [word.strip(" \t\r\n\"'").lower() for word in coding.split(",")]
    known = [_OTHER_NAMES.get(word, word) for word in words]
    return next((word for word in reversed(known) if word in _COMPRESSIONS), None)


def is_packed(compression: str, head: bytes) -> bool:
    """Whether a file that begins so may be packed with this compression."""
    beginning = _COMPRESSIONS[compression]
    if beginning is not None:
        return beginning.match(head) is not None
    return _MEDIA.match(head) is None
