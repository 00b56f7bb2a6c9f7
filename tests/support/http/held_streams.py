"""Streams of segments that an origin sends when a test says so.

stream = HeldStream(origin, "/film", folder)
stream.hold("index7.ts")          # this one is not sent
...
stream.release()
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from support.http.origin import Exchange, Handler, Origin, content, status


class HeldStream:
    """The files of a folder at `path`, as they are now. What is held back is answered, by what
    would have been or by `fail`ure, when it is released."""

    def __init__(self, origin: Origin, path: str, folder: Path) -> None:
        self._origin = origin
        self._path = path
        self._held: set[str] = set()
        self._failing: set[str] = set()
        self._asked: set[str] = set()
        self._changed = threading.Condition()
        for file in folder.iterdir():
            origin.add(f"{path}/{file.name}", self._handler(file.name, content(file.read_bytes())))
        self.names = sorted(file.name for file in folder.iterdir())

    def url(self, name: str) -> str:
        """The address of one of the files."""
        return self._origin.url(f"{self._path}/{name}")

    def hold(self, is_meant: Callable[[str], bool]) -> None:
        """Hold back files by their names."""
        with self._changed:
            self._held |= {name for name in self.names if is_meant(name)}

    def release(self) -> None:
        """Send all that is asked for."""
        with self._changed:
            self._held.clear()
            self._changed.notify_all()

    def fail(self, name: str) -> None:
        """Answer that there is no such file."""
        with self._changed:
            self._failing.add(name)

    def await_asked(self, name: str, seconds: float = 30.0) -> None:
        """Until a file has been asked for."""
        with self._changed:
            came = self._changed.wait_for(lambda: name in self._asked, seconds)
        assert came, f"nobody asked for {name}, but for {sorted(self._asked)}"

    def _handler(self, name: str, answer: Handler) -> Handler:
        def handle(exchange: Exchange) -> None:
            with self._changed:
                self._asked.add(name)
                self._changed.notify_all()
                while name in self._held and not exchange.origin.closing.is_set():
                    self._changed.wait(0.02)
                failing = name in self._failing
            (status(404) if failing else answer)(exchange)

        return handle
