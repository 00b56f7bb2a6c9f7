"""Callers that share a job: whoever sends the same request joins the job that does it already.

Each of them lists and may take back what it asked for; the job goes on while one is left. It counts
among the waiting and the running jobs of each client that shares it. What writes here runs within a
transaction that holds the write lock.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gmapi.errors import ForbiddenError, QueueFullError
from gmapi.jobs.model import Job, State
from gmapi.jobs.schema import job_clients, jobs

CALLERS_MAX = 64
"""Most callers of one client that share a job. One more gets the task all the same, and whoever
has its address may look at it; but it is not in that caller's list."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for a job: `name` may list it and take it back, `client` is what limits go by.

    `label` is what the caller calls it.
    """

    client: str
    name: str
    label: str | None = None


def is_active() -> sa.ColumnElement[bool]:
    """Of rows of job_clients: the caller has not taken its request back."""
    return job_clients.c.withdrawn.is_(None)


def is_labelled() -> sa.ColumnElement[bool]:
    """Of rows of job_clients: the caller goes on asking for the job and has a label for it."""
    return sa.and_(job_clients.c.label.is_not(None), is_active())


def check_room(connection: Connection, client: str, most: int) -> None:
    """Raise QueueFullError when a client has `most` jobs waiting: its own ones and joined ones."""
    waiting = connection.execute(
        sa.select(sa.func.count(sa.distinct(job_clients.c.job_id)))
        .select_from(jobs.join(job_clients, job_clients.c.job_id == jobs.c.id))
        .where(jobs.c.state == State.PENDING, job_clients.c.client == client, is_active())
    ).scalar_one()
    if waiting >= most:
        raise QueueFullError(
            f"You have {waiting} jobs waiting, which is the most one client may have. "
            "Try again when some are done.",
            waiting=waiting,
            retry_after=30,
        )


def add(connection: Connection, job_id: str, caller: Caller, now: float) -> None:
    """Note that a caller asks for a job which it does not share yet."""
    values = {"caller": caller.name, "client": caller.client, "label": caller.label}
    connection.execute(sa.insert(job_clients).values(job_id=job_id, created=now, **values))


def join(connection: Connection, job: Job, caller: Caller, now: float, most: int) -> str | None:
    """Let a caller share a job that exists; the label that the caller knows it by now.

    Raises QueueFullError where the client would have more than `most` waiting jobs by that. To ask
    again for what one shares already is never refused.
    """
    shares = connection.execute(
        sa.select(
            job_clients.c.caller, job_clients.c.client, job_clients.c.withdrawn, job_clients.c.label
        ).where(
            job_clients.c.job_id == job.id,
            sa.or_(job_clients.c.client == caller.client, job_clients.c.caller == caller.name),
        )
    ).all()
    own = next((share for share in shares if share.caller == caller.name), None)
    same = (job_clients.c.job_id == job.id, job_clients.c.caller == caller.name)
    if own is not None and own.withdrawn is None:
        label = own.label if caller.label is None else caller.label
        connection.execute(
            sa.update(job_clients).where(*same).values(client=caller.client, label=label)
        )
        return label
    active = [share for share in shares if share.withdrawn is None]
    if job.state is State.PENDING and all(share.client != caller.client for share in active):
        check_room(connection, caller.client, most)
    if own is not None:
        connection.execute(sa.delete(job_clients).where(*same))
    elif len(shares) >= CALLERS_MAX:
        return None
    add(connection, job.id, caller, now)
    return caller.label


def others(connection: Connection, job_id: str, name: str) -> int:
    """How many callers share a job beside this one.

    Raises ForbiddenError when this one has never asked for it.
    """
    callers = connection.execute(
        sa.select(job_clients.c.caller, job_clients.c.withdrawn).where(
            job_clients.c.job_id == job_id
        )
    ).all()
    if all(share.caller != name for share in callers):
        raise ForbiddenError("This task is another client's; only that one may cancel it.")
    return sum(share.withdrawn is None and share.caller != name for share in callers)


def withdraw(connection: Connection, job_id: str, name: str, now: float) -> None:
    """Note that a caller takes its request back, and others go on."""
    connection.execute(
        sa.update(job_clients)
        .where(job_clients.c.job_id == job_id, job_clients.c.caller == name, is_active())
        .values(withdrawn=now)
    )


def labels(connection: Connection, job_id: str) -> dict[str, str]:
    """The labels of those who share a job, by caller, in the order in which they asked."""
    rows = connection.execute(
        sa.select(job_clients.c.caller, job_clients.c.label)
        .where(job_clients.c.job_id == job_id, is_labelled())
        .order_by(job_clients.c.seq)
    )
    return {row.caller: row.label for row in rows}


def end(connection: Connection, ended: sa.ColumnElement[bool], now: float) -> None:
    """Note for all who share them that the jobs for which this holds have ended."""
    ids = sa.select(jobs.c.id).where(ended)
    connection.execute(
        sa.update(job_clients).where(job_clients.c.job_id.in_(ids), is_active()).values(ended=now)
    )
