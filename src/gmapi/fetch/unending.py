"""Sources of which nobody says how long they are: how much of them is taken, and when it is there.

A server need not tell the length of what it sends, and a radio station has none. Whether such a
source ends by itself is seen only when it does, so seconds of media are counted while it comes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LIVE_SECONDS = 60.0
"""How much is taken of what has no end, unless the caller says otherwise."""

WORTH_SECONDS = 1.0
"""The least of a source that ended early which is taken instead of an error."""

MORE_SECONDS = 0.5
"""So much more is waited for, as not all streams of a film come equally far."""

Measure = Callable[[Path, float], float | None]
"""Seconds of media in the beginning of a file, up to the number given; None when it cannot be told.
Called by the thread that asked for the download, and takes time."""

_FIRST_LOOK = 0.3
# It must not take more than a sixth of the time.
_PAUSE_SHARE = 5.0
_PAUSE_MIN = 0.5
_PAUSE_MAX = 10.0
# What comes as fast as it plays is broadcast now. A line that is by chance just as fast as its
# film needs is taken for that, so the margin is narrow.
_PACE_MIN, _PACE_MAX = 0.9, 1.1
_PACE_WINDOW = 0.5
_SAMPLES_MAX = 100
# Of a song other parts may be wanted next, so it is better to have all of it when that is near.
_GRACE_SECONDS = 2.0
_GRACE_BYTES = 64 * 1024**2
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Portion:
    """How much is wanted of a source, in seconds."""

    seconds: float | None = None
    """What the caller asked for: of any source whose length is not told."""
    enough: float | None = None
    """More than this the work cannot use."""
    measure: Measure | None = None
    """Without it each source must end by itself."""
    on_seconds: Callable[[float, float | None, int], None] | None = None
    """Told what is there of how many seconds, if that is known, and how many bytes they are."""

    @property
    def of_endless(self) -> float:
        """Seconds to take of a source that has no end."""
        return self.bound or LIVE_SECONDS

    @property
    def bound(self) -> float | None:
        """Seconds to take of a source that may have none."""
        return min((each for each in (self.seconds, self.enough) if each), default=None)


WHOLE = Portion()


class Gauge:
    """Counts the media of one download that is under way at `path`."""

    def __init__(
        self, portion: Portion, path: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._portion = portion
        self._path = path
        self._clock = clock
        self._began: float | None = None
        self._look_at = 0.0
        self._grace: tuple[float, int] | None = None
        self._surely_at = 0.0
        self._pause = _PAUSE_MIN
        self._seconds = 0.0
        self._bytes = 0
        self._samples: deque[tuple[float, float]] = deque(maxlen=_SAMPLES_MAX)

    def is_enough(self, received: int, *, is_radio: bool) -> bool:
        """Whether what has come by now is all that is to be taken."""
        now = self._clock()
        if self._began is None:
            self._began = now
            self._look_at = now + _FIRST_LOOK
        if self._grace is not None:
            return now >= self._grace[0] or received >= self._grace[1]
        if now < self._look_at:
            return False
        bound = self._portion.of_endless if is_radio else self._portion.bound
        if bound is None:
            return self._is_broadcast(received, now)
        wanted = bound + MORE_SECONDS
        if now < self._surely_at and received * self._seconds < wanted * self._bytes:
            return False
        self._look(received, now, wanted + 1.0)
        if self._seconds < wanted:
            return False
        if is_radio or bound == self._portion.seconds:
            return True
        self._grace = now + _GRACE_SECONDS, received + _GRACE_BYTES
        return False

    def is_for_itself(self, *, is_radio: bool) -> bool:
        """Whether what comes will hardly be of use to others who ask for the same source."""
        if is_radio:
            return True
        if self._began is None or self._portion.bound is None:
            return False
        return self._clock() > self._began + _PATIENCE_SECONDS

    def is_worth_it(self) -> bool:
        """Whether there is enough media for a source that cannot be had to its end."""
        measure = self._portion.measure
        seconds = measure(self._path, WORTH_SECONDS + MORE_SECONDS) if measure else None
        return seconds is not None and seconds >= WORTH_SECONDS

    def tell(self, received: int, *, is_radio: bool) -> bool:
        """Tell how much media is there; returns whether that is known."""
        told = self._portion.on_seconds
        if told is None or not self._bytes:
            return False
        bound = self._portion.of_endless if is_radio else self._portion.bound
        there = self._seconds * received / self._bytes
        told(there if bound is None else min(there, bound), bound, received)
        return True

    def _is_broadcast(self, received: int, now: float) -> bool:
        """Whether it has been coming at the pace of playing for long enough."""
        step = LIVE_SECONDS / 6
        last = self._samples[-1][0] if self._samples else self._began
        if last is None or now < last + step:
            return False
        if not self._look(received, now, float("inf")):
            return False
        window = LIVE_SECONDS * _PACE_WINDOW
        before = [sample for sample in self._samples if now - sample[0] >= window]
        self._samples.append((now, self._seconds))
        if not before or self._seconds < LIVE_SECONDS:
            return False
        at, seconds = before[-1]
        return _PACE_MIN <= (self._seconds - seconds) / (now - at) <= _PACE_MAX

    def _look(self, received: int, now: float, most: float) -> bool:
        assert self._portion.measure is not None
        seconds = self._portion.measure(self._path, most)
        took = self._clock() - now
        # What cannot be measured now, such as an MP4 without its index, is looked at less and less.
        self._pause = _PAUSE_MIN if seconds else min(_PAUSE_MAX, 2 * self._pause)
        self._look_at = self._clock() + max(self._pause, _PAUSE_SHARE * took)
        self._surely_at = self._look_at + _PAUSE_MAX
        if not seconds:
            return False
        self._seconds, self._bytes = seconds, received
        return True
