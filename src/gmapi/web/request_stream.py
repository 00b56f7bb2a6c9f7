"""What is read of a request, head and body: in bounds, in time, and in turns with others.

Only `handler` imports this module, after gevent has patched the standard library.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.pywsgi import Input

from gmapi.errors import TooSlowError
from gmapi.web.limits import BODY_BYTES_PER_SECOND

HEAD_MAX_BYTES = 32 * 1024
"""The longest headers of a request, all together."""

FRAMING_MAX_BYTES = 256 * 1024
"""The most that may frame the chunks of one body: sizes, extensions, trailers."""

FRAMING_BYTES_A_TURN = 4096
"""These are read one by one, which costs about as much as a small request."""

SMALL_BYTES = 16 * 1024
DISCARD_BYTES = 4 * 1024**2
DISCARD_SECONDS = 5.0


class HeadTooLargeError(ValueError):
    """The headers of a request are longer than `HEAD_MAX_BYTES`."""


class HeadReader:
    """Reads header lines for the parser, and not without end."""

    def __init__(self, plain: Any) -> None:
        self._plain = plain
        self._left = HEAD_MAX_BYTES

    def readline(self, size: int) -> bytes:
        """A line. Raises HeadTooLargeError when the lines so far are too long together."""
        line: bytes = self._plain.readline(min(size, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise HeadTooLargeError("the headers are too long")
        return line


class _ChunkReader:
    """Reads a chunked body for gevent, which takes what frames it byte by byte."""

    def __init__(self, plain: Any, take_turn: Callable[[], None]) -> None:
        self._plain = plain
        self._take_turn = take_turn
        self._single = 0

    def read(self, size: int) -> bytes:
        if size == 1:
            self._single += 1
            if self._single > FRAMING_MAX_BYTES:
                raise OSError("the chunks of a body are too small, or what frames them too long")
            if self._single % FRAMING_BYTES_A_TURN == 0:
                self._take_turn()
        data: bytes = self._plain.read(size)
        return data

    def readline(self, size: int) -> bytes:
        data: bytes = self._plain.readline(size)
        return data


class RequestBody(Input):  # type: ignore[misc]
    """A request body that must come in time: within `seconds` and what its size adds to them.

    Reading raises TooSlowError when it does not. What the application left of it is read, so that
    the client can finish sending and see its answer, yet not without end.
    """

    __slots__ = ("_seconds", "_started", "_take_turn", "_taken", "given_up")

    def __init__(self, plain: Input, seconds: float, take_turn: Callable[[], None]) -> None:
        chunked = plain.chunked_input
        reader = _ChunkReader(plain.rfile, take_turn) if chunked else plain.rfile
        super().__init__(reader, plain.content_length, plain.socket, chunked)
        self.given_up = False
        self._seconds = seconds
        self._take_turn = take_turn
        self._started = 0.0
        self._taken = 0

    def read(self, length: int | None = None) -> bytes:
        return self._in_time(super().read, length)

    def readline(self, size: int | None = None) -> bytes:
        return self._in_time(super().readline, size)

    def _in_time(self, read: Callable[[int | None], bytes], size: int | None) -> bytes:
        if not self.chunked_input and self.position >= (self.content_length or 0):
            return b""
        if self._started:
            self._take_turn()  # the first part goes with the request's own turn
        now = time.monotonic()
        self._started = self._started or now
        known = max(self._taken, self.content_length or 0)
        end = self._started + self._seconds + known / BODY_BYTES_PER_SECOND
        late = TooSlowError(
            "The request body did not come in time; send it without pauses, or send less."
        )
        try:
            with gevent.Timeout(max(0.0, end - now), late):
                data = read(size)
        except (TooSlowError, OSError):
            self.given_up = True
            raise
        self._taken += len(data)
        return data

    def _discard(self) -> None:
        unread = self.chunked_input or self.position < (self.content_length or 0)
        # Whoever still waits for "100 Continue" sends nothing any more.
        lost = self.given_up or self._chunked_input_error
        self.given_up = lost or (unread and self.socket is not None)
        if self.given_up or not unread:
            return
        self.given_up = True
        left = DISCARD_BYTES
        with gevent.Timeout(DISCARD_SECONDS, False):
            while left > 0:
                self._take_turn()
                data = super().read(min(left, SMALL_BYTES))
                left -= len(data)
                if not data:
                    self.given_up = False
                    return
