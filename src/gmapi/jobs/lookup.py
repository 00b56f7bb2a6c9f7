"""Looking at jobs: one, pages of them, whose turn it is, and what may go."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from gmapi.jobs import fair_order, sharing
from gmapi.jobs.database import read
from gmapi.jobs.logbook import Logbook
from gmapi.jobs.model import FINISHED, Fence, Job, State
from gmapi.jobs.schema import job_clients, jobs

JOB_COLUMNS = [jobs.c[field.name] for field in fields(Job) if field.name in jobs.c]


def to_job(row: Any) -> Job:
    """A row of `JOB_COLUMNS`, perhaps with a label, as a Job."""
    values = row._asdict()
    values["state"] = State(values["state"])
    if "is_labelled" in values:
        values["is_labelled"] = bool(values["is_labelled"])
    return Job(**values)


class Lookup:
    """Reads jobs; their log lines are in `logbook`."""

    def __init__(self, engine: Engine, *, log_max_lines: int = 2000) -> None:
        self.engine = engine
        self.logbook = Logbook(engine, log_max_lines)
        labels = sa.select(1).where(job_clients.c.job_id == jobs.c.id, sharing.is_labelled())
        self._by_id = sa.select(*JOB_COLUMNS, labels.exists().label("is_labelled")).where(
            jobs.c.id == sa.bindparam("job_id")
        )

    def now(self) -> float:
        """The database's clock; SQLite's is the machine's own."""
        return time.time()

    def get(self, job_id: str) -> Job | None:
        """The job, without a label; None when there is none (any more)."""
        with read(self.engine) as connection:
            row = connection.execute(self._by_id, {"job_id": job_id}).first()
        return to_job(row) if row is not None else None

    def labels(self, job_id: str) -> dict[str, str]:
        """What callers call a job, by caller; those who share it and have named it, first first."""
        with read(self.engine) as connection:
            return sharing.labels(connection, job_id)

    def marks(self, job_ids: Sequence[str]) -> dict[str, tuple[int, State]]:
        """The present version and state of each of these jobs that still exists."""
        found: dict[str, tuple[int, State]] = {}
        with read(self.engine) as connection:
            for start in range(0, len(job_ids), 500):
                part = job_ids[start : start + 500]
                query = sa.select(jobs.c.id, jobs.c.version, jobs.c.state).where(
                    jobs.c.id.in_(part)
                )
                rows = connection.execute(query)
                found.update((row[0], (row[1], State(row[2]))) for row in rows)
        return found

    def by_file(self, file_id: str) -> Job | None:
        """The job whose present attempt publishes under this file id."""
        with read(self.engine) as connection:
            row = connection.execute(
                sa.select(*JOB_COLUMNS).where(jobs.c.file_id == file_id)
            ).first()
        return to_job(row) if row is not None else None

    def page(
        self,
        *,
        state: State | None = None,
        tool: str | None = None,
        caller: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[list[Job], int]:
        """Jobs, newest first, and how many there are in all; those that `caller` shares, with its
        labels, or all, each with the first label it was given."""
        label = sa.select(job_clients.c.label).where(
            job_clients.c.job_id == jobs.c.id, sharing.is_labelled()
        )
        conditions: list[sa.ColumnElement[bool]] = []
        if caller is not None:
            own = sa.select(job_clients.c.job_id).where(
                job_clients.c.caller == caller, sharing.is_active()
            )
            conditions.append(jobs.c.id.in_(own))
            label = label.where(job_clients.c.caller == caller)
        if state is not None:
            conditions.append(jobs.c.state == state)
        if tool is not None:
            conditions.append(jobs.c.tool == tool)
        first = label.order_by(job_clients.c.seq).limit(1).scalar_subquery()
        with read(self.engine) as connection:
            total = connection.execute(
                sa.select(sa.func.count()).select_from(jobs).where(*conditions)
            ).scalar_one()
            rows = connection.execute(
                sa.select(*JOB_COLUMNS, first.label("label"))
                .where(*conditions)
                .order_by(jobs.c.seq.desc())
                .limit(limit)
                .offset(offset)
            ).all()
        return [to_job(row) for row in rows], total

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        with read(self.engine) as connection:
            rows = connection.execute(sa.select(jobs.c.state, sa.func.count()).group_by("state"))
            found = {State(row[0]): row[1] for row in rows}
        return {state: found.get(state, 0) for state in State}

    def positions(self) -> dict[str, int]:
        """The id of each waiting job and its place in the order in which they would start, from
        1."""
        with read(self.engine) as connection:
            ids = connection.execute(fair_order.in_order()).scalars()
            return {job_id: place for place, job_id in enumerate(ids, 1)}

    def next_of(self, client: str) -> Job | None:
        """The job that waits first of those this client shares."""
        query = (
            sa.select(*JOB_COLUMNS)
            .select_from(jobs.join(job_clients, job_clients.c.job_id == jobs.c.id))
            .where(
                job_clients.c.client == client, sharing.is_active(), jobs.c.state == State.PENDING
            )
            .order_by(jobs.c.priority.desc(), job_clients.c.seq)
            .limit(1)
        )
        with read(self.engine) as connection:
            row = connection.execute(query).first()
        return to_job(row) if row is not None else None

    def clients_of(self, job_id: str) -> list[str]:
        """The clients that share a job, as limits count them."""
        query = sa.select(job_clients.c.client).distinct()
        query = query.where(job_clients.c.job_id == job_id, sharing.is_active())
        with read(self.engine) as connection:
            return list(connection.execute(query).scalars())

    def last_wanted(self, job_id: str) -> float:
        """When somebody last used a job's files or asked for it; 0 when there is none any more."""
        with read(self.engine) as connection:
            row = connection.execute(sa.select(last_wanted()).where(jobs.c.id == job_id)).first()
        return float(row[0]) if row is not None else 0.0

    def is_ours(self, fence: Fence) -> bool:
        """Whether the fence still stands, by a read."""
        with read(self.engine) as connection:
            return connection.execute(sa.select(1).where(*standing(fence))).first() is not None

    def live_file_ids(self) -> set[str]:
        """The file ids that belong to a job."""
        with read(self.engine) as connection:
            rows = connection.execute(sa.select(jobs.c.file_id).where(jobs.c.file_id.is_not(None)))
            return {row[0] for row in rows}

    def running_attempts(self) -> set[tuple[str, int]]:
        """Id and attempt number of each running job."""
        with read(self.engine) as connection:
            query = sa.select(jobs.c.id, jobs.c.attempt).where(jobs.c.state == State.RUNNING)
            return {(row[0], row[1]) for row in connection.execute(query)}

    def oldest_finished(
        self, *, before: float | None = None, spared: float = 0.0, limit: int = 100
    ) -> list[Job]:
        """Finished jobs by last access (or end), oldest first; only those last used before
        `before`, and none that finished within the last `spared` seconds."""
        query = sa.select(*JOB_COLUMNS).where(jobs.c.state.in_(FINISHED))
        if spared:
            query = query.where(jobs.c.finished < self.now() - spared)
        if before is not None:
            query = query.where(last_use() < before)
        with read(self.engine) as connection:
            rows = connection.execute(query.order_by(last_use()).limit(limit)).all()
        return [to_job(row) for row in rows]


def standing(fence: Fence) -> tuple[sa.ColumnElement[bool], ...]:
    """Where the fence still stands."""
    return (
        jobs.c.id == fence.job_id,
        jobs.c.owner == fence.owner,
        jobs.c.attempt == fence.attempt,
        jobs.c.state == State.RUNNING,
    )


def last_wanted() -> sa.ColumnElement[float]:
    """When somebody last used what a job makes, or asked for it."""
    return sa.func.coalesce(jobs.c.accessed, jobs.c.created)


def last_use() -> sa.ColumnElement[float]:
    """When a finished job was last of use: at its end, or when somebody asked for it later."""
    finished = sa.func.coalesce(jobs.c.finished, 0.0)
    accessed = sa.func.coalesce(jobs.c.accessed, 0.0)
    return sa.case((accessed > finished, accessed), else_=finished)
