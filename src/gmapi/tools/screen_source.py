"""What a source holds, as far as its screens are concerned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from gmapi.computercraft import monitor
from gmapi.computercraft.options import Audio, Format, Quality
from gmapi.errors import MediaError
from gmapi.media.probe import MediaInfo, Stream
from gmapi.media.raw_pictures import Look, PictureSize
from gmapi.media.timing import PictureTimes
from gmapi.tools.base import Work
from gmapi.tools.rhythm import Rhythm, find_rhythm, may_be_still
from gmapi.tools.screen_plan import ScreenPlan
from gmapi.tools.sound_track import SECONDS_PER_PIECE

_ONE_PICTURE = PictureTimes((0.0,), 0.04)


@dataclass(frozen=True)
class ScreenSource:
    """A fetched source: `look` says how it is decoded, `has_sound` whether its sound is used,
    `pieces` how many pieces of sound there will be."""

    path: Path
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
    info = work.probe(path)
    video = info.first("video")
    if video is None or not video.coded_width or not video.coded_height:
        raise MediaError(
            "The source has no pictures, only sound. For sound use /api/ffmpeg, for example with "
            "output_format dfpwm.",
            code="no_video",
        )
    one = may_be_still(info, video) or plan.preview == "png"
    rhythm = find_rhythm(plan, video, _ONE_PICTURE if one else work.picture_times(path))
    has_sound = _has_sound(plan, info)
    seconds = info.duration or (rhythm.expected or 0) / float(rhythm.fps)
    return ScreenSource(
        path,
        rhythm,
        _look(plan, rhythm, video),
        has_sound,
        math.ceil(seconds / SECONDS_PER_PIECE) if has_sound else 0,
    )


def _has_sound(plan: ScreenPlan, info: MediaInfo) -> bool:
    options = plan.options
    return (
        options.format is Format.VID32
        and plan.preview is None
        and options.audio is not Audio.NONE
        and info.first("audio") is not None
    )


def _look(plan: ScreenPlan, rhythm: Rhythm, video: Stream) -> Look:
    options = plan.options
    faithful = options.quality is Quality.EXACT
    source = (video.width or 1, video.height or 1)
    if faithful:
        source = (video.coded_width or 1, video.coded_height or 1)
    width, height = monitor.fitted(options.width, options.height, *source)
    size = PictureSize.fitted(width, height, source, plan.fit)
    return Look(
        size=size,
        fps=rhythm.resample,
        faithful=faithful,
        background=plan.background,
        one=rhythm.still,
        shrinks=size.inner[0] <= source[0],
    )
