"""Running one ffmpeg: its pipes are read, its time and output are watched, it can be stopped."""

from __future__ import annotations

import math
import os
import re
import selectors
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmapi.errors import LimitError
from gmapi.media.pipes import FIRST_PIPE_FD, ONLY_PIPE_FD, through_pipes
from gmapi.media.progress import Progress, ProgressParser
from gmapi.sandbox.feeding import PIPE_BYTES, Feed, Feeder, widen
from gmapi.sandbox.folder_watch import FolderWatch
from gmapi.sandbox.launcher import Grants, Launch
from gmapi.sandbox.limits import Limits

if TYPE_CHECKING:
    from gmapi.sandbox.launcher import Child, Launcher

PROGRESS_FD = 0
"""The child's descriptor for `-progress`. ffmpeg reads no standard input (`-nostdin`), and every
launcher can pass on descriptor 0, while only the fork server can pass on more than three."""

TAIL_LINES = 64
_LINE_CHARS = 1000
_RAW_LINE_BYTES = 16 << 10
_READ_BYTES = 256 << 10
_NOTHING = Grants()
# How often a running job looks whether it is to stop, seconds.
_POLL_SECONDS = 0.25
# How long pipes may stay open after the child has ended, seconds.
_DRAIN_SECONDS = 2.0
# A killed process ends at once unless the disk hangs, seconds.
_KILL_SECONDS = 30.0


@dataclass(frozen=True)
class Watch:
    """What a run may write below `folders` (bytes on disk, number of files) and how long it may
    take, in seconds by the clock."""

    folders: Sequence[Path]
    max_bytes: int
    max_files: int
    wall_seconds: float


@dataclass(frozen=True)
class Finished:
    """How a run ended: the return code (`-N` after signal N) and the last lines it wrote, each
    with its level ("[error]") where ffmpeg was told to give it."""

    returncode: int
    tail: list[str]


def run(
    launcher: Launcher,
    argv: Sequence[str],
    *,
    cwd: Path,
    limits: Limits,
    watch: Watch | None,
    grants: Grants = _NOTHING,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_line: Callable[[str], None] = lambda line: None,
    on_leveled: Callable[[str], None] = lambda line: None,
    cancelled: Callable[[], None] = lambda: None,
    stdout: Callable[[bytes], None] | None = None,
    hide: Sequence[Path] = (),
    feeds: Mapping[Path, Feed] | None = None,
) -> Finished:
    """Run a program to its end, in the caller's thread.

    An input that is one of `feeds` comes through a pipe, see `feeding`. With a launcher that does
    not `passes_pipes` there can be one such input, and no progress then. What ends its source
    early ends the run, and passes through.
    Of the file system it may touch what `grants` says, and nothing but its own libraries without.
    `on_line` gets each line of standard error: printable, at most 1,000 characters, without the
    folders in `hide`; `on_leveled` gets the same with ffmpeg's level of it. `on_progress` gets
    the reports of `-progress pipe:PROGRESS_FD`, `stdout` the standard output in pieces.
    `cancelled` is asked at least every 0.25 s and raises to stop the run; whatever a callback
    raises passes through after the program and all it has started are dead. Raises LimitError
    when the run went beyond `watch`, OSError when it cannot start.
    """
    log = _Log(on_line, on_leveled, hide)
    parser = ProgressParser()

    def report(data: bytes) -> None:
        for progress in parser.feed(data):
            on_progress(progress)

    sinks: dict[int, Callable[[bytes], None]] = {PROGRESS_FD: report, 2: log.feed}
    if stdout is not None:
        sinks[1] = stdout
    first = FIRST_PIPE_FD if launcher.passes_pipes else ONLY_PIPE_FD
    words, pipes = through_pipes(argv, feeds or {}, first)
    if pipes:
        sinks.pop(first, None)
        fed = {path.absolute() for path in pipes.values()}
        grants = replace(grants, read=tuple(path for path in grants.read if path not in fed))
    with ExitStack() as stack:
        feeders = _Feeders(stack)
        readers = _Readers(stack)
        launch = Launch(tuple(words), cwd=cwd, limits=limits, grants=grants)
        given = {number: (feeds or {})[path] for number, path in pipes.items()}
        child = readers.launch(
            launcher, replace(launch, fds=feeders.open(given)), sinks, feeders.begin
        )

        def look() -> None:
            cancelled()
            feeders.check()

        watcher = None if watch is None else _watcher(watch, child)
        try:
            with watcher or nullcontext():
                try:
                    readers.pump(child, look)
                    code = _wait(child, look)
                except BaseException:
                    child.kill()  # before the watch is waited for
                    raise
        except BaseException:
            child.kill()
            child.wait(_KILL_SECONDS)
            raise
    log.close()
    if watch is not None and watcher is not None and watcher.exceeded is not None:
        raise _exceeded(watcher.exceeded, watch)
    return Finished(code, list(log.tail))


