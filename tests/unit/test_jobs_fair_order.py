"""Whose turn it is, for any order of arrivals, starts and ends on a real database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmapi.jobs import schema
from gmapi.jobs.database import connect, write
from gmapi.jobs.model import Fence, Job, State
from gmapi.jobs.roster import Roster
from gmapi.jobs.store import JobStore

LEASE = 1e9


def submit(store: JobStore, client: str, priority: int = 0) -> Job:
    return store.submit(
        tool="t", request={}, key=None, client=client, priority=priority, queue_max=10_000,
        queue_max_per_client=10_000,
    ).job  # fmt: skip


def start(store: JobStore, running_max: int = 0) -> Job | None:
    return store.claim(None, "w", LEASE, running_max=running_max)


def drain(store: JobStore) -> list[str]:
    """Clients in the order of starts, when jobs end at once."""
    order = []
    while (job := start(store)) is not None:
        order.append(job.client)
        store.finish(Fence(job.id, "w", job.attempt), {}, "Done.")
    return order


def test_the_tenth_job_of_one_waits_behind_the_first_of_another(store: JobStore) -> None:
    jobs = [submit(store, "a") for _ in range(10)] + [submit(store, "b"), submit(store, "c")]
    places = {job.id: store.position(job) for job in jobs}
    assert [places[job.id] for job in jobs] == [1, *range(4, 13), 2, 3]
    first = [start(store) for _ in range(4)]
    assert [job.client for job in first if job] == ["a", "b", "c", "a"]


def test_who_is_alone_has_all_the_workers(store: JobStore) -> None:
    expected = [submit(store, "a").id for _ in range(4)]
    assert [job.id for _ in range(4) if (job := start(store))] == expected
    assert start(store) is None


def test_who_runs_much_lets_others_go_first(store: JobStore) -> None:
    for _ in range(2):
        submit(store, "a")
        start(store)
    for client in ("a", "b", "b", "c"):
        submit(store, client)
    # a runs two: its third is of rank 3, as b's second would be after its first has started.
    assert [job.client for _ in range(4) if (job := start(store))] == ["b", "c", "b", "a"]


def test_urgent_jobs_go_first_among_those_of_their_client(store: JobStore) -> None:
    slow, urgent = submit(store, "a"), submit(store, "a", priority=5)
    other = submit(store, "b")
    order = [job.id for _ in range(3) if (job := start(store))]
    assert order == [urgent.id, other.id, slow.id]


def test_a_delayed_job_holds_up_nobody(store: JobStore) -> None:
    delayed = submit(store, "a")
    claimed = start(store)
    assert claimed is not None
    store.requeue(Fence(delayed.id, "w", 1), "Later.", delay=600)
    ready = submit(store, "a")
    assert (job := start(store)) is not None
    assert job.id == ready.id
    assert start(store) is None


def test_running_jobs_of_a_client_are_limited(store: JobStore) -> None:
    roster = Roster(store.engine)
    for client in ("a", "a", "a", "b"):
        submit(store, client)
    for _ in range(2):
        assert start(store, running_max=1) is not None
    assert start(store, running_max=1) is None
    # The reaper does not take them for lost.
    assert roster.waiting(older_than=-1, running_max=1) == {}
    assert len(roster.waiting(older_than=-1)) == 2
    held = store.next_of("a")
    assert held is not None
    assert store.next_of("b") is None
    assert start(store) is not None  # another limit, another answer


# -- any order of events ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobStore]:
    """One database for all examples, emptied by each."""
    engine = connect(tmp_path_factory.mktemp("fair") / "jobs.db")
    schema.upgrade(engine)
    yield JobStore(engine)
    engine.dispose()


@dataclass
class Watched:
    """What the test knows: jobs in order of arrival, and how many run of each client."""

    waiting: list[Job] = field(default_factory=list)
    running: list[Job] = field(default_factory=list)

    def busy(self) -> dict[str, int]:
        found: dict[str, int] = defaultdict(int)
        for job in self.running:
            found[job.client] += 1
        return found

    def heads(self) -> dict[str, Job]:
        """The job of each client that must start before its others."""
        found: dict[str, Job] = {}
        for job in self.waiting:
            if job.client not in found or job.priority > found[job.client].priority:
                found[job.client] = job
        return found

    def check_start(self, job: Job | None, running_max: int) -> None:
        busy, heads = self.busy(), self.heads()
        allowed = {c: head for c, head in heads.items() if not running_max or busy[c] < running_max}
        if job is None:
            assert not allowed  # nobody waits while a worker is free
            return
        assert job.id == heads[job.client].id
        assert job.client in allowed
        # Nobody who has less running is passed over, ...
        assert busy[job.client] == min(busy[client] for client in allowed)
        # ... nor is an older job of one who has as much: so nobody starves, since what is passed
        # over grows older than all that come.
        age = {each.id: number for number, each in enumerate(self.waiting)}
        rivals = [head for c, head in allowed.items() if busy[c] == busy[job.client]]
        assert age[job.id] == min(age[head.id] for head in rivals)


EVENTS = st.one_of(
    st.tuples(st.just("arrive"), st.sampled_from("aaabcd"), st.sampled_from([0, 0, 0, 7])),
    st.tuples(st.just("start")),
    st.tuples(st.just("end"), st.integers(0, 100)),
)


@given(st.lists(EVENTS, max_size=60), st.sampled_from([0, 0, 1, 2]))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_starts_are_fair_and_everybody_gets_a_turn(
    shared: JobStore, events: list[tuple[object, ...]], running_max: int
) -> None:
    store, watched = shared, Watched()
    with write(store.engine) as connection:
        connection.execute(sa.delete(schema.jobs))

    def start_one() -> Job | None:
        first = {store.position(job): job.id for job in watched.waiting}
        assert sorted(first) == list(range(1, len(watched.waiting) + 1))
        job = start(store, running_max)
        watched.check_start(job, running_max)
        if job is not None:
            assert running_max or first[1] == job.id
            watched.waiting = [each for each in watched.waiting if each.id != job.id]
            watched.running.append(job)
        return job

    def end_one(number: int) -> None:
        if watched.running:
            job = watched.running.pop(number % len(watched.running))
            assert store.finish(Fence(job.id, "w", job.attempt), {}, "Done.")

    for name, *values in events:
        if name == "arrive":
            watched.waiting.append(submit(store, str(values[0]), int(str(values[1]))))
        elif name == "start":
            start_one()
        else:
            end_one(int(str(values[0])))
    while watched.waiting:
        if start_one() is None:
            end_one(0)
    assert store.counts()[State.PENDING] == 0
