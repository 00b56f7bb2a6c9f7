"""One run of `sanjuuni`: decode, convert and write, in order and while the source is still read."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from gmapi.computercraft.options import Audio
from gmapi.computercraft.pipeline import Pipeline
from gmapi.computercraft.selection import select
from gmapi.errors import MediaError
from gmapi.media import failures, pictures, raw_pictures
from gmapi.media.formats import media_type_of
from gmapi.media.process import PROGRESS_FD
from gmapi.media.progress import estimate
from gmapi.tools.base import Work
from gmapi.tools.kept_back import KeptBack
from gmapi.tools.results import GAME_REPLY_MAX
from gmapi.tools.screens.chunks import Chunk, ChunkMaker
from gmapi.tools.screens.mixer import Mixer
from gmapi.tools.screens.output import ScreenFile
from gmapi.tools.screens.plan import ScreenPlan
from gmapi.tools.screens.preview import PreviewFile
from gmapi.tools.screens.request import ScreenResult
from gmapi.tools.screens.rhythm import whole_count
from gmapi.tools.screens.sound_track import SoundTrack
from gmapi.tools.screens.source import inspect
from gmapi.tools.screens.subtitle_file import read_subtitles, warn_of_hidden

FETCHED = 15.0
CONVERTED = 99.0
_REPORT_SECONDS = 0.25


class Conversion:
    """A source that has been fetched, and what is made of it. Each is run once.

    `title` is the source's name as its caller gave it.
    """

    def __init__(
        self, work: Work, plan: ScreenPlan, source: Path, *, title: str, subtitles: Path | None
    ) -> None:
        self._work = work
        self._plan = plan
        self._source = inspect(work, plan, source)
        kernels, self._kernels_phrase = select(work.settings.kernels)
        self._maker = ChunkMaker(
            plan,
            self._source,
            kernels,
            title=title,
            subtitles=read_subtitles(work, plan, subtitles),
        )
        self._frames = 0
        self._reported = 0.0
        self._told_frames = 0
        self._name = plan.file_name
        film = self._maker.film
        self._result = ScreenResult(
            download_url=work.address(self._name),
            file_id=work.file_id,
            file_name=self._name,
            format=plan.preview or plan.options.format.value,
            size=0,
            columns=film.columns,
            rows=film.rows,
            width=self._source.size.width,
            height=self._source.size.height,
            frames=0,
            fps=round(film.fps, 5),
            quality=plan.options.quality,
            media_type=media_type_of(self._name),
            growing=plan.preview is None,
        )

    def run(self) -> ScreenResult:
        """Convert all of it."""
        with self._source.times:
            return self._run()

    def _run(self) -> ScreenResult:
        self._started = time.monotonic()
        size = self._source.size
        self._work.reporter.log(
            f"converting to {size.width} x {size.height} pixels in {self._plan.options.quality} "
            f"quality with {self._kernels_phrase}"
        )
        result = self._result
        result.size = self._to_preview() if self._plan.preview else self._to_file()
        result.frames, result.growing = self._frames, False
        if not self._source.rhythm.still:
            seconds = map(self._source.rhythm.seconds, range(self._frames))
            result.duration = round(sum(seconds), 3)
        warn_of_hidden(self._work, self._maker.hidden_cues(self._frames))
        result.message = self._closing_message()
        return result

    def _to_file(self) -> int:
        """Bytes of the output, which can be read from its start while it grows."""
        work, writer = self._work, self._maker.writer
        with ExitStack() as stack:
            sound = None
            if self._source.has_sound:
                dfpwm = self._plan.options.audio is Audio.DFPWM
                sound = stack.enter_context(SoundTrack(work, self._source.chosen, dfpwm=dfpwm))
            growing = stack.enter_context(work.grow(self._name))
            file = ScreenFile(work, self._name, writer, growing)
            mixer = Mixer(
                file, writer, self._maker.film.fps, sound, self._source.times.known.end or math.inf
            )

            def end(seconds: float) -> None:
                mixer.seconds = seconds

            def report() -> None:
                file.flush()
                self._report(file.size)

            if sound is not None:
                sound.on_wait = lambda: self._tell(report)
            self._pictures(mixer.picture, report, end)
            mixer.rest()
            size = file.finish().size
        self._result.parts = file.publish_parts() or None
        return size

    def _to_preview(self) -> int:
        kind = self._plan.preview or ""
        with PreviewFile(self._work, kind, self._source.rhythm) as output:
            self._pictures(
                lambda chunk: output.add(chunk.data), lambda: self._report(0), lambda seconds: None
            )
        return output.publish(self._name).size

    def _pictures(
        self,
        take: Callable[[Chunk], None],
        report: Callable[[], None],
        on_end: Callable[[float], None],
    ) -> None:
        """Decode and convert; each picture's chunk is handed on in order. `on_end` is told before
        the last ones when the film ends, if that was not known."""
        work = self._work
        argv = raw_pictures.decoded(
            work.ffmpeg,
            self._source.chosen,
            self._source.look,
            times=self._source.times.known,
            max_pixels=work.settings.picture_max_pixels,
            progress_fd=PROGRESS_FD,
        )

        def deliver(chunk: Chunk) -> None:
            take(chunk)
            self._frames += 1
            self._tell(report)

        source, size = self._source, self._source.size
        times, fps = source.times, source.look.fps
        lead = pictures.lead(source.chosen, size, times.known, fps)
        threads = 1 if self._maker.sequential else os.cpu_count() or 1
        with Pipeline(
            size.width,
            size.height,
            self._maker.make,
            deliver,
            threads=threads,
            planar=not source.look.faithful,
            lead=lead,
        ) as pipeline:
            limit = failures.Context(max_pixels=work.settings.picture_max_pixels)
            kept = KeptBack(pipeline.picture_bytes, pipeline.feed)
            feed = kept.feed if times.is_open else pipeline.feed
            try:
                work.run_ffmpeg(
                    argv, stdout=feed, context=limit, on_look=lambda: self._tell(report)
                )
            except MediaError as error:
                if pipeline.finish():
                    raise
                # What ffmpeg says then is about flags that this tool does not have.
                raise failures.unreadable(error.cause) from error
            if times.is_open:
                whole = times.whole()
                on_end(whole.end or math.inf)
                count = whole_count(self._plan, source.chosen, whole)
                kept.finish(None if fps is None else count, lead, stays=whole.is_held)
            pipeline.finish()
        if self._frames == 0:
            raise failures.unreadable()

    def _tell(self, report: Callable[[], None]) -> None:
        """Report what is new, but not too often."""
        now = time.monotonic()
        if now - self._reported >= _REPORT_SECONDS and self._frames > self._told_frames:
            self._reported, self._told_frames = now, self._frames
            self._work.check()  # one picture of a source may stand for any number
            report()

    def _report(self, size: int) -> None:
        expected = self._source.rhythm.expected
        if expected is None:
            expected = self._source.times.count(float(self._source.rhythm.fps))
        result = self._result
        result.frames, result.size = self._frames, size
        percent, eta = estimate(self._frames, expected, time.monotonic() - self._started)
        of = f" of {expected}" if expected and expected >= self._frames else ""
        self._work.reporter.report(
            progress=FETCHED + (CONVERTED - FETCHED) * percent / 100 if expected else None,
            message=f"Converting: {self._frames}{of} pictures are ready.",
            eta=eta,
            result=self._work.with_warnings(result).values() if size else None,
        )

    def _closing_message(self) -> str:
        result = self._result
        count = "1 picture" if self._frames == 1 else f"{self._frames} pictures"
        message = (
            f"Done: {self._name}, {count} of {result.columns} x {result.rows} cells, "
            f"{result.size:,} bytes."
        )
        if self._plan.preview == "png":
            message += " A PNG preview shows the first picture."
        elif result.parts:
            message += f" It is also there in {len(result.parts)} parts below 16 MiB."
        elif result.size > GAME_REPLY_MAX:
            message += " A game computer must fetch it in ranges of at most 16 MiB."
        return message
