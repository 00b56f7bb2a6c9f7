"""Recording a live stream: its playlists are read again and again, and what is new is fetched."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from gmapi.errors import SourceError
from gmapi.fetch import hls
from gmapi.fetch.address import SourceUrl
from gmapi.fetch.arrival import OnBegin
from gmapi.fetch.connection import Connection
from gmapi.fetch.fetcher import watched
from gmapi.fetch.playlists import LIVE_EDGE, PartProgress, Reading, media_playlist
from gmapi.fetch.segments import Segment, bad_playlist
from gmapi.fetch.track_files import Part, Recorder, Room, TrackFile

_RELOAD_SECONDS_MIN = 0.2
_READING_SHARE = 4.0
"""So many times as long as playlists took to be read it waits before they are read again."""


class _LiveTrack:
    """A media playlist that goes on, and what of it has been recorded."""

    def __init__(self, url: SourceUrl, part: Part) -> None:
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
            # The first one of all may follow anything.
            wanted = [s for s in listed.segments if listed.sequence + s.number > self._next]
            if any(segment.leap for segment in wanted[1:]):
                self._part.hide()
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
    urls: Sequence[SourceUrl],
    targets: Sequence[Path],
    reading: Reading,
    on_part: PartProgress,
    on_begins: Sequence[OnBegin],
) -> Recording:
    """Record a live stream into one file for each of its media playlists. For each one of
    `on_begins` is told by another thread when the file can be read: from then on it only grows.

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
    room = Room(reading.rules.max_bytes)

    def fetch(connection: Connection) -> Recording:
        nonlocal recorded
        with ExitStack() as stack:
            recorder = Recorder(connection, reading, room)
            files = [
                stack.enter_context(TrackFile(target, url.url, None, on_begin))
                for target, url, on_begin in zip(targets, urls, on_begins, strict=True)
            ]
            parts = [Part(file, recorder) for file in files]
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
                    room.spend(size)
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
        room.check()
        part = min(1.0, recorded / seconds)
        on_part(part, f"{recorded:.0f} of {seconds:.0f} s of the live stream")

    return watched(
        fetch, reading.rules, cancelled=reading.cancelled, tick=tick, until=reading.until
    )
