"""A station that is listened to for as long as somebody wants it: its bytes as they come, what it
calls itself and what it plays, and connecting again whenever it breaks off.

A thread of its own reads it, by the one door and all its rules, into a queue of bounded size: a
station that sends faster than it is taken waits. What comes over one connection is a stretch, and
so is what follows a break in a live HLS stream: nothing in one goes on from the one before.
"""

from __future__ import annotations

import io
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import BinaryIO, cast

from gmapi.errors import SourceError
from gmapi.fetch import icy, ogg_titles, song_title
from gmapi.fetch.address import SourceUrl, check_url
from gmapi.fetch.connection import Connection, Stopped
from gmapi.fetch.headers import check_headers
from gmapi.fetch.live_segments import Position, follow
from gmapi.fetch.playlists import Reading, read
from gmapi.fetch.sniff import HEAD_BYTES, PLAYLISTS, text_of
from gmapi.fetch.terms import LIST_BYTES_MAX, FetchRules
from gmapi.fetch.transfer import Transfer
from gmapi.fetch.unending import WHOLE

QUEUE_BYTES = 1024**2
PIECE_BYTES = 4 * 1024
FIRST_SECONDS = 60.0
"""How long a station may take until its first bytes."""

SILENT_SECONDS = 300.0
"""How long it may then stay away until it is given up."""

PAUSE_FIRST, PAUSE_MAX = 0.5, 30.0
_STEADY_SECONDS = 10.0
_LOOK_SECONDS = 0.1
# What has so many bytes and is no text is taken for media before it is looked at whole.
_JUDGED_BYTES = 512
_LISTS_MAX = 3


class NotLiveError(SourceError):
    """The source is whole, or will be: what is for stations is not for it."""

    code = "source_not_live"

    def __init__(self, what: str, cause: object) -> None:
        super().__init__(
            f"The source is {what}, not a station; convert it with /api/ffmpeg.", cause=cause
        )


class Stretch:
    """Bytes of a station that go on from one another, and what their server calls them, in small
    letters. One thread writes, one reads."""

    def __init__(self, content_type: str | None) -> None:
        self.content_type = (content_type or "").partition(";")[0].strip().lower()
        self.changed = threading.Condition()
        self.size = 0
        self._pieces: deque[bytes] = deque()
        self._ended = False

    @property
    def is_over(self) -> bool:
        """Whether all of it has been taken."""
        with self.changed:
            return self._ended and not self._pieces

    def pieces(self, wanted: Callable[[], bool]) -> Iterator[bytes]:
        """What comes from now on, for as long as it is `wanted`; an empty piece ten times a second
        while nothing does. What is left goes to whoever asks next."""
        while wanted():
            piece = b""
            with self.changed:
                if not self._pieces and not self._ended:
                    self.changed.wait(_LOOK_SECONDS)
                if self._pieces:
                    piece = self._pieces.popleft()
                    self.size -= len(piece)
                    self.changed.notify_all()
                elif self._ended:
                    return
            yield piece

    def add(self, data: bytes) -> None:
        """Append bytes, for the station's thread."""
        with self.changed:
            for at in range(0, len(data), PIECE_BYTES):
                self._pieces.append(data[at : at + PIECE_BYTES])
            self.size += len(data)
            self.changed.notify_all()

    def end(self) -> None:
        """Nothing follows."""
        with self.changed:
            self._ended = True
            self.changed.notify_all()