def examine(
    launcher: Launcher,
    argv: Sequence[str],
    source: Path,
    *,
    cwd: Path,
    seconds: float,
    limits: Limits | None = None,
    feeds: Mapping[Path, Feed] | None = None,
    **taken: Any,
) -> Finished:
    """A `run` that reads `source` and writes no file, for so many `seconds` by the clock at the
    most, unless it waits for a source that is arriving; `taken` are the callbacks of `run` and
    `hide`. Raises what `run` raises."""
    return run(
        launcher,
        argv,
        cwd=cwd,
        grants=Grants(read=(source.absolute(),)),
        limits=limits or Limits(),
        watch=Watch((), 0, 0, math.inf if feeds and source in feeds else seconds),
        feeds=feeds,
        **taken,
    )


class _Feeders:
    """The pipes into a child and the threads that fill them, which end with the stack: by then
    the child has, or it would take what has come for all there is."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._ends: list[tuple[Feed, int, int]] = []
        self._running: list[Feeder] = []

    def open(self, feeds: Mapping[int, Feed]) -> dict[int, int]:
        """Reading ends by the child's numbers for them."""
        self._stack.callback(self._close)
        fds = {}
        for number, feed in feeds.items():
            fds[number], writer = os.pipe()
            self._ends.append((feed, fds[number], writer))
            widen(writer, feed.pipe_bytes)
        return fds

    def begin(self) -> None:
        """The child has its ends: only it may hold them, or nobody would learn that it ended."""
        while self._ends:
            feed, reader, writer = self._ends.pop()
            os.close(reader)
            self._running.append(Feeder(feed, writer))

    def check(self) -> None:
        """Raise what has ended a source early."""
        for feeder in self._running:
            feeder.check()

    def _close(self) -> None:
        for _, reader, writer in self._ends:
            os.close(reader)
            os.close(writer)
        for feeder in self._running:
            feeder.close()


