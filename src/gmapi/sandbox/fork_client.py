"""The worker's end of the fork server: starting it, asking it for children, losing it."""

from __future__ import annotations

import contextlib
import errno
import logging
import marshal
import math
import os
import select
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gmapi.sandbox.fork_server import HELLO, LENGTH, READY, REPORT
from gmapi.sandbox.launch import KILL, Child, Launch, kill_group
from gmapi.sandbox.system_paths import NULL, needs_of

logger = logging.getLogger(__name__)

# Seconds until the fork server must have taken a message, and until a child must run.
_SEND_SECONDS = 10.0
_LAUNCH_SECONDS = 60.0
# -I and -S keep the user's and the site's Python settings out; so the package's folder is given.
_BOOTSTRAP = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from gmapi.sandbox.fork_server import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)
_PACKAGE_FOLDER = str(Path(__file__).resolve().parents[2])
_COMMAND = (sys.executable, "-I", "-S", "-c", _BOOTSTRAP, _PACKAGE_FOLDER)


class ForkServerGone(Exception):
    """The fork server has ended or takes no messages."""


class ForkServer:
    """This process's end of one fork server (see `fork_server` for the wire).

    `landlock_abi` and `seccomp` say which locks it has found to work, 0 and False for none, and
    are known when it is ready.
    """

    def __init__(self) -> None:
        """Start it without waiting for it. Raises OSError when it cannot be started."""
        self.landlock_abi = 0
        self.seccomp = False
        self._lock = threading.Lock()
        self._last_ident = 0
        self._children: weakref.WeakValueDictionary[int, ServedChild] = (
            weakref.WeakValueDictionary()
        )
        self._stopping = False
        self._control, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [*_COMMAND, str(theirs.fileno()), str(os.getpid())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    cwd="/",
                    env=_loader_environment(),
                    start_new_session=True,
                )
        except BaseException:
            self._control.close()
            raise
        self._watcher = threading.Thread(
            target=self._watch, name="gmapi-fork-server-watch", daemon=True
        )

    def await_ready(self) -> None:
        """Wait until it takes messages; call it once, before all else. Raises OSError when it
        does not come up."""
        try:
            self._control.settimeout(_SEND_SECONDS)
            hello = self._control.recv(HELLO.size)
            if hello[:1] != READY or len(hello) != HELLO.size:
                raise ChildProcessError("the fork server ended at its start")
        except BaseException:
            self.stop()
            raise
        _, self.landlock_abi, seccomp = HELLO.unpack(hello)
        self.seccomp = bool(seccomp)
        self._watcher.start()

    def launch(
        self,
        spec: Launch,
        *,
        landlock_abi: int,
        seccomp: bool,
        decode: Callable[[int], int] = lambda code: code,
    ) -> Child:
        """Start a child under file rules of that ABI (0: none) and the system call filter.

        `decode` turns the return code of what is started into that of the program. Raises OSError,
        ForkServerGone.
        """
        deadline = time.monotonic() + _LAUNCH_SECONDS
        command = (
            [os.fsencode(argument) for argument in spec.argv],
            os.fsencode(os.path.abspath(spec.cwd)),
            {os.fsencode(name): os.fsencode(text) for name, text in spec.env.items()},
            list(spec.fds),
            # int() because marshal takes no subclasses, such as a setting's byte size.
            {name: value and int(value) for name, value in asdict(spec.limits).items()},
            _locks(spec, landlock_abi, seccomp),
        )
        with self._lock:
            self._last_ident += 1
            ident = self._last_ident
        report, report_writer = os.pipe()
        failure, failure_writer = os.pipe()
        try:
            try:
                with self._lock:
                    fds = [report_writer, failure_writer, *spec.fds.values()]
                    self._send(("launch", ident, *command), fds)
            finally:
                os.close(report_writer)
                os.close(failure_writer)
            first = _read_until(report, REPORT.size, deadline)
            if len(first) < REPORT.size:
                raise ForkServerGone
            (pid,) = REPORT.unpack(first)
            problem = _read_until(failure, 4096, deadline)
            if problem:
                (number,) = REPORT.unpack_from(problem)
                path = os.fsdecode(problem[REPORT.size :])
                raise OSError(number, os.strerror(number), path or None)
            if pid < 0:
                raise OSError(-pid, os.strerror(-pid))
        except BaseException:
            os.close(report)
            # It may have started all the same, or may do so late.
            self.signal(ident, KILL)
            raise
        finally:
            os.close(failure)
        child = ServedChild(self, ident, pid, report, decode)
        with self._lock:
            self._children[ident] = child
        return child

    def signal(self, ident: int, number: int) -> None:
        """Send a signal to a child's group; when the server is gone, so are its children."""
        with contextlib.suppress(ForkServerGone), self._lock:
            self._send(("signal", ident, int(number)))

    def is_gone(self) -> bool:
        """Whether the server has ended. It says nothing after its start, so its end of the socket
        becomes readable only by closing."""
        return self._stopping or _readable(self._control.fileno(), 0)

    def stop(self) -> None:
        """End the server, which kills its children, and wait until that is done."""
        with self._lock:
            self._stopping = True
            self._control.close()
        if self._watcher.ident is None:  # not ready yet, so it has no children
            self._process.kill()
            self._process.wait()
            return
        self._watcher.join(_SEND_SECONDS)
        if self._watcher.is_alive():
            self._process.kill()
            self._watcher.join()

    def _send(self, message: tuple[Any, ...], fds: list[int] | None = None) -> None:
        if self._stopping:
            raise ForkServerGone
        body = marshal.dumps(message)
        data = LENGTH.pack(len(body)) + body
        try:
            sent = socket.send_fds(self._control, [data], fds or [])
            self._control.sendall(data[sent:])
        except (ConnectionError, TimeoutError) as error:
            # Half a message may be on its way, so nothing more can be said to this server.
            self._process.kill()
            raise ForkServerGone from error

    def _watch(self) -> None:
        code = self._process.wait()
        if not self._stopping:
            logger.error(
                "The fork server ended by itself (code %s) and its children were killed; "
                "the next launch starts a new one.",
                code,
            )
        with self._lock:
            children = list(self._children.values())
        for child in children:
            child.poll()