class Broadcast:
    """A station being listened to; a context manager. `name` is what it calls itself, clean, or
    empty, `reconnects` counts how often it broke off and came back, and `on_title` is called in
    its thread."""

    def __init__(
        self,
        url: SourceUrl,
        rules: FetchRules,
        *,
        headers: Mapping[str, str],
        on_title: icy.OnTitle,
    ) -> None:
        """Raises RequestError for bad headers."""
        self.name = ""
        self.reconnects = 0
        self._url = url
        self._rules = replace(rules, max_bytes=sys.maxsize)
        self._headers = {icy.ASK_FOR_TITLES: "1"} | check_headers(headers)
        self._on_title = on_title
        self._connection = Connection(rules.allow, rules.stall)
        self._stopping = threading.Event()
        self._position = Position()
        self._stretches: deque[Stretch] = deque()
        self._more = threading.Condition()
        self._failure: BaseException | None = None
        self._is_heard = False
        self._is_new = True
        self._heard_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="gmapi-station", daemon=True)

    def __enter__(self) -> Broadcast:
        self._heard_at = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._connection.stop()
        # Only a name look-up can outlast this; it touches nothing and ends by itself.
        self._thread.join(1)

    def check(self) -> None:
        """Raise SourceError when the station has been away for too long, whatever it does."""
        most = SILENT_SECONDS if self._is_heard else FIRST_SECONDS
        if time.monotonic() - self._heard_at > most:
            raise self._given_up(f"The station has sent nothing for {most:.0f} seconds")

    def next_stretch(self, seconds: float) -> Stretch | None:
        """The stretch to be read now, or None when there is none after so many seconds; the one
        before, once it is over, is forgotten. Raises what ended the station."""
        with self._more:
            self._forget()
            if not self._stretches and self._failure is None:
                self._more.wait(seconds)
            self._forget()
            if self._stretches:
                return self._stretches[0]
            if self._failure is not None:
                raise self._failure
            return None

    def _forget(self) -> None:
        while self._stretches and self._stretches[0].is_over:
            self._stretches.popleft()

    # -- the station's thread -------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._listen_again_and_again()
        except Stopped:
            pass
        except BaseException as error:
            self._end(error)
        finally:
            self.part()
            self._connection.close()

    def _end(self, failure: BaseException) -> None:
        with self._more:
            self._failure = failure
            self._more.notify_all()

    def _listen_again_and_again(self) -> None:
        pause = 0.0
        while True:
            began = time.monotonic()
            try:
                self._listen()
                why = SourceError("The station ended its broadcast.", code="source_truncated")
            except NotLiveError:
                raise
            except SourceError as error:
                why = error
            self.part()
            self._connection.close()
            if not self._is_heard:
                raise why
            if time.monotonic() - self._heard_at > SILENT_SECONDS:
                raise self._given_up(why.message.rstrip("."), why)
            steady = time.monotonic() - began > _STEADY_SECONDS
            pause = PAUSE_FIRST if steady else min(PAUSE_MAX, max(PAUSE_FIRST, 2 * pause))
            self._connection.pause(pause)
            self.reconnects += 1

    def _given_up(self, why: str, error: SourceError | None = None) -> SourceError:
        return SourceError(
            f"{why}; it was given up. Try again later.",
            code=error.code if error else "source_too_slow",
            cause=error.cause if error else self._url.url,
        )

    def _listen(self) -> None:
        """Hear the station until it breaks off. Raises SourceError and Stopped."""
        url = self._url
        for _ in range(_LISTS_MAX):
            reading = Reading(
                self._rules,
                self._headers,
                self._url.origin,
                time.monotonic() + self._rules.deadline,
                WHOLE,
                self._stopping.is_set,
            )
            ear = _Ear(self)
            transfer = Transfer(
                self._connection,
                url,
                self._rules,
                reading.headers_for(url),
                wanted=PLAYLISTS,
                parts_do=True,
                on_title=self._on_title,
            )
            transfer.begin()
            ear.transfer = transfer
            done = transfer.save(cast("BinaryIO", ear))
            ear.close()
            if transfer.failure is not None:
                raise transfer.failure
            if done.kind is None:
                return
            text = ear.text.decode("utf-8", "replace")
            self._connection.close()
            plan = read(text, done.kind, check_url(done.url), reading)
            if plan.live:
                # Where the sound has a playlist of its own it is the last one.
                follow(self._connection, plan.live[-1], reading, self, self._position)
                return
            if plan.entry is None:
                raise NotLiveError("a playlist with an end", url.url)
            url = plan.entry
        raise SourceError(
            "The source's playlist names another list, which names another; give the address of "
            "the station itself.",
            code="source_playlist",
        )

    def tune(self, headers: Mapping[str, str]) -> None:
        """Note what a station says of itself."""
        name = song_title.decode(headers.get("icy-name", "").encode("latin-1", "replace"))
        self.name = song_title.clean(name) or self.name

    def tell(self, title: str) -> None:
        """A title that has come; see `Taker`."""
        self._on_title(title)

    def take(self, data: bytes, content_type: str | None = None) -> None:
        """Put bytes into the queue, and wait while that is full; see `Taker`. Raises Stopped."""
        if not data:
            return
        with self._more:
            if self._is_new:
                self._stretches.append(Stretch(content_type))
                self._is_new = False
            stretch = self._stretches[-1]
            stretch.add(data)
            self._is_heard = True
            self._more.notify_all()
        while self._queued() > QUEUE_BYTES:
            self._heard_at = time.monotonic()  # it is not the station that is slow
            self._connection.pause(_LOOK_SECONDS)
        self._heard_at = time.monotonic()

    def _queued(self) -> int:
        """Bytes of all stretches that nobody has taken yet."""
        with self._more:
            return sum(stretch.size for stretch in self._stretches)

    def part(self) -> None:
        """What follows does not go on from what came before."""
        with self._more:
            if self._stretches:
                self._stretches[-1].end()
            self._is_new = True


class _Ear(io.RawIOBase):
    """Where a transfer writes what comes: on to the broadcast, or, of a playlist, into `text`."""

    transfer: Transfer

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._is_media = False
        self._content_type: str | None = None
        self._ogg: ogg_titles.OggTitles | None = None
        self.text = bytearray()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self._is_media:
            self._take(data)
            return len(data)
        self.text += data
        if self._is_surely_media():
            self._begin()
        elif len(self.text) > LIST_BYTES_MAX:
            raise SourceError("The source's playlist is too long.", code="source_playlist")
        return len(data)

    def close(self) -> None:
        """Take what was too short to be judged before its end."""
        if not self.closed and not self._is_media and self.text and self.transfer.kind is None:
            self._begin()
        super().close()

    def _is_surely_media(self) -> bool:
        if len(self.text) >= HEAD_BYTES:
            return self.transfer.kind is None
        return len(self.text) >= _JUDGED_BYTES and not text_of(bytes(self.text))

    def _begin(self) -> None:
        if self.transfer.total is not None:
            raise NotLiveError("a file", f"Content-Length {self.transfer.total}")
        self._is_media = True
        self._content_type = self.transfer.headers.get("Content-Type")
        self._broadcast.tune(self.transfer.headers)
        data = bytes(self.text)
        self.text.clear()
        if data.startswith(ogg_titles.SIGN):
            self._ogg = ogg_titles.OggTitles(self._broadcast.tell)
        self._take(data)

    def _take(self, data: bytes) -> None:
        if self._ogg is not None:
            self._ogg.feed(data)
        self._broadcast.take(data, self._content_type)
