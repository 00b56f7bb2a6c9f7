"""A web server on loopback that tests fetch from, well-behaved or not.

    with Origin() as origin:
        origin.add("/song.mp3", b"...", etag='"1"')       # a file, with Range and 304
        origin.add("/moved", redirect("/song.mp3"))        # a ready-made misbehaviour
        origin.add("/odd", lambda exchange: exchange.send(200, {}, b"..."))
        fetch(origin.url("/song.mp3"))
        assert origin.count("/song.mp3") == 1

A route is bytes or a function that gets an `Exchange`. Handlers that wait do so by
`exchange.wait`, which ends at once when the origin closes, so no test waits for them.
"""

from __future__ import annotations

import re
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Received:
    """One request as it came in; `headers` have lower-case names."""

    method: str
    path: str
    headers: Mapping[str, str]


class Exchange:
    """One request and the means to answer it."""

    def __init__(self, origin: Origin, handler: BaseHTTPRequestHandler) -> None:
        self.origin = origin
        self._handler = handler
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.request = Received(handler.command, handler.path, headers)

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send a status line and headers."""
        lines = [f"HTTP/1.1 {status} Test"]
        lines += [] if self.origin.keep_alive else ["Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.raw("\r\n".join([*lines, "", ""]).encode("utf-8"))

    def send(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Send a whole answer with its Content-Length."""
        self.head(status, {"Content-Length": str(len(body)), **headers})
        self.raw(body)

    def body(self) -> bytes:
        """What was posted."""
        return self._handler.rfile.read(int(self.request.headers.get("content-length", "0")))

    @property
    def connection(self) -> socket.socket:
        """The line to the client."""
        return self._handler.connection

    def hang_up(self) -> None:
        """Close the line without saying so."""
        self._handler.close_connection = True

    def wait(self, seconds: float) -> None:
        """Sleep, or until the origin closes."""
        self.origin.closing.wait(seconds)


Handler = Callable[[Exchange], None]


