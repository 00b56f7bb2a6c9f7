"""Files of tracks that grow segment by segment, within one cap, while others may read them."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gmapi.errors import SourceError
from gmapi.fetch.answer import TooMuchAroundError
from gmapi.fetch.arrival import Beginning, OnBegin, changed, ignore
from gmapi.fetch.bounds import check_headers
from gmapi.fetch.connection import Connection
from gmapi.fetch.fetcher import watched
from gmapi.fetch.playlists import PartProgress, Reading
from gmapi.fetch.ranges import Span
from gmapi.fetch.segments import Segment, Track, bad_playlist, within
from gmapi.fetch.terms import Download, StatusError
from gmapi.fetch.transfer import Transfer

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

HEADER_BYTES_MAX = 16 * 1024**2
TRIES = 3

BEGIN_BYTES = 1 << 20
"""A track can be read as it comes as soon as so much of it is there, or a whole segment."""

LAST_BYTES_MAX = 16 << 20
"""The longest last segment that is fetched ahead of its turn."""

LAST_HEAD_BYTES = 64 * 1024
"""The times of all pictures of a segment stand in so much of it, or less."""

_RETRY_SECONDS = 0.2
_HOLD_SECONDS = 0.05


class Room:
    """How many bytes may come of a source, all its tracks and playlists together. Thread safe."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._spent = 0
        self._running: set[Transfer] = set()
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """Bytes that may still come."""
        with self._lock:
            under_way = sum(transfer.received for transfer in self._running)
            return self._most - self._spent - under_way

    def spend(self, size: int) -> None:
        """Let the bytes of something else count. Raises SourceError."""
        with self._lock:
            self._spent += size
        self.check()

    def check(self) -> None:
        """Raise SourceError when more has come than may."""
        if self.left < 0:
            raise self.too_large()

    @contextmanager
    def running(self, transfer: Transfer) -> Iterator[None]:
        """Let what comes in the block count, whatever becomes of it."""
        with self._lock:
            self._running.add(transfer)
        try:
            yield
        finally:
            with self._lock:
                self._running.remove(transfer)
                self._spent += transfer.received

    def too_large(self, cause: SourceError | None = None) -> SourceError:
        """The error for more than may come."""
        return SourceError(
            f"The segments of the source are together larger than the {self._most} bytes this "
            "server fetches; use a smaller or shorter source, or a smaller max_duration.",
            code="source_too_large",
            cause=cause and cause.cause,
        )


class Recorder:
    """Appends segments to files, within the `room` that there is for them."""

    def __init__(self, connection: Connection, reading: Reading, room: Room) -> None:
        self._connection = connection
        self._reading = reading
        self._room = room
        self.received = 0
        """Bytes that are in the files."""

    def add(self, segment: Segment, file: BinaryIO, most: int = sys.maxsize) -> Download:
        """Fetch one segment, again when it is worth another try. Raises SourceError."""
        start = file.tell()
        for attempt in range(1, TRIES + 1):
            transfer = Transfer(
                self._connection,
                segment.url,
                replace(self._reading.rules, max_bytes=min(most, self._room.left)),
                self._reading.headers_for(segment.url),
                span=segment.span,
            )
            try:
                with self._room.running(transfer):
                    transfer.begin()
                    done = transfer.save(file)
            except SourceError as error:
                around = isinstance(error, TooMuchAroundError)
                if error.code == "source_too_large" and not around:
                    raise self._room.too_large(error) from error
                if attempt == TRIES or not _worth_another_try(error):
                    raise within(segment.name, error) from error
                self._room.check()
                self._connection.close()
                self._connection.pause(_RETRY_SECONDS * 4 ** (attempt - 1))
                file.seek(start)
                file.truncate()
            else:
                self._room.check()
                self.received += done.size
                return done
        raise AssertionError("unreachable")


def _worth_another_try(error: SourceError) -> bool:
    if isinstance(error, StatusError):
        return error.answered >= 500
    return error.code in ("source_truncated", "source_unreachable")


