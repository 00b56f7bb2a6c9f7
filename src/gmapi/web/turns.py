"""Turns: when several are ready to be served, nobody goes before all others for long.

A greenlet whose socket always has something to read or room to write never waits, so it would
never let another one run. Only `server` and `handler` import this module, after gevent has patched
the standard library.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from contextlib import suppress
from typing import Any

from gevent.hub import Waiter, get_hub

TURNS_IN_A_ROW = 16
"""What one household may take before everybody else who is ready has had a look in."""

HOUSEHOLDS_KEPT = 4096


class Turns:
    """Counts what each household has taken since the loop last looked at all sockets.

    A turn is a request, or so much of a body or an answer as costs about as much. Whoever has had
    `TURNS_IN_A_ROW` waits, in order of arrival, until the loop has looked again. When nobody else
    is ready that is at once.
    """

    def __init__(self) -> None:
        self._taken: dict[Hashable, int] = {}
        self._waiting: dict[Hashable, deque[Waiter]] = {}
        self._timer: Any = None

    def take(self, household: Hashable) -> None:
        """Take a turn, perhaps after others have had theirs."""
        taken = self._taken.get(household, 0)
        if taken < TURNS_IN_A_ROW:
            if len(self._taken) >= HOUSEHOLDS_KEPT:
                self._taken.clear()
            self._taken[household] = taken + 1
            return
        waiter = Waiter()
        queue = self._waiting.get(household)
        if queue is None:
            queue = self._waiting[household] = deque()
        queue.append(waiter)
        if self._timer is None:
            self._await_round()
        try:
            waiter.get()
        except BaseException:  # this greenlet was ended meanwhile
            with suppress(ValueError):
                queue.remove(waiter)
            raise

    def _await_round(self) -> None:
        # Unlike a callback (`sleep(0)`) a timer comes due only after the loop has looked at all
        # sockets, and one that is due does not let it sleep.
        self._timer = get_hub().loop.timer(0.0)
        self._timer.start(self._next_round)

    def _next_round(self) -> None:
        self._timer.close()
        self._timer = None
        run_soon = get_hub().loop.run_callback
        waiting, self._waiting, self._taken = self._waiting, {}, {}
        for household, queue in waiting.items():
            count = min(TURNS_IN_A_ROW, len(queue))
            self._taken[household] = count
            for _ in range(count):
                run_soon(queue.popleft().switch, None)
            if queue:
                self._waiting[household] = queue
        if self._waiting:
            self._await_round()
