"""Reading HLS playlists (RFC 8216 and its successor draft) and plain M3U lists; no network.

The libraries that there are fetch by themselves or stop at tags that nobody needs here; of the
format only some ten tags matter. All functions raise SourceError with a sentence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gmapi.fetch.address import SourceUrl
from gmapi.fetch.bounds import CHOICES_MAX, Bounds, check_headers
from gmapi.fetch.ranges import Span
from gmapi.fetch.segments import (
    PICTURE_HEIGHT_MAX,
    Segment,
    Track,
    bad_playlist,
    check_count,
    make_span,
    make_track,
)

LINE_MAX = 16 * 1024
LINES_MAX = 200_000
"""Most lines that are not empty."""

ATTRIBUTES_MAX = 100
"""Most attributes of a tag."""

_NUMBER_MAX = 64
_DOUBT_SECONDS = 0.25
_CHARACTERS_PER_STEP = 64

# None of these ever goes back over what it has read: the text is a stranger's.
_LINE = re.compile(r"\S[^\r\n]*+")
_ATTRIBUTE = re.compile(r'([A-Z0-9-]++)\s*+=\s*+(?:"([^"]*+)"|([^",]*+))\s*+(?:,\s*+|\Z)')
_RANGE = re.compile(r"([0-9]{1,15})(?:@([0-9]{1,15}))?")
_WHOLE = re.compile(r"[0-9]{1,20}")
_LIST_ENTRY = re.compile(r"File[0-9]++\s*+=\s*+(.++)", re.IGNORECASE)
_RESOLUTION = re.compile(r"[0-9]{1,5}x([0-9]{1,5})")
_BANDWIDTH = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Variant:
    """One quality of a stream: bits a second, height in pixels (0 when not said), the group of
    sound that belongs to it."""

    url: SourceUrl
    bandwidth: int
    height: int
    sound: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """The playlists chosen from a master playlist; `sound` where it is apart."""

    pictures: SourceUrl
    sound: SourceUrl | None


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """Segments with their media sequence numbers counted from `sequence`; `headers[i]` is the
    EXT-X-MAP in force at segment i. Not `ended`: more will come. `target` is in seconds, and
    `doubt` how much longer all segments may be called than they are."""

    segments: tuple[Segment, ...]
    headers: tuple[Segment | None, ...]
    sequence: int
    ended: bool
    target: float
    doubt: float = 0.0

    def track(self) -> Track:
        """The track of a stream that has ended. Raises SourceError."""
        # In old playlists each length is a whole number, whatever it is really.
        known = sum(segment.seconds for segment in self.segments) - self.doubt
        return make_track(self.in_order(), known if self.doubt <= _DOUBT_SECONDS else None)

    def in_order(self) -> list[Segment]:
        """All segments, with the header where it is first needed and where it changes."""
        listed: list[Segment] = []
        current: Segment | None = None
        for header, segment in zip(self.headers, self.segments, strict=True):
            if header is not None and header != current:
                listed.append(header)
                current = header
            listed.append(segment)
        return listed


def is_master(text: str, bounds: Bounds | None = None) -> bool:
    return any(line.startswith("#EXT-X-STREAM-INF") for line in _lines(text, bounds or Bounds()))


def is_hls(text: str, bounds: Bounds | None = None) -> bool:
    """Whether it is a playlist of a stream, not a list of songs."""
    return any(line.startswith("#EXT-X-") for line in _lines(text, bounds or Bounds()))


def single_entry(text: str, base: SourceUrl, bounds: Bounds | None = None) -> SourceUrl:
    """The address in a list that names only one: M3U or PLS."""
    bounds = bounds or Bounds()
    pls = text[: 2 * LINE_MAX].lstrip("\ufeff \t\r\n").lower().startswith("[playlist]")
    found, count = "", 0
    for line in _lines(text, bounds):
        if pls:
            match = _LIST_ENTRY.fullmatch(line)
            entry = match[1] if match else None
        else:
            entry = None if line.startswith("#") else line
        if entry is not None:
            found, count = entry, count + 1
    if count != 1:
        raise bad_playlist(f"names {count} sources; give the address of one of them")
    return bounds.resolve(base, found, "its entry")


def choose(text: str, base: SourceUrl, bounds: Bounds | None = None) -> Choice:
    """The best variant up to 1080 lines, or the smallest, with its sound."""
    bounds = bounds or Bounds()
    variants: list[Variant] = []
    sounds: dict[str, list[dict[str, str]]] = {}
    listed = 0
    pending: dict[str, str] | None = None
    for number, line in enumerate(_lines(text, bounds), 1):
        _check_lines(number)
        if line.startswith("#EXT-X-STREAM-INF:"):
            pending = _attributes(line)
        elif line.startswith("#EXT-X-MEDIA:"):
            media = _attributes(line)
            listed += 1
            _check_choices(listed)
            if media.get("TYPE") == "AUDIO":
                kept = {k: v for k, v in media.items() if k in ("DEFAULT", "URI")}
                sounds.setdefault(media.get("GROUP-ID", ""), []).append(kept)
        elif line.startswith(("#EXT-X-SESSION-KEY:", "#EXT-X-KEY:")):
            _check_key(line)
        elif not line.startswith("#") and pending is not None:
            _check_choices(len(variants) + 1)
            url = bounds.resolve(base, line, f"variant {len(variants) + 1}")
            size = _RESOLUTION.fullmatch(pending.get("RESOLUTION", ""))
            rate = _BANDWIDTH.match(pending.get("BANDWIDTH", ""))
            variants.append(
                Variant(
                    url,
                    int(rate[0]) if rate else 0,
                    int(size[1]) if size else 0,
                    pending.get("AUDIO"),
                )
            )
            pending = None
    if not variants:
        raise bad_playlist("names no variant of the stream; check the address")
    best = best_quality([(variant.height, variant.bandwidth) for variant in variants])
    chosen = variants[best]
    sound = _sound(sounds.get(chosen.sound or "", []), base, bounds)
    return Choice(chosen.url, None if sound == chosen.url else sound)


def best_quality(qualities: list[tuple[int, int]]) -> int:
    """Index of the best of pairs of height and bandwidth: with pictures rather than without, up to
    1080 lines rather than more."""

    def worth(quality: tuple[int, int]) -> tuple[int, int]:
        height, bandwidth = quality
        if height > PICTURE_HEIGHT_MAX:
            return 1, -bandwidth
        return (2 if height else 0), bandwidth

    some = any(height for height, _ in qualities)
    if not some:
        return max(range(len(qualities)), key=lambda i: qualities[i][1])
    return max(range(len(qualities)), key=lambda i: worth(qualities[i]))


def _sound(group: list[dict[str, str]], base: SourceUrl, bounds: Bounds) -> SourceUrl | None:
    """Where the sound of a group is; None when it is in the variant itself."""
    if not group:
        return None
    default = next((media for media in group if media.get("DEFAULT") == "YES"), group[0])
    uri = default.get("URI")
    return bounds.resolve(base, uri, "its sound") if uri else None


def parse_media(
    text: str, base: SourceUrl, bounds: Bounds | None = None, *, since: int = 0
) -> MediaPlaylist:
    """Read a playlist of segments, those with a media sequence number below `since` left out."""
    bounds = bounds or Bounds()
    sequence = _survey(text, bounds)
    segments: list[Segment] = []
    headers: list[Segment | None] = []
    header: Segment | None = None
    headers_by_line: dict[str, Segment] = {}
    seconds, span_text, gap, leap = 0.0, "", False, False
    doubt = 0.0
    target, ended, listed, left_out = 0.0, False, 0, False
    ends: dict[str, int] = {}
    for line in _lines(text, bounds):
        if line.startswith("#EXTINF:"):
            text_of_seconds = line.partition(":")[2].partition(",")[0].strip()
            seconds = _seconds(text_of_seconds)
            doubt += _rounding(text_of_seconds)
        elif line.startswith("#EXT-X-BYTERANGE:"):
            span_text = line.partition(":")[2].strip()
        elif line.startswith("#EXT-X-KEY:"):
            _check_key(line)
        elif line.startswith("#EXT-X-MAP:"):
            if line not in headers_by_line:
                check_headers(len(headers_by_line) + 1)
                headers_by_line[line] = _header(_attributes(line), base, bounds)
            header = headers_by_line[line]
        elif line.startswith("#EXT-X-GAP"):
            gap = True
        elif line == "#EXT-X-DISCONTINUITY":
            leap = True
        elif line.startswith("#EXT-X-TARGETDURATION:"):
            target = _seconds(line.partition(":")[2])
        elif line.startswith("#EXT-X-ENDLIST"):
            ended = True
        elif line.startswith("#EXT-X-I-FRAMES-ONLY"):
            raise bad_playlist("is only for winding forward; give the address of the stream itself")
        elif line.startswith(("#EXT-X-STREAM-INF", "#EXT-X-MEDIA:")):
            raise bad_playlist("names other playlists more than once; use another address")
        elif line.startswith("#EXT-X-SKIP"):
            raise bad_playlist("leaves out what was sent before; use another address")
        elif not line.startswith("#"):
            listed += 1
            if not gap:
                name = f"segment {listed}"
                span = _span(span_text, ends, line, name)
                if sequence + listed - 1 < since:
                    left_out = True
                else:
                    url = bounds.resolve(base, line, name)
                    segments.append(Segment(url, span, seconds, listed, leap))
                    headers.append(header)
                leap = False
            seconds, span_text, gap = 0.0, "", False
    if not segments and not left_out and ended:
        raise bad_playlist("names no segments; check the address")
    return MediaPlaylist(tuple(segments), tuple(headers), sequence, ended, target, doubt)


def _survey(text: str, bounds: Bounds) -> int:
    """Count lines and segments before any address is looked at, which takes longest; returns the
    media sequence number."""
    sequence = segments = 0
    for number, line in enumerate(_lines(text, bounds), 1):
        if not line.startswith("#"):
            segments += 1
            check_count(segments)
        elif line.startswith("#EXT-X-MEDIA-SEQUENCE:"):
            sequence = _whole(line.partition(":")[2])
        _check_lines(number)
    return sequence


def _lines(text: str, bounds: Bounds) -> Iterator[str]:
    """The lines that are not empty, without spaces around them."""
    for match in _LINE.finditer(text.lstrip("\ufeff")):
        length = match.end() - match.start()
        bounds.step(1 + length // _CHARACTERS_PER_STEP)
        if length > LINE_MAX:
            raise bad_playlist(f"has a line of more than {LINE_MAX} characters; check the address")
        yield match[0].rstrip()


def _check_lines(count: int) -> None:
    if count > LINES_MAX:
        raise bad_playlist(
            f"has more than the {LINES_MAX:,} lines this server reads; use a shorter source"
        )


def _check_choices(count: int) -> None:
    if count > CHOICES_MAX:
        raise bad_playlist(
            f"names more than {CHOICES_MAX:,} variants of the stream or of its sound; use another "
            "source"
        )


def _attributes(line: str) -> dict[str, str]:
    """The attribute list of a tag, up to where it is broken; quotes are taken off."""
    found: dict[str, str] = {}
    text = line.partition(":")[2].strip()
    at = 0
    while match := _ATTRIBUTE.match(text, at):
        found[match[1]] = match[2] if match[2] is not None else match[3].strip()
        at = match.end()
        if len(found) > ATTRIBUTES_MAX:
            raise bad_playlist(
                f"has a tag of more than {ATTRIBUTES_MAX} attributes; check the address"
            )
    return found


def _check_key(line: str) -> None:
    method = _attributes(line).get("METHOD", "")
    if method != "NONE":
        raise bad_playlist(
            "is of an encrypted stream, which this server does not decrypt; use another source",
            f"METHOD={method[:40]}",
        )


def _header(attributes: dict[str, str], base: SourceUrl, bounds: Bounds) -> Segment:
    uri = attributes.get("URI")
    if uri is None:
        raise bad_playlist("has an EXT-X-MAP without an address")
    url = bounds.resolve(base, uri, "the header")
    return Segment(url, _span(attributes.get("BYTERANGE", ""), {}, uri, "the header"))


def _span(text: str, ends: dict[str, int], file: str, name: str) -> Span | None:
    """The part of a file, by what the playlist calls it; one without a position follows the part
    before in the same file."""
    if not text:
        return None
    match = _RANGE.fullmatch(text)
    if match is None:
        raise bad_playlist(f"names an impossible part of a file for {name}", text[:100])
    first = int(match[2]) if match[2] else ends.get(file, 0)
    span = make_span(first, int(match[1]), name)
    ends[file] = span.last + 1
    return span


def _seconds(text: str) -> float:
    try:
        seconds = float(text.strip() or "nan") if len(text) <= _NUMBER_MAX else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 1e9:
        raise bad_playlist("has a segment of an impossible length", text[:100])
    return seconds


def _rounding(seconds: str) -> float:
    """How far off a number of this form may be."""
    return 0.5 * 10.0 ** -len(seconds.partition(".")[2])


def _whole(text: str) -> int:
    text = text.strip()
    if not _WHOLE.fullmatch(text):
        raise bad_playlist("has an impossible sequence number", text[:100])
    return int(text)
