"""From a playlist to files: which segments there are, and fetching them one after another.

Everything goes through the one door: each address of a playlist is checked like that of a
source, and one byte cap and one deadline hold for all of it. A master playlist may name media
playlists and those segments; nothing goes deeper.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from gmapi.errors import SourceError
from gmapi.fetch import dash, hls
from gmapi.fetch.address import SourceUrl
from gmapi.fetch.answer import TooMuchAroundError
from gmapi.fetch.bounds import Bounds, check_headers
from gmapi.fetch.connection import Connection
from gmapi.fetch.fetcher import Cancelled, check_time, watched
from gmapi.fetch.headers import HARMLESS_HEADERS
from gmapi.fetch.segments import Segment, Track, bad_playlist, make_track
from gmapi.fetch.sniff import DASH, HLS, LIST
from gmapi.fetch.terms import LIST_BYTES_MAX, Download, FetchRules, StatusError
from gmapi.fetch.transfer import Transfer
from gmapi.fetch.unending import Portion

LIVE_EDGE = 3
"""A recording begins this many segments before the newest one (RFC 8216, 6.3.3)."""

HEADER_BYTES_MAX = 16 * 1024**2
TRIES = 3
_RETRY_SECONDS = 0.2
_RELOAD_SECONDS_MIN = 0.2
_READING_SHARE = 4.0
"""So many times as long as playlists took to be read it waits before they are read again."""

PartProgress = Callable[[float, str], None]
"""Told which part is done, 0 to 1, and what to say of it."""


@dataclass(frozen=True)
class Reading:
    """How a playlist is read: limits, the caller's `headers` for the origin `home`, the moment
    when all must be done (monotonic clock), and how much of it is wanted."""

    rules: FetchRules
    headers: Mapping[str, str]
    home: tuple[str, str, int]
    until: float
    portion: Portion
    cancelled: Cancelled

    def headers_for(self, url: SourceUrl) -> dict[str, str]:
        """The caller's headers that may be sent there."""
        own = url.origin == self.home
        return {k: v for k, v in self.headers.items() if own or k.lower() in HARMLESS_HEADERS}

    def check(self) -> None:
        """Raises when reading is to stop: what `cancelled` raises, JobCancelled, SourceError."""
        check_time(self.rules, self.cancelled, self.until)


@dataclass(frozen=True)
class Plan:
    """What a playlist comes down to: an `entry` to fetch instead, finished `tracks`, or media
    playlists of a stream that goes on, by their addresses."""

    entry: SourceUrl | None = None
    tracks: tuple[Track, ...] = ()
    live: tuple[SourceUrl, ...] = ()


def read(text: str, kind: str, base: SourceUrl, reading: Reading) -> Plan:
    """Understand a playlist that came from `base`; fetches the playlists it names.

    Raises SourceError (`source_playlist`, `source_refused` and those of a download), and what
    `Reading.check` raises.
    """
    bounds = Bounds(reading.check)
    if kind == DASH:
        return Plan(tracks=_cut(dash.parse(text, base, bounds), reading))
    if not hls.is_hls(text, bounds):
        if kind not in (HLS, LIST):
            raise bad_playlist("is of a kind that is not read")
        return Plan(entry=hls.single_entry(text, base, bounds))
    if not hls.is_master(text, bounds):
        listed = hls.parse_media(text, base, bounds)
        if not listed.ended:
            return Plan(live=(base,))
        return Plan(tracks=_cut([make_track(listed.in_order())], reading))
    choice = hls.choose(text, base, bounds)
    chosen = [choice.pictures] + ([choice.sound] if choice.sound else [])

    def fetch(connection: Connection) -> list[hls.MediaPlaylist]:
        return [media_playlist(connection, url, reading)[0] for url in chosen]

    playlists = watched(
        fetch, reading.rules, cancelled=reading.cancelled, tick=_nothing, until=reading.until
    )
    if not all(listed.ended for listed in playlists):
        return Plan(live=tuple(chosen))
    return Plan(tracks=_cut([make_track(listed.in_order()) for listed in playlists], reading))


def _nothing() -> None:
    pass


def _cut(tracks: list[Track], reading: Reading) -> tuple[Track, ...]:
    seconds = reading.portion.seconds
    return tuple(tracks if seconds is None else [t.first_seconds(seconds) for t in tracks])


