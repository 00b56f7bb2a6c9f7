"""Token buckets: what they let through in any order of calls, and by several processes at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmapi.access import Rate
from gmapi.errors import QueueFullError, RateLimitedError
from gmapi.jobs import schema
from gmapi.jobs.database import connect, write
from gmapi.jobs.rates import refilled, seconds_until_one, take
from gmapi.jobs.roster import Roster
from gmapi.jobs.schema import rate_buckets
from gmapi.jobs.store import JobStore

RATES = st.builds(Rate, st.sampled_from([1, 2, 5, 100]), st.sampled_from([1.0, 60.0, 3600.0]))
HASTE = 1e-5


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    """One database for all examples, emptied by each."""
    engine = connect(tmp_path_factory.mktemp("rates") / "jobs.db")
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@given(RATES, st.floats(0, 100), st.floats(0, 1e5), st.floats(0, 1e5))
def test_a_bucket_fills_evenly_and_never_beyond_its_size(
    rate: Rate, level: float, first: float, second: float
) -> None:
    level = min(level, rate.count)
    once = refilled(rate, level, first + second)
    twice = refilled(rate, refilled(rate, level, first), second)
    assert once == pytest.approx(twice, abs=1e-6)
    assert level <= once <= rate.count
    assert refilled(rate, level, rate.seconds + 1e-6) == pytest.approx(rate.count)


@given(RATES, st.floats(0, 0.999))
def test_who_waits_as_long_as_told_is_let_in(rate: Rate, level: float) -> None:
    seconds = seconds_until_one(rate, level)
    assert seconds >= 1
    assert refilled(rate, level, seconds) >= 1 - HASTE
    if seconds > 1:
        assert refilled(rate, level, seconds - 1.001) < 1


@given(
    RATES,
    st.lists(st.tuples(st.sampled_from("aab"), st.floats(0, 1.2)), max_size=60),
)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_never_more_than_the_rate_and_never_less(
    shared: sa.Engine, rate: Rate, calls: list[tuple[str, float]]
) -> None:
    """In any stretch of time a client gets its burst and what flows in, and no refusal is in
    vain: the bucket of the sums has room for one exactly then."""
    now, let_in = 1_000_000.0, {"a": list[float](), "b": list[float]()}
    with write(shared) as connection:
        connection.execute(sa.delete(rate_buckets))
        for client, share in calls:
            now += share * rate.seconds / rate.count  # as much flows into the bucket
            times = let_in[client]
            levels = [rate.count - len(times[at:]) + (now - times[at]) * rate.count / rate.seconds
                      for at in range(len(times))]  # fmt: skip
            room = min([float(rate.count), *levels])
            try:
                take(connection, client, rate, now)
            except RateLimitedError as refusal:
                assert room < 1 + HASTE
                assert refusal.retry_after is not None
                assert 1 <= refusal.retry_after <= max(1, rate.seconds)
            else:
                assert room >= 1 - HASTE
                times.append(now)


def test_a_burst_then_a_refusal_that_says_when(store: JobStore) -> None:
    rate, now = Rate(3, 60.0), 1000.0
    with write(store.engine) as connection:
        for _ in range(3):
            take(connection, "a", rate, now)
        with pytest.raises(
            RateLimitedError, match=r"3 per minute are allowed.*again in 20 s"
        ) as late:
            take(connection, "a", rate, now)
        assert late.value.retry_after == 20
        take(connection, "b", rate, now)  # another client has a bucket of its own
        with pytest.raises(RateLimitedError):
            take(connection, "a", rate, now + 19)
        take(connection, "a", rate, now + 20)


def test_a_clock_that_was_set_back_locks_nobody_out(store: JobStore) -> None:
    rate = Rate(1, 3600.0)
    with write(store.engine) as connection:
        take(connection, "a", rate, 1_000_000.0)
        with pytest.raises(RateLimitedError):
            take(connection, "a", rate, 999_999.5)
        take(connection, "a", rate, 500_000.0)
        with pytest.raises(RateLimitedError):
            take(connection, "a", rate, 500_001.0)


def submit(store: JobStore, **options: object) -> None:
    values: dict[str, object] = {"tool": "t", "request": {}, "key": None, "client": "a"}
    limits = {"queue_max": 1000, "queue_max_per_client": 1000}
    store.submit(**{**values, **limits, **options})  # type: ignore[arg-type]


def test_what_is_refused_for_a_full_queue_counts_as_nothing(store: JobStore) -> None:
    rate = Rate(2, 3600.0)
    submit(store, rate=rate, key="k")
    for _ in range(3):
        with pytest.raises(QueueFullError):
            submit(store, rate=rate, queue_max=1)
    submit(store, rate=rate, key="k")  # who joins counts
    with pytest.raises(RateLimitedError):
        submit(store, rate=rate, key="k")
    assert sum(store.counts().values()) == 1


def test_many_at_once_get_no_more_than_one_after_the_other(tmp_path: Path) -> None:
    """Each thread has connections of its own to the file, as web processes have."""
    rate, count = Rate(5, 3600.0), 6
    let_in, barrier = list[int](), threading.Barrier(count)
    schema.upgrade(engine := connect(tmp_path / "jobs.db"))
    engine.dispose()

    def work() -> None:
        own = connect(tmp_path / "jobs.db")
        store = JobStore(own)
        barrier.wait()
        for _ in range(4):
            try:
                submit(store, rate=rate)
            except RateLimitedError:
                continue
            let_in.append(1)
        own.dispose()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(let_in) == 5


def test_full_buckets_are_swept(store: JobStore) -> None:
    roster = Roster(store.engine)
    now = roster.now()
    with write(store.engine) as connection:
        for client, age in (("old", 4000.0), ("new", 10.0), ("ahead", -4000.0)):
            take(connection, client, Rate(1, 3600.0), now - age)
    roster.forget_rates()
    with store.engine.connect() as connection:
        assert connection.execute(sa.select(rate_buckets.c.client)).scalars().all() == ["new"]
