"""One connection of the HTTP server: reading requests in time, sending answers.

Only `server` imports this module, after gevent has patched the standard library.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import struct
import sys
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

import gevent
from gevent.pywsgi import WSGIHandler
from gevent.socket import wait_write

from gmapi.storage.base import Slice
from gmapi.web.address import forwarded_client
from gmapi.web.files import BrokenAnswer, FileBody
from gmapi.web.growing import GrowingBody
from gmapi.web.limits import SEND_TIMEOUT_SECONDS, household
from gmapi.web.plain_head import PlainHead
from gmapi.web.protocol import check_head, malformed, origin_form, without_quotations
from gmapi.web.request_stream import HeadReader, HeadTooLargeError, RequestBody

SEND_BYTES = 256 * 1024
"""What a client must take within `SEND_TIMEOUT_SECONDS`."""

SENDFILE_BYTES = 512 * 1024
SENT_A_TURN = 512 * 1024
SMALL_BYTES = 16 * 1024
MORE_FOLLOWS = getattr(socket, "MSG_MORE", 0)

RESET_AT_CLOSE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""Value of SO_LINGER: closing discards what is unsent and tells the peer that all is not well."""

log = logging.getLogger(__name__)


class Handler(WSGIHandler):  # type: ignore[misc]
    """One connection."""

    _has_served = False
    _head_too_large = False
    _send_flags = 0
    _head_timer: gevent.Timeout

    def __init__(self, sock: Any, address: Any, server: Any, rfile: Any = None) -> None:
        super().__init__(sock, address, server, rfile)
        self._peer = str(address[0])
        self._household = household(self._peer)
        self._sent = 0

    def take_turn(self) -> None:
        """Before a request, or a piece of one or of an answer: let others go first if need be."""
        self.server.turns.take(self._household)

    def handle(self) -> None:
        # Without it a small answer waits 40 ms for the client's delayed acknowledgement.
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            super().handle()
        finally:
            self.server.idle.discard(self)

    def read_requestline(self) -> Any:
        try:
            return super().read_requestline()
        finally:
            self.server.idle.discard(self)

    def _request_begins(self) -> bool:
        """Wait for the first byte of a request; False when none comes in time, or ever."""
        limits = self.server.limits
        self.server.idle.add(self)
        with gevent.Timeout(limits.idle if self._has_served else limits.head, False):
            try:
                return bool(self.rfile.peek(1))
            except OSError:
                return False
        return False

    def MessageClass(self, *args: Any) -> Any:
        plain = PlainHead.parse(self.rfile.peek(1))
        if plain is not None:
            head, length = plain
            self.rfile.read(length)
            return head
        return super().MessageClass(HeadReader(self.rfile), *args[1:])

    def read_request(self, raw_requestline: str) -> bool:
        """Parse the head. Raises ValueError, which pywsgi answers with 400."""
        try:
            super().read_request(raw_requestline)
            if not isinstance(self.headers, PlainHead):
                check_head(self.headers)
        except HeadTooLargeError:
            self._head_too_large = True
            raise
        except (HTTPException, LookupError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        self.path: str = origin_form(self.path)
        return True

    def get_environ(self) -> dict[str, Any]:
        self._head_timer.close()
        environ: dict[str, Any] = super().get_environ()
        trusted = self.server.trusted
        if self._peer in trusted:
            # The proxy's callers take turns, and only now it is known which of them this is.
            told = environ.get("HTTP_X_FORWARDED_FOR", "")
            self._household = household(forwarded_client(told, trusted))
            self.take_turn()
        self.wsgi_input: RequestBody = RequestBody(
            self.wsgi_input, self.server.limits.body, self.take_turn
        )
        # Proxies label requests as upgrades that are none; only a WebSocket's GET needs the raw
        # stream, and any other body would be misread from it.
        if environ["wsgi.input_terminated"] or self.command != "GET":
            environ["wsgi.input"] = self.wsgi_input
            environ["wsgi.input_terminated"] = True
        return environ

    def handle_one_request(self) -> Any:
        if self.rfile.closed or not self._request_begins():
            return None
        if self._peer not in self.server.trusted:
            self.take_turn()
        self._head_timer = gevent.Timeout.start_new(self.server.limits.head)
        try:
            result = super().handle_one_request()
        except gevent.Timeout as timeout:
            if timeout is not self._head_timer:
                raise
            return "408", malformed(408)
        finally:
            self._head_timer.close()
        self._has_served = True
        if isinstance(result, tuple):
            status = "431" if self._head_too_large else result[0]
            return status, malformed(int(status))
        return result

    def handle_one_response(self) -> None:
        super().handle_one_response()
        used_up = self.status is None  # by a WebSocket: there was no answer of HTTP
        if used_up or self.server.draining or self.wsgi_input.given_up:
            self.close_connection = True

    def log_error(self, msg: str, *args: Any) -> None:
        shown = [without_quotations(arg) if isinstance(arg, str) else arg for arg in args]
        super().log_error(msg, *shown)

    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        if isinstance(v, BrokenAnswer):
            # No closing chunk: the client sees that the answer is not whole.
            log.info("an answer was broken off: %s", v)
            self.close_connection = True
            if not self.response_use_chunked:
                # An answer that ends with its connection is torn only by a reset.
                with contextlib.suppress(OSError):
                    self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            return
        super().handle_error(t, v, tb)

    def _log_error(self, t: Any, v: Any, tb: Any) -> None:
        # gevent would print the traceback past our log, which keeps forged lines out.
        if not issubclass(t, gevent.GreenletExit):
            log.error("an answer broke", exc_info=(t, v, tb))

    def finalize_headers(self) -> None:
        super().finalize_headers()
        if self.provided_content_length is not None or self.code in (204, 304):
            return
        if self.command == "HEAD":
            # The base class has framed the body that was left out; a GET's length is not known.
            self.response_use_chunked = False
            self._drop_headers(b"Content-Length", b"Transfer-Encoding")
        elif self.request_version == "HTTP/1.0" and not hasattr(self.result, "__len__"):
            # Nothing but the end of the connection can end this answer.
            self.close_connection = True
            self._drop_headers(b"Connection")
            self.response_headers.append((b"Connection", b"close"))

    def _drop_headers(self, *names: bytes) -> None:
        headers: list[tuple[bytes, bytes]] = self.response_headers
        headers[:] = [pair for pair in headers if pair[0] not in names]

    def _write_with_headers(self, data: bytes) -> None:
        if len(data) > SMALL_BYTES:
            super()._write_with_headers(data)
            return
        # Head and body of a small answer leave in one packet and one system call.
        gathered = bytearray()
        self._sendall = gathered.extend  # type: ignore[method-assign,assignment]
        try:
            super()._write_with_headers(data)
        finally:
            del self._sendall
        self._sendall(gathered)

    def _sendall(self, data: bytes | bytearray) -> None:
        """Send, but not for ever to a client that takes nothing."""
        if len(data) <= SMALL_BYTES:
            sent = self._send_now(data)
            if sent == len(data):
                return
            data = data[sent:]
        for start in range(0, len(data), SEND_BYTES):
            piece = data if len(data) <= SEND_BYTES else data[start : start + SEND_BYTES]
            with gevent.Timeout(SEND_TIMEOUT_SECONDS, _gone()):
                super()._sendall(piece)
            self._count_sent(len(piece))

    def _send_now(self, data: bytes | bytearray) -> int:
        """Send what is taken at once, without a clock; how much that was.

        What is wrong, if anything, is found out by those who wait.
        """
        try:
            sent: int = self.socket.send(data, self._send_flags, 0.0)
        except OSError:
            return 0
        self.response_length += sent
        self._count_sent(sent)
        return sent

    def log_request(self) -> None:
        """Requests are not logged: to write what would be thrown away took a tenth of a poll."""

    def _count_sent(self, length: int) -> None:
        # A client that takes all at once would never let this wait.
        self._sent += length
        if self._sent >= SENT_A_TURN:
            self._sent = 0
            self.take_turn()

    def process_result(self) -> None:
        if isinstance(self.result, GrowingBody):
            self._send_growing(self.result)
            return
        if not isinstance(self.result, FileBody) or not hasattr(os, "sendfile"):
            super().process_result()
            return
        parts = self.result.parts
        leading = parts[0] if isinstance(parts[0], bytes) else b""
        rest = parts[1:] if leading else parts
        # The head leaves together with the first bytes of a file.
        follows = bool(rest) and isinstance(rest[0], Slice) and rest[0].length > 0
        self._send_flags = MORE_FOLLOWS if follows else 0
        self._write_with_headers(leading)
        self._send_flags = 0
        for part in rest:
            if isinstance(part, Slice):
                self._send_slice(part, self.result.in_use)
            else:
                self._sendall(part)

    def _send_growing(self, body: GrowingBody) -> None:
        # The head goes ahead: the first bytes may be long in coming.
        self._write_with_headers(b"")
        for data in body:
            with gevent.Timeout(SEND_TIMEOUT_SECONDS, BrokenAnswer("the client takes nothing")):
                self._write(data)
        if self.response_use_chunked:
            self._sendall(b"0\r\n\r\n")

    def _send_slice(self, part: Slice, in_use: Callable[[], None]) -> None:
        target, source = self.socket.fileno(), part.source.fileno()
        offset, end = part.offset, part.offset + part.length
        while offset < end:
            try:
                sent = os.sendfile(target, source, offset, min(SENDFILE_BYTES, end - offset))
            except BlockingIOError:
                wait_write(target, SEND_TIMEOUT_SECONDS, _gone())
                self._sent = 0  # others have had their turns meanwhile
                continue
            if sent == 0:
                raise OSError("the file ended before its published length")
            offset += sent
            self.response_length += sent
            in_use()
            self._count_sent(sent)


def _gone() -> BrokenPipeError:
    """What is raised when a client takes nothing: for us it has gone away."""
    return BrokenPipeError(errno.EPIPE, "the client takes nothing")