class Origin:
    """The server; a context manager. `tls` makes it speak https. With `keep_alive` a line takes
    more than one request; `connections` counts the lines."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        keep_alive: bool = False,
    ) -> None:
        self.keep_alive = keep_alive
        self.connections = 0
        self.closing = threading.Event()
        self.requests: list[Received] = []
        self.mistakes: list[BaseException | None] = []
        """What went wrong in routes: mistakes of the tests themselves."""
        self._routes: dict[str, Handler] = {}
        origin = self

        class RequestHandler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.close_connection = not keep_alive
                exchange = Exchange(origin, self)
                origin.requests.append(exchange.request)
                origin._route(exchange.request.path)(exchange)

            do_HEAD = do_POST = do_GET

            def setup(self) -> None:
                origin.connections += 1
                super().setup()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                error = sys.exception()
                # Clients of these tests break connections off on purpose.
                if not isinstance(error, OSError | ValueError):
                    origin.mistakes.append(error)

        self._server = Server((host, 0), RequestHandler)
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if exception == (None, None, None):
            assert not self.mistakes, self.mistakes

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def authority(self) -> str:
        """`127.0.0.1:PORT`, also as an entry of GMAPI_FETCH_ALLOW."""
        return f"{self._server.server_address[0]}:{self.port}"

    def url(self, path: str, host: str | None = None) -> str:
        """The address of a path, by another name of this machine if given."""
        authority = f"{host}:{self.port}" if host else self.authority
        return f"{self._scheme}://{authority}{path}"

    def add(self, path: str, route: bytes | Handler, **options: Any) -> str:
        """Register a route, which replaces one of the same path, and return its address.
        `options` are those of `content`, for bytes."""
        self._routes[path] = content(route, **options) if isinstance(route, bytes) else route
        return self.url(path)

    def add_folder(self, path: str, folder: Path, **options: Any) -> str:
        """Register all files of a folder as they are now; returns its address, with a slash."""
        for file in folder.iterdir():
            self.add(f"{path}/{file.name}", file.read_bytes(), **options)
        return self.url(path + "/")

    def count(self, path: str) -> int:
        """How many requests for this path (without its query) have come."""
        return sum(request.path.partition("?")[0] == path for request in self.requests)

    def _route(self, path: str) -> Handler:
        return self._routes.get(path) or self._routes.get(path.partition("?")[0]) or status(404)


def content(
    body: bytes,
    *,
    content_type: str = "application/octet-stream",
    etag: str | None = None,
    last_modified: float | None = None,
    headers: Mapping[str, str] | None = None,
    ranges: bool = True,
) -> Handler:
    """A file: answers 304 to its validators and 206 to `Range: bytes=N-` and `N-M`."""
    fixed = {"Content-Type": content_type, **(headers or {})}
    if etag:
        fixed["ETag"] = etag
    if last_modified is not None:
        fixed["Last-Modified"] = formatdate(last_modified, usegmt=True)

    def handle(exchange: Exchange) -> None:
        asked = exchange.request.headers
        if "if-none-match" in asked:
            current = asked["if-none-match"] == etag
        else:
            current = asked.get("if-modified-since") == fixed.get("Last-Modified", "")
        if current:
            exchange.head(304, fixed)
            return
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.get("range", ""))
        if span and ranges and asked.get("if-range", etag) == etag:
            start = int(span[1])
            end = min(int(span[2]) + 1, len(body)) if span[2] else len(body)
            shown = {**fixed, "Content-Range": f"bytes {start}-{end - 1}/{len(body)}"}
            exchange.send(206, shown, body[start:end])
        else:
            exchange.send(200, fixed, body)

    return handle


def status(code: int, body: bytes = b"<html>no</html>", **headers: str) -> Handler:
    """Any status, with a small page."""
    return lambda exchange: exchange.send(code, {"Content-Type": "text/html", **headers}, body)


def redirect(location: str, code: int = 302) -> Handler:
    """A redirect to another path or address."""
    return lambda exchange: exchange.send(code, {"Location": location})


def truncated(body: bytes, sent: int, **headers: str) -> Handler:
    """Promises all of `body` and breaks off after `sent` bytes."""

    def handle(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(len(body)), **headers})
        exchange.raw(body[:sent])

    return handle


def broken_once(body: bytes, sent: int, *, etag: str, ranges: bool = True) -> Handler:
    """Breaks off the first answer after `sent` bytes and serves well from then on."""
    first = truncated(body, sent, ETag=etag)
    rest = content(body, etag=etag, ranges=ranges)
    answers = iter([first])
    return lambda exchange: next(answers, rest)(exchange)


def held(body: bytes, sent: int, release: threading.Event) -> Handler:
    """Sends `sent` bytes, and the rest when `release` is set."""

    def handle(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(len(body))})
        exchange.raw(body[:sent])
        while not release.is_set() and not exchange.origin.closing.is_set():
            exchange.wait(0.02)
        exchange.raw(body[sent:])

    return handle


def trickle(body: bytes, pause: float, *, length: bool = True) -> Handler:
    """Sends the body one byte per `pause` seconds."""

    def handle(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(len(body))} if length else {})
        for byte in body:
            exchange.raw(bytes([byte]))
            exchange.wait(pause)

    return handle


def slow_headers(pause: float) -> Handler:
    """Sends one byte of an endless header per `pause` seconds."""

    def handle(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not exchange.origin.closing.is_set():
            exchange.raw(b"x")
            exchange.wait(pause)

    return handle


def silent(exchange: Exchange) -> None:
    """Takes the request and says nothing until the origin closes."""
    exchange.origin.closing.wait()


def chunked(body: bytes, size: int = 1000, *, finish: bool = True) -> Handler:
    """Sends the body in chunks without naming its length; breaks off without `finish`."""

    def handle(exchange: Exchange) -> None:
        exchange.head(200, {"Transfer-Encoding": "chunked"})
        for start in range(0, len(body), size):
            part = body[start : start + size]
            exchange.raw(b"%x\r\n%s\r\n" % (len(part), part))
        if finish:
            exchange.raw(b"0\r\n\r\n")

    return handle


def endless(
    body: bytes,
    *,
    head: bytes | None = None,
    piece: int = 64_000,
    chunks: bool = False,
    whole: int | None = None,
    pace: Callable[[Exchange, int], None] | None = None,
) -> Handler:
    """Sends the body over and over, `whole` bytes in all or as long as anybody listens. `head` is
    the raw head of the answer; `chunks` come in the coding of that name. `pace` is called with
    the number of bytes sent so far before each piece but the first."""
    lines = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
    lines += b"Transfer-Encoding: chunked\r\n\r\n" if chunks else b"\r\n"

    def handle(exchange: Exchange) -> None:
        exchange.raw(lines if head is None else head)
        again = body * (piece // len(body) + 2)
        sent = 0
        while not exchange.origin.closing.is_set() and (whole is None or sent < whole):
            if sent and pace is not None:
                pace(exchange, sent)
            at = sent % len(body)
            part = again[at : at + min(piece, (whole or sent + piece) - sent)]
            exchange.raw(b"%x\r\n%s\r\n" % (len(part), part) if chunks else part)
            sent += len(part)
        if chunks:
            exchange.raw(b"0\r\n\r\n")
        exchange.hang_up()

    return handle
