"""How fast a conversion's pictures follow each other, and how many there will be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from gmapi.computercraft.options import Format, Quality
from gmapi.media.header import Stream
from gmapi.media.raw_pictures import GIF_FPS_MAX
from gmapi.media.selection import Selection
from gmapi.media.timing import (
    IN_STEP_SECONDS,
    PictureTimes,
    corrected_count,
    picture_count,
)
from gmapi.tools.screens.plan import ScreenPlan

STILL_FPS = 25
"""What the reference says of a still: one picture of 0.04 s."""

_SLOW_FPS = 10
"""Fast enough for pictures that seldom change to be in step with the sound."""

_ANIMATION_FPS_MAX = 60
_VID32_FPS_MAX = 255
_TOLD_FPS_MAX = 120
"""Where a header tells no rate, ffmpeg takes the clock's resolution for one, such as 1000."""
# A header's rate that is further off is another rate.
_OFF = 0.02
# ffmpeg prints rates with two digits; the NTSC ones are 1000/1001 of a whole number.
_PRINTED = 0.006


@dataclass(frozen=True)
class Rhythm:
    """`fps` is what the file says. `resample` is given where pictures must be dropped or doubled
    for that; `durations` (seconds) where each picture has its own. `expected` counts pictures."""

    fps: Fraction
    resample: Fraction | None = None
    durations: Sequence[float] | None = None
    expected: int | None = None
    still: bool = False

    def seconds(self, number: int) -> float:
        """How long picture `number`, from 0, is shown."""
        if self.durations is not None and number < len(self.durations):
            return self.durations[number]
        return float(1 / self.fps)


def find_rhythm(
    plan: ScreenPlan, video: Stream, times: PictureTimes, *, is_animation: bool = False
) -> Rhythm:
    """The rhythm of a source with these picture times; without any its own rate is believed.
    The pictures of an animation may have lengths of their own."""
    found = _rhythm(plan, video, times, is_animation)
    if plan.preview == "gif" and not found.still and found.fps > GIF_FPS_MAX:
        slower = Fraction(GIF_FPS_MAX)
        return Rhythm(slower, slower, expected=picture_count(times, GIF_FPS_MAX))
    return found


def open_rhythm(plan: ScreenPlan, video: Stream, first: PictureTimes) -> Rhythm | None:
    """The rhythm that `find_rhythm` would find for a film of which only the `first` pictures have
    come; None when that takes all of them.

    Where the pictures may turn out not to come regularly they are resampled, which leaves those
    that do as they are.
    """
    if first.is_guessed:
        return None
    middle = first.usual_step
    if plan.fps is None and not (
        video.fps is not None
        and video.fps <= _TOLD_FPS_MAX
        and first.count > 2
        and abs(video.fps * middle - 1) <= _OFF
    ):
        return None
    found = find_rhythm(plan, video, replace(first, end=0.0, unlisted=1))
    if plan.fps is None and plan.options.format is Format.VID32 and found.fps <= _SLOW_FPS:
        return None  # all pictures may be in step at a slower rate
    if plan.options.quality is not Quality.EXACT or plan.fps is not None:
        return Rhythm(found.fps, found.resample or found.fps)
    return Rhythm(found.fps, found.resample)


def whole_count(plan: ScreenPlan, chosen: Selection, times: PictureTimes) -> int | None:
    """How many pictures would be made of a film with these times that was there from the
    beginning; None for as many as come."""
    if chosen.picture is None:
        return None
    found = find_rhythm(plan, chosen.picture, times, is_animation=chosen.is_animation)
    if found.resample is None:
        return times.count
    return corrected_count(times, float(found.resample))


def _rhythm(plan: ScreenPlan, video: Stream, times: PictureTimes, is_animation: bool) -> Rhythm:
    count = times.count or None
    if count == 1 and not times.is_held:
        return Rhythm(Fraction(STILL_FPS), expected=1, still=True)
    rate = exact_rate(times.rate or _told_rate(video.fps, times))
    if count == 1:
        rate = Fraction(_SLOW_FPS)
    whole = plan.options.format is Format.VID32 and plan.preview is None
    exact = plan.options.quality is Quality.EXACT
    if plan.fps is not None:
        wanted = Fraction(plan.fps).limit_denominator(1001)
        if whole:
            wanted = Fraction(max(1, math.floor(wanted + Fraction(1, 2))))
        return Rhythm(wanted, wanted, expected=picture_count(times, float(wanted)))
    average, animated = times.fps, is_animation
    if animated and average:
        # Its header tells no rate; ffmpeg guesses one from the first delays.
        rate = exact_rate(round(average, 3))
    if exact:
        if times.starts and times.starts[0] > IN_STEP_SECONDS:
            return Rhythm(rate, rate, expected=picture_count(times, float(rate)))
        return Rhythm(rate, expected=count)
    if animated and average:
        if not whole and plan.preview is None and plan.options.format is not Format.RAW:
            return Rhythm(rate, durations=times.durations, expected=count)
        # Fast enough that no picture falls between two ticks.
        shortest = max(min(times.durations), 1 / _ANIMATION_FPS_MAX)
        rate = Fraction(max(1, math.ceil(1 / shortest - 1e-3)))
    elif whole:
        rate = Fraction(min(_VID32_FPS_MAX, max(1, math.floor(rate + Fraction(1, 2)))))
        if rate < _SLOW_FPS:
            steps = (n for n in range(int(rate), _SLOW_FPS) if _is_in_step(times, n))
            rate = Fraction(next(steps, _SLOW_FPS))
    if times.is_regular(float(rate)) and not times.is_held:
        return Rhythm(rate, expected=count)
    return Rhythm(rate, rate, expected=picture_count(times, float(rate)))


def _is_in_step(times: PictureTimes, fps: int) -> bool:
    """Whether each picture begins near a whole number of pictures of such a film."""
    return all(
        abs(start * fps - math.floor(start * fps + 0.5)) < fps * IN_STEP_SECONDS / 2
        for start in times.starts
    )


def _told_rate(told: float | None, times: PictureTimes) -> float:
    """The rate in the header; where that cannot be meant, the one at which most pictures come."""
    middle = times.usual_step
    # Raw streams have a rate only in their pictures, of which the header knows nothing.
    if told is not None and middle > 0 and abs(told * middle - 1) > _OFF and times.count > 2:
        steady = 1 / middle
        if times.is_regular(steady):
            return steady
    if told is not None and (told <= _TOLD_FPS_MAX or told * middle < 1.5):
        return told
    usual = max(1 / middle if middle > 0 else 0.0, times.fps or 0.0)
    return max(1, round(usual)) if usual else STILL_FPS


def exact_rate(fps: float) -> Fraction:
    """The rate that is meant by a printed one: 29.97 is 30000/1001."""
    ntsc = Fraction(1000 * round(fps * 1.001), 1001)
    if round(fps) >= 1 and abs(fps - round(fps)) > 1e-6 and abs(float(ntsc) - fps) < _PRINTED:
        return ntsc
    # A picture may be there for hours, but a rate is never 0.
    return max(Fraction(fps).limit_denominator(1000), Fraction(1, 1000))
