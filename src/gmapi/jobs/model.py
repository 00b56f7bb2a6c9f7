"""What a job is: its states, the legal ways between them, and its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a job stands. The names are part of the wire contract."""

    PENDING = "pending"  # accepted and waiting for a worker
    RUNNING = "running"  # a worker holds a lease on it
    COMPLETED = "completed"  # its outputs are published
    ERROR = "error"  # it failed for good
    CANCELLED = "cancelled"  # its caller took it back


ACTIVE = (State.PENDING, State.RUNNING)
FINISHED = (State.COMPLETED, State.ERROR, State.CANCELLED)

# Each write names the states it may start from, so an illegal step changes no row.
SOURCES: Mapping[State, tuple[State, ...]] = {
    State.PENDING: (State.RUNNING,),
    State.RUNNING: (State.PENDING,),
    State.COMPLETED: (State.RUNNING,),
    State.ERROR: (State.PENDING, State.RUNNING),
    State.CANCELLED: (State.PENDING, State.RUNNING),
}

MAX_ATTEMPTS = 3
"""A job whose worker died this often is given up: it would kill the next one too."""

GIVEN_UP = f"The conversion made its worker die {MAX_ATTEMPTS} times and was given up."

NOTHING_PUBLISHED: Mapping[str, Any] = {"file_id": None, "result": {}}
"""What a job has whose attempt is over without success: nobody is sent to files that go."""


def next_attempt(attempt: int) -> str:
    """The log line where an attempt other than the first begins."""
    return f"Attempt {attempt} begins; its files have new addresses, earlier ones are gone."


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the job table. Times are Unix seconds, progress is 0 to 100.

    `client` is the first that asked for it, as limits count clients. `label` is what the caller
    for whom it was read calls it, and None where it was read for nobody.
    """

    id: str
    tool: str
    request: dict[str, Any]
    key: str | None
    client: str
    priority: int
    state: State
    attempt: int
    crashes: int
    owner: str | None
    lease_until: float | None
    file_id: str | None
    progress: float
    eta: float | None
    message: str
    error: str | None
    error_code: str | None
    result: dict[str, Any]
    created: float
    run_after: float
    started: float | None
    finished: float | None
    accessed: float | None
    version: int
    label: str | None = None
    is_labelled: bool = False  # whether anybody has a label for it

    @property
    def is_finished(self) -> bool:
        """Whether the job will not change any more."""
        return self.state in FINISHED


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a job's log; ids grow over all jobs."""

    id: int
    time: float
    line: str


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write to a running job: void as soon as someone else takes the job over."""

    job_id: str
    owner: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Submission:
    """The job a request led to, and whether it existed already (single flight)."""

    job: Job
    joined: bool


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A job that a caller took back, as it is then, and for how many others it goes on or stays;
    with `deleted` as it was before it went."""

    job: Job
    others: int
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker process as it last reported itself."""

    id: str
    pid: int
    host: str
    started: float
    seen: float
    job_id: str | None
    info: dict[str, Any]
