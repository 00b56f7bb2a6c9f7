"""Leaps of the wall clock: the times of jobs move with it, so that a leap deletes nothing.

The table `clocks` says by how much the wall clock was ahead of the steady clock, which no leap
moves, when the times in the job table were last made right. Whichever process notices a difference
first mends it, in one transaction; the others then find none.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from gmapi.jobs.database import read, write
from gmapi.jobs.schema import clocks, job_clients, jobs

LEAP_SECONDS = 2.0
"""A smaller difference is no leap: a clock is set right in small steps now and then."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

log = logging.getLogger(__name__)


class WallClock:
    """How the wall clock of this machine stands to the times in the job table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._boot = _boot()

    def mend(self) -> float:
        """Move the times of all jobs by as much as the clock has leapt; returns the seconds.

        After the start of a machine, or the first time, nothing has leapt: its steady clock began
        anew. What passed while it was off has really passed.
        """
        ahead = time.time() - time.monotonic()
        with read(self._engine) as connection:
            if abs(ahead - self._recorded(connection, ahead)) <= LEAP_SECONDS:
                return 0.0
        with write(self._engine) as connection:
            leap = ahead - self._recorded(connection, ahead)
            if abs(leap) <= LEAP_SECONDS:
                return 0.0
            connection.execute(sa.update(clocks).values(ahead=ahead))
            for table, moved in (
                (jobs, ("created", "started", "finished", "accessed")),
                (job_clients, ("created", "withdrawn", "ended")),
            ):
                connection.execute(
                    sa.update(table).values({name: table.c[name] + leap for name in moved})
                )
        log.warning("the clock leapt by %+.1f s; the times of all tasks were moved with it", leap)
        return leap

    def remember(self) -> None:
        """At a start: from here on leaps are noticed."""
        ahead = time.time() - time.monotonic()
        with write(self._engine) as connection:
            known = connection.execute(sa.select(1).where(clocks.c.boot == self._boot)).first()
            if known is None:
                connection.execute(sa.delete(clocks))
                connection.execute(sa.insert(clocks).values(boot=self._boot, ahead=ahead))

    def _recorded(self, connection: sa.Connection, ahead: float) -> float:
        query = sa.select(clocks.c.ahead).where(clocks.c.boot == self._boot)
        found = connection.execute(query).scalar()
        return ahead if found is None else float(found)


def _boot() -> str:
    """The same for all workers of a server, another one after the next start of the machine,
    where the steady clock begins anew."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return f"server {os.getppid()}"