class _Readers:
    """The reading ends of a child's pipes; all descriptors are closed with the stack."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._selector = stack.enter_context(selectors.DefaultSelector())

    def launch(
        self,
        launcher: Launcher,
        launch: Launch,
        sinks: dict[int, Callable[[bytes], None]],
        on_start: Callable[[], None],
    ) -> Child:
        """Start a child with a pipe for each of its descriptors in `sinks`."""
        with ExitStack() as writers:
            fds = dict(launch.fds)
            for number, sink in sinks.items():
                reader, writer = os.pipe()
                self._stack.callback(os.close, reader)
                writers.callback(os.close, writer)
                fds[number] = writer
                if number == 1:
                    widen(writer)
                self._selector.register(reader, selectors.EVENT_READ, sink)
            child = launcher.launch(replace(launch, fds=fds))
            try:
                on_start()
            except BaseException:
                child.kill()
                raise
            return child

    def pump(self, child: Child, cancelled: Callable[[], None]) -> None:
        """Hand on what comes until all pipes have ended."""
        ask_at = time.monotonic()
        give_up_at: float | None = None
        left = 0
        while self._selector.get_map():
            ready = self._selector.select(_POLL_SECONDS)
            for key, _ in ready:
                data = os.read(key.fd, _READ_BYTES)
                left -= len(data)
                if data:
                    key.data(data)
                else:
                    self._selector.unregister(key.fd)
            now = time.monotonic()
            if give_up_at is not None:
                # What it left in the pipes may take us long, but no more than that is its own:
                # something that escaped the child's group may hold a pipe open for ever.
                if ready and left > 0:
                    give_up_at = now + _DRAIN_SECONDS
                elif now >= give_up_at:
                    return
            if now < ask_at:
                continue
            ask_at = now + _POLL_SECONDS
            cancelled()
            if give_up_at is None and child.poll() is not None:
                give_up_at = now + _DRAIN_SECONDS
                left = len(self._selector.get_map()) * PIPE_BYTES


def _wait(child: Child, cancelled: Callable[[], None]) -> int:
    while (code := child.wait(_POLL_SECONDS)) is None:
        cancelled()
    return code


def _watcher(watch: Watch, child: Child) -> FolderWatch:
    return FolderWatch(
        watch.folders,
        watch.max_bytes,
        watch.max_files,
        watch.wall_seconds,
        lambda reason: child.kill(),
    )


def _exceeded(reason: str, watch: Watch) -> LimitError:
    if reason == "time":
        return LimitError(
            f"the conversion took longer than {_seconds(watch.wall_seconds)}, the limit of this "
            "server; ask for a shorter part with -t or for a faster format",
        )
    if reason == "bytes":
        return LimitError(
            f"the output grew beyond {_bytes(watch.max_bytes)}, the limit of this server; "
            "ask for a shorter part with -t or for a lower quality",
        )
    return LimitError(
        f"the conversion made more than {watch.max_files} files, the limit of this server"
    )


def _seconds(value: float) -> str:
    return f"{value / 60:g} minutes" if value >= 60 else f"{value:g} seconds"


def _bytes(value: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value} bytes"


_LINE_END = re.compile(rb"[\r\n]")
# C0 and C1 control characters and the marks that turn the direction of text.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# The level ffmpeg puts after the contexts of a line when told to.
_LEVEL = re.compile(r"^((?:\[[^\]]*\] )*?)\[(?:panic|fatal|error|warning|info|verbose)\](?: |$)")
_POINTER = re.compile(r" @ 0x[0-9a-f]+\]")


class _Log:
    """Standard error cut into clean lines, of which the last ones are kept."""

    def __init__(
        self,
        on_line: Callable[[str], None],
        on_leveled: Callable[[str], None],
        hide: Sequence[Path],
    ) -> None:
        self._on_line = on_line
        self._on_leveled = on_leveled
        self._hide = sorted((str(path) for path in hide), key=len, reverse=True)
        self._rest = b""
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    def feed(self, data: bytes) -> None:
        *lines, rest = _LINE_END.split(self._rest + data)
        for line in lines:
            self._take(line)
        self._rest = rest[:_RAW_LINE_BYTES]

    def close(self) -> None:
        """Take what was written without a line end."""
        self._take(self._rest)
        self._rest = b""

    def _take(self, raw: bytes) -> None:
        text = _POINTER.sub("]", raw[:_RAW_LINE_BYTES].decode("utf-8", "replace"))
        for folder in self._hide:
            text = text.replace(f"file:{folder}/", "").replace(f"{folder}/", "")
            text = text.replace(folder, "")
        text = _CONTROL.sub(" ", text).rstrip()[:_LINE_CHARS]
        shown = _LEVEL.sub(r"\1", text)
        if shown:
            self.tail.append(text)
            self._on_leveled(text)
            self._on_line(shown)
