"""When the pictures of a video are shown, read from its packets without decoding them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from gmapi.media import command, failures
from gmapi.media.process import examine
from gmapi.sandbox.limits import Limits

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg
    from gmapi.media.header import Stream
    from gmapi.media.selection import Selection
    from gmapi.sandbox.feeding import Feed
    from gmapi.sandbox.launcher import Launcher

# Reading a whole source without decoding it, from a slow disk.
_COUNT_SECONDS = 600.0
# The sound of most films ends a little later than their pictures.
_HELD_SECONDS = 0.5
# A last picture longer than this is believed only where ffmpeg shows it that long (see below).
_LAST_PICTURE_SECONDS = 0.5
# Containers round times to as little as a millisecond.
_ROUNDING_SECONDS = 2.1e-3


COMMON_RATE_MAX = 50.0
"""The fastest that pictures of a GIF follow each other in browsers."""
# Picture files count the time in hundredths or thousandths of a second.
_TICKS = 1000
IN_STEP_SECONDS = 0.1
"""Pictures and sound further apart are seen to be."""

PICTURES_MAX = 1_000_000
"""Pictures whose times are kept: nine hours of a film. Of more only number and end are known."""
LINE_BYTES = 4096
"""Far more than a line of the framecrc muxer has."""
NO_TIME = -(1 << 60)
"""AV_NOPTS_VALUE and what ffmpeg's own arithmetic makes of it: no packet is that early."""
# Enough to tell at which steps most pictures come.
_STEPS_MAX = 100_000


