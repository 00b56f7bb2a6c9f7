"""The log lines of jobs. They are written inside the fenced writes of the job table."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from gmapi.jobs.database import read
from gmapi.jobs.model import LogLine
from gmapi.jobs.schema import job_logs

READ_MAX = 500
_COLUMNS = (job_logs.c.id, job_logs.c.time, job_logs.c.line)


class Logbook:
    """Reads log lines, and keeps the latest `max_lines` of each job."""

    def __init__(self, engine: Engine, max_lines: int) -> None:
        self._engine = engine
        self._max_lines = max_lines

    def after(self, job_id: str, last: int = 0, limit: int = READ_MAX) -> list[LogLine]:
        """Lines with ids above `last`, oldest first."""
        query = (
            sa.select(*_COLUMNS)
            .where(job_logs.c.job_id == job_id, job_logs.c.id > last)
            .order_by(job_logs.c.id)
            .limit(limit)
        )
        with read(self._engine) as connection:
            return [LogLine(*row) for row in connection.execute(query)]

    def tail(self, job_id: str, count: int) -> list[LogLine]:
        """The latest `count` lines, oldest first."""
        query = (
            sa.select(*_COLUMNS)
            .where(job_logs.c.job_id == job_id)
            .order_by(job_logs.c.id.desc())
            .limit(count)
        )
        with read(self._engine) as connection:
            return [LogLine(*row) for row in connection.execute(query)][::-1]

    def add(self, connection: Connection, job_id: str, lines: Sequence[tuple[float, str]]) -> None:
        """Append lines, each with its time, and drop the oldest beyond the bound."""
        if not lines:
            return
        rows = [{"job_id": job_id, "time": at, "line": line} for at, line in lines]
        connection.execute(sa.insert(job_logs), rows)
        newest_to_drop = (
            sa.select(job_logs.c.id)
            .where(job_logs.c.job_id == job_id)
            .order_by(job_logs.c.id.desc())
            .limit(1)
            .offset(self._max_lines)
            .scalar_subquery()
        )
        connection.execute(
            sa.delete(job_logs).where(job_logs.c.job_id == job_id, job_logs.c.id <= newest_to_drop)
        )

    def remove(self, connection: Connection, job_id: str) -> None:
        """Drop all lines of a job."""
        connection.execute(sa.delete(job_logs).where(job_logs.c.job_id == job_id))
