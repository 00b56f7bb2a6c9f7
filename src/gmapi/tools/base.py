"""What a tool is, what it is given to work with, and the rules all requests share."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gmapi.errors import MediaError, NoSpaceError, RequestError
from gmapi.fetch.address import check_url
from gmapi.fetch.unread import unread
from gmapi.media import (
    command,
    failures,
    picture_files,
    pictures,
    process,
    protected,
    selection,
    still_files,
)
from gmapi.media.binaries import Ffmpeg
from gmapi.media.header import MediaInfo
from gmapi.media.loudness import peak
from gmapi.media.pipes import through_pipes
from gmapi.media.probe import probe, seen_size
from gmapi.media.progress import Progress
from gmapi.media.reading import Reading, read_through
from gmapi.media.selection import Selection, Track
from gmapi.media.timing import ONE_PICTURE, PictureTimes, picture_times
from gmapi.sandbox.feeding import Feed
from gmapi.sandbox.launcher import Grants, Launcher
from gmapi.sandbox.limits import Limits
from gmapi.settings import Settings
from gmapi.storage.base import StoredFile
from gmapi.storage.framestore import FrameWriter
from gmapi.storage.growing import GrowingFile
from gmapi.storage.interface import Storage
from gmapi.tools.arriving import ArrivingSources
from gmapi.tools.bounds import FILES_MAX, free_space_reserve, out_of_time
from gmapi.tools.fields import ToolRequest
from gmapi.tools.look_back import Listener, LookBack
from gmapi.tools.results import ToolResult

R = TypeVar("R", bound=ToolResult)
T = TypeVar("T")
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


@dataclass(frozen=True)
class Tool:
    """One kind of job.

    `check` refuses a request before it is queued (RequestError, RefusedError); `run` does the
    work and returns the result, or raises a JobError.
    """

    name: str
    summary: str
    description: str
    request: type[ToolRequest]
    result: type[ToolResult]
    check: Callable[[Any], None]
    run: Callable[[Work, Any], ToolResult]
    is_live: bool = False
    """Whether its work goes on for as long as somebody uses it. Then it runs beside the jobs of
    its worker, and who asks for the same later shares it only while it goes on."""

    def accept(self, request: ToolRequest) -> None:
        """Check everything about a request that can be told without fetching its source."""
        for field, url in request.sources():
            check_url(url, field)
        self.check(request)


@dataclass(frozen=True)
class Wanted:
    """A source that a tool asks for; see `Work.fetch`."""

    url: str
    field: str
    name: str
    headers: Mapping[str, str]
    use_cache: bool
    max_duration: float | None
    enough: float | None
    share: tuple[float, float]
    arriving: Callable[[str], bool] | None = None
    with_tags: bool = False


class Sources(Protocol):
    """Where the sources of a job come from."""

    def bring(self, work: Work, wanted: Wanted) -> Path:
        """Have a source in place. Raises SourceError, RequestError for what no address or header
        can be, and whatever `work.check` raises."""
        ...


class Work:
    """What a running tool is given: folders, the door outwards, ffmpeg, storage and a reporter."""

    def __init__(
        self,
        *,
        job_id: str,
        file_id: str,
        folder: Path,
        settings: Settings,
        ffmpeg: Ffmpeg,
        launcher: Launcher,
        sources: Sources,
        storage: Storage,
        reporter: Reporter,
        attempt: int = 1,
        attendance: Attendance | None = None,
    ) -> None:
        self.job_id = job_id
        self.file_id = file_id
        self.folder = folder
        self.settings = settings
        self.ffmpeg = ffmpeg
        self.launcher = launcher
        self.storage = storage
        self.reporter = reporter
        self.attempt = attempt
        self._attendance = attendance
        self._sources = sources
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

    def close(self) -> None:
        """Stop what goes on beside the work. It must be called at the end."""
        self.arriving.close()

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

    def fetch(
        self,
        url: str,
        *,
        field: str,
        name: str = "input",
        headers: Mapping[str, str] | None = None,
        use_cache: bool = True,
        max_duration: float | None = None,
        enough: float | None = None,
        share: tuple[float, float] = (0.0, 15.0),
        arriving: Callable[[str], bool] | None = None,
        with_tags: bool = False,
    ) -> Path:
        """Bring a source into the work folder, as `name` or wherever it is; reports progress from
        `share[0]` to `share[1]`.

        A playlist is fetched by its segments, at most `max_duration` seconds of it; so much is
        taken, too, of a source whose server tells no length. `enough` is how many seconds of a
        source without end are needed at most. With `arriving` it may return before all is there:
        ffmpeg is given what comes by pipes then, as long as it does. It is asked for kinds of
        sources (`streamable.kind`) whether that will do; `with_tags` when the source's title and
        the like are wanted, too, which may stand at its end. Raises SourceError when it cannot be
        had or is not media, and MediaError for what is encrypted and for pictures of a kind that
        ffmpeg would read wrongly.
        """
        wanted = Wanted(
            url,
            field,
            name,
            headers or {},
            use_cache,
            max_duration,
            enough,
            share,
            arriving,
            with_tags,
        )
        self.look_back.longest = max_duration or self.look_back.longest
        source = self._sources.bring(self, wanted)
        return self._readable(source) if self.arriving.is_whole(source) else source

    def _readable(self, source: Path) -> Path:
        """The source as ffmpeg can read it; raises MediaError where it cannot be had so."""
        protected.check(source)
        still_files.check(source)
        picture = self.inputs / f"{source.name}.picture"
        if (icon := still_files.as_icon(source)) is not None:
            picture.write_bytes(icon)
            return picture
        if not still_files.is_targa(source):
            return source
        made = self.outputs / picture.name
        limit = self.settings.picture_max_pixels
        argv = command.targa(self.ffmpeg, source, made, max_pixels=limit)
        try:
            self.run_ffmpeg(argv, outputs=[made], context=failures.Context(max_pixels=limit))
        except MediaError as error:
            raise still_files.torn_targa(error.cause) from error
        return made.replace(picture)

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

    def probe(self, path: Path, input_args: Sequence[str] = ()) -> MediaInfo:
        """What ffmpeg says of a file, read with `input_args`. Raises MediaError when it cannot
        open it, with what the file is where that can be told of a source."""

        def look(feeds: Feeds) -> MediaInfo:
            return probe(
                self.launcher,
                self.ffmpeg,
                path,
                self.folder,
                input_args=input_args,
                max_pixels=self.settings.picture_max_pixels,
                limits=self.limits(),
                cancelled=self.check,
                feeds=feeds,
            )

        try:
            info = self._look(path, look)
        except MediaError as error:
            if self.outputs in path.parents:
                raise
            raise unread(path, error) from error
        if self.outputs not in path.parents:
            self.look_back.lengths[path] = info.duration
        return info

    def select(
        self,
        path: Path,
        *,
        video_track: Track | None = None,
        audio_track: Track | None = None,
        used: Collection[str] = ("video", "audio"),
        input_args: Sequence[str] = (),
    ) -> Selection:
        """The decision about a fetched source that is read with `input_args`, perhaps from another
        `path` than the one given. What else there is goes to the log, and to the warnings where
        the output is made of it: of "video", of "audio".

        Raises what `probe` does, and RequestError for a track that is not there.
        """
        try:
            return self._select(path, video_track, audio_track, used, input_args)
        except (MediaError, RequestError):
            if self.arriving.is_whole(path):
                raise
        # Only the whole file shows everything that is in it.
        self.await_whole(path)
        return self._select(path, video_track, audio_track, used, input_args)

    def _select(
        self,
        path: Path,
        video_track: Track | None,
        audio_track: Track | None,
        used: Collection[str],
        input_args: Sequence[str],
    ) -> Selection:
        info = self.probe(path, input_args)
        for line in selection.described(info):
            self.reporter.log(line)
        is_film = picture_files.holds_film(path, info.container, self.check)
        is_heif = info.container.startswith("mov,") and picture_files.is_heif(path)
        chosen = selection.choose(
            path,
            info,
            video_track=video_track,
            audio_track=audio_track,
            is_film=is_film,
            is_heif=is_heif,
        )
        for kind, note in chosen.notes.items():
            if kind in used:
                self.warn(note)
        if chosen.is_in_pieces:
            return self.select(self._assembled(chosen))
        return chosen

    def look_again(self, chosen: Selection) -> Selection:
        """The same decision about a source that was looked at while it arrived, as soon as it is
        whole: some headers tell its length only then. Raises what ended it early."""
        if not self.arriving.came_late(chosen.path):
            return chosen
        self.arriving.await_whole(chosen.path, self.check)
        return selection.renewed(chosen, self.probe(chosen.path))

    def _assembled(self, chosen: Selection) -> Path:
        """The whole picture in one file: no other command can take its pieces together."""
        whole = self.outputs / "assembled"
        limit = self.settings.picture_max_pixels
        argv = pictures.assembled(self.ffmpeg, chosen, whole, max_pixels=limit)
        self.run_ffmpeg(argv, outputs=[whole], context=failures.Context(max_pixels=limit))
        return whole.replace(self.inputs / f"{chosen.path.name}.assembled")

    def upright(self, chosen: Selection) -> Selection:
        """The same with the size of a picture file as it is meant to be seen, which only decoding
        shows: cameras write into the picture itself how it is to be turned."""
        if not chosen.is_picture_file:
            return chosen
        size = seen_size(
            self.launcher,
            self.ffmpeg,
            chosen,
            self.folder,
            max_pixels=self.settings.picture_max_pixels,
            limits=self.limits(),
            cancelled=self.check,
        )
        return chosen if size is None else selection.turned(chosen, size)

    def picture_times(self, chosen: Selection, *, with_sound: bool = False) -> PictureTimes:
        """When the pictures of a source are shown, which may be heard `with_sound`."""
        if chosen.is_still:
            return ONE_PICTURE

        def look(feeds: Feeds) -> PictureTimes:
            return picture_times(
                self.launcher,
                self.ffmpeg,
                chosen,
                cwd=self.folder,
                with_sound=with_sound,
                max_pixels=self.settings.picture_max_pixels,
                limits=self.limits(),
                cancelled=self.check,
                feeds=feeds,
            )

        return self._look(chosen.path, look)

    def peak(self, path: Path, track: str, input_args: Sequence[str] = ()) -> float | None:
        """How loud a sound track is at most, in decibels; see `loudness.peak`."""

        def look(feeds: Feeds) -> float | None:
            return peak(
                self.launcher,
                self.ffmpeg,
                path,
                cwd=self.folder,
                track=track,
                input_args=input_args,
                max_pixels=self.settings.picture_max_pixels,
                limits=self.limits(),
                cancelled=self.check,
                feeds=feeds,
            )

        return self._look(path, look)

    def _look(self, path: Path, look: Callable[[Feeds], T]) -> T:
        """What a process finds in a file, which `look` lets read what arrives; once more in all of
        it where that does not do."""
        feeds = self.arriving.feeds()
        if path in feeds:
            try:
                return look(feeds)
            except MediaError as error:
                self._log_waiting(error)
                self.await_whole(path)
        return look({})

    def _log_waiting(self, error: MediaError) -> None:
        self.reporter.log(f"waiting for all of the source: {error.message} ({error.cause})")

    def publish(self, name: str, path: Path) -> StoredFile:
        """Put a finished file where callers can fetch it, under this attempt's file id."""
        return self.storage.publish(self.file_id, name, path)

    def grow(self, name: str) -> GrowingFile:
        """Start a file that callers can fetch while it is being made, under this attempt's id.

        It is a context manager: what is not finished in the block is deleted, and readers are cut
        off.
        """
        return self.storage.grow(self.file_id, name)

    def address(self, name: str) -> str:
        """The path under which a published file is served."""
        return self.storage.address(self.file_id, name)

    def frame_writer(self, *, share_equal: bool = False) -> FrameWriter:
        """Where this attempt's frames go; see `FrameWriter`."""
        return self.storage.frame_writer(self.file_id, share_equal=share_equal)
