"""A listener on loopback that nobody may reach, on one port of 127.0.0.1 and ::1.

with Canary() as canary:
    ...
    assert canary.visits() == 0
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from typing import Self


class Canary:
    """Counts connections and answers none; `host` is what it listens on besides ::1."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        first = socket.create_server((host, port))
        self.port: int = first.getsockname()[1]
        self._sockets = [first]
        with contextlib.suppress(OSError):  # no IPv6 here
            second = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            second.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            second.bind(("::1", self.port))
            second.listen()
            self._sockets.append(second)
        self._selector = selectors.DefaultSelector()
        for listener in self._sockets:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._selector.close()
        for listener in self._sockets:
            listener.close()

    def visits(self) -> int:
        """Connections so far. One that was made is in the queue of the kernel at once, so none is
        missed."""
        with self._lock:
            while ready := self._selector.select(0):
                for key, _ in ready:
                    with contextlib.suppress(BlockingIOError):
                        connection, _ = key.fileobj.accept()  # type: ignore[union-attr]
                        connection.close()
                        self._count += 1
            return self._count
