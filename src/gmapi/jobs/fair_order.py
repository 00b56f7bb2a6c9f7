"""Whose turn it is: the order in which waiting jobs start, fair between clients.

A job's rank is the number of its client's running jobs plus its place among the waiting ones of
that client, by priority and then by age. The lowest rank starts first; of equal ranks that of the
client which has been waiting for longest: since its last job ended, or since it came. So clients
take turns, a client's tenth job waits behind another one's first, and whoever is alone has all the
workers.

Nobody starves: who runs nothing has the lowest rank there is, all that come later have been
waiting for less, and each of those before it gets one turn at most.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gmapi.jobs.model import State
from gmapi.jobs.schema import jobs


def running_by_client() -> sa.Subquery:
    """How many jobs each `client` has `running`; clients without any are left out."""
    return (
        sa.select(jobs.c.client, sa.func.count().label("running"))
        .where(jobs.c.state == State.RUNNING)
        .group_by(jobs.c.client)
        .subquery()
    )


def next_id(now: float, running_max: int) -> sa.ScalarSelect[Any]:
    """The id of the job whose turn it is, of those that may run now and whose client runs less
    than `running_max` jobs (0: any number)."""
    waiting = _ranked(jobs.c.run_after <= now)
    query = sa.select(waiting.c.id).order_by(*_turn(waiting)).limit(1)
    if running_max:
        query = query.where(waiting.c.running < running_max)
    return query.scalar_subquery()


def in_order() -> sa.Select[Any]:
    """The ids of all waiting jobs in the order in which they would start if all started now."""
    waiting = _ranked()
    return sa.select(waiting.c.id).order_by(*_turn(waiting))


def _turn(waiting: sa.Subquery) -> tuple[sa.ColumnElement[Any], ...]:
    return waiting.c.rank, waiting.c.since, waiting.c.seq


def _ranked(*conditions: sa.ColumnElement[bool]) -> sa.Subquery:
    """The waiting jobs for which these hold: `id`, `seq`, `rank`, `since` when their client has
    been waiting, and how many jobs it has `running`."""
    busy = running_by_client()
    others = jobs.alias()
    # An index holds the answer, so it may be looked up anew for each job.
    ended = (
        sa.select(sa.func.max(others.c.finished))
        .where(others.c.client == jobs.c.client)
        .scalar_subquery()
    )
    own: Any = {
        "partition_by": jobs.c.client,
        "order_by": (jobs.c.priority.desc(), jobs.c.seq),
        "rows": (None, None),
    }
    waiting = (
        sa.select(
            jobs.c.id,
            jobs.c.seq,
            sa.func.row_number().over(**own).label("place"),
            sa.func.min(jobs.c.created).over(**own).label("came"),
            ended.label("ended"),
            sa.func.coalesce(busy.c.running, 0).label("running"),
        )
        .select_from(jobs.outerjoin(busy, busy.c.client == jobs.c.client))
        .where(jobs.c.state == State.PENDING, *conditions)
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