def media_playlist(
    connection: Connection, url: SourceUrl, reading: Reading, since: int = 0
) -> tuple[hls.MediaPlaylist, int]:
    """Fetch and read a playlist; returns its size in bytes, too. For `since` see
    `hls.parse_media`."""
    body = io.BytesIO()
    rules = replace(reading.rules, max_bytes=min(LIST_BYTES_MAX, reading.rules.max_bytes))
    try:
        transfer = Transfer(
            connection, url, rules, reading.headers_for(url), wanted=frozenset({HLS, LIST})
        )
        transfer.begin()
        done = transfer.save(body)
    except SourceError as error:
        raise _within("a playlist that it names", error) from error
    # Its addresses are relative to where it came from in the end.
    text = body.getvalue().decode("utf-8", "replace")
    if done.kind is None:
        raise bad_playlist("names something else than a playlist as a variant of the stream")
    listed = hls.parse_media(text, transfer.source, Bounds(connection.check), since=since)
    return listed, done.size


def _within(name: str, error: SourceError) -> SourceError:
    """The same error, saying what of the playlist it is about."""
    return SourceError(
        f"The source's playlist was read, but not {name}: {error.message}",
        code=error.code,
        cause=error.cause,
    )


class Recorder:
    """Appends segments to files within one cap. `received` counts what is in them; towards the cap
    also counts what was fetched in vain."""

    def __init__(self, connection: Connection, reading: Reading, room: int) -> None:
        self._connection = connection
        self._reading = reading
        self._room = room
        self.received = 0

    def spend(self, size: int) -> None:
        """Let the bytes of something else count towards the cap. Raises SourceError."""
        self._room -= size
        if self.received > self._room:
            raise self._too_large()

    def _too_large(self, cause: SourceError | None = None) -> SourceError:
        return SourceError(
            f"The segments of the source are together larger than the "
            f"{self._reading.rules.max_bytes} bytes this server fetches; use a smaller or shorter "
            "source, or a smaller max_duration.",
            code="source_too_large",
            cause=cause and cause.cause,
        )

    def add(self, segment: Segment, file: BinaryIO, most: int = sys.maxsize) -> Download:
        """Fetch one segment, again when it is worth another try. Raises SourceError."""
        start = file.tell()
        for attempt in range(1, TRIES + 1):
            transfer = Transfer(
                self._connection,
                segment.url,
                replace(self._reading.rules, max_bytes=min(most, self._room - self.received)),
                self._reading.headers_for(segment.url),
                span=segment.span,
            )
            try:
                transfer.begin()
                done = transfer.save(file)
            except SourceError as error:
                around = isinstance(error, TooMuchAroundError)
                if error.code == "source_too_large" and not around:
                    raise self._too_large(error) from error
                if attempt == TRIES or not _worth_another_try(error):
                    raise _within(segment.name, error) from error
                self.spend(transfer.received)
                self._connection.close()
                self._connection.pause(_RETRY_SECONDS * 4 ** (attempt - 1))
                file.seek(start)
                file.truncate()
            else:
                self.received += done.size
                return done
        raise AssertionError("unreachable")


def _worth_another_try(error: SourceError) -> bool:
    if isinstance(error, StatusError):
        return error.answered >= 500
    return error.code in ("source_truncated", "source_unreachable")


class _Part:
    """One file that grows by segments. A header that comes again must be the same."""

    def __init__(self, file: BinaryIO, recorder: Recorder) -> None:
        self._file = file
        self._recorder = recorder
        self._headers: set[Segment] = set()
        self._header_digest = b""

    def add(self, segment: Segment) -> None:
        if segment.number:
            self._recorder.add(segment, self._file)
            return
        if segment in self._headers:
            return
        check_headers(len(self._headers) + 1)
        body = io.BytesIO()
        self._recorder.add(segment, body, HEADER_BYTES_MAX)
        with body.getbuffer() as data:
            digest = sha256(data).digest()
            if not self._headers:
                self._file.write(data)
                self._header_digest = digest
        if digest != self._header_digest:
            raise bad_playlist(
                "changes the form of its media on the way (several headers), which is not read; "
                "use another source"
            )
        self._headers.add(segment)


def fetch_track(
    track: Track, target: Path, reading: Reading, room: int, on_part: PartProgress
) -> int:
    """Put the segments of a track one after another into `target`; returns its size.

    `room` is how many bytes it may take. Raises what `download` raises, naming the segment.
    """
    segments = track.requests()
    count = len(segments)
    done = 0

    def fetch(connection: Connection) -> int:
        nonlocal done
        recorder = Recorder(connection, reading, room)
        with target.open("wb") as file:
            part = _Part(file, recorder)
            for segment in segments:
                part.add(segment)
                done += 1
        return recorder.received

    def tick() -> None:
        on_part(done / count, f"{done} of {count} segments")

    return watched(
        fetch, reading.rules, cancelled=reading.cancelled, tick=tick, until=reading.until
    )


