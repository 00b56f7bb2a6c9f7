"""A file that arrives at the pace of a test, which says by hand how far its bytes go out.

    with Origin() as origin:
        film = SlowFile(data)
        url = origin.add("/film.mp4", film)
        film.release(len(data) // 5)      # a fifth of it comes, then nothing
        ...                               # start a job, wait for what must be there by then
        assert film.furthest <= len(data) // 5
        film.release_all()

What is asked for from the first byte on, or on from where an answer has got to (a download and its
resumption), goes out only as far as it is released. Other parts (an index at the end, the sound)
go out at once, unless the file is made with `hold_parts`; then nothing of it goes out, in whatever
answer, whose position is not released.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from support.http.byte_ranges import Part, Piece, Unsatisfiable, asked_parts, partial
from support.http.origin import Exchange

PIECE = 16_384
"""Bytes that are sent at once at most."""
LOOK_SECONDS = 0.02
"""How often an answer that is held looks whether its client is still there."""


@dataclass
class Asked:
    """One request for the file, and what has become of it.

    `parts` are those that its answer holds, empty where that is the whole file; `ended` is "whole",
    "broken" (by the test), "abandoned" (by the client), and "" while it is being answered.
    """

    method: str
    headers: Mapping[str, str]
    status: int = 0
    parts: tuple[Part, ...] = ()
    sent: int = 0
    ended: str = ""

    @property
    def range(self) -> str:
        """Its Range header, empty without one."""
        return self.headers.get("range", "")


@dataclass(frozen=True)
class _Version:
    body: bytes
    etag: str | None


class SlowFile:
    """The file; to be added to an `Origin` as a handler. What is released at first is nothing.

    `etag` is to be written as sent, None for none. Without `ranges` it knows no parts; more than
    `most_parts` at once get the whole file, as from Apache. Without `length` the end of the
    connection is that of the file; a number is told instead of the true length.
    """

    def __init__(
        self,
        body: bytes,
        *,
        etag: str | None = '"1"',
        content_type: str = "application/octet-stream",
        ranges: bool = True,
        most_parts: int = 200,
        length: bool | int = True,
        hold_parts: bool = False,
    ) -> None:
        self.requests: list[Asked] = []
        self.furthest = 0
        """The position behind the last byte that has gone out in order, by any answer."""
        self._version = _Version(body, etag)
        self._content_type = content_type
        self._ranges = ranges
        self._most_parts = most_parts
        self._length = length
        self._hold_parts = hold_parts
        self._released = 0
        self._all = False
        self._breaks = 0
        self._stalled = False
        self._changed = threading.Condition()

    # -- what the test says ---------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes of the file as it is now."""
        return len(self._version.body)

    def release(self, up_to: int) -> None:
        """Let the bytes before this position go; what was released stays so."""
        with self._changed:
            self._released = max(self._released, up_to)
            self._changed.notify_all()

    def release_all(self) -> None:
        """Let all go, also what the file becomes by `change`."""
        with self._changed:
            self._all = True
            self._changed.notify_all()

    def break_off(self, times: int = 1) -> None:
        """Hang up as soon as all that is released has been sent: the download that is running, or
        the next one, and the `times` - 1 after it. One that is sent to its end is not broken."""
        with self._changed:
            self._breaks = times
            self._changed.notify_all()

    def stall(self) -> None:
        """Send nothing more, whatever is released or asked for, until `go_on`."""
        with self._changed:
            self._stalled = True

    def go_on(self) -> None:
        """The end of `stall`."""
        with self._changed:
            self._stalled = False
            self._changed.notify_all()

    def change(self, body: bytes, etag: str | None) -> None:
        """Be another file from the next request on; answers that are running stay as they are."""
        with self._changed:
            self._version = _Version(body, etag)

    # -- what the test waits for ----------------------------------------------------------------

    def await_sent(self, position: int, seconds: float = 60.0) -> None:
        """Until the bytes before this position have been handed to the network."""
        self._await(lambda: self.furthest >= position, seconds, f"{position} bytes")

    def await_requests(self, count: int, seconds: float = 60.0) -> None:
        """Until so many requests have come."""
        self._await(lambda: len(self.requests) >= count, seconds, f"{count} requests")

    def await_silence(self, seconds: float = 60.0) -> None:
        """Until no answer is running."""
        self._await(lambda: all(each.ended for each in self.requests), seconds, "the last answer")

    def _await(self, true: Callable[[], bool], seconds: float, what: str) -> None:
        with self._changed:
            came = self._changed.wait_for(true, seconds)
        assert came, f"{what} did not come within {seconds} s: {self.requests}"

    # -- answers --------------------------------------------------------------------------------

    def __call__(self, exchange: Exchange) -> None:
        """Answer one request, until its end or the origin's."""
        asked = Asked(exchange.request.method, exchange.request.headers)
        with self._changed:
            version = self._version
            self.requests.append(asked)
            self._changed.notify_all()
        try:
            if self._answer(exchange, version, asked):
                ended = "whole"
            else:
                ended = "broken"
        except OSError:
            ended = "abandoned"
        if ended != "whole" or self._length is not True:
            exchange.hang_up()
        with self._changed:
            asked.ended = ended
            self._changed.notify_all()

    def _answer(self, exchange: Exchange, version: _Version, asked: Asked) -> bool:
        """Whether it came to its end. Raises OSError where the client has gone."""
        headers, size = {"Content-Type": self._content_type}, len(version.body)
        if version.etag is not None:
            headers["ETag"] = version.etag
        if self._ranges:
            headers["Accept-Ranges"] = "bytes"
        if version.etag is not None and asked.headers.get("if-none-match") == version.etag:
            asked.status = 304
            exchange.head(304, headers)
            return True
        try:
            parts = self._wanted(version, asked)
        except Unsatisfiable:
            asked.status = 416
            exchange.send(416, {**headers, "Content-Range": f"bytes */{size}"})
            return True
        pieces: list[Piece] = [Part(0, size)]
        if parts is not None:
            asked.status, asked.parts = 206, tuple(parts)
            more, pieces = partial(parts, size, self._content_type)
            headers |= more
        else:
            asked.status = 200
            if self._length is not False:
                headers["Content-Length"] = str(size if self._length is True else self._length)
        in_order = parts is None or (
            len(parts) == 1 and parts[0].end == size and parts[0].first <= self.furthest
        )
        if not self._may_go(exchange, 0, held=False):
            return False
        exchange.head(asked.status, headers)
        if asked.method == "HEAD":
            return True
        return all(
            self._send(exchange, version, piece, asked, in_order=in_order) for piece in pieces
        )

    def _wanted(self, version: _Version, asked: Asked) -> list[Part] | None:
        header, condition = asked.range, asked.headers.get("if-range")
        weak = version.etag is None or version.etag.startswith("W/")
        if not header or not self._ranges or asked.method != "GET":
            return None
        if condition is not None and (weak or condition != version.etag):
            return None
        parts = asked_parts(header, len(version.body))
        return None if parts is None or len(parts) > self._most_parts else parts

    def _send(
        self, exchange: Exchange, version: _Version, piece: Piece, asked: Asked, *, in_order: bool
    ) -> bool:
        if isinstance(piece, bytes):
            exchange.raw(piece)
            return True
        at = piece.first
        while at < piece.end:
            room = self._may_go(exchange, at, held=in_order or self._hold_parts)
            if not room:
                return False
            data = version.body[at : min(piece.end, at + min(room, PIECE))]
            exchange.raw(data)
            at += len(data)
            with self._changed:
                asked.sent += len(data)
                if in_order:
                    self.furthest = max(self.furthest, at)
                self._changed.notify_all()
        return True

    def _may_go(self, exchange: Exchange, at: int, *, held: bool) -> int:
        """How many bytes from `at` on may go out, as soon as some may; 0 to hang up.

        Raises OSError when the client has gone meanwhile.
        """
        while True:
            with self._changed:
                room = PIECE if self._all or not held else self._released - at
                if room > 0 and not self._stalled:
                    return room
                if held and self._breaks and not self._stalled:
                    self._breaks -= 1
                    return 0
                self._changed.wait(LOOK_SECONDS)
            if exchange.origin.closing.is_set():
                return 0
            if _has_gone(exchange.connection):
                raise ConnectionAbortedError


def _has_gone(connection: socket.socket) -> bool:
    """Whether the client has closed its end; it says nothing else while it waits for an answer."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and not connection.recv(1, socket.MSG_PEEK)
