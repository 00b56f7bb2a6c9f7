"""Who is alive: worker rows, the elected leader, and the jobs dead workers left behind."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from gmapi.jobs import fair_order, rates, sharing
from gmapi.jobs.database import read, write
from gmapi.jobs.logbook import Logbook
from gmapi.jobs.model import GIVEN_UP, MAX_ATTEMPTS, NOTHING_PUBLISHED, State, WorkerRow
from gmapi.jobs.schema import job_clients, jobs, leaders, workers

CLOCK_SLACK_SECONDS = 1.0
"""A time further ahead than any that is ever written shows that the clock was set back."""


class Roster:
    """The part of the database that tells live workers from dead ones."""

    def __init__(self, engine: Engine, *, log_max_lines: int = 2000) -> None:
        self.engine = engine
        self._logbook = Logbook(engine, log_max_lines)

    def now(self) -> float:
        """The database's clock; SQLite's is the machine's own."""
        return time.time()

    def report(self, row: WorkerRow) -> None:
        """Write that this worker is alive now."""
        values: dict[str, Any] = {"seen": self.now(), "job_id": row.job_id, "info": row.info}
        with write(self.engine) as connection:
            touched = connection.execute(
                sa.update(workers).where(workers.c.id == row.id).values(**values)
            ).rowcount
            if not touched:
                connection.execute(
                    sa.insert(workers).values(
                        id=row.id, pid=row.pid, host=row.host, started=row.started, **values
                    )
                )

    def leave(self, worker_id: str) -> None:
        """Take a worker that stops in good order off the list."""
        with write(self.engine) as connection:
            connection.execute(sa.delete(workers).where(workers.c.id == worker_id))

    def forget_host(self, host: str) -> None:
        """At the start of a server: whoever worked here before is gone, or reports again soon."""
        with write(self.engine) as connection:
            connection.execute(sa.delete(workers).where(workers.c.host == host))

    def alive(self, within: float) -> list[WorkerRow]:
        """Workers that reported themselves in the last `within` seconds."""
        query = sa.select(
            workers.c.id,
            workers.c.pid,
            workers.c.host,
            workers.c.started,
            workers.c.seen,
            workers.c.job_id,
            workers.c.info,
        ).where(workers.c.seen > self.now() - within)
        with read(self.engine) as connection:
            return [WorkerRow(*row) for row in connection.execute(query)]

    def forget_silent(self, after: float) -> None:
        """Drop the rows of workers that have been silent for `after` seconds."""
        with write(self.engine) as connection:
            connection.execute(sa.delete(workers).where(workers.c.seen < self.now() - after))

    def forget_rates(self) -> None:
        """Drop what says no more about how often clients submit."""
        with write(self.engine) as connection:
            rates.forget_full(connection, self.now())

    def lead(self, name: str, owner: str, lease: float) -> bool:
        """Become or stay the one that does `name`; False when another one leads."""
        now = self.now()
        with write(self.engine) as connection:
            touched = connection.execute(
                sa.update(leaders)
                .where(
                    leaders.c.name == name,
                    sa.or_(
                        leaders.c.owner == owner,
                        leaders.c.until < now,
                        leaders.c.until > now + lease + CLOCK_SLACK_SECONDS,
                    ),
                )
                .values(owner=owner, until=now + lease)
            ).rowcount
            if touched:
                return True
            taken = connection.execute(sa.select(1).where(leaders.c.name == name)).first()
            if taken is not None:
                return False
            connection.execute(sa.insert(leaders).values(name=name, owner=owner, until=now + lease))
        return True

    def resign(self, name: str, owner: str) -> None:
        """Stop leading, so that another one can at once."""
        with write(self.engine) as connection:
            connection.execute(
                sa.delete(leaders).where(leaders.c.name == name, leaders.c.owner == owner)
            )

    def mend_times(self, *, lease: float, longest_delay: float) -> None:
        """After the clock was set back: nobody waits for a time that was written before.

        Live workers renew their leases anyway; leases of dead ones end in `lease` seconds, and
        jobs put back for at most `longest_delay` seconds are ready now.
        """
        now = self.now()
        held = sa.and_(
            jobs.c.state == State.RUNNING, jobs.c.lease_until > now + lease + CLOCK_SLACK_SECONDS
        )
        put_back = sa.and_(
            jobs.c.state == State.PENDING,
            jobs.c.run_after > now + longest_delay + CLOCK_SLACK_SECONDS,
        )
        with read(self.engine) as connection:
            query = sa.select(1).where(sa.or_(held, put_back)).limit(1)
            if connection.execute(query).first() is None:
                return
        with write(self.engine) as connection:
            connection.execute(sa.update(jobs).where(held).values(lease_until=now + lease))
            connection.execute(sa.update(jobs).where(put_back).values(run_after=now))

    def recover_expired(self, *, pause: float = 0.0) -> list[tuple[str, int]]:
        """Put jobs whose lease has run out back in the queue; returns their ids and priorities.

        A job whose workers died `MAX_ATTEMPTS` times ends with an error instead. Its last attempt
        waits for `pause` seconds: workers that hang with it have been replaced by then, so that it
        never has more than two of them. Nothing that the dead attempt has published is known any
        more, and the job's log says what happened.
        """
        now = self.now()
        expired = sa.and_(jobs.c.state == State.RUNNING, jobs.c.lease_until < now)
        worn = jobs.c.crashes + 1 >= MAX_ATTEMPTS
        last = jobs.c.crashes + 2 >= MAX_ATTEMPTS
        with read(self.engine) as connection:
            if connection.execute(sa.select(1).where(expired).limit(1)).first() is None:
                return []
        common = {
            "owner": None,
            "lease_until": None,
            "eta": None,
            "crashes": jobs.c.crashes + 1,
            "version": jobs.c.version + 1,
            **NOTHING_PUBLISHED,
        }
        again = "Its worker stopped; waiting to be run again."
        with write(self.engine) as connection:
            sharing.end(connection, sa.and_(expired, worn), now)
            given_up = connection.execute(
                sa.update(jobs)
                .where(expired, worn)
                .values(
                    state=State.ERROR,
                    key=None,
                    finished=now,
                    error=GIVEN_UP,
                    error_code="worker_died",
                    message=GIVEN_UP,
                    **common,
                )
                .returning(jobs.c.id)
            ).all()
            rows = connection.execute(
                sa.update(jobs)
                .where(expired)
                .values(
                    state=State.PENDING,
                    run_after=sa.case((last, now + pause), else_=now),
                    message=again,
                    **common,
                )
                .returning(jobs.c.id, jobs.c.priority)
            ).all()
            for row in given_up:
                self._logbook.add(connection, row.id, [(now, GIVEN_UP)])
            for row in rows:
                self._logbook.add(connection, row.id, [(now, again)])
        return [(row.id, row.priority) for row in rows]

    def waiting(self, *, older_than: float, running_max: int = 0) -> dict[str, int]:
        """Id and priority of jobs that have been ready to run for `older_than` seconds, without
        those all of whose clients run `running_max` already (0: there is no such limit)."""
        query = sa.select(jobs.c.id, jobs.c.priority).where(
            jobs.c.state == State.PENDING, jobs.c.run_after < self.now() - older_than
        )
        if running_max:
            busy = fair_order.running_by_client()
            full = sa.select(busy.c.client).where(busy.c.running >= running_max)
            free = sa.select(job_clients.c.job_id).where(
                job_clients.c.withdrawn.is_(None), job_clients.c.client.not_in(full)
            )
            query = query.where(jobs.c.id.in_(free))
        with read(self.engine) as connection:
            return {row[0]: row[1] for row in connection.execute(query.order_by(jobs.c.seq))}
