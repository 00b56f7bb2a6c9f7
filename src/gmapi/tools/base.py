"""What a running tool is given to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gmapi.errors import MediaError
from gmapi.media import command, failures, protected, still_files
from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.launcher import Launcher
from gmapi.settings import Settings
from gmapi.storage.base import StoredFile
from gmapi.storage.framestore import FrameWriter
from gmapi.storage.growing import GrowingFile
from gmapi.storage.interface import Storage
from gmapi.tools.looks import Looks
from gmapi.tools.runs import Attendance, Reporter


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


class Work(Looks):
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
        super().__init__(
            folder=folder,
            settings=settings,
            ffmpeg=ffmpeg,
            launcher=launcher,
            reporter=reporter,
            attendance=attendance,
        )
        self.job_id = job_id
        self.file_id = file_id
        self.attempt = attempt
        self.storage = storage
        self._sources = sources

    def close(self) -> None:
        """Stop what goes on beside the work. It must be called at the end."""
        self.arriving.close()

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
