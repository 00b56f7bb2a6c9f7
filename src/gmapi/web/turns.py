"""Turns: when several are ready to be served, nobody goes before all others for long.

A greenlet whose socket always has something to read or room to write never waits, so it would
never let another one run. Only `server` and `handler` import this module, after gevent has patched
the standard library.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Any

from gevent.event import Event
from gevent.hub import get_hub

TURNS_IN_A_ROW = 4
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
        self._waiting: dict[Hashable, deque[Event]] = {}
        self._timer: Any = None

    def take(self, household: Hashable) -> None:
        """Take a turn, perhaps after others have had theirs."""
        taken = self._taken.get(household, 0)
        if taken < TURNS_IN_A_ROW:
            if len(self._taken) >= HOUSEHOLDS_KEPT:
                self._taken.clear()
            self._taken[household] = taken + 1
            return
        called = Event()
        queue = self._waiting.setdefault(household, deque())
        queue.append(called)
        if self._timer is None:
            self._await_round()
        try:
            called.wait()
        finally:
            if not called.is_set():  # this greenlet was ended meanwhile
                queue.remove(called)

    def _await_round(self) -> None:
        # Unlike a callback (`sleep(0)`) a timer comes due only after the loop has looked at all
        # sockets, and one that is due does not let it sleep.
        self._timer = get_hub().loop.timer(0.0)
        self._timer.start(self._next_round)

    def _next_round(self) -> None:
        self._timer.close()
        self._timer = None
        waiting, self._waiting, self._taken = self._waiting, {}, {}
        for household, queue in waiting.items():
            called = [queue.popleft() for _ in range(min(TURNS_IN_A_ROW, len(queue)))]
            self._taken[household] = len(called)
            if queue:
                self._waiting[household] = queue
            for event in called:
                event.set()
        if self._waiting:
            self._await_round()