class TrackFile(FileIO):
    """A file that segments are appended to. Once others have been told of it (`begin`), it never
    becomes shorter: what is fetched again must be what it was."""

    def __init__(self, path: Path, url: str, seconds: float | None, on_begin: OnBegin) -> None:
        super().__init__(path, "w+")
        self._beginning = Beginning(path, url, None, None, seconds)
        self._on_begin = on_begin
        self._is_told = False
        self._size = 0

    def write(self, data: ReadableBuffer, /) -> int:
        """Append, or go over what is there already. Raises SourceError `source_changed` where
        that is something else."""
        view = memoryview(data)
        at = self.tell()
        known = max(0, min(len(view), self._size - at))
        if known and self.read(known) != view[:known]:
            raise changed()
        rest = view[known:]
        while rest:
            rest = rest[super().write(rest) :]
        self._size = max(self._size, at + len(view))
        if self._size >= BEGIN_BYTES:
            self.begin()
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Take back what is behind this place, unless others may be reading it."""
        if not self._is_told:
            self._size = super().truncate(size)
        return self._size

    def hide(self) -> None:
        """Let others wait until all of it is there."""
        self._on_begin = ignore

    def begin(self) -> None:
        """Let others read what comes from now on."""
        if not self._is_told and self._on_begin is not ignore:
            self._is_told = True
            self._on_begin(self._beginning)

    def end_segment(self) -> None:
        """All of a segment is there. Raises SourceError `source_changed` when it had been longer
        before."""
        if self.tell() != self._size:
            raise changed()
        self.begin()


class Part:
    """One file that grows by segments. A header that comes again must be the same."""

    def __init__(self, file: TrackFile, recorder: Recorder) -> None:
        self._file = file
        self._recorder = recorder
        self._headers: set[Segment] = set()
        self._header_digest = b""

    def hide(self) -> None:
        """Let nobody read it before all of it is there."""
        self._file.hide()

    def add(self, segment: Segment) -> None:
        """Fetch a segment, or a header where it is needed. Raises SourceError."""
        if segment.number:
            self._recorder.add(segment, self._file)
            self._file.end_segment()
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


def at_once(seconds: float) -> bool:
    """For what waits for nothing."""
    return True


def fetch_track(
    track: Track,
    target: Path,
    reading: Reading,
    room: Room,
    on_part: PartProgress,
    *,
    on_begin: OnBegin = ignore,
    may_go: Callable[[float], bool] = at_once,
) -> int:
    """Put the segments of a track one after another into `target`; returns its size.

    `room` is how many bytes it may take. `on_begin` is told by another thread when the target can
    be read: from then on it only grows. `may_go` says whether what comes after so many seconds of
    the track may be fetched now. Raises what `download` raises, naming the segment.
    """
    segments = track.requests()
    count = len(segments)
    done = 0

    def fetch(connection: Connection) -> int:
        nonlocal done
        recorder = Recorder(connection, reading, room)
        first = track.segments[0].url.url
        seconds = 0.0
        with TrackFile(target, first, track.told, on_begin) as file:
            part = Part(file, recorder)
            for segment in segments:
                if not may_go(seconds):
                    connection.close()
                    while not may_go(seconds):
                        connection.pause(_HOLD_SECONDS)
                part.add(segment)
                seconds += segment.seconds
                done += 1
        return recorder.received

    def tick() -> None:
        room.check()
        on_part(done / count, f"{done} of {count} segments")

    return watched(
        fetch, reading.rules, cancelled=reading.cancelled, tick=tick, until=reading.until
    )


def fetch_last(track: Track, reading: Reading, room: Room, *, whole: bool) -> bytes | None:
    """The last segment of a track ahead of its turn, or its first `LAST_HEAD_BYTES`; None where it
    would be all of the track. Raises as `fetch_track` does."""
    last = track.segments[-1]
    if sum(segment.number > 0 for segment in track.segments) < 3 or not last.number:
        return None
    if not whole:
        first = last.span.first if last.span is not None else 0
        last = replace(last, span=Span(first, first + LAST_HEAD_BYTES - 1))

    def fetch(connection: Connection) -> bytes:
        body = io.BytesIO()
        Recorder(connection, reading, room).add(last, body, LAST_BYTES_MAX)
        return body.getvalue()

    return watched(
        fetch, reading.rules, cancelled=reading.cancelled, tick=room.check, until=reading.until
    )
