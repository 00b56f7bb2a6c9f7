"""Telling what is no media (web pages, playlists, data, archives) from media by the first bytes.

Playlists are refused for safety too: ffmpeg would open the addresses they name. Subtitles and
binary data without a mark of its own (see `kinds`) pass; what else is no media, ffmpeg will say.
"""

from __future__ import annotations

import re

from gmapi.errors import SourceError
from gmapi.fetch import kinds

HEAD_BYTES = 4096

_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_URL_LINE = re.compile(r"(?:https?|ftp|file|rtsp|rtmp|mms)://\S++", re.IGNORECASE)
_FFCONCAT = re.compile(r"ffconcat|file\s++['\"]")
_CUE = re.compile(
    r"^[ \t]{0,9}FILE [^\n]{1,300}[\" ](?:WAVE|MP3|AIFF|BINARY|MOTOROLA)[ \t]{0,9}\r?$",
    re.IGNORECASE | re.MULTILINE,
)
_SDP = re.compile(r"v=0\r?\no=")
# Numbers in brackets that no comma follows are subtitles ([10][20] of MPL2, [00:01.00] of LRC).
_JSON = re.compile(r'\{\s*+["}]|\[\s*+(?:[{"\]]|-?\d++(?:\.\d++)?\s*+,|(?:true|false|null)\b)')
_ELEMENT = re.compile(r"<(?:!doctype\s++)?+([a-z][\w.:-]*+)(?=[\s/>\[]|$)", re.IGNORECASE)
_PROLOGUE = re.compile(
    r"(?:\s++|<\?.*?\?>|<!--.*?-->|<!doctype\s++(?!html|svg)[^>\[]*+(?:\[.*?\]\s*+)?>)++",
    re.IGNORECASE | re.DOTALL,
)
_LIST_HEADS = ("[playlist]", "[reference]", "[internetshortcut]")
_PLAYLIST_TYPES = ("mpegurl", "scpls", "xspf", "x-ms-asf-plugin")
PAGE = "a web page"
HLS = "an HLS or M3U playlist"
DASH = "a DASH manifest"
LIST = "a playlist"
PLAYLISTS = frozenset({HLS, DASH, LIST})
_JSON_NAME = "JSON data"
_XML = "an XML document"
_SVG = "an SVG drawing"
_LFS = "a pointer of Git LFS"
_MAGNET = "a magnet link"
_ELEMENTS = {
    "svg": _SVG,
    "mpd": DASH,
    "playlist": LIST,
    "asx": LIST,
    "smil": LIST,
    "rss": "a news feed",
    "feed": "a news feed",
    "sami": "",  # subtitles
}  # fmt: skip
_PAGE_ELEMENTS = frozenset(
    {"html", "head", "body", "title", "meta", "link", "script", "style", "div", "p", "a", "h1"}
)
_REMEDY = {
    PAGE: "give the direct address of the media file itself",
    _SVG: "give a picture of pixels such as PNG or JPEG",
    _LFS: "give the address at which the repository serves the file itself",
    _MAGNET: "download what it names, and give that file's address",
}
_FALLBACK_REMEDY = "give the address of a single media file"


class NotMediaError(SourceError):
    """The source is of another kind."""

    code = "source_not_media"

    def __init__(self, kind: str, cause: object, hint: str = "") -> None:
        remedy = f"not a media file; {_REMEDY.get(kind, _FALLBACK_REMEDY)}"
        remedy = kinds.REMEDIES.get(kind, remedy)
        super().__init__(f"The source is {kind}, {remedy}.{hint}", cause=cause)
        self.kind = kind


def check_first_bytes(head: bytes, content_type: str | None) -> None:
    """Judge the first bytes (4 KiB are enough) of a source and its Content-Type, if any.

    Raises NotMediaError with what the source is instead.
    """
    kind = kind_of(head, content_type)
    if kind:
        raise not_media(kind, head, content_type)


def kind_of(head: bytes, content_type: str | None) -> str | None:
    """What a source that is no media is, in words such as PAGE or HLS; None for anything else."""
    text = text_of(head)
    kind = kinds.file_kind(head, is_text=bool(text)) or _kind(text, (content_type or "").lower())
    if kind == kinds.GZIP and _kind(text_of(kinds.inside_gzip(head)), "") == _SVG:
        return _SVG
    return kind


def not_media(kind: str, head: bytes, content_type: str | None) -> NotMediaError:
    """The error for what is of this kind."""
    return NotMediaError(kind, f"Content-Type {content_type!r}, begins {head[:60]!r}")


def text_of(head: bytes) -> str:
    """The beginning as text; empty when it is binary."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") and 0 in head[2:4]:
        return head.decode("utf-16", "replace").lstrip("\ufeff \t\r\n\f")
    if _CONTROL.search(head):
        return ""
    return head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n\f")


def _kind(text: str, content_type: str) -> str | None:
    """What the text is, or None when it may be media or subtitles."""
    if not text:
        return None
    lowered = text[:64].lower()
    if text.startswith("<"):
        return _markup(text, content_type)
    if lowered.startswith("#extm3u"):
        return HLS
    if _CUE.search(text):
        return "a cue sheet (a list of a disc's tracks)"
    if _FFCONCAT.match(lowered):
        return "an ffconcat list"
    if lowered.startswith(_LIST_HEADS) or _URL_LINE.match(text):
        return LIST
    if lowered.startswith("version https://git-lfs"):
        return _LFS
    if lowered.startswith("magnet:?"):
        return _MAGNET
    if _SDP.match(lowered):
        return "a session description (SDP)"
    if _JSON.match(text):
        return _JSON_NAME
    if any(name in content_type for name in _PLAYLIST_TYPES):
        return LIST
    if "html" in content_type and "�" not in text:
        return PAGE
    # Text whose first line that is no comment is an address: M3U without its header.
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if text.startswith("#") and _URL_LINE.fullmatch(first):
        return HLS
    return None


def _markup(text: str, content_type: str) -> str | None:
    prologue = _PROLOGUE.match(text)
    rest = text[prologue.end() :] if prologue else text
    element = _ELEMENT.match(rest)
    if element is None:
        if not text.lower().startswith(("<?xml", "<!--", "<!doctype")):
            return PAGE if "html" in content_type else None
        name = ""
    else:
        name = element[1].lower().rpartition(":")[2]
    if name in _PAGE_ELEMENTS or "html" in content_type:
        return PAGE
    return _ELEMENTS.get(name, _XML) or None
