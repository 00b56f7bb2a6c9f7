"""Starting child processes, waiting for them and killing them with all they have started."""

from __future__ import annotations

import errno
import logging
import sys
import threading
from types import TracebackType
from typing import Literal, Self

from gmapi.sandbox.launch import Child, Launch
from gmapi.sandbox.plain import PlainChild

if sys.platform == "linux":
    from gmapi.sandbox.fork_client import ForkServer, ForkServerGone

__all__ = ["Child", "Launch", "Launcher"]

logger = logging.getLogger(__name__)


class Launcher:
    """Starts children; a context manager. Thread safe; several children may run at once.

    On Linux a fork server does the work: `start` it before the process has other threads. Then
    no child outlives this process, however it ends. Elsewhere, with `plain=True`, or when the
    fork server does not start, children are started without limits, as `missing` says.
    """

    def __init__(self, *, plain: bool = False) -> None:
        self._plain = plain or sys.platform != "linux"
        self._lock = threading.Lock()
        self._server: ForkServer | None = None
        self._state: Literal["new", "started", "closed"] = "new"
        self._plain_children: list[PlainChild] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the fork server, where there is one. Does nothing the second time."""
        with self._lock:
            if self._state == "closed":
                raise RuntimeError("the launcher is closed")
            if self._state == "started":
                return
            if not self._plain:
                try:
                    self._server = ForkServer()
                except OSError:
                    logger.warning(
                        "The fork server does not start; children run without limits.",
                        exc_info=True,
                    )
                    self._plain = True
            self._state = "started"

    def close(self) -> None:
        """Kill all children with their groups and end the fork server. May be called again."""
        with self._lock:
            self._state = "closed"
            server, self._server = self._server, None
            children, self._plain_children = self._plain_children, []
        if server is not None:
            server.stop()
        for child in children:
            child.kill()
            child.wait()

    def launch(self, spec: Launch) -> Child:
        """Start a child. It runs its program when this returns.

        Raises OSError with the system's `errno` when the program or its folder cannot be used,
        RuntimeError when the launcher has not been started or is closed.
        """
        with self._lock:
            self._check_started()
            server = self._server
            if server is None:
                child = PlainChild(spec)
                running = [other for other in self._plain_children if other.poll() is None]
                self._plain_children = [*running, child]
                return child
        try:
            return server.launch(spec)
        except ForkServerGone:
            server = self._replace(server)
        try:
            return server.launch(spec)
        except ForkServerGone as error:
            raise OSError(errno.EPIPE, "the fork server does not answer") from error

    def state(self) -> Literal["limits", "plain"]:
        """How children start: by the fork server with its limits and signals, or plainly."""
        return "plain" if self._plain else "limits"

    def is_broken(self) -> bool:
        """Whether the fork server has ended by itself, and with it all children, since the last
        launch. A child that ended with -9 then was not at fault."""
        server = self._server
        return server is not None and server.is_gone()

    def missing(self) -> list[str]:
        """The protections that children of this launcher do not have, for people to read."""
        absent = ["Landlock file rules", "seccomp filter"]
        if self._plain:
            absent += [
                "limits of memory, processor time, file size and open files",
                "low priority (nice)",
                "no_new_privs",
                "the end of children whose worker is killed",
            ]
        if sys.platform == "win32":
            absent.append("the end of processes that children have started")
        return absent

    def _check_started(self) -> None:
        if self._state != "started":
            what = "closed" if self._state == "closed" else "not started"
            raise RuntimeError(f"the launcher is {what}")

    def _replace(self, broken: ForkServer) -> ForkServer:
        with self._lock:
            self._check_started()
            if self._server is None or self._server is broken:
                logger.warning("Starting a new fork server in place of one that is gone.")
                broken.stop()
                self._server = ForkServer()
            return self._server