class _LiveTrack:
    """A media playlist that goes on, and what of it has been recorded."""

    def __init__(self, url: SourceUrl, part: _Part) -> None:
        self.url = url
        self.seconds = 0.0
        self.ended = False
        self.is_part = False
        """Whether more would have come."""
        self.leaps = False
        """Whether its clock does not run through."""
        self.target = 1.0
        self._part = part
        self._next: int | None = None
        self._header: Segment | None = None

    @property
    def since(self) -> int:
        """The media sequence number of the first segment that is of use."""
        return self._next or 0

    def update(self, listed: hls.MediaPlaylist, seconds: float) -> bool:
        """Record what is new, up to `seconds`; whether there was anything."""
        count = len(listed.segments)
        first = listed.segments[0].number if count else 1
        if self._next is None:
            self._next = listed.sequence
            if not listed.ended and count > LIVE_EDGE:
                self._next += listed.segments[-LIVE_EDGE].number - first
        self.target = listed.target or self.target
        new = False
        for header, segment in zip(listed.headers, listed.segments, strict=True):
            number = listed.sequence + segment.number - 1
            if number < self._next or self.seconds >= seconds:
                continue
            if header is not None and header != self._header:
                self._part.add(header)
                self._header = header
            self._part.add(segment)
            self.leaps |= segment.leap and self.seconds > 0
            self._next = number + 1
            self.seconds += segment.seconds
            new = True
        self.ended = listed.ended or self.seconds >= seconds
        self.is_part = not listed.ended
        return new


@dataclass(frozen=True)
class Recording:
    """What came of a live stream: bytes, whether more would have come, and whether its clock does
    not run through."""

    size: int
    is_part: bool
    leaps: bool


def record(
    urls: tuple[SourceUrl, ...], targets: list[Path], reading: Reading, on_part: PartProgress
) -> Recording:
    """Record a live stream into one file for each of its media playlists.

    It ends with the stream, or when the seconds wanted are there, or when nothing new comes for
    as long as a source may be silent. Raises SourceError when nothing came at all.
    """
    seconds = reading.portion.of_endless
    if time.monotonic() + seconds > reading.until:
        raise SourceError(
            f"{seconds:g} seconds of a live stream take longer than the "
            f"{reading.rules.deadline:g} seconds a download may take; give a smaller "
            "max_duration.",
            code="source_too_slow",
        )
    recorded = 0.0

    def fetch(connection: Connection) -> Recording:
        nonlocal recorded
        with ExitStack() as stack:
            recorder = Recorder(connection, reading, reading.rules.max_bytes)
            files = [stack.enter_context(target.open("wb")) for target in targets]
            parts = [_Part(file, recorder) for file in files]
            tracks = [_LiveTrack(url, part) for url, part in zip(urls, parts, strict=True)]
            heard = time.monotonic()
            while running := [track for track in tracks if not track.ended]:
                began = time.monotonic()
                news = []
                reading_seconds = 0.0
                for track in running:
                    used = time.thread_time()
                    listed, size = media_playlist(connection, track.url, reading, track.since)
                    reading_seconds += time.thread_time() - used
                    recorder.spend(size)
                    news.append(track.update(listed, seconds))
                recorded = min(track.seconds for track in tracks)
                now = time.monotonic()
                if any(news):
                    heard = now
                elif now - heard > reading.rules.stall:
                    break
                # What is unchanged is asked for sooner (RFC 8216, 6.3.4).
                wait = tracks[0].target * (1.0 if any(news) else 0.5)
                # A long playlist must not keep a processor busy by being read again and again.
                least = max(_RELOAD_SECONDS_MIN, _READING_SHARE * reading_seconds)
                if any(not track.ended for track in tracks):
                    connection.pause(max(least, wait - (now - began)))
            if not all(file.tell() for file in files):
                raise bad_playlist(
                    "is of a live stream that has no segments now; try again when it runs"
                )
            return Recording(
                recorder.received,
                is_part=any(track.is_part for track in tracks),
                leaps=any(track.leaps for track in tracks),
            )

    def tick() -> None:
        part = min(1.0, recorded / seconds)
        on_part(part, f"{recorded:.0f} of {seconds:.0f} s of the live stream")

    return watched(
        fetch, reading.rules, cancelled=reading.cancelled, tick=tick, until=reading.until
    )
