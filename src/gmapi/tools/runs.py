"""The runs of ffmpeg that a job consists of, and what stops them."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gmapi.errors import MediaError, NoSpaceError
from gmapi.media import failures, process, protected
from gmapi.media.binaries import Ffmpeg
from gmapi.media.pipes import through_pipes
from gmapi.media.progress import Progress
from gmapi.media.reading import Reading, read_through
from gmapi.sandbox.feeding import Feed
from gmapi.sandbox.launcher import Grants, Launcher
from gmapi.sandbox.limits import Limits
from gmapi.settings import Settings
from gmapi.tools.arriving import ArrivingSources
from gmapi.tools.bounds import FILES_MAX, free_space_reserve, out_of_time
from gmapi.tools.look_back import Listener, LookBack
from gmapi.tools.results import ToolResult

R = TypeVar("R", bound=ToolResult)
Feeds = dict[Path, Feed]


class Reporter(Protocol):
    """Where a job's progress goes, and from where it learns that it must stop."""

    def report(
        self,
        *,
        progress: float | None = None,
        message: str | None = None,
        eta: float | None = None,
        result: dict[str, Any] | None = None,
    ) -> None: ...

    def log(self, line: str) -> None: ...

    def check(self) -> None: ...


class Attendance(Protocol):
    """Who is there for work that goes on for as long as somebody uses it."""

    def unused(self) -> float:
        """Seconds since somebody last used what the work makes, or asked for it."""
        ...

    def prolong(self) -> None:
        """Begin the time of the job anew."""
        ...


