"""`video_frame`: cut a video into frames and DFPWM sound, playable while it is being cut."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Annotated

from pydantic import BeforeValidator, Field

from gmapi.errors import LimitError, MediaError
from gmapi.fetch.headers import check_headers
from gmapi.media import failures, pictures, tones
from gmapi.media.process import PROGRESS_FD
from gmapi.media.progress import estimate
from gmapi.media.selection import Selection
from gmapi.media.shapes import PictureSize
from gmapi.media.timing import PictureTimes, corrected_count
from gmapi.tools.base import Work
from gmapi.tools.fields import (
    LuaFlag,
    LuaFloat,
    Sometimes,
    SourceAddress,
    ToolRequest,
    whole_number,
)
from gmapi.tools.film_sound import FilmSound
from gmapi.tools.frame_formats import FrameFormat, ending
from gmapi.tools.outlook import FilmTimes
from gmapi.tools.results import GAME_REPLY_MAX, ToolResult
from gmapi.tools.tool import Tool

SIDE_MAX = 4096
DEFAULT_WIDTH_MAX = 1280
DEFAULT_HEIGHT_MAX = 720
DEFAULT_FPS = 20.0

CHECKED_EVERY = 200
HELD_FRAMES = 199
"""Players start at 200 frames and then read the sound's address once: until the sound is
complete, no more than this is announced (contract, V3)."""

PLAYER_START_FRAMES = 200

REPORT_SECONDS = 0.1

KEPT_FRAMES = 3
"""So many are kept back until it is known where the film ends: as many as ffmpeg may make beyond
that."""

FETCHED = 10.0
CUT = 99.0


# Bounds go before the validator, or the OpenAPI document does not show them.
Side = Annotated[int, Field(ge=1, le=SIDE_MAX), BeforeValidator(whole_number)]


class VideoFrameRequest(ToolRequest):
    """Cut a video into frames and sound."""

    video_url: SourceAddress = Field(
        description="Address of the video (http or https).",
        examples=["http://127.0.0.1:8000/film.mp4"],
    )
    w: Side | None = Field(None, description="Width in pixels.", examples=[256])
    h: Side | None = Field(
        None,
        description="Height in pixels. A missing side follows from the other and the aspect.",
        examples=[144],
    )
    fps: LuaFloat = Field(
        DEFAULT_FPS, ge=0.1, le=60, description="Frames per second, 0.1 to 60.", allow_inf_nan=False
    )
    force_resolution: LuaFlag = Field(
        False, description="Exactly w x h, distorted when the aspect differs."
    )
    pad_to_target: LuaFlag = Field(
        False, description="Exactly w x h, scaled to fit and centred on black."
    )
    frame_format: FrameFormat = Field(
        "png",
        description="What the frames are: png, in full colour; png8, PNG with a palette of up to "
        "255 colours that stays for a scene, about a quarter of the bytes; gray, PNG in shades of "
        "grey; jpeg, which not everything in the game can read.",
    )
    skip_duplicates: LuaFlag = Field(
        False,
        description="Store a frame that is equal to the one before it without bytes of its own. "
        "Every frame keeps its number and can be fetched.",
    )

    def sources(self) -> list[tuple[str, str]]:
        return [("video_url", self.video_url)]


class VideoFrameResult(ToolResult):
    """What can be fetched so far; grows while the job runs."""

    current_frames: int = Field(description="Frames that can be fetched now.")
    total_frames: int = Field(description="Frames there will be; exact when completed.")
    total_is_estimate: Sometimes[bool] = Field(
        default=None,
        description="true while total_frames is but a guess, during which current_frames is at "
        "most 199.",
    )
    fps: float = Field(description="Frames per second.")
    width: Sometimes[int] = Field(default=None, description="Of each frame, in pixels.")
    height: Sometimes[int] = Field(default=None, description="Of each frame, in pixels.")
    frame_pattern: str = Field(description="Address of frame number %06d, counted from 1.")
    duration: Sometimes[float] = Field(default=None, description="Seconds of the video.")
    audio_urls: Sometimes[dict[str, str]] = Field(
        None, description="DFPWM sound, mono, left and right; absent when there is none."
    )


def check(request: VideoFrameRequest) -> None:
    """Refuse what can be told to be wrong before the source is fetched."""
    check_headers(request.headers)


def run(work: Work, request: VideoFrameRequest) -> VideoFrameResult:
    """Fetch, cut and publish while cutting."""
    source = work.fetch(
        request.video_url,
        field="video_url",
        headers=request.headers,
        use_cache=not request.no_cache,
        max_duration=request.max_duration,
        share=(0.0, FETCHED),
        arriving=lambda kind: True,
    )
    chosen = work.select(source, video_track=request.video_track, audio_track=request.audio_track)
    chosen = work.upright(chosen)
    if chosen.picture is None:
        raise failures.no_pictures(chosen.info)
    if chosen.size is None:
        raise failures.unreadable()
    if chosen.hdr is not None:
        work.warn(tones.told(work.ffmpeg, chosen.hdr))
    return _Cut(work, request, chosen, chosen.size).run()


class _Cut:
    """One run: frames in this thread, the sound beside it in another."""

    def __init__(
        self, work: Work, request: VideoFrameRequest, chosen: Selection, size: tuple[int, int]
    ) -> None:
        self._work = work
        self._request = request
        self._chosen = chosen
        self._size = _size(request, size)
        self._ended = threading.Event()
        self._frames = 0
        self._told: tuple[int, int | None, bool] = (0, None, False)
        self._reported = -REPORT_SECONDS
        fps = request.fps
        self._result = VideoFrameResult(
            current_frames=0,
            total_frames=0,
            fps=int(fps) if fps.is_integer() else fps,
            width=self._size.width,
            height=self._size.height,
            frame_pattern=f"/frames/{work.job_id}/frame_%06d.{ending(request.frame_format)}",
            audio_urls=None,
            duration=None if chosen.is_still else chosen.length,
        )

    def run(self) -> VideoFrameResult:
        work = self._work
        work.reporter.report(message="Counting the frames.")
        self._times = FilmTimes(work, self._chosen)
        if self._times.known.count == 1 and self._chosen.sound and not self._times.is_open:
            # A song with its picture. Of a film the pictures' own length counts (contract, V1).
            self._times = FilmTimes(work, self._chosen, with_sound=True)
        self._lead = pictures.lead(self._chosen, self._size, self._times.known, self._request.fps)
        if self._times.is_open:
            # A header may tell of the first part only, or of more than there is.
            self._result.duration = None
        self._note_length(self._times.known)
        self._started = time.monotonic()
        self._film_sound = FilmSound(work, self._chosen, self._times, self._stop_with_frames)
        with self._times, ThreadPoolExecutor(1, thread_name_prefix="sound") as pool:
            self._sound: Future[dict[str, str] | None] = pool.submit(self._film_sound.make)
            try:
                self._cut_frames()
                self._report("Waiting for the sound.")
                self._result.audio_urls = self._sound.result()
            finally:
                self._ended.set()
        if self._frames == 0:
            raise MediaError("No frame could be read from the video.", code="corrupt_media")
        self._result.current_frames = self._result.total_frames = self._frames
        self._result.total_is_estimate = None
        made, told = self._frames / self._request.fps, self._result.duration
        if told is not None and abs(made - told) > 1.5 / self._request.fps:
            self._result.duration = round(made, 3)
        self._result.message = self._closing_message()
        return self._result

    def _note_length(self, times: PictureTimes) -> None:
        if not self._chosen.is_still and times.end > 0:
            self._result.duration = round(times.end, 3)

    def _stop_with_frames(self) -> None:
        if self._ended.is_set() and not self._sound.done():
            raise MediaError("stopped")

    # -- frames ---------------------------------------------------------------------------------

    def _cut_frames(self) -> None:
        # Loaded by who cuts only, see `sanjuuni.run`.
        from gmapi.tools.frame_files import WRITTEN, frame_files

        work, request = self._work, self._request
        files = frame_files(request.frame_format, self._size)
        argv = pictures.frames(
            work.ffmpeg,
            self._chosen,
            self._size,
            times=self._times.known,
            fps=request.fps,
            written=WRITTEN[request.frame_format],
            max_pixels=work.settings.picture_max_pixels,
            progress_fd=PROGRESS_FD,
        )
        with work.frame_writer(share_equal=request.skip_duplicates) as writer:

            def add(file: bytes) -> None:
                self._frames = writer.append(file)
                if writer.room > work.settings.output_limit:
                    raise LimitError(
                        "The frames take more space than this server allows for one job. "
                        "Ask for a smaller size or fewer frames per second."
                    )

            # Of a film whose end is not known, the last frames may turn out to be behind it.
            kept: deque[bytes] = deque()

            def take(data: bytes) -> None:
                for file in files.feed(data):
                    if self._frames == 0:
                        for number in range(self._lead):
                            add(file)
                            # A stranger says how many these are.
                            if number % CHECKED_EVERY == 0:
                                work.check()
                    kept.append(file)
                    if len(kept) > (KEPT_FRAMES if self._times.is_open else 0):
                        add(kept.popleft())
                writer.flush()
                if time.monotonic() - self._reported >= REPORT_SECONDS:
                    self._report("Cutting frames.")

            limit = failures.Context(max_pixels=work.settings.picture_max_pixels)
            try:
                work.run_ffmpeg(
                    argv,
                    stdout=take,
                    context=limit,
                    on_look=self._report_news,
                )
            except MediaError as error:
                if self._frames:
                    raise
                # What ffmpeg says then is about flags that this tool does not have.
                raise failures.unreadable(error.cause) from error
            if kept:
                times = self._times.whole()
                self._note_length(times)
                count = corrected_count(times, self._request.fps)
                for file in kept:
                    if count is None or self._frames < count or not self._frames:
                        add(file)

    def _report_news(self) -> None:
        """What was not told yet, also while the source gives no frames."""
        if self._frames and self._news() != self._told:
            self._report("Cutting frames.")

    def _news(self) -> tuple[int, int | None, bool]:
        return self._frames, self._times.count(self._request.fps), self._sound.done()

    def _report(self, message: str) -> None:
        self._told, self._reported = self._news(), time.monotonic()
        shown, expected, _ = self._told
        is_estimate = expected is None and self._times.is_open
        if not self._sound.done() or is_estimate:
            shown = min(shown, HELD_FRAMES)
        if (
            self._sound.done()
            and self._result.audio_urls is None
            and self._sound.exception() is None
        ):
            self._result.audio_urls = self._sound.result()
        self._result.current_frames = shown
        done, of = float(self._frames), expected
        if is_estimate:
            expected = self._times.guess(self._request.fps)
            share = self._work.arriving.share(self._chosen.path)
            of = expected
            if share is not None:
                done, of = min(share, self._frames / expected) if expected else share, 1
        elif self._result.duration is None and (end := self._times.known_end):
            self._result.duration = round(end, 3)
        # Players index total_frames as soon as there are 200 frames; never less than there are.
        self._result.total_frames = max(expected or 0, self._frames)
        self._result.total_is_estimate = True if is_estimate else None
        percent, eta = estimate(done, of, time.monotonic() - self._started)
        self._work.reporter.report(
            progress=FETCHED + (CUT - FETCHED) * percent / 100 if of else None,
            message=f"{message} {shown} of {self._result.total_frames} are ready.",
            eta=eta,
            result=self._work.with_warnings(self._result).values(),
        )

    def _closing_message(self) -> str:
        message = "Done: 1 frame" if self._frames == 1 else f"Done: {self._frames} frames"
        message += " and sound." if self._result.audio_urls else ", no sound."
        times = self._times.whole()
        is_film = not self._chosen.is_still and (times.count != 1 or times.is_held)
        if is_film and self._frames < PLAYER_START_FRAMES:
            message += (
                f" Some players wait for {PLAYER_START_FRAMES} frames and never start a shorter "
                "video: ask for more frames per second."
            )
        if self._film_sound.size > GAME_REPLY_MAX:
            message += (
                " The sound is longer than the 46 minutes a game computer can fetch at once: "
                "fetch it in ranges of at most 16 MiB."
            )
        return message


def _size(request: VideoFrameRequest, source: tuple[int, int]) -> PictureSize:
    """The size of the frames; with neither side given the source's own, at most 720p."""
    width, height = request.w, request.h
    if width is None and height is None:
        wide, high = min(source[0], DEFAULT_WIDTH_MAX), min(source[1], DEFAULT_HEIGHT_MAX)
        return PictureSize.inside(wide, high, source)
    if width is not None and height is not None:
        if request.force_resolution:
            return PictureSize.fitted(width, height, source, "stretch")
        if request.pad_to_target:
            return PictureSize.fitted(width, height, source, "contain")
    return PictureSize.inside(width, height, source)


VIDEO_FRAME = Tool(
    name="video_frame",
    summary="Cut a video into frames and DFPWM sound",
    description="Frames can be fetched one by one or in packs while the job still runs.",
    request=VideoFrameRequest,
    result=VideoFrameResult,
    check=check,
    run=run,
)
