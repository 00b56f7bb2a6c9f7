"""How many jobs there may be: that wait, and of what is live."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gmapi.errors import QueueFullError
from gmapi.jobs.model import ACTIVE, State
from gmapi.jobs.schema import jobs


def check_waiting(connection: Connection, most: int) -> None:
    """Raise QueueFullError when `most` jobs wait already."""
    waiting = _count(connection, jobs.c.state == State.PENDING)
    if waiting >= most:
        raise QueueFullError(
            f"The queue is full: {waiting} jobs are waiting. Try again in half a minute.",
            waiting=waiting,
            retry_after=30,
        )


def check_live(connection: Connection, tool: str, most: int) -> None:
    """Raise QueueFullError when `most` jobs of a tool for what is live wait or run already."""
    if not most:
        raise QueueFullError(
            "This server plays no stations; its operator can allow them (GMAPI_RADIO_MAX).",
            retry_after=3600,
        )
    if _count(connection, jobs.c.tool == tool, jobs.c.state.in_(ACTIVE)) >= most:
        raise QueueFullError(
            f"No more stations are played at once than {most}, and so many are on the air: join "
            "one of them, try again when one has ended, or ask the operator of this server to "
            "allow more (GMAPI_RADIO_MAX).",
            retry_after=60,
        )


def _count(connection: Connection, *conditions: sa.ColumnElement[bool]) -> int:
    query = sa.select(sa.func.count()).select_from(jobs).where(*conditions)
    return int(connection.execute(query).scalar_one())
