"""Whose turn it is: the order in which waiting jobs start, fair between clients.

A job's rank is the number of its client's running jobs plus its place among the waiting ones of
that client, by priority and then by when it asked for them. The lowest rank starts first; of equal
ranks that of the client which has been waiting for longest: since its last job ended, or since it
came. So clients take turns, a client's tenth job waits behind another one's first, and whoever is
alone has all the workers.

A job that several clients share is among the jobs of each of them, and comes when the first of
them has its turn.

Nobody starves: who runs nothing has the lowest rank there is, all that come later have been
waiting for less, and each of those before it gets one turn at most.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gmapi.jobs.model import State
from gmapi.jobs.schema import job_clients, jobs


def running_by_client() -> sa.Subquery:
    """How many jobs each `client` has `running`; clients without any are left out."""
    return (
        sa.select(
            job_clients.c.client,
            sa.func.count(sa.distinct(job_clients.c.job_id)).label("running"),
        )
        .select_from(jobs.join(job_clients, job_clients.c.job_id == jobs.c.id))
        .where(jobs.c.state == State.RUNNING, job_clients.c.withdrawn.is_(None))
        .group_by(job_clients.c.client)
        .subquery()
    )


def next_id(now: float, running_max: int) -> sa.ScalarSelect[Any]:
    """The id of the job whose turn it is, of those that may run now and of whose clients one runs
    less than `running_max` jobs (0: any number)."""
    turns = _turns(jobs.c.run_after <= now)
    query = sa.select(turns.c.id).order_by(*_order(turns)).limit(1)
    if running_max:
        query = query.where(turns.c.running < running_max)
    return query.scalar_subquery()


def in_order() -> sa.Select[Any]:
    """The ids of all waiting jobs in the order in which they would start if all started now."""
    turns = _turns()
    best = sa.select(
        *turns.c,
        sa.func.row_number().over(partition_by=turns.c.id, order_by=_order(turns)).label("number"),
    ).subquery()
    return sa.select(best.c.id).where(best.c.number == 1).order_by(*_order(best))


def _order(turns: sa.Subquery) -> tuple[sa.ColumnElement[Any], ...]:
    return turns.c.rank, turns.c.since, turns.c.seq


def _turns(*conditions: sa.ColumnElement[bool]) -> sa.Subquery:
    """A row for each waiting job for which these hold, and each client that shares it: `id`, `seq`,
    `rank`, `since` when the client has been waiting, and how many jobs it has `running`."""
    busy = running_by_client()
    asked = (
        sa.select(
            jobs.c.id,
            jobs.c.seq,
            jobs.c.priority,
            job_clients.c.client,
            sa.func.min(job_clients.c.seq).label("turn"),
            sa.func.min(job_clients.c.created).label("asked"),
        )
        .select_from(jobs.join(job_clients, job_clients.c.job_id == jobs.c.id))
        .where(jobs.c.state == State.PENDING, job_clients.c.withdrawn.is_(None), *conditions)
        .group_by(jobs.c.id, jobs.c.seq, jobs.c.priority, job_clients.c.client)
        .subquery()
    )
    others = job_clients.alias()
    # An index holds the answer, so it may be looked up anew for each row.
    ended = (
        sa.select(sa.func.max(others.c.ended))
        .where(others.c.client == asked.c.client)
        .scalar_subquery()
    )
    own: Any = {
        "partition_by": asked.c.client,
        "order_by": (asked.c.priority.desc(), asked.c.turn),
        "rows": (None, None),
    }
    waiting = (
        sa.select(
            asked.c.id,
            asked.c.seq,
            sa.func.row_number().over(**own).label("place"),
            sa.func.min(asked.c.asked).over(**own).label("came"),
            ended.label("ended"),
            sa.func.coalesce(busy.c.running, 0).label("running"),
        )
        .select_from(asked.outerjoin(busy, busy.c.client == asked.c.client))
        .subquery()
    )
    w = waiting.c
    return sa.select(
        w.id,
        w.seq,
        w.running,
        (w.running + w.place).label("rank"),
        sa.case((w.ended > w.came, w.ended), else_=w.came).label("since"),
    ).subquery()
