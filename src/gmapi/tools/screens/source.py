"""What a source holds, as far as its screens are concerned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from gmapi.computercraft import monitor
from gmapi.computercraft.options import Audio, Format, Quality
from gmapi.errors import MediaError, RequestError
from gmapi.media.probe import MediaInfo
from gmapi.media.raw_pictures import Look, PictureSize
from gmapi.media.timing import PictureTimes
from gmapi.tools.base import Work
from gmapi.tools.screens.plan import ScreenPlan
from gmapi.tools.screens.rhythm import Rhythm, find_rhythm, is_picture_file
from gmapi.tools.screens.sound_track import SECONDS_PER_PIECE

_ONE_PICTURE = PictureTimes((0.0,), 0.04)
_SMALL_PIXELS = 640 * 480


@dataclass(frozen=True)
class ScreenSource:
    """A fetched source: `info` is what it holds, `look` says how it is decoded, `has_sound`
    whether its sound is used, `pieces` how many pieces of sound there will be."""

    path: Path
    info: MediaInfo
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
    if video is None:
        raise MediaError(
            "The source has no pictures, only sound. For sound use /api/ffmpeg, for example with "
            "output_format dfpwm.",
            code="no_video",
        )
    if not video.coded_width or not video.coded_height:
        raise unreadable()
    faithful = plan.options.quality is Quality.EXACT
    picture_file = is_picture_file(info)
    if faithful:
        source = (video.coded_width, video.coded_height)
    else:
        source = (picture_file and work.seen_size(path)) or (video.width or 1, video.height or 1)
    size = _size(plan, source)
    one = picture_file or plan.preview == "png"
    rhythm = find_rhythm(plan, video, _ONE_PICTURE if one else work.picture_times(path))
    look = Look(
        size=size,
        fps=rhythm.resample,
        faithful=faithful,
        background=plan.background,
        one=rhythm.still,
        shrinks=size.inner[0] <= source[0],
        has_alpha=video.has_alpha,
        is_small=video.coded_width * video.coded_height <= _SMALL_PIXELS,
    )
    has_sound = _has_sound(plan, info)
    seconds = info.duration or (rhythm.expected or 0) / float(rhythm.fps)
    pieces = math.ceil(seconds / SECONDS_PER_PIECE) if has_sound else 0
    return ScreenSource(path, info, rhythm, look, has_sound, pieces)


def unreadable(cause: object = None) -> MediaError:
    """The error for a source of which no picture can be decoded."""
    return MediaError(
        "The source's pictures cannot be read: they are damaged, or in a format that this "
        "server's ffmpeg does not know.",
        cause=cause,
        code="corrupt_media",
    )


def _size(plan: ScreenPlan, source: tuple[int, int]) -> PictureSize:
    options = plan.options
    width, height = monitor.fitted(options.width, options.height, *source)
    if plan.preview and (width < monitor.CELL_WIDTH or height < monitor.CELL_HEIGHT):
        raise RequestError(
            f"A preview shows whole cells of {monitor.CELL_WIDTH} x {monitor.CELL_HEIGHT} pixels, "
            f"and a picture of {width} x {height} has none; give a larger width and height.",
            field="width" if width < monitor.CELL_WIDTH else "height",
        )
    return PictureSize.fitted(width, height, source, plan.fit)


def _has_sound(plan: ScreenPlan, info: MediaInfo) -> bool:
    options = plan.options
    return (
        options.format is Format.VID32
        and plan.preview is None
        and options.audio is not Audio.NONE
        and info.first("audio") is not None
    )
