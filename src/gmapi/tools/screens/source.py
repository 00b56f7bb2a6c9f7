"""What a source holds, as far as its screens are concerned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from gmapi.computercraft import monitor
from gmapi.computercraft.options import Audio, Format, Quality
from gmapi.errors import RequestError
from gmapi.media import failures, tones
from gmapi.media.raw_pictures import Look
from gmapi.media.selection import Selection
from gmapi.media.shapes import PictureSize
from gmapi.tools.base import Work
from gmapi.tools.outlook import FilmTimes
from gmapi.tools.screens.plan import ScreenPlan
from gmapi.tools.screens.rhythm import Rhythm, find_rhythm, open_rhythm
from gmapi.tools.screens.sound_track import SECONDS_PER_PIECE

_SMALL_PIXELS = 640 * 480


@dataclass(frozen=True)
class ScreenSource:
    """A fetched source: what of it is `chosen`, when its pictures are shown, and how: `look` says
    how it is decoded, `has_sound` whether its sound is used, `pieces` how many pieces of sound
    there will be, as far as is known."""

    chosen: Selection
    times: FilmTimes
    rhythm: Rhythm
    look: Look
    has_sound: bool
    pieces: int

    @property
    def size(self) -> PictureSize:
        """Of the pictures that are converted."""
        return self.look.size


def inspect(work: Work, plan: ScreenPlan, path: Path) -> ScreenSource:
    """Read what a source holds. Raises MediaError without pictures, RequestError for a size that
    makes no sense with it."""
    chosen = work.select(
        path,
        video_track=plan.video_track,
        audio_track=plan.audio_track,
        used=("video", "audio") if _wants_sound(plan) else ("video",),
    )
    video = chosen.picture
    if video is None:
        raise failures.no_pictures(chosen.info)
    if not video.coded_width or not video.coded_height:
        raise failures.unreadable()
    if chosen.hdr is not None:
        work.warn(tones.told(work.ffmpeg, chosen.hdr))
    faithful = plan.options.quality is Quality.EXACT
    if faithful:
        source = (video.coded_width, video.coded_height)
    else:
        chosen = work.upright(chosen)
        source = chosen.size or (1, 1)
    size = _size(plan, source)
    if plan.options.format is not Format.NFP and not _has_cells(size.width, size.height):
        work.warn(
            f"The output is empty: screens have {_cells_of(size.width, size.height)}; give a "
            "larger width and height."
        )
    has_sound = _wants_sound(plan) and chosen.sound is not None
    held = has_sound and not faithful
    if plan.preview == "png" or chosen.is_still:
        times = FilmTimes.of_still(work, chosen)
    else:
        times = FilmTimes(work, chosen, with_sound=held)
    rhythm = open_rhythm(plan, video, times.first) if times.is_open else None
    if rhythm is None:
        if times.is_open:
            work.arriving.await_whole(chosen.path, work.check)
            chosen = work.look_again(chosen)
            times = FilmTimes(work, chosen, with_sound=held)
        rhythm = find_rhythm(plan, video, times.known, is_animation=chosen.is_animation)
    look = Look(
        size=size,
        fps=rhythm.resample,
        faithful=faithful,
        background=plan.background,
        one=rhythm.still,
        shrinks=size.inner[0] <= source[0],
        is_small=video.coded_width * video.coded_height <= _SMALL_PIXELS,
    )
    seconds = chosen.length or (rhythm.expected or 0) / float(rhythm.fps)
    pieces = math.ceil(seconds / SECONDS_PER_PIECE) if has_sound else 0
    return ScreenSource(chosen, times, rhythm, look, has_sound, pieces)


def _size(plan: ScreenPlan, source: tuple[int, int]) -> PictureSize:
    options = plan.options
    width, height = monitor.fitted(options.width, options.height, *source)
    if plan.preview and not _has_cells(width, height):
        raise RequestError(
            f"A preview shows {_cells_of(width, height)}; give a larger width and height.",
            field="width" if width < monitor.CELL_WIDTH else "height",
        )
    if plan.fit == "stretch" and (options.width is None or options.height is None):
        # The shape of the source was to be kept, so parts of another shape keep theirs.
        return PictureSize(width, height, (width, height), source, "contain")
    return PictureSize.fitted(width, height, source, plan.fit)


def _has_cells(width: int, height: int) -> bool:
    return width >= monitor.CELL_WIDTH and height >= monitor.CELL_HEIGHT


def _cells_of(width: int, height: int) -> str:
    return (
        f"whole cells of {monitor.CELL_WIDTH} x {monitor.CELL_HEIGHT} pixels, and a picture of "
        f"{width} x {height} has none"
    )


def _wants_sound(plan: ScreenPlan) -> bool:
    options = plan.options
    return (
        options.format is Format.VID32 and plan.preview is None and options.audio is not Audio.NONE
    )
