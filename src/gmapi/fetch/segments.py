"""What a playlist comes down to: tracks of segments, and the bounds on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urljoin

from gmapi.errors import RequestError, SourceError
from gmapi.fetch.address import SourceUrl, check_url
from gmapi.fetch.ranges import Span

SEGMENTS_MAX = 20_000
SECONDS_MAX = 7 * 24 * 3600.0
PICTURE_HEIGHT_MAX = 1080
"""Of several qualities the best one up to this height is taken."""

_POSITION_MAX = 10**15


@dataclass(frozen=True, slots=True)
class Segment:
    """A file or a part of one. `seconds` is how long it plays, 0 for a header; `number` is its
    place in the playlist, from 1 on, for messages; it is 0 for a header. With a `leap` its clock
    does not go on from the one before (RFC 8216, 4.3.2.3)."""

    url: SourceUrl
    span: Span | None = None
    seconds: float = 0.0
    number: int = 0
    leap: bool = False

    @property
    def name(self) -> str:
        return f"segment {self.number}" if self.number else "the header"


@dataclass(frozen=True, slots=True)
class Track:
    """Segments that make one file when put one after another. `told` is how many seconds it
    plays at least; None where its playlist does not tell that well."""

    segments: tuple[Segment, ...]
    told: float | None = None

    @property
    def seconds(self) -> float:
        return sum(segment.seconds for segment in self.segments)

    @property
    def leaps(self) -> bool:
        """Whether its clock does not run through."""
        return any(segment.leap for segment in self.segments[1:])

    def first_seconds(self, seconds: float) -> Track:
        """The beginning, up to the segment that reaches `seconds`."""
        kept: list[Segment] = []
        played = 0.0
        for segment in self.segments:
            if played >= seconds:
                break
            kept.append(segment)
            played += segment.seconds
        return Track(tuple(kept), None if self.told is None else min(self.told, played))

    def requests(self) -> list[Segment]:
        """The segments with neighbouring parts of one file made one, so that it is asked for once.
        Headers stay apart."""
        joined: list[Segment] = []
        for segment in self.segments:
            last = joined[-1] if joined else None
            if (
                last is not None
                and last.number
                and segment.number
                and last.span is not None
                and segment.span is not None
                and last.url == segment.url
                and last.span.last + 1 == segment.span.first
            ):
                span = Span(last.span.first, segment.span.last)
                seconds = last.seconds + segment.seconds
                joined[-1] = Segment(last.url, span, seconds, last.number)
            else:
                joined.append(segment)
        return joined

    def digest(self) -> str:
        """The same for tracks of the same segments."""
        digest = sha256()
        for segment in self.segments:
            span = segment.span and (segment.span.first, segment.span.last)
            named = (segment.url.url, span, segment.seconds, segment.number)
            digest.update(repr(named).encode())
        return digest.hexdigest()


def bad_playlist(what: str, cause: object = None) -> SourceError:
    """The error for a playlist that cannot be used; `what` completes "The playlist ...".

    `what` names the remedy where there is one.
    """
    return SourceError(f"The source's playlist {what}.", code="source_playlist", cause=cause)


def within(name: str, error: SourceError) -> SourceError:
    """The same error, saying what of the playlist it is about."""
    return SourceError(
        f"The source's playlist was read, but not {name}: {error.message}",
        code=error.code,
        cause=error.cause,
    )


def resolve_url(base: SourceUrl, reference: str, name: str) -> SourceUrl:
    """The address of `name` ("segment 3") in a playlist. Raises SourceError."""
    try:
        # As in links of web pages, a space in an address stands for %20.
        url = check_url(urljoin(base.url, reference.strip().replace(" ", "%20")))
    except (RequestError, ValueError) as error:
        raise SourceError(
            f"The source's playlist names an address for {name} that is not a valid http or https "
            "address; use another source.",
            code="source_refused",
            cause=f"{reference[:200]!r}: {error}",
        ) from None
    if base.scheme == "https" and url.scheme == "http":
        raise SourceError(
            f"The source's playlist was sent by https and names an http address for {name}, which "
            "is not fetched; give the playlist's http address if you trust it.",
            code="source_refused",
            cause=url.url,
        )
    return url


def make_span(first: int, size: int, name: str) -> Span:
    """A part of `size` bytes from `first` on. Raises SourceError for what cannot be."""
    if first < 0 or size < 1 or first + size > _POSITION_MAX:
        raise bad_playlist(f"names an impossible part of a file for {name}")
    return Span(first, first + size - 1)


def make_track(segments: Sequence[Segment], told: float | None = None) -> Track:
    """A track within the bounds, for `told` see `Track`. Raises SourceError."""
    if not any(segment.number for segment in segments):
        raise bad_playlist("names no segments; check the address")
    check_count(len(segments))
    if not 0 <= sum(segment.seconds for segment in segments) <= SECONDS_MAX:
        raise bad_playlist("is longer than the 7 days this server fetches; use a shorter source")
    return Track(tuple(segments), told)


def check_count(count: float) -> None:
    """Raises SourceError for more segments than are fetched."""
    if count > SEGMENTS_MAX:
        raise bad_playlist(
            f"names more than the {SEGMENTS_MAX:,} segments this server fetches; "
            "use a shorter source"
        )