class ServedChild(Child):
    def __init__(
        self,
        server: ForkServer,
        ident: int,
        pid: int,
        report: int,
        decode: Callable[[int], int],
    ) -> None:
        super().__init__(pid)
        self._decode = decode
        self._server = server
        self._ident = ident
        self._report = report
        # Closes once and only once, at the latest when the object goes.
        self._close_report = weakref.finalize(self, os.close, report)
        self._lock = threading.Lock()
        self._waiting = 0
        self._code: int | None = None

    def wait(self, timeout: float | None = None) -> int | None:
        with self._lock:
            if self._code is not None:
                return self._code
            # The pipe stays open while any thread looks at it: its number must not be reused.
            self._waiting += 1
        ended = False
        try:
            ended = _readable(self._report, timeout)
        finally:
            with self._lock:
                if ended and self._code is None:
                    self._code = self._read_code()
                self._waiting -= 1
                if self._code is not None and not self._waiting:
                    self._close_report()
        return self._code

    def _read_code(self) -> int:
        report = os.read(self._report, REPORT.size)
        if report:
            return self._decode(REPORT.unpack(report)[0])
        # The server is gone and the kernel has killed the child, but not what the child started.
        kill_group(self.pid, KILL)
        return -KILL

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            self._server.signal(self._ident, number)


def _locks(
    spec: Launch, landlock_abi: int, seccomp: bool
) -> tuple[int, list[bytes], list[bytes], list[bytes], bool]:
    """The last part of a launch message."""
    if not landlock_abi:
        return 0, [], [], [], seccomp
    needs = needs_of(spec.argv[0])
    return (
        landlock_abi,
        [os.fsencode(path) for path in (*needs.read, *map(str, spec.grants.read))],
        [os.fsencode(path) for path in (NULL, *map(str, spec.grants.write))],
        [os.fsencode(path) for path in needs.execute],
        seccomp,
    )


def _readable(fd: int, timeout: float | None) -> bool:
    """Whether `fd` has bytes or has ended, within `timeout` seconds (None: however long)."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if timeout is None else max(0, math.ceil(timeout * 1000))))


def _read_until(fd: int, size: int, deadline: float) -> bytes:
    """`size` bytes, or fewer when the pipe ends. Raises TimeoutError after `deadline`."""
    data = b""
    while len(data) < size:
        if not _readable(fd, deadline - time.monotonic()):
            raise TimeoutError(errno.ETIMEDOUT, "the child did not start in time")
        part = os.read(fd, size - len(data))
        if not part:
            break
        data += part
    return data


def _loader_environment() -> dict[str, str]:
    """What a Python outside the system's folders may need to find its own library."""
    name = "LD_LIBRARY_PATH"
    return {name: os.environ[name]} if name in os.environ else {}
