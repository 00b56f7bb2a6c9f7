"""Starting child processes, waiting for them and killing them with all they have started."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import sys
import threading
from collections.abc import Set
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from gmapi.errors import SettingsError
from gmapi.sandbox.launch import Child, Grants, Launch
from gmapi.sandbox.plain import PlainChild
from gmapi.sandbox.protection import LOCKS, Lock, Mode, Protection, System, plan

if sys.platform == "linux":
    from gmapi.sandbox import bubblewrap, seccomp
    from gmapi.sandbox.fork_client import ForkServer, ForkServerGone
    from gmapi.sandbox.system_paths import needs_of

__all__ = ["Child", "Grants", "Launch", "Launcher"]

logger = logging.getLogger(__name__)

# A trial that takes longer has failed.
_TRIAL_SECONDS = 20.0


def spawn_fork_server() -> ForkServer | None:
    """A fork server that comes up while this process does something else, for a Launcher that is
    made later; None where there is none. Call it before the process has other threads."""
    if sys.platform != "linux":
        return None
    try:
        return ForkServer()
    except OSError:
        return None  # the launcher will try for itself and tell why


class Launcher:
    """Starts children; a context manager. Thread safe; several children may run at once.

    On Linux a fork server does the work: `start` it before the process has other threads. Then
    no child outlives this process, however it ends, and each is locked in as `protection` says.
    Elsewhere, with `plain=True`, or when the fork server does not start, children are started
    without limits and locks.

    `mode` is the setting GMAPI_SANDBOX. `fork_server` is one that `spawn_fork_server` has made;
    the launcher ends it. `locks` is for tests, which try each lock alone.
    """

    def __init__(
        self,
        mode: Mode = "auto",
        *,
        plain: bool = False,
        fork_server: ForkServer | None = None,
        locks: Set[Lock] = LOCKS,
    ) -> None:
        self._mode = mode
        self._plain = plain or sys.platform != "linux"
        self._locks = locks
        self._lock = threading.Lock()
        self._server = fork_server
        self._bubblewrap: str | None = None
        self._state: Literal["new", "started", "closed"] = "new"
        self._plain_children: list[PlainChild] = []
        self.protection = plan(System(sys.platform), mode)
        """How children are locked in, once the launcher is started. It stays the same: where a
        lock fails later, the launch fails."""

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
        """Start the fork server, where there is one, and find out which locks work. Does nothing
        the second time. Raises SettingsError when the mode is `require` and they are not all
        there."""
        with self._lock:
            if self._state == "closed":
                raise RuntimeError("the launcher is closed")
            if self._state == "started":
                return
            if not self._plain:
                try:
                    self._server = self._server or ForkServer()
                    self._server.await_ready()
                except OSError:
                    self._server = None
                    logger.warning(
                        "The fork server does not start; children run without limits.",
                        exc_info=True,
                    )
            self._state = "started"
            self.protection = plan(self._system(), self._mode)
        if self._mode == "require" and self.protection.state != "full":
            self.close()
            raise SettingsError([_refusal(self.protection)])

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

        Raises OSError with the system's `errno` when the program or its folder cannot be used, or
        when the child could not be locked in; RuntimeError when the launcher has not been started
        or is closed.
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
            return self._launch(server, spec, self.protection)
        except ForkServerGone:
            server = self._replace(server)
        try:
            return self._launch(server, spec, self.protection)
        except ForkServerGone as error:
            raise OSError(errno.EPIPE, "the fork server does not answer") from error

    @property
    def passes_pipes(self) -> bool:
        """Whether children can be given more descriptors than 0, 1 and 2."""
        return self._server is not None

    def is_broken(self) -> bool:
        """Whether the fork server has ended by itself, and with it all children, since the last
        launch. A child that ended with -9 then was not at fault."""
        server = self._server
        return server is not None and server.is_gone()

    def _launch(self, server: ForkServer, spec: Launch, protection: Protection) -> Child:
        if not protection.bubblewrap:
            return server.launch(
                spec, landlock_abi=protection.landlock_abi, seccomp=protection.seccomp
            )
        with ExitStack() as stack:
            filter_fd = _filter_pipe(stack) if protection.seccomp else None
            needs = needs_of(spec.argv[0])
            wrapped = bubblewrap.wrap(self._bubblewrap or "", spec, needs, filter_fd)
            # It sets itself up with calls that the filter forbids, and puts that on by itself.
            return server.launch(
                wrapped, landlock_abi=0, seccomp=False, decode=bubblewrap.exit_code
            )

    def _system(self) -> System:
        server = self._server
        if server is None:
            return System(sys.platform)
        found = System(
            sys.platform,
            fork_server=True,
            landlock_abi=server.landlock_abi if "landlock" in self._locks else 0,
            seccomp=server.seccomp and "seccomp" in self._locks,
        )
        if found.landlock_abi or self._mode == "off" or "bubblewrap" not in self._locks:
            return found
        return self._with_bubblewrap(server, found)

    def _with_bubblewrap(self, server: ForkServer, found: System) -> System:
        """Adds bubblewrap if it is installed and starts a program here."""
        self._bubblewrap, program = shutil.which("bwrap"), shutil.which("true")
        if self._bubblewrap is None or program is None:
            return found
        trial = Protection("partial", (), seccomp=found.seccomp, bubblewrap=True)
        try:
            child = self._launch(server, Launch((os.path.abspath(program),), Path("/")), trial)
            code = child.wait(_TRIAL_SECONDS)
            child.kill()
        except (OSError, ForkServerGone) as error:
            logger.warning("bubblewrap is installed but does not start here: %s", error)
            return found
        if code != 0:
            logger.warning("bubblewrap is installed but does not work here (code %s).", code)
            return found
        return System(found.platform, True, 0, found.seccomp, bubblewrap=True)

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
                server = ForkServer()
                server.await_ready()
                self._server = server
            return self._server


def _filter_pipe(stack: ExitStack) -> int:
    """The reading end of a pipe with the filter's instructions in it, closed with the stack."""
    reader, writer = os.pipe()
    stack.callback(os.close, reader)
    with open(writer, "wb") as pipe:
        pipe.write(seccomp.Filter(os.uname().machine).program(bubblewrap.PID))
    return reader


def _refusal(protection: Protection) -> str:
    return (
        f"GMAPI_SANDBOX: the full sandbox is required but this system lacks "
        f"{', '.join(protection.missing)}. {protection.remedy}"
    )
