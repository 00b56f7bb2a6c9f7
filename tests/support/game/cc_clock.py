"""Time in the game: seconds, the game's ticks, and what is due when."""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Callable

TICKS_PER_SECOND = 20
"""Of a world that is not slow. Programs believe in it: `os.clock` and timers count ticks."""

TICK = 1 / TICKS_PER_SECOND


class Clock:
    """The time of a computer, in seconds from its start.

    An `instant` one goes only where `wait` and `spend` take it; otherwise it is real time. A slow
    world has fewer ticks in a second, and longer ones, of `tick` seconds: timers and `os.clock` are
    late, real time and sound are not. `os.epoch` is `ahead` of all that once the game was paused,
    which stops everything else, or somebody set the machine's clock.
    """

    def __init__(self, *, instant: bool, ticks_per_second: float) -> None:
        self.instant = instant
        self.tick = 1 / ticks_per_second
        self._now = 0.0
        self.ahead = 0.0
        self._start = time.monotonic()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    @property
    def now(self) -> float:
        return self._now if self.instant else time.monotonic() - self._start

    @property
    def epoch(self) -> int:
        """Milliseconds, as `os.epoch("utc")`."""
        seconds = self._now if self.instant else time.time()
        return round((seconds + self.ahead) * 1000)

    @property
    def ticks(self) -> int:
        """How many there have been."""
        return math.floor(self.now / self.tick + 1e-6)

    def tick_after(self, count: int = 1, not_before: float = 0.0) -> float:
        """When the game will have made `count` more ticks, or the first tick after that which is
        not before a time."""
        wanted = math.ceil(not_before / self.tick - 1e-6)
        return max(self.ticks + count, wanted) * self.tick

    def at(self, due: float, action: Callable[[], None]) -> None:
        """Do something at a time; at once when it has come."""
        heapq.heappush(self._due, (due, next(self._order), action))

    def spend(self, seconds: float) -> None:
        """Work for so long. The game goes on meanwhile: what falls due happens in time."""
        if not self.instant:
            return
        until = self._now + seconds
        while self._due and self._due[0][0] <= until:
            self._now = max(self._now, self._due[0][0])
            heapq.heappop(self._due)[2]()
        self._now = until

    def run_due(self) -> None:
        """Do all that is due."""
        while self._due and self._due[0][0] <= self.now:
            heapq.heappop(self._due)[2]()

    def wait(self, until: float = math.inf) -> bool:
        """Wait for the next thing that is due, but not beyond `until`. False without one."""
        due = min(self._due[0][0] if self._due else math.inf, until)
        if due == math.inf:
            return False
        if self.instant:
            self._now = max(self._now, due)
        else:
            time.sleep(max(0.0, due - self.now))
        return True
