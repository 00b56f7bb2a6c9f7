"""Following a live HLS stream for as long as somebody wants it, segment by segment."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from typing import Protocol

from gmapi.errors import SourceError
from gmapi.fetch import id3
from gmapi.fetch.address import SourceUrl
from gmapi.fetch.connection import Connection
from gmapi.fetch.playlists import LIVE_EDGE, Reading, media_playlist
from gmapi.fetch.segments import Segment
from gmapi.fetch.track_files import Recorder, Room

SEGMENT_BYTES_MAX = 16 * 1024**2
"""Largest segment of a stream that is followed: each is held in memory while it comes."""

RELOAD_SECONDS_MIN = 0.5
LOST_MAX = 3
"""So many segments in a row may be missing before the stream counts as broken off."""

_READING_SHARE = 4.0


class Taker(Protocol):
    """Who hears a stream."""

    def take(self, data: bytes, content_type: str | None = None) -> None:
        """The next bytes, and what their server calls them."""

    def part(self) -> None:
        """What follows does not go on from what came before."""

    def tell(self, title: str) -> None:
        """A title that has come."""


class Position:
    """How far a stream was heard, for when it is followed again."""

    def __init__(self) -> None:
        self.url = ""
        self.next: int | None = None
        """The media sequence number of the first segment that has not been heard."""


def follow(
    connection: Connection, url: SourceUrl, reading: Reading, taker: Taker, position: Position
) -> None:
    """Hand over all segments of a media playlist from `position` on, or from near its newest one
    where that is of another playlist, until it ends.

    Raises SourceError when something cannot be had, or nothing new comes for as long as a source
    may be silent, and Stopped.
    """
    rules = replace(reading.rules, max_bytes=SEGMENT_BYTES_MAX)
    reading = replace(reading, rules=rules)
    if position.url != url.url:
        position.url, position.next = url.url, None
    following = _Following(connection, reading, taker, position)
    heard = time.monotonic()
    while True:
        began, used = time.monotonic(), time.thread_time()
        listed, _ = media_playlist(connection, url, reading, position.next or 0)
        used = time.thread_time() - used
        headers, segments = listed.headers, listed.segments
        if position.next is None and not listed.ended:
            headers, segments = headers[-LIVE_EDGE:], segments[-LIVE_EDGE:]
        for header, segment in zip(headers, segments, strict=True):
            following.add(header, segment, listed.sequence + segment.number - 1)
        now = time.monotonic()
        if segments:
            heard = now
        if listed.ended:
            return
        if now - heard > rules.stall + listed.target:
            position.next = None  # it may have begun to count anew
            raise SourceError(
                f"The stream's playlist has named nothing new for {now - heard:.0f} seconds; try "
                "again later.",
                code="source_too_slow",
                cause=url.url,
            )
        # What is unchanged is asked for sooner (RFC 8216, 6.3.4), and a long playlist must not
        # keep a processor busy by being read again and again.
        wait = listed.target * (1.0 if segments else 0.5) - (now - began)
        connection.pause(max(RELOAD_SECONDS_MIN, _READING_SHARE * used, wait))


class _Following:
    """One time that a stream is followed."""

    def __init__(
        self, connection: Connection, reading: Reading, taker: Taker, position: Position
    ) -> None:
        self._connection = connection
        self._reading = reading
        self._taker = taker
        self._position = position
        self._header: Segment | None = None
        self._is_heard = self._is_broken = False
        self._lost = 0

    def add(self, header: Segment | None, segment: Segment, number: int) -> None:
        position = self._position
        missed = position.next is not None and number > position.next
        position.next = number + 1
        try:
            data, content_type = self._fetch(segment)
        except SourceError:
            self._lost += 1
            if self._lost >= LOST_MAX or not self._is_heard:
                raise
            self._is_broken = True
            return
        self._lost = 0
        if self._is_heard and (segment.leap or missed or self._is_broken):
            self._taker.part()
            self._header = None
        if header is not None and header != self._header:
            if self._header is not None:
                self._taker.part()
            self._taker.take(*self._fetch(header))
            self._header = header
        self._is_heard, self._is_broken = True, False
        if title := id3.title_in(data):
            self._taker.tell(title)
        self._taker.take(id3.without_tags(data), content_type)

    def _fetch(self, segment: Segment) -> tuple[bytes, str | None]:
        body = io.BytesIO()
        room = Room(SEGMENT_BYTES_MAX)
        done = Recorder(self._connection, self._reading, room).add(segment, body)
        return body.getvalue(), done.content_type
