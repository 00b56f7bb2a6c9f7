"""The job table: the only truth about jobs. All that changes one stands here, but for what `roster`
recovers and `clock` moves; `lookup` reads, `sharing` knows who asks for which.

Claiming a job sets its owner, raises its attempt number and gives it a lease in one statement.
From then on each write carries owner and attempt (`Fence`): where it touches no row, the job
belongs to somebody else and the writer must stop. Cancelling and re-queuing simply break the
fence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gmapi.access import Rate
from gmapi.jobs import fair_order, places, rates, sharing
from gmapi.jobs.database import write
from gmapi.jobs.lookup import JOB_COLUMNS, Lookup, last_use, last_wanted, standing, to_job
from gmapi.jobs.model import (
    FINISHED,
    NOTHING_PUBLISHED,
    SOURCES,
    Fence,
    Job,
    State,
    Submission,
    Withdrawal,
)
from gmapi.jobs.schema import jobs
from gmapi.storage.base import new_file_id

CLOCK_SLACK_SECONDS = 1.0
"""A job that ended further ahead than this shows that the clock was set back."""


class JobStore(Lookup):
    """Reads and writes jobs; their log lines are in `logbook`."""

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
        caller: str | None = None,
        label: str | None = None,
        max_age: float = math.inf,
        usable: Callable[[Job], bool] = lambda _: True,
        live_max: int | None = None,
    ) -> Submission:
        """Insert a job, or join the one with the same key.

        `client` is what limits count, `caller` (if it is another name) who may list it and take it
        back, `label` what the caller calls it. A finished job is joined up to `max_age` seconds
        after its end, and if it is `usable`. `live_max` is how many jobs of this tool there may
        be that wait or run, where it is for what is live.

        Raises RateLimitedError when the client submits faster than `rate`, and QueueFullError
        when too many jobs wait already; neither counts as a submission.
        """
        who = sharing.Caller(client, caller or client, label)
        with write(self.engine) as connection:
            now = self.now()
            if rate is not None:
                rates.take(connection, client, rate, now)
            found = self._to_join(connection, key, now, max_age, usable) if key else None
            if found is not None:
                label = sharing.join(connection, found, who, now, queue_max_per_client)
                connection.execute(
                    sa.update(jobs).where(jobs.c.id == found.id).values(accessed=now)
                )
                return Submission(replace(found, label=label), joined=True)
            places.check_waiting(connection, queue_max)
            if live_max is not None:
                places.check_live(connection, tool, live_max)
            sharing.check_room(connection, client, queue_max_per_client)
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
                .returning(*JOB_COLUMNS)
            ).one()
            job = replace(to_job(row), label=label)
            sharing.add(connection, job.id, who, now)
        return Submission(job, joined=False)

    def _to_join(
        self,
        connection: Connection,
        key: str,
        now: float,
        max_age: float,
        usable: Callable[[Job], bool],
    ) -> Job | None:
        """The job with this key, if it goes on or has ended less than `max_age` seconds ago.

        Otherwise it loses its key; those who know its address go on using it.
        """
        row = connection.execute(sa.select(*JOB_COLUMNS).where(jobs.c.key == key)).first()
        if row is None:
            return None
        job = to_job(row)
        if job.finished is None:
            return job
        age = now - job.finished
        if age > -CLOCK_SLACK_SECONDS and max(0.0, age) < max_age and usable(job):
            return job
        connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(key=None))
        return None

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
                .returning(*JOB_COLUMNS)
            ).first()
        return to_job(row) if row is not None else None

    def renew(self, fence: Fence, lease: float) -> bool:
        """Prolong the lease; False when the job is no longer ours."""
        with write(self.engine) as connection:
            return self._fenced(connection, fence, lease_until=self.now() + lease)

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

    def finish(
        self,
        fence: Fence,
        result: dict[str, Any],
        message: str,
        *,
        takes_key: str | None = None,
        wanted_until: float | None = None,
    ) -> bool:
        """The fenced end of a job that worked; False when it is no longer ours.

        It is joined from now on by requests with the key `takes_key`, instead of an older result.
        With `wanted_until` it ends only if nobody has used it or asked for it since.
        """
        unwanted = [] if wanted_until is None else [last_wanted() <= wanted_until]
        with write(self.engine) as connection:
            ended = self._end(
                connection,
                fence,
                *unwanted,
                state=State.COMPLETED,
                result=result,
                message=message,
                progress=100.0,
            )
            if ended and takes_key is not None:
                self._take_key(connection, fence.job_id, takes_key)
        return ended

    def _take_key(self, connection: Connection, job_id: str, key: str) -> None:
        connection.execute(
            sa.update(jobs).where(jobs.c.key == key, jobs.c.state.in_(FINISHED)).values(key=None)
        )
        # One that waits or runs keeps it: it will be newer.
        if connection.execute(sa.select(1).where(jobs.c.key == key)).first() is None:
            connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(key=key))

    def fail(self, fence: Fence, error: str, code: str) -> bool:
        """The fenced end of a job that failed for good. The key is freed, so a retry runs anew."""
        with write(self.engine) as connection:
            return self._end(
                connection,
                fence,
                state=State.ERROR,
                error=error,
                error_code=code,
                message=error,
                key=None,
                **NOTHING_PUBLISHED,
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
                **NOTHING_PUBLISHED,
                crashes=jobs.c.crashes + int(crashed),
                run_after=self.now() + delay,
                message=message,
                version=jobs.c.version + 1,
            )

    def _end(
        self,
        connection: Connection,
        fence: Fence,
        *conditions: sa.ColumnElement[bool],
        **values: Any,
    ) -> bool:
        now = self.now()
        ended = self._fenced(
            connection,
            fence,
            *conditions,
            finished=now,
            owner=None,
            lease_until=None,
            eta=None,
            version=jobs.c.version + 1,
            **values,
        )
        if ended:
            sharing.end(connection, jobs.c.id == fence.job_id, now)
        return ended

    def _fenced(
        self,
        connection: Connection,
        fence: Fence,
        *conditions: sa.ColumnElement[bool],
        **values: Any,
    ) -> bool:
        statement = sa.update(jobs).where(*standing(fence), *conditions).values(**values)
        return connection.execute(statement).rowcount == 1

    # -- from outside the worker --------------------------------------------------------------

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a waiting or running job at once, whoever shares it; a finished one stays.

        The worker of a running job finds its fence broken and kills the job's processes.
        """
        with write(self.engine) as connection:
            return self._cancel(connection, job_id)

    def withdraw(self, job_id: str, caller: str) -> Withdrawal | None:
        """Take back what a caller asked for: the job is cancelled when nobody else shares it.

        A finished one stays. None when there is no such job; raises ForbiddenError when the caller
        has never asked for it.
        """
        with write(self.engine) as connection:
            job = self._job(connection, job_id)
            if job is None:
                return None
            others = sharing.others(connection, job_id, caller)
            if others and not job.is_finished:
                sharing.withdraw(connection, job_id, caller, self.now())
            elif not others:
                job = self._cancel(connection, job_id) or job
        return Withdrawal(job, others)

    def discard(self, job_id: str, caller: str | None = None) -> Withdrawal | None:
        """Take a finished job off a caller's list; without others, or by None, it is deleted.

        One that waits or runs is left as it is. None when there is no such job; raises
        ForbiddenError when the caller has never asked for it.
        """
        with write(self.engine) as connection:
            job = self._job(connection, job_id)
            if job is None:
                return None
            others = sharing.others(connection, job_id, caller) if caller is not None else 0
            if caller is not None and others and job.is_finished:
                sharing.withdraw(connection, job_id, caller, self.now())
            elif job.is_finished:
                connection.execute(sa.delete(jobs).where(jobs.c.id == job_id))
                self.logbook.remove(connection, job_id)
                return Withdrawal(job, others, deleted=True)
        return Withdrawal(job, others)

    def _job(self, connection: Connection, job_id: str) -> Job | None:
        row = connection.execute(self._by_id, {"job_id": job_id}).first()
        return to_job(row) if row is not None else None

    def _cancel(self, connection: Connection, job_id: str) -> Job | None:
        now = self.now()
        stoppable = sa.and_(jobs.c.id == job_id, jobs.c.state.in_(SOURCES[State.CANCELLED]))
        sharing.end(connection, stoppable, now)
        connection.execute(
            sa.update(jobs)
            .where(stoppable)
            .values(
                state=State.CANCELLED,
                key=None,
                **NOTHING_PUBLISHED,
                owner=None,
                lease_until=None,
                eta=None,
                finished=now,
                error="The task was cancelled.",
                error_code="cancelled",
                message="The task was cancelled.",
                version=jobs.c.version + 1,
            )
        )
        return self._job(connection, job_id)

    def touch(self, job_id: str, patience: float | None = None) -> None:
        """Count an access: a finished job's files live on from now. `patience` is as in `write`."""
        with write(self.engine, patience) as connection:
            connection.execute(
                sa.update(jobs).where(jobs.c.id == job_id).values(accessed=self.now())
            )

    # -- retention ----------------------------------------------------------------------------

    def remove(self, *finished: Job) -> list[Job]:
        """Delete records of finished jobs, but for those used since they were read; the deleted."""
        gone = []
        # Together: each transaction writes whole pages into the journal, which counts as used.
        with write(self.engine) as connection:
            for job in finished:
                unused = last_use() <= max(job.accessed or 0.0, job.finished or 0.0)
                done = connection.execute(
                    sa.delete(jobs).where(jobs.c.id == job.id, jobs.c.state.in_(FINISHED), unused)
                )
                if done.rowcount:
                    self.logbook.remove(connection, job.id)
                    gone.append(job)
        return gone
