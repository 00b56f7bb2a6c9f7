"""Whose turn it is, for any order of arrivals, starts and ends on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
    places = store.positions()
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


class Clients:
    """Clients that send jobs, and what must hold whenever one starts. Time counts events."""

    def __init__(self, store: JobStore, running_max: int) -> None:
        self.store, self.running_max = store, running_max
        self.time = 0
        store.now = lambda: float(self.time)  # type: ignore[method-assign]
        self.waiting: list[Job] = []
        self.running: list[Job] = []
        self.last_start: dict[str, int] = {}
        self.idle_since: dict[str, int] = {}
        """Since when a client has had jobs waiting and none running."""

    def _pass_time(self) -> None:
        self.time += 1

    def busy(self, client: str) -> int:
        return sum(job.client == client for job in self.running)

    def head(self, client: str) -> Job:
        """The job of a client that must start before its others."""
        return max((job for job in self.waiting if job.client == client),
                   key=lambda job: (job.priority, -self.waiting.index(job)))  # fmt: skip

    def arrive(self, client: str, priority: int) -> None:
        self._pass_time()
        self.waiting.append(submit(self.store, client, priority))
        if not self.busy(client):
            self.idle_since.setdefault(client, self.time)

    def start(self) -> bool:
        self._pass_time()
        places = self.store.positions()
        assert places.keys() == {each.id for each in self.waiting}
        job = start(self.store, self.running_max)
        most = self.running_max or len(self.running) + 1
        allowed = {each.client for each in self.waiting if self.busy(each.client) < most}
        if job is None:
            assert not allowed  # nobody waits while a worker is free
            return False
        client = job.client
        assert client in allowed
        assert job.id == self.head(client).id
        assert self.running_max or places[job.id] == 1
        # Nobody who has less running is passed over.
        assert self.busy(client) == min(self.busy(each) for each in allowed)
        # Nobody gets two turns while another one waits for a first.
        for other, since in self.idle_since.items():
            assert other == client or since > self.last_start.get(client, -1)
        self.idle_since.pop(client, None)
        self.last_start[client] = self.time
        self.waiting = [each for each in self.waiting if each.id != job.id]
        self.running.append(job)
        return True

    def end(self, number: int) -> None:
        self._pass_time()
        if not self.running:
            return
        job = self.running.pop(number % len(self.running))
        assert self.store.finish(Fence(job.id, "w", job.attempt), {}, "Done.")
        if not self.busy(job.client) and any(e.client == job.client for e in self.waiting):
            self.idle_since[job.client] = self.time


ARRIVAL = st.tuples(st.just("arrive"), st.sampled_from("aaabc"), st.sampled_from([0, 0, 0, 7]))
START = st.tuples(st.just("start"))
END = st.tuples(st.just("end"), st.integers(0, 3))


@given(
    st.lists(ARRIVAL | ARRIVAL | START | START | END, min_size=10, max_size=40),
    st.sampled_from([0, 0, 1, 2]),
    st.integers(1, 3),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_starts_are_fair_and_everybody_gets_a_turn(
    shared: JobStore, events: list[tuple[Any, ...]], running_max: int, workers: int
) -> None:
    with write(shared.engine) as connection:
        connection.execute(sa.delete(schema.jobs))
    clients = Clients(shared, running_max)
    for name, *values in events:
        if name == "arrive":
            clients.arrive(*values)
        elif name == "end":
            clients.end(*values)
        elif len(clients.running) < workers:
            clients.start()
    while clients.waiting:
        if len(clients.running) == workers or not clients.start():
            clients.end(0)
    assert shared.counts()[State.PENDING] == 0


def test_with_one_worker_clients_take_turns(store: JobStore) -> None:
    for client in "aaaabbc":
        submit(store, client)
    assert drain(store) == list("abcabaa")


def test_an_endless_stream_of_newcomers_starves_nobody(store: JobStore) -> None:
    for _ in range(3):
        submit(store, "a")
    order = []
    for number in range(12):
        submit(store, f"newcomer {number}")
        submit(store, f"newcomer {number}")
        job = start(store)
        assert job is not None
        store.finish(Fence(job.id, "w", job.attempt), {}, "Done.")
        order.append(job.client)
    # Each of them gets its second turn behind the first ones of those who came before.
    assert [place for place, client in enumerate(order) if client == "a"] == [0, 2, 6]
