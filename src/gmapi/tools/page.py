"""Finding the media in a web page: a child process reads it, this one makes its requests."""

from __future__ import annotations

import os
import selectors
import struct
import sys
import sysconfig
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from gmapi.errors import JobCancelled, SourceError
from gmapi.fetch import site_reader
from gmapi.fetch.address import SourceUrl
from gmapi.fetch.site_door import (
    MESSAGE_BYTES_MAX,
    Found,
    PageLimits,
    SiteDoor,
    nothing_found,
    talk,
)
from gmapi.fetch.terms import FetchRules
from gmapi.sandbox.launcher import Child, Grants, Launch, Launcher
from gmapi.sandbox.limits import Limits

_PACKAGE_FOLDER = str(Path(site_reader.__file__).resolve().parents[2])
# -I keeps the folder it runs in and the user's settings out; so the package's folder is given.
_BOOTSTRAP = (
    "import sys; sys.path.append(sys.argv[1]); from gmapi.fetch.site_reader import main; main()"
)
_COMMAND = (sys.executable, "-I", "-B", "-c", _BOOTSTRAP, _PACKAGE_FOLDER)
_LENGTH = struct.Struct("!I")
_POLL_SECONDS = 0.2
_KILL_SECONDS = 30.0
_CPU_SECONDS = 60


def find_media(
    launcher: Launcher,
    page: SourceUrl,
    rules: FetchRules,
    *,
    cwd: Path,
    cancelled: Callable[[], bool],
    limits: PageLimits | None = None,
) -> Found:
    """What a page leads to. Raises SourceError `source_page` and `source_too_slow`, JobCancelled.

    The child has no network, and ends with this call, whatever comes.
    """
    limits = limits or PageLimits()
    until = time.monotonic() + limits.seconds
    with ExitStack() as stack:
        from_child, child_out = os.pipe()
        stack.callback(os.close, from_child)
        child_in, to_child = os.pipe()
        stack.callback(os.close, to_child)
        try:
            child = launcher.launch(
                Launch(
                    _COMMAND,
                    cwd=cwd,
                    fds={0: child_in, 1: child_out},
                    limits=Limits(cpu_seconds=_CPU_SECONDS, file_size=0),
                    grants=Grants(read=_python_code()),
                )
            )
        finally:
            os.close(child_in)
            os.close(child_out)
        stack.callback(_end, child)
        pipes = _Pipes(stack, from_child, to_child, until, cancelled)
        return talk(pipes.receive, pipes.send, SiteDoor(rules, limits, until, cancelled), page.url)


def _python_code() -> tuple[Path, ...]:
    """Where Python, its modules and this program are; no data is in any of these."""
    folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    # Python looks for a package by listing the folder that it is in.
    ours = Path(site_reader.__file__).resolve().parents[2]
    environment = Path(sys.prefix, "pyvenv.cfg")
    return tuple(dict.fromkeys((*map(Path, folders), ours, environment)))


def _end(child: Child) -> None:
    child.kill()
    child.wait(_KILL_SECONDS)


class _Pipes:
    """Messages by pipes that never wait for longer than the time there is."""

    def __init__(
        self,
        stack: ExitStack,
        from_child: int,
        to_child: int,
        until: float,
        cancelled: Callable[[], bool],
    ) -> None:
        self._from, self._to = from_child, to_child
        self._until = until
        self._cancelled = cancelled
        os.set_blocking(from_child, False)
        os.set_blocking(to_child, False)
        self._readable = stack.enter_context(selectors.DefaultSelector())
        self._readable.register(from_child, selectors.EVENT_READ)
        self._writable = stack.enter_context(selectors.DefaultSelector())
        self._writable.register(to_child, selectors.EVENT_WRITE)

    def receive(self) -> bytes | None:
        head = self._read(_LENGTH.size)
        if head is None:
            return None
        (length,) = _LENGTH.unpack(head)
        if length > MESSAGE_BYTES_MAX:
            raise nothing_found(f"a message of {length} bytes")
        return self._read(length)

    def send(self, data: bytes) -> None:
        rest = memoryview(_LENGTH.pack(len(data)) + data)
        while rest:
            self._wait(self._writable)
            try:
                rest = rest[os.write(self._to, rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise nothing_found("the program has ended") from error

    def _read(self, size: int) -> bytes | None:
        """So many bytes; None when the child has ended before them."""
        data = bytearray()
        while len(data) < size:
            self._wait(self._readable)
            try:
                part = os.read(self._from, size - len(data))
            except BlockingIOError:
                continue
            if not part:
                return None
            data += part
        return bytes(data)

    def _wait(self, selector: selectors.BaseSelector) -> None:
        while not selector.select(_POLL_SECONDS):
            if self._cancelled():
                raise JobCancelled
            if time.monotonic() > self._until:
                raise SourceError(
                    "The source is a web page, and looking for the media in it took too long; "
                    "give the direct address of the media file itself.",
                    code="source_too_slow",
                )
