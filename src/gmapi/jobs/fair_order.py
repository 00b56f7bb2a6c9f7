"""Whose turn it is: the order in which waiting jobs start, fair between clients.

A job's rank is the number of its client's running jobs plus its place among the waiting ones of
that client, by priority and then by age; the lowest rank starts first, the older job of two. So a
client's tenth job waits behind another one's first, and whoever is alone has all the workers.
Nobody starves: once a client runs nothing, its next job has the lowest rank there is, and all
that come later are younger.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gmapi.jobs.model import State
from gmapi.jobs.schema import jobs


def ranked(*conditions: sa.ColumnElement[bool]) -> sa.Subquery:
    """The waiting jobs for which these hold: `id`, `seq`, `rank` and how many jobs of the same
    client are `running`."""
    busy = running_by_client()
    running = sa.func.coalesce(busy.c.running, 0)
    place = sa.func.row_number().over(
        partition_by=jobs.c.client, order_by=(jobs.c.priority.desc(), jobs.c.seq)
    )
    return (
        sa.select(
            jobs.c.id,
            jobs.c.seq,
            (running + place).label("rank"),
            running.label("running"),
        )
        .select_from(jobs.outerjoin(busy, busy.c.client == jobs.c.client))
        .where(jobs.c.state == State.PENDING, *conditions)
        .subquery()
    )


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
    waiting = ranked(jobs.c.run_after <= now)
    query = sa.select(waiting.c.id)
    if running_max:
        query = query.where(waiting.c.running < running_max)
    return query.order_by(waiting.c.rank, waiting.c.seq).limit(1).scalar_subquery()


def place_of(job_id: str) -> sa.Select[Any]:
    """How many waiting jobs start before this one, plus one; no row when it does not wait."""
    waiting = ranked()
    places = sa.select(
        waiting.c.id,
        sa.func.row_number().over(order_by=(waiting.c.rank, waiting.c.seq)).label("place"),
    ).subquery()
    return sa.select(places.c.place).where(places.c.id == job_id)
