"""The HTTP server: gevent's pywsgi with sendfile, quick small answers and draining on SIGTERM.

Only `python -m gmapi web` imports this module, after gevent has patched the standard library.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import struct
import sys
from http.client import HTTPException
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import Input, WSGIHandler, WSGIServer
from gevent.socket import socket as GeventSocket
from gevent.socket import wait_read, wait_write

from gmapi.access import Mode
from gmapi.jobs.service import JobService
from gmapi.settings import Settings
from gmapi.storage.base import Slice
from gmapi.web.app import create_app
from gmapi.web.files import BrokenAnswer, FileBody
from gmapi.web.growing import GrowingBody
from gmapi.web.protocol import check_head, malformed, origin_form, without_quotations

CONNECTIONS_MAX = 20_000
DRAIN_SECONDS = 12.0
"""How long calls at hand may go on after SIGTERM; workers hand their jobs back a little earlier."""

SEND_TIMEOUT_SECONDS = 120.0
SENDFILE_BYTES = 512 * 1024
SMALL_BYTES = 16 * 1024
DISCARD_BYTES = 4 * 1024**2
DISCARD_SECONDS = 5.0

RESET_AT_CLOSE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""Value of SO_LINGER: closing discards what is unsent and tells the peer that all is not well."""

log = logging.getLogger(__name__)


class RequestBody(Input):  # type: ignore[misc]
    """A request body. What the application left of it is read, so that the client can finish
    sending and see its answer, yet not without end."""

    __slots__ = ("given_up",)

    def _discard(self) -> None:
        unread = self.chunked_input or self.position < (self.content_length or 0)
        # Whoever still waits for "100 Continue" sends nothing any more.
        self.given_up = self._chunked_input_error or (unread and self.socket is not None)
        if self.given_up or not unread:
            return
        self.given_up = True
        left = DISCARD_BYTES
        with gevent.Timeout(DISCARD_SECONDS, False):
            while left > 0:
                data = self.read(min(left, SMALL_BYTES))
                left -= len(data)
                if not data:
                    self.given_up = False
                    return


class Handler(WSGIHandler):  # type: ignore[misc]
    """One connection."""

    def handle(self) -> None:
        # Without it a small answer waits 40 ms for the client's delayed acknowledgement.
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            super().handle()
        finally:
            self.server.idle.discard(self)

    def read_requestline(self) -> Any:
        self.server.idle.add(self)
        try:
            return super().read_requestline()
        finally:
            self.server.idle.discard(self)

    def read_request(self, raw_requestline: str) -> bool:
        """Parse the head. Raises ValueError, which pywsgi answers with 400."""
        try:
            super().read_request(raw_requestline)
            check_head(self.headers)
        except (HTTPException, LookupError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        self.path: str = origin_form(self.path)
        return True

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        plain: Input = self.wsgi_input
        self.wsgi_input: RequestBody = RequestBody(
            plain.rfile, plain.content_length, plain.socket, plain.chunked_input
        )
        # Proxies label requests as upgrades that are none; only a WebSocket's GET needs the raw
        # stream, and any other body would be misread from it.
        if environ["wsgi.input_terminated"] or self.command != "GET":
            environ["wsgi.input"] = self.wsgi_input
            environ["wsgi.input_terminated"] = True
        return environ

    def handle_one_request(self) -> Any:
        result = super().handle_one_request()
        if isinstance(result, tuple):
            return result[0], malformed(int(result[0]))
        return result

    def handle_one_response(self) -> None:
        super().handle_one_response()
        if self.server.draining or self.wsgi_input.given_up:
            self.close_connection = True
        if self.close_connection and self._connection_upgrade_requested():
            # A WebSocket that did not come about leaves a copy of the socket to the garbage
            # collector; the client need not wait for that.
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)

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
        sendall, gathered = super()._sendall, bytearray()
        self._sendall: Any = gathered.extend
        try:
            super()._write_with_headers(data)
        finally:
            del self._sendall
        sendall(gathered)

    def process_result(self) -> None:
        if isinstance(self.result, GrowingBody):
            self._send_growing(self.result)
            return
        if not isinstance(self.result, FileBody) or not hasattr(os, "sendfile"):
            super().process_result()
            return
        self._write_with_headers(b"")
        for part in self.result.parts:
            if isinstance(part, Slice):
                self._send_slice(part)
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

    def _send_slice(self, part: Slice) -> None:
        target, source = self.socket.fileno(), part.source.fileno()
        offset, end = part.offset, part.offset + part.length
        while offset < end:
            try:
                sent = os.sendfile(target, source, offset, min(SENDFILE_BYTES, end - offset))
            except BlockingIOError:
                wait_write(target, SEND_TIMEOUT_SECONDS)
                continue
            if sent == 0:
                raise OSError("the file ended before its published length")
            offset += sent
            self.response_length += sent


class Server(WSGIServer):  # type: ignore[misc]
    """Knows which connections are idle, to close just them when it drains."""

    handler_class = Handler

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.idle: set[Handler] = set()
        self.draining = False

    def drain(self) -> None:
        """Accept nothing more and close the connections that wait for a next request."""
        self.draining = True
        self.stop_accepting()
        self.close()
        for handler in list(self.idle):
            with contextlib.suppress(OSError, AttributeError):
                handler.socket.shutdown(socket.SHUT_RD)


def serve(settings: Settings, listener: socket.socket, *, supervised: bool) -> None:
    """Serve until SIGTERM or SIGINT, then let calls at hand finish within a grace."""
    service = JobService(settings)
    service.start()
    app = create_app(settings, service)
    pool = Pool(CONNECTIONS_MAX)
    server = Server(
        GeventSocket(fileno=listener.detach()),
        app,
        log=None,
        error_log=logging.getLogger("gmapi.http"),
        spawn=pool,
    )
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    if supervised:
        gevent.spawn(_stop_with_parent, stop)
    server.start()
    log.log(
        logging.WARNING if settings.access_mode is Mode.ANONYMOUS else logging.INFO,
        "access: %s",
        settings.access_text,
    )
    log.info("listening on %s port %s", server.server_host, server.server_port)
    stop.wait()
    log.info("stopping: %d connections are open", len(pool))
    server.drain()
    service.events.end_streams()
    pool.join(timeout=DRAIN_SECONDS)
    service.stop()
    pool.join(timeout=1.0)
    pool.kill(block=True, timeout=1.0)


def _stop_with_parent(stop: Event) -> None:
    """The supervisor holds our standard input open: its end is the supervisor's."""
    while True:
        wait_read(0)
        if not os.read(0, 1024):
            stop.set()
            return
