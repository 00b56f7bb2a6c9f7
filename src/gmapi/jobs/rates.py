"""How often each client may submit: token buckets in the database, one row a client.

A bucket holds up to `count` submissions and fills up again within the rate's seconds. Being rows of
the one database they hold for all web processes together, and across restarts.
"""

from __future__ import annotations

import math

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gmapi.access import Rate
from gmapi.errors import RateLimitedError
from gmapi.jobs.schema import rate_buckets

CLOCK_SLACK_SECONDS = 1.0
"""A bucket written further ahead than this shows that the clock was set back."""

FULL_AFTER_SECONDS = 3600.0
"""The longest that any bucket takes to fill up: a row that old says nothing any more."""


def refilled(rate: Rate, level: float, elapsed: float) -> float:
    """What a bucket holds `elapsed` seconds after it held `level`."""
    if elapsed < -CLOCK_SLACK_SECONDS:
        return float(rate.count)
    return min(float(rate.count), level + max(0.0, elapsed) * rate.count / rate.seconds)


def seconds_until_one(rate: Rate, level: float) -> int:
    """Whole seconds after which a bucket that holds `level` has room for a submission."""
    return max(1, math.ceil((1.0 - level) * rate.seconds / rate.count))


def take(connection: Connection, client: str, rate: Rate, now: float) -> None:
    """Count one submission of a client, within a transaction that holds the write lock.

    Raises RateLimitedError when it comes too early, and changes nothing then.
    """
    bucket = connection.execute(
        sa.select(rate_buckets.c.level, rate_buckets.c.updated)
        .where(rate_buckets.c.client == client)
        .with_for_update()
    ).first()
    if bucket is None:
        level = float(rate.count)
    else:
        level = refilled(rate, bucket.level, now - bucket.updated)
    if level < 1.0:
        seconds = seconds_until_one(rate, level)
        raise RateLimitedError(
            f"Too many requests: {rate.count} per {_unit(rate)} are allowed. "
            f"Try again in {seconds} s.",
            retry_after=seconds,
        )
    values = {"level": level - 1.0, "updated": now}
    if bucket is None:
        connection.execute(sa.insert(rate_buckets).values(client=client, **values))
    else:
        connection.execute(
            sa.update(rate_buckets).where(rate_buckets.c.client == client).values(**values)
        )


def forget_full(connection: Connection, now: float) -> None:
    """Delete the buckets that have filled up since their last use."""
    updated = rate_buckets.c.updated
    connection.execute(
        sa.delete(rate_buckets).where(
            sa.or_(
                updated < now - FULL_AFTER_SECONDS,
                updated > now + CLOCK_SLACK_SECONDS,
            )
        )
    )


def _unit(rate: Rate) -> str:
    return {1.0: "second", 60.0: "minute", 3600.0: "hour"}.get(rate.seconds, f"{rate.seconds:g} s")