class Runs:
    """Runs ffmpeg in the folder of one attempt at a job."""

    def __init__(
        self,
        *,
        folder: Path,
        settings: Settings,
        ffmpeg: Ffmpeg,
        launcher: Launcher,
        reporter: Reporter,
        attendance: Attendance | None,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.ffmpeg = ffmpeg
        self.launcher = launcher
        self.reporter = reporter
        self._attendance = attendance
        self._deadline = time.monotonic() + settings.job_timeout
        self.inputs = folder / "in"
        self.outputs = folder / "out"
        self.inputs.mkdir(parents=True, exist_ok=True)
        self.outputs.mkdir(parents=True, exist_ok=True)
        self._reserve = free_space_reserve(folder)
        self.warnings: list[str] = []
        """Sentences for the result, see `warn`."""
        self.look_back = LookBack(self.look_through)
        self.arriving = ArrivingSources()

    def check(self) -> None:
        """Raise when the work must stop: cancelled, taken over, out of time or out of space."""
        self.reporter.check()
        if time.monotonic() > self._deadline:
            raise out_of_time(self.settings)
        if shutil.disk_usage(self.folder).free < self._reserve:
            raise NoSpaceError("The disk of this server is full.", cause="free space reserve")

    def unused(self) -> float:
        """Seconds since somebody last used what this work makes, or asked for it."""
        return self._attendance.unused() if self._attendance is not None else 0.0

    def prolong(self) -> None:
        """Begin the time of this job anew, for work that somebody goes on using. Whoever calls it
        shows that it is not stuck."""
        self._deadline = time.monotonic() + self.settings.job_timeout
        if self._attendance is not None:
            self._attendance.prolong()

    def limits(self) -> Limits:
        """The limits of each child process."""
        if self.settings.sandbox == "off":
            return Limits(address_space=None, data=None, open_files=None)
        return Limits.for_work(
            wall_seconds=self.settings.job_timeout,
            file_size=self.settings.output_limit,
            picture_pixels=self.settings.picture_max_pixels,
        )

    def grants(self) -> Grants:
        """What of the file system a child that converts may touch: this job's own sources, and
        its output folder."""
        return Grants(
            read=tuple(path.absolute() for path in self.inputs.iterdir()),
            write=(self.outputs.absolute(),),
        )

    def run_ffmpeg(
        self,
        argv: Sequence[str],
        *,
        on_progress: Callable[[Progress], None] | None = None,
        stdout: Callable[[bytes], None] | None = None,
        on_look: Callable[[], None] = lambda: None,
        outputs: Sequence[Path] = (),
        context: failures.Context | None = None,
    ) -> None:
        """Run one ffmpeg command that makes `outputs`; its log goes to the job's log, and what is
        lost of a damaged source to `warn`. `on_look` is called some times a second, also while
        the source has nothing to give.

        Raises MediaError (or LimitError, NoSpaceError) with a public sentence when it fails.
        """
        taken = False

        def take(data: bytes) -> None:
            nonlocal taken
            taken = True
            if stdout is not None:
                stdout(data)

        def look() -> None:
            self.check()
            on_look()

        def go(feeds: Feeds) -> None:
            self._run_once(argv, on_progress, stdout and take, look, outputs, context, feeds)

        feeds = self.arriving.feeds()
        try:
            go(feeds)
        except failures.SoundChanged:
            raise
        except MediaError as error:
            piped = through_pipes(argv, feeds)[1]
            if taken or not piped:
                raise
            self._log_waiting(error)
            for path in piped.values():
                self.await_whole(path)
            go({})

    def await_whole(self, path: Path) -> None:
        """Return when all of a source is there. Raises what `fetch` does, as only now all of it can
        be looked at."""
        if not self.arriving.is_whole(path):
            self.arriving.await_whole(path, self.check)
            protected.check(path)

    def _run_once(
        self,
        argv: Sequence[str],
        on_progress: Callable[[Progress], None] | None,
        stdout: Callable[[bytes], None] | None,
        look: Callable[[], None],
        outputs: Sequence[Path],
        context: failures.Context | None,
        feeds: Feeds,
    ) -> None:
        run = Listener(self.reporter.log, on_progress)
        finished = process.run(
            self.launcher,
            argv,
            cwd=self.folder,
            limits=self.limits(),
            grants=self.grants(),
            watch=process.Watch(
                folders=(self.outputs,),
                max_bytes=self.settings.output_limit,
                max_files=FILES_MAX,
                wall_seconds=max(1.0, self._deadline - time.monotonic()),
            ),
            on_progress=run.progress,
            on_line=run.line,
            on_leveled=run.faults.take,
            cancelled=look,
            stdout=stdout,
            hide=(self.folder, self.settings.data_dir),
            feeds=feeds,
        )
        if finished.returncode != 0:
            self.check()  # killed because the job must stop: that is the reason to give
        run.close()
        failures.check(finished, outputs, context=context)
        self.look_back.note(outputs, run)
        read = set(through_pipes(argv, feeds)[1].values())
        for path in read:
            # A process that ends earlier by itself may have lost what it was to use.
            if self.arriving.has_all(path) or self.look_back.wants_all(argv, path):
                self.arriving.await_whole(path, self.check)
        # Of a source that was not read to its end, nothing can be said about that.
        if all(self.arriving.is_whole(path) for path in read):
            for sentence in self.look_back.damage(argv, run):
                self.warn(sentence)

    def look_through(self, path: Path, demuxer: str | None = None) -> Reading:
        """All packets of a file; see `read_through`."""
        if path.suffix:  # under a name that tells nothing: what is inside counts
            link = self.folder / path.stem
            with contextlib.suppress(OSError):  # links are not allowed to everybody on Windows
                link.symlink_to(path.absolute())
                path = link
        return read_through(
            self.launcher,
            self.ffmpeg,
            path,
            cwd=self.folder,
            demuxer=demuxer,
            max_pixels=self.settings.picture_max_pixels,
            limits=self.limits(),
            cancelled=self.check,
        )

    def warn(self, sentence: str) -> None:
        """Let the result say something that its reader would not expect, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)
            self.reporter.log(f"warning: {sentence}")

    def with_warnings(self, result: R) -> R:
        """A result, the last one or one on the way, with what `warn` has been told so far."""
        return result.model_copy(update={"warnings": list(self.warnings) or None})

    def _log_waiting(self, error: MediaError) -> None:
        self.reporter.log(f"waiting for all of the source: {error.message} ({error.cause})")
