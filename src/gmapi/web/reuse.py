"""What requests to tools led to: an old result, a job that was there already, or a new one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gmapi.jobs.model import Submission

HEADER = "X-Cache"
HIT, JOIN, MISS = "hit", "join", "miss"
_PLURALS = {HIT: "hits", JOIN: "joins", MISS: "misses"}


def kind(submission: Submission) -> str:
    """HIT for a result that is handed out without running anything, JOIN for a job that waits or
    runs, MISS for a new one."""
    if not submission.joined:
        return MISS
    return HIT if submission.job.is_finished else JOIN


class ReuseCounts:
    """How many requests led to what, since this process started."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(_PLURALS, 0)

    def count(self, submission: Submission) -> str:
        """Count what a request led to; its kind."""
        found = kind(submission)
        self._counts[found] += 1
        return found

    def shown(self) -> dict[str, int]:
        """The counts, as `/health` tells them."""
        return {plural: self._counts[name] for name, plural in _PLURALS.items()}


def total(told: Iterable[Any]) -> dict[str, int]:
    """The sum of what workers tell about the sources they asked the cache for."""
    rows = [row for row in told if isinstance(row, dict)]
    return {name: sum(int(row.get(name, 0)) for row in rows) for name in _PLURALS.values()}
