"""Clients that send their requests slowly, or not to their end."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator

from support.http.origin import Exchange, Handler

HALF_LINE = b"GET /heal"
HALF_HEADERS = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
HALF_BODY = b"POST /api/ffmpeg HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400\r\n\r\n{"
HALF_CHUNK = (
    b"POST /api/ffmpeg HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{"
)
HALVES = {
    "line": HALF_LINE,
    "headers": HALF_HEADERS,
    "body": HALF_BODY,
    "chunk": HALF_CHUNK,
}


def connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    """A connection from this address of loopback."""
    return socket.create_connection(("127.0.0.1", port), 30, (source, 0))


@contextlib.contextmanager
def half_sent(port: int, count: int, *, again: bool = False) -> Iterator[None]:
    """Holds `count` connections with half a request on each, of all kinds in turn.

    With `again` each that the server closes is opened anew.
    """
    kinds = list(HALVES.values())
    over = threading.Event()
    with selectors.DefaultSelector() as selector:

        def open_one(kind: bytes) -> None:
            connection = connect(port)
            connection.sendall(kind)
            selector.register(connection, selectors.EVENT_READ, kind)

        def close_one(key: selectors.SelectorKey) -> None:
            selector.unregister(key.fileobj)
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()

        def hold() -> None:
            while not over.is_set():
                for key, _ in selector.select(0.05):
                    close_one(key)
                    if again:
                        open_one(key.data)

        for number in range(count):
            open_one(kinds[number % len(kinds)])
        thread = threading.Thread(target=hold)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            for key in list(selector.get_map().values()):
                close_one(key)


def dripping(seconds: float) -> Handler:
    """A source that sends a byte every `seconds` until the origin closes."""

    def handle(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Type": "audio/mpeg"})
        exchange.raw(b"ID3\4\0\0\0\0\0\0")
        while not exchange.origin.closing.is_set():
            exchange.raw(b"\0")
            exchange.wait(seconds)

    return handle
