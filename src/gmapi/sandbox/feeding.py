"""Files that are still arriving, handed to a child through a pipe as they grow.

A child that has come to the end of such a file must wait, and a file cannot make it: so each
child has a pipe of its own, which a thread fills from the file, at the child's pace.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

PIPE_BYTES = 1 << 20
"""Of a pipe with room, where the system has it: fewer switches between the two processes."""

_SEND_BYTES = 1 << 20
_READ_BYTES = 1 << 18
# How soon a feeder that waits for its source or its reader notices that it is to end, seconds.
_LOOK_SECONDS = 0.1


class Arriving(Protocol):
    """A file that others make longer at its end, and change nowhere else."""

    @property
    def is_whole(self) -> bool:
        """Whether all of it is there."""
        ...

    def fileno(self) -> int:
        """A descriptor to read it by, at any position, until the source is closed."""
        ...

    def wait(self, beyond: int, seconds: float) -> int:
        """How many bytes are there, as soon as it is more than `beyond`, or all of it, or after
        so many seconds. Raises what ended it early."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """So many bytes of a file from `first` on; None: all to its end."""

    first: int
    length: int | None = None


Plan = Iterable["bytes | Span"]
"""What a child is to read in place of a file: bytes of our own, and parts of the file. They may be
made as they are asked for; whoever waits for the next one yields b"" now and then meanwhile, so
that the feeder notices when it is not wanted any more."""

WHOLE: Plan = (Span(0),)


@dataclass(frozen=True, slots=True)
class Feed:
    """What goes into a pipe; without a source its plan is of bytes alone."""

    source: Arriving | None
    plan: Plan = WHOLE
    pipe_bytes: int = PIPE_BYTES
    """How much of it may wait in the pipe."""


class Feeder:
    """Fills one pipe in a thread of its own. It owns the writing end.

    At the end of the feed the pipe is closed, and when its reader has gone. Where the source
    fails the pipe stays open until `close`: its reader is to be killed before, since it would
    take what has come for all there is.
    """

    def __init__(self, feed: Feed, writer: int) -> None:
        self._feed = feed
        self._writer = writer
        if sys.platform != "win32":  # whose pipes can only be waited for
            # Whoever is asked to end must not be stuck in a pipe that nobody empties.
            os.set_blocking(writer, False)
            self._poller = select.poll()
            self._poller.register(writer, select.POLLOUT)
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="gmapi-feeder", daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        """Whether the reader was given all of the feed; not when it went before."""
        return self._ended

    def check(self) -> None:
        """Raise what ended the source early."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """End it; call it when the reader has ended."""
        self._stopped.set()
        self._thread.join()
        self._close_writer()

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, -1
        if writer >= 0:
            os.close(writer)

    def _run(self) -> None:
        try:
            for piece in self._feed.plan:
                if self._stopped.is_set():
                    break
                if isinstance(piece, bytes):
                    self._write(piece)
                else:
                    self._send(piece)
            self._ended = not self._stopped.is_set()
            self._close_writer()
        except BrokenPipeError:
            self._close_writer()
        except BaseException as error:
            self._failure = error

    def _send(self, span: Span) -> None:
        source, at = self._feed.source, span.first
        if source is None:
            raise ValueError("a part of no file")
        end = None if span.length is None else span.first + span.length
        while not self._stopped.is_set() and (end is None or at < end):
            # Before the size: of a whole file that is the last one.
            whole = source.is_whole
            size = source.wait(at, _LOOK_SECONDS)
            there = size if end is None else min(size, end)
            while at < there and not self._stopped.is_set():
                copied = self._copy(source.fileno(), at, there - at)
                if copied == 0:  # the file is another now, which does not have as much yet
                    break
                at += copied
            if whole and at >= size:
                return

    def _copy(self, file: int, at: int, count: int) -> int:
        """How many bytes went into the pipe; 0 only where the file has none there, or when this
        is to end."""
        if sys.platform == "linux":
            while not self._stopped.is_set():
                try:
                    return os.sendfile(self._writer, file, at, min(count, _SEND_BYTES))
                except BlockingIOError:
                    self._await_room()
            return 0
        data = os.pread(file, min(count, _READ_BYTES), at)
        self._write(data)
        return len(data)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._stopped.is_set():
            try:
                view = view[os.write(self._writer, view) :]
            except BlockingIOError:
                self._await_room()

    def _await_room(self) -> None:
        """Return when the reader has taken something, has gone, or after a while."""
        if sys.platform != "win32":
            self._poller.poll(_LOOK_SECONDS * 1000)


def widen(pipe: int, size: int = PIPE_BYTES) -> None:
    """Another size of a pipe's buffer, where the system can."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, size)