@dataclass(frozen=True)
class PictureTimes:
    """`starts` are seconds from the start of the source, ascending; `end` is when the last
    picture goes. Empty and 0 when the container tells no times.

    `unlisted` is how many pictures there are beyond those in `starts`, see `PICTURES_MAX`.
    `rate` is given where the pictures tell no times (raw streams, old AVI): they are shown at so
    many a second, from 0 on. `is_held` when the last picture stays until `end` because the sound
    goes on, which decoding alone does not show. `is_guessed` when some pictures tell no times, for
    which those of decoding stand: they are shown a little later than that.
    """

    starts: Sequence[float]
    end: float
    unlisted: int = 0
    rate: float | None = None
    is_held: bool = False
    is_guessed: bool = False

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self.starts) + self.unlisted

    @property
    def durations(self) -> Sequence[float]:
        """How long each picture in `starts` is shown, seconds."""
        last = () if self.unlisted else (self.end,)
        return array("d", (b - a for a, b in pairwise(chain(self.starts, last))))

    @property
    def fps(self) -> float | None:
        """Pictures a second on average."""
        span = self.end - self.starts[0] if self.starts else 0.0
        return self.count / span if span > 0 else None

    @property
    def usual_step(self) -> float:
        """The middle one of the seconds between two pictures, 0 when there are none."""
        steps = sorted(b - a for a, b in islice(pairwise(self.starts), _STEPS_MAX))
        return steps[len(steps) // 2] if steps else 0.0

    @property
    def common_rate(self) -> float:
        """Pictures a second of which each picture takes a whole number, at most
        `COMMON_RATE_MAX`, for which the times of pictures of their own lengths are rounded."""
        steps = [round(seconds * _TICKS) for seconds in self.durations]
        step = math.gcd(*steps) or min((s for s in steps if s > 0), default=_TICKS)
        return min(_TICKS / step, COMMON_RATE_MAX)

    def is_regular(self, fps: float) -> bool:
        """Whether there is a picture every 1 / `fps` seconds from the start on; never known of
        more than `PICTURES_MAX`."""
        return not self.unlisted and all(
            abs(start - number / fps) < _ROUNDING_SECONDS
            for number, start in enumerate(self.starts)
        )


ONE_PICTURE = PictureTimes((0.0,), 0.04)
"""Those of a still."""


def picture_times(
    launcher: Launcher,
    ffmpeg: Ffmpeg,
    chosen: Selection,
    *,
    cwd: Path,
    start: float = 0.0,
    duration: float | None = None,
    with_sound: bool = False,
    own_clock: bool = False,
    max_pixels: int = 70_000_000,
    limits: Limits | None = None,
    wall_seconds: float = _COUNT_SECONDS,
    cancelled: Callable[[], None] = lambda: None,
    feeds: Mapping[Path, Feed] | None = None,
) -> PictureTimes:
    """The times of all pictures that are meant; LimitError after `wall_seconds`. `with_sound` when
    the sound is heard with them: where it goes on for long, the last picture stays. With
    `own_clock` times are those that stand in the file, not counted from its start. Raises what
    `failures.explain` makes of it where one of `feeds` cannot be read."""
    packets = _Lines(exact_last=is_exact_last(ffmpeg.major, chosen))

    def read(stream: Stream | None, packets: _Lines, *span: str) -> None:
        argv = [
            *command.head(ffmpeg, None, "error"),
            *(["-copyts"] if own_clock else []),
            *span,
            *command.guarded_input(chosen.path, max_pixels),
            "-map", chosen.map_of(stream), "-c", "copy", "-f", "framecrc", "pipe:1",
            *chosen.beside(stream),
        ]  # fmt: skip
        finished = examine(
            launcher,
            argv,
            chosen.path,
            cwd=cwd,
            seconds=wall_seconds,
            limits=limits,
            cancelled=cancelled,
            feeds=feeds,
            stdout=packets.feed,
        )
        if feeds and chosen.path in feeds and finished.returncode != 0:
            raise failures.explain(finished.returncode, finished.tail)

    read(chosen.picture, packets, *command.span(start, duration))
    times = packets.times()
    if not with_sound or not may_be_held(times, chosen):
        return times
    # What a header says need not be there.
    heard = _Lines(exact_last=True)
    read(chosen.sound, heard)
    return held(times, heard.covered)


def is_exact_last(major: int | None, chosen: Selection) -> bool:
    """Whether an ffmpeg of this version shows the last picture as long as its packet says; older
    ones show it as long as the frame rate says."""
    return (major or 0) >= 6 or chosen.is_animation


def held(times: PictureTimes, heard_end: float) -> PictureTimes:
    """The same times, or those of a last picture that stays until the sound ends, where that goes
    on for long."""
    if times.end <= 0 or heard_end - times.end <= _HELD_SECONDS:
        return times
    return replace(times, end=heard_end, is_held=True)


def may_be_held(times: PictureTimes, chosen: Selection) -> bool:
    """Whether a header lets expect that the sound goes on long after these pictures."""
    late = (chosen.length or 0.0) - times.end
    return chosen.sound is not None and times.end > 0 and late > _HELD_SECONDS


def ends_before(times: PictureTimes, fps: float) -> bool:
    """Whether the last of the pictures at `fps` is left out, since it would stand for a moment
    of the source only, and make it longer than is borne."""
    whole = math.floor(times.end * fps + 1e-3)
    short, long = times.end - whole / fps, (whole + 1) / fps - times.end
    if whole < 1 or times.unlisted or not 1e-3 / fps < short < IN_STEP_SECONDS < long:
        return False
    # Of pictures that come faster some are left out anyway.
    is_thinned = times.usual_step * fps < 1 - 1e-3
    return is_thinned or not times.starts or math.floor(times.starts[-1] * fps + 0.5) < whole


def picture_count(times: PictureTimes, fps: float, duration: float | None = None) -> int | None:
    """How many pictures `pictures.frames` makes at `fps` of a source, or of `duration` seconds.

    Within a picture of the truth for most sources; with ffmpeg 5 up to 0.5 s of pictures too few,
    or too many, when the last picture stays long. None when there are no times.
    """
    if times.end <= 0:
        return None
    # As the fps filter of `pictures.frames` rounds at the end; times are not exact, so that a
    # hair's breadth is no picture.
    if duration is None:
        return max(1, math.ceil(times.end * fps - 1e-3)) - ends_before(times, fps)
    return round(min(times.end, duration) * fps)


def corrected_count(times: PictureTimes, fps: float) -> int | None:
    """How many pictures there are to be where ffmpeg by itself would make too many, or too few;
    None where what it makes is right."""
    if times.is_held or ends_before(times, fps):
        return max(1, picture_count(times, fps) or 1)
    return None


class Packets:
    """What packets tell of the pictures in them, in bounded memory however many there are.

    `exact_last` where the last picture is shown as long as its packet says: ffmpeg 5 shows it as
    long as the frame rate says.
    """

    def __init__(self, exact_last: bool) -> None:
        self._exact_last = exact_last
        self._starts = array("d")
        self._ordered = True
        self._unlisted = 0
        self._end: float | None = None
        self._told_end = 0.0
        self._total = 0.0
        self._untold = 0

    def times(self) -> PictureTimes:
        """What was read so far."""
        end = self._total if self._end is None else self._end
        starts = self._starts if self._ordered else array("d", sorted(self._starts))
        found = PictureTimes(starts, max(end, 0.0), self._unlisted, is_guessed=self._untold > 0)
        if not self._exact_last and starts and not self._unlisted:
            usual = min(self._told_end, starts[-1] + found.usual_step)
            found = replace(found, end=max(found.end, usual))
        if self._untold * 2 <= found.count or found.usual_step <= 0:
            return found
        # The order of decoding is not that of showing, but their steps are the same.
        rate = 1 / found.usual_step
        shown = array("d", (number / rate for number in range(len(starts))))
        return PictureTimes(shown, found.count / rate, self._unlisted, rate)

    @property
    def covered(self) -> float:
        """The end of what was read, seconds, or as much as the packets fill where they leave
        gaps: in a broken file those may be any."""
        first = self._starts[0] if self._starts else 0.0
        return min(self._end or 0.0, max(0.0, first) + self._total)

    def take(self, start: float, seconds: float) -> None:
        """The next packet: when its picture is shown and how long, seconds."""
        self._total += seconds
        self._told_end = max(self._told_end, start + seconds)
        if not self._exact_last:
            seconds = min(seconds, _LAST_PICTURE_SECONDS)
        if len(self._starts) < PICTURES_MAX:
            self._ordered = self._ordered and not (self._starts and start < self._starts[-1])
            self._starts.append(start)
        else:
            self._unlisted += 1
        end = start + seconds
        self._end = end if self._end is None else max(self._end, end)


class _Lines(Packets):
    """Reads the lines of the framecrc muxer.

    "#tb 0: 1/10240" gives the time base; each packet is one line of stream, dts, pts, duration,
    size and checksum. Beyond `PICTURES_MAX` lines are only counted, and the end is looked for in
    the last whole line of each piece.
    """

    def __init__(self, exact_last: bool) -> None:
        super().__init__(exact_last)
        self._rest = b""
        self._base = 0.0

    def feed(self, data: bytes) -> None:
        if len(self._starts) >= PICTURES_MAX:
            whole, newline, rest = (self._rest + data).rpartition(b"\n")
            self._unlisted += whole.count(b"\n")  # but for the last line, which is read
            lines = [whole[whole.rfind(b"\n") + 1 :]] if newline else []
        else:
            *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:LINE_BYTES]
        for line in lines:
            if line.startswith(b"#tb 0:"):
                above, _, below = line[6:].strip().partition(b"/")
                self._base = int(above) / int(below)
            elif not line.startswith(b"#") and len(parts := line.split(b",", 6)) >= 6:
                self._packet(parts)

    def _packet(self, parts: Sequence[bytes]) -> None:
        time, seconds = int(parts[2]), int(parts[3]) * self._base
        if time < NO_TIME:
            time = int(parts[1])
            if time < NO_TIME:
                self._total += seconds
                return
            self._untold += 1
        self.take(time * self._base, seconds)
