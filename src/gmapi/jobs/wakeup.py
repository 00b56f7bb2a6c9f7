"""Datagrams between the processes of one server: "look at the database now".

Only a hint that saves waiting: the receiver looks anyway every few dozen milliseconds, so a lost
datagram costs nothing else. Where there are no Unix sockets, nothing is sent.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path

HAVE_UNIX_SOCKETS = hasattr(socket, "AF_UNIX")
RESCAN_SECONDS = 2.0


class WakeupSender:
    """Pokes all listeners in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._targets: list[str] = []
        self._scanned = 0.0
        self._socket: socket.socket | None = None
        if HAVE_UNIX_SOCKETS:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    def poke(self) -> None:
        """Tell every listener to look; never blocks, never fails."""
        if self._socket is None:
            return
        if time.monotonic() - self._scanned > RESCAN_SECONDS:
            self._targets = [str(path) for path in self._folder.glob("*.sock")]
            self._scanned = time.monotonic()
        for target in self._targets:
            with contextlib.suppress(OSError):
                self._socket.sendto(b"!", target)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()


class WakeupListener:
    """Waits for a poke, or for a time."""

    def __init__(self, folder: Path) -> None:
        self._socket: socket.socket | None = None
        self._path = folder / f"{os.getpid()}.sock"
        if not HAVE_UNIX_SOCKETS:
            return
        folder.mkdir(parents=True, exist_ok=True)
        _remove_dead(folder)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._path.unlink(missing_ok=True)
            listener.bind(str(self._path))
        except OSError:  # the path is too long for a socket, or the file system has none
            listener.close()
            return
        self._socket = listener

    def wait(self, timeout: float) -> None:
        """Return at the next poke, at the latest after `timeout` seconds."""
        if self._socket is None:
            time.sleep(timeout)
            return
        self._socket.settimeout(timeout)
        with contextlib.suppress(TimeoutError):
            self._socket.recv(16)
            self._socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    self._socket.recv(16)

    def close(self) -> None:
        """Close the socket and remove its file."""
        if self._socket is not None:
            self._socket.close()
            self._path.unlink(missing_ok=True)


def _remove_dead(folder: Path) -> None:
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        for path in folder.glob("*.sock"):
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                continue
    finally:
        probe.close()
