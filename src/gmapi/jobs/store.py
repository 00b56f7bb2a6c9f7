"""The job table: the only truth about jobs. Every statement about jobs stands here.

Claiming a job sets its owner, raises its attempt number and gives it a lease in one statement.
From then on each write carries owner and attempt (`Fence`): where it touches no row, the job
belongs to somebody else and the writer must stop. Cancelling and re-queuing simply break the
fence.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from gmapi.access import Rate
from gmapi.errors import QueueFullError
from gmapi.jobs import fair_order, rates
from gmapi.jobs.database import write
from gmapi.jobs.logbook import Logbook
from gmapi.jobs.model import FINISHED, SOURCES, Fence, Job, State, Submission
from gmapi.jobs.schema import jobs
from gmapi.storage.base import new_file_id

_JOB_COLUMNS = [jobs.c[name] for name in Job.__dataclass_fields__]


def to_job(row: Any) -> Job:
    """A row of `_JOB_COLUMNS` as a Job."""
    values = row._asdict()
    values["state"] = State(values["state"])
    return Job(**values)


class JobStore:
    """Reads and writes jobs; their log lines are in `logbook`."""

    def __init__(self, engine: Engine, *, log_max_lines: int = 2000) -> None:
        self.engine = engine
        self.logbook = Logbook(engine, log_max_lines)
        self._by_id = sa.select(*_JOB_COLUMNS).where(jobs.c.id == sa.bindparam("job_id"))

    def now(self) -> float:
        """The database's clock; SQLite's is the machine's own."""
        return time.time()

    # -- submitting ---------------------------------------------------------------------------

    def submit(
        self,
        *,
        tool: str,
        request: dict[str, Any],
        key: str | None,
        client: str,
        queue_max: int,
        queue_max_per_client: int,
        rate: Rate | None = None,
        priority: int = 0,
    ) -> Submission:
        """Insert a job, or join the one with the same key.

        Raises RateLimitedError when the client submits faster than `rate`, and QueueFullError
        when too many jobs wait already; neither counts as a submission.
        """
        with write(self.engine) as connection:
            if rate is not None:
                rates.take(connection, client, rate, self.now())
            if key is not None:
                row = connection.execute(sa.select(*_JOB_COLUMNS).where(jobs.c.key == key)).first()
                if row is not None:
                    touch = sa.update(jobs).where(jobs.c.key == key).values(accessed=self.now())
                    connection.execute(touch)
                    return Submission(to_job(row), joined=True)
            self._check_room(connection, client, queue_max, queue_max_per_client)
            now = self.now()
            row = connection.execute(
                sa.insert(jobs)
                .values(
                    id=new_file_id(),
                    tool=tool,
                    request=request,
                    key=key,
                    client=client,
                    priority=priority,
                    state=State.PENDING,
                    attempt=0,
                    crashes=0,
                    progress=0.0,
                    message="Waiting for a free worker.",
                    result={},
                    created=now,
                    run_after=now,
                    version=1,
                )
                .returning(*_JOB_COLUMNS)
            ).one()
        return Submission(to_job(row), joined=False)

    def _check_room(
        self, connection: Connection, client: str, queue_max: int, per_client: int
    ) -> None:
        pending = jobs.c.state == State.PENDING
        counts = sa.select(sa.func.count(), sa.func.count().filter(jobs.c.client == client)).where(
            pending
        )
        waiting, own = connection.execute(counts).one()
        if waiting >= queue_max:
            raise QueueFullError(
                f"The queue is full: {waiting} jobs are waiting. Try again in half a minute.",
                waiting=waiting,
                retry_after=30,
            )
        if own >= per_client:
            raise QueueFullError(
                f"You have {own} jobs waiting, which is the most one client may have. "
                "Try again when some are done.",
                waiting=own,
                retry_after=30,
            )

    # -- reading ------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job | None:
        """The job, or None when there is none (any more)."""
        with self.engine.connect() as connection:
            row = connection.execute(self._by_id, {"job_id": job_id}).first()
        return to_job(row) if row is not None else None

    def marks(self, job_ids: Sequence[str]) -> dict[str, tuple[int, State]]:
        """The present version and state of each of these jobs that still exists."""
        found: dict[str, tuple[int, State]] = {}
        with self.engine.connect() as connection:
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
        with self.engine.connect() as connection:
            row = connection.execute(
                sa.select(*_JOB_COLUMNS).where(jobs.c.file_id == file_id)
            ).first()
        return to_job(row) if row is not None else None

    def page(
        self,
        *,
        state: State | None = None,
        tool: str | None = None,
        client: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[list[Job], int]:
        """Jobs, newest first, and how many there are in all; of `client`, or of all."""
        conditions = []
        if client is not None:
            conditions.append(jobs.c.client == client)
        if state is not None:
            conditions.append(jobs.c.state == state)
        if tool is not None:
            conditions.append(jobs.c.tool == tool)
        with self.engine.connect() as connection:
            total = connection.execute(
                sa.select(sa.func.count()).select_from(jobs).where(*conditions)
            ).scalar_one()
            rows = connection.execute(
                sa.select(*_JOB_COLUMNS)
                .where(*conditions)
                .order_by(jobs.c.seq.desc())
                .limit(limit)
                .offset(offset)
            ).all()
        return [to_job(row) for row in rows], total

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(jobs.c.state, sa.func.count()).group_by("state"))
            found = {State(row[0]): row[1] for row in rows}
        return {state: found.get(state, 0) for state in State}

    def positions(self) -> dict[str, int]:
        """The id of each waiting job and its place in the order in which they would start, from
        1."""
        with self.engine.connect() as connection:
            ids = connection.execute(fair_order.in_order()).scalars()
            return {job_id: place for place, job_id in enumerate(ids, 1)}

    def next_of(self, client: str) -> Job | None:
        """The job of this client that waits first."""
        query = (
            sa.select(*_JOB_COLUMNS)
            .where(jobs.c.client == client, jobs.c.state == State.PENDING)
            .order_by(jobs.c.priority.desc(), jobs.c.seq)
            .limit(1)
        )
        with self.engine.connect() as connection:
            row = connection.execute(query).first()
        return to_job(row) if row is not None else None

    # -- running ------------------------------------------------------------------------------

    def claim(
        self, job_id: str | None, owner: str, lease: float, *, running_max: int = 0
    ) -> Job | None:
        """Take a waiting job for `owner`: this one, or with None the one whose turn it is.

        None when there is none, or this one is not waiting (any more). With None the jobs of
        clients that run `running_max` already are passed over (0: there is no such limit).
        """
        now = self.now()
        wanted = fair_order.next_id(now, running_max) if job_id is None else job_id
        with write(self.engine) as connection:
            row = connection.execute(
                sa.update(jobs)
                .where(
                    jobs.c.id == wanted,
                    jobs.c.state.in_(SOURCES[State.RUNNING]),
                    jobs.c.run_after <= now,
                )
                .values(
                    state=State.RUNNING,
                    owner=owner,
                    attempt=jobs.c.attempt + 1,
                    lease_until=now + lease,
                    # Each attempt publishes under an id of its own: a stale one can spoil nothing.
                    file_id=new_file_id(),
                    result={},
                    eta=None,
                    started=sa.func.coalesce(jobs.c.started, now),
                    message="Starting.",
                    version=jobs.c.version + 1,
                )
                .returning(*_JOB_COLUMNS)
            ).first()
        return to_job(row) if row is not None else None

    def renew(self, fence: Fence, lease: float) -> bool:
        """Prolong the lease; False when the job is no longer ours."""
        with write(self.engine) as connection:
            return self._fenced(connection, fence, lease_until=self.now() + lease)

    def is_ours(self, fence: Fence) -> bool:
        """Whether the fence still stands, by a read."""
        with self.engine.connect() as connection:
            return connection.execute(sa.select(1).where(*_standing(fence))).first() is not None

    def report(
        self,
        fence: Fence,
        *,
        progress: float | None = None,
        message: str | None = None,
        eta: float | None = None,
        result: dict[str, Any] | None = None,
        lines: Sequence[tuple[float, str]] = (),
    ) -> bool:
        """Write progress and log lines in one transaction; False when the job is not ours.

        `progress` never falls. Values that are None stay as they are, except `eta`.
        """
        values: dict[str, Any] = {"version": jobs.c.version + 1, "eta": eta}
        if progress is not None:
            bounded = max(0.0, min(100.0, progress))
            values["progress"] = sa.case(
                (jobs.c.progress < bounded, bounded), else_=jobs.c.progress
            )
        if message is not None:
            values["message"] = message
        if result is not None:
            values["result"] = result
        with write(self.engine) as connection:
            if not self._fenced(connection, fence, **values):
                return False
            self.logbook.add(connection, fence.job_id, lines)
        return True

    def finish(self, fence: Fence, result: dict[str, Any], message: str) -> bool:
        """The fenced end of a job that worked; False when it is no longer ours."""
        return self._end(
            fence, state=State.COMPLETED, result=result, message=message, progress=100.0
        )

    def fail(self, fence: Fence, error: str, code: str) -> bool:
        """The fenced end of a job that failed for good. The key is freed, so a retry runs anew."""
        return self._end(
            fence,
            state=State.ERROR,
            error=error,
            error_code=code,
            message=error,
            key=None,
            result={},
        )

    def requeue(
        self, fence: Fence, message: str, delay: float = 0.0, *, crashed: bool = False
    ) -> bool:
        """Hand a running job back, to be run again after `delay` seconds.

        What it has published counts no more. `crashed` counts the attempt as one whose worker
        died.
        """
        with write(self.engine) as connection:
            return self._fenced(
                connection,
                fence,
                state=State.PENDING,
                owner=None,
                lease_until=None,
                eta=None,
                file_id=None,
                result={},
                crashes=jobs.c.crashes + int(crashed),
                run_after=self.now() + delay,
                message=message,
                version=jobs.c.version + 1,
            )

    def _end(self, fence: Fence, **values: Any) -> bool:
        with write(self.engine) as connection:
            return self._fenced(
                connection,
                fence,
                finished=self.now(),
                owner=None,
                lease_until=None,
                eta=None,
                version=jobs.c.version + 1,
                **values,
            )

    def _fenced(self, connection: Connection, fence: Fence, **values: Any) -> bool:
        return (
            connection.execute(sa.update(jobs).where(*_standing(fence)).values(**values)).rowcount
            == 1
        )

    # -- from outside the worker --------------------------------------------------------------

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a waiting or running job at once; a finished one stays as it is.

        The worker of a running job finds its fence broken and kills the job's processes.
        """
        with write(self.engine) as connection:
            connection.execute(
                sa.update(jobs)
                .where(jobs.c.id == job_id, jobs.c.state.in_(SOURCES[State.CANCELLED]))
                .values(
                    state=State.CANCELLED,
                    key=None,
                    result={},
                    owner=None,
                    lease_until=None,
                    eta=None,
                    finished=self.now(),
                    error="The task was cancelled.",
                    error_code="cancelled",
                    message="The task was cancelled.",
                    version=jobs.c.version + 1,
                )
            )
            row = connection.execute(self._by_id, {"job_id": job_id}).first()
        return to_job(row) if row is not None else None

    def touch(self, job_id: str) -> None:
        """Count an access: a finished job's files live on from now."""
        with write(self.engine) as connection:
            connection.execute(
                sa.update(jobs).where(jobs.c.id == job_id).values(accessed=self.now())
            )

    def live_file_ids(self) -> set[str]:
        """The file ids that belong to a job."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(jobs.c.file_id).where(jobs.c.file_id.is_not(None)))
            return {row[0] for row in rows}

    def running_attempts(self) -> set[tuple[str, int]]:
        """Id and attempt number of each running job."""
        with self.engine.connect() as connection:
            query = sa.select(jobs.c.id, jobs.c.attempt).where(jobs.c.state == State.RUNNING)
            return {(row[0], row[1]) for row in connection.execute(query)}

    # -- retention ----------------------------------------------------------------------------

    def oldest_finished(
        self, *, before: float | None = None, spared: float = 0.0, limit: int = 100
    ) -> list[Job]:
        """Finished jobs by last access (or end), oldest first; only those last used before
        `before`, and none that finished within the last `spared` seconds."""
        query = sa.select(*_JOB_COLUMNS).where(jobs.c.state.in_(FINISHED))
        if spared:
            query = query.where(jobs.c.finished < self.now() - spared)
        if before is not None:
            query = query.where(_last_use() < before)
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(_last_use()).limit(limit)).all()
        return [to_job(row) for row in rows]

    def remove(self, job: Job) -> bool:
        """Delete a finished job's record unless it was used since it was read."""
        with write(self.engine) as connection:
            gone = connection.execute(
                sa.delete(jobs).where(
                    jobs.c.id == job.id,
                    jobs.c.state.in_(FINISHED),
                    _last_use() <= max(job.accessed or 0.0, job.finished or 0.0),
                )
            ).rowcount
            if gone:
                self.logbook.remove(connection, job.id)
        return bool(gone)

    def discard(self, job_id: str) -> Job | None:
        """Delete a finished job's record, used or not; the job as it was, None if it still goes on
        or there is none."""
        with write(self.engine) as connection:
            row = connection.execute(
                sa.delete(jobs)
                .where(jobs.c.id == job_id, jobs.c.state.in_(FINISHED))
                .returning(*_JOB_COLUMNS)
            ).first()
            if row is not None:
                self.logbook.remove(connection, job_id)
        return to_job(row) if row is not None else None


def _standing(fence: Fence) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        jobs.c.id == fence.job_id,
        jobs.c.owner == fence.owner,
        jobs.c.attempt == fence.attempt,
        jobs.c.state == State.RUNNING,
    )


def _last_use() -> sa.ColumnElement[float]:
    finished = sa.func.coalesce(jobs.c.finished, 0.0)
    accessed = sa.func.coalesce(jobs.c.accessed, 0.0)
    return sa.case((accessed > finished, accessed), else_=finished)
