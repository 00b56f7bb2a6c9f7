"""Which changes of a task are news to those who follow it.

The record of a running job is written several times a second, mostly for a new estimate of the time
left or a few bytes more. What nobody can see is no news, and mere progress is told once a second.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from gmapi.jobs.model import Job

PROGRESS_SECONDS = 1.0
"""Least time between two pieces of news that are mere progress, and how long a listener waits at
most for such a piece."""


def turn(job: Job) -> Hashable:
    """What is told at once when it changes: the state, and which fields the result has (an address,
    the sound, a warning)."""
    return job.state, job.attempt, frozenset(job.result)


def sight(job: Job) -> tuple[Any, ...]:
    """Whatever can be seen to change, whole percents of progress; log lines have ids of their
    own."""
    return turn(job), job.message, int(job.progress), job.result
