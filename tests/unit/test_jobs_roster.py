"""Who is alive, who leads, and what becomes of the jobs of the dead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gmapi.jobs import schema
from gmapi.jobs.database import connect
from gmapi.jobs.model import GIVEN_UP, MAX_ATTEMPTS, Fence, Job, State, WorkerRow
from gmapi.jobs.roster import Roster
from gmapi.jobs.store import JobStore

LEASE = 30.0


class Clock:
    """A clock tests set."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[JobStore]:
    engine = connect(tmp_path / "jobs.db")
    schema.upgrade(engine)
    made = JobStore(engine)
    made.now = clock  # type: ignore[method-assign]
    yield made
    engine.dispose()


@pytest.fixture
def roster(store: JobStore, clock: Clock) -> Roster:
    made = Roster(store.engine)
    made.now = clock  # type: ignore[method-assign]
    return made


def submit(store: JobStore, key: str | None = None, priority: int = 0) -> Job:
    return store.submit(
        tool="ffmpeg",
        request={},
        key=key,
        client="c",
        queue_max=99,
        queue_max_per_client=99,
        priority=priority,
    ).job


def claim(store: JobStore, job: Job) -> Fence:
    claimed = store.claim(job.id, "w", LEASE)
    assert claimed is not None
    return Fence(job.id, "w", claimed.attempt)


def present(store: JobStore, job: Job) -> Job:
    found = store.get(job.id)
    assert found is not None
    return found


def row(name: str, job_id: str | None = None) -> WorkerRow:
    return WorkerRow(name, 1, "host", 5.0, 0.0, job_id, {"ffmpeg": "9"})


def test_workers_come_report_and_go(roster: Roster, clock: Clock) -> None:
    roster.report(row("w1"))
    roster.report(row("w2"))
    clock.time += 10
    roster.report(row("w1", "j"))
    assert roster.alive(5) == [WorkerRow("w1", 1, "host", 5.0, clock.time, "j", {"ffmpeg": "9"})]
    assert len(roster.alive(60)) == 2
    roster.forget_silent(5)
    assert [worker.id for worker in roster.alive(60)] == ["w1"]
    roster.leave("w1")
    assert roster.alive(60) == []


def test_one_leads_until_it_resigns_or_falls_silent(roster: Roster, clock: Clock) -> None:
    assert roster.lead("reaper", "a", 3)
    assert not roster.lead("reaper", "b", 3)
    assert roster.lead("other", "b", 3)
    clock.time += 2
    assert roster.lead("reaper", "a", 3)
    clock.time += 2
    assert not roster.lead("reaper", "b", 3)
    clock.time += 2
    assert roster.lead("reaper", "b", 3)
    assert not roster.lead("reaper", "a", 3)
    roster.resign("reaper", "a")
    assert not roster.lead("reaper", "a", 3)
    roster.resign("reaper", "b")
    assert roster.lead("reaper", "a", 3)


def test_a_dead_leader_does_not_rule_on_after_the_clock_was_set_back(
    roster: Roster, clock: Clock
) -> None:
    assert roster.lead("reaper", "dead", 3)
    clock.time -= 3600
    assert roster.lead("reaper", "b", 3)
    assert not roster.lead("reaper", "c", 3)


def test_expired_leases_are_recovered_once(store: JobStore, roster: Roster, clock: Clock) -> None:
    silent, alive, waiting = submit(store, priority=4), submit(store), submit(store)
    stale, fence = claim(store, silent), claim(store, alive)
    store.report(stale, progress=30)
    assert roster.recover_expired() == []
    clock.time += LEASE - 1
    store.renew(fence, LEASE)
    clock.time += 2
    assert roster.recover_expired() == [(silent.id, 4)]
    assert roster.recover_expired() == []
    again = present(store, silent)
    assert (again.state, again.crashes, again.owner) == (State.PENDING, 1, None)
    assert again.progress == 30
    assert not store.is_ours(stale)
    assert store.is_ours(fence)
    assert present(store, waiting).state is State.PENDING


def test_a_deadly_job_is_given_up_and_frees_its_key(
    store: JobStore, roster: Roster, clock: Clock
) -> None:
    job = submit(store, "k")
    for _ in range(MAX_ATTEMPTS - 1):
        claim(store, job)
        clock.time += LEASE + 1
        assert roster.recover_expired() == [(job.id, 0)]
    claim(store, job)
    clock.time += LEASE + 1
    assert roster.recover_expired() == []
    ended = present(store, job)
    assert (ended.state, ended.error_code) == (State.ERROR, "worker_died")
    assert (ended.attempt, ended.crashes) == (MAX_ATTEMPTS, MAX_ATTEMPTS)
    assert ended.message == ended.error
    assert ended.finished == clock.time
    assert submit(store, "k").id != job.id


def test_a_crashed_attempt_leaves_nothing_behind(
    store: JobStore, roster: Roster, clock: Clock
) -> None:
    job = submit(store)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        fence = claim(store, job)
        running = present(store, job)
        assert running.file_id is not None
        values = {"download_url": f"/download/{running.file_id}/output.mp3"}
        store.report(fence, result=values, lines=[(clock.time, f"attempt {attempt}")])
        clock.time += LEASE + 1
        roster.recover_expired()
        left = present(store, job)
        assert (left.file_id, left.result) == (None, {})
        assert store.by_file(running.file_id) is None
        assert store.live_file_ids() == set()
    again = "Its worker stopped; waiting to be run again."
    assert [line.line for line in store.logbook.after(job.id)] == [
        "attempt 1", again, "attempt 2", again, "attempt 3", GIVEN_UP,
    ]  # fmt: skip


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_what_ends_without_success_leaves_nothing_behind(store: JobStore, end: str) -> None:
    job = submit(store)
    fence = claim(store, job)
    store.report(fence, result={"download_url": "/download/x/y"})
    if end == "fail":
        store.fail(fence, "No.", "media_failed")
    else:
        store.cancel(job.id)
    left = present(store, job)
    assert (left.file_id, left.result) == (None, {})


def test_the_last_attempt_at_a_deadly_job_waits(
    store: JobStore, roster: Roster, clock: Clock
) -> None:
    """Until workers that hang with it have been replaced: not all of them ever hang together."""
    job, pause = submit(store), 3 * LEASE
    claim(store, job)
    clock.time += LEASE + 1
    assert roster.recover_expired(pause=pause) == [(job.id, 0)]
    claim(store, job)  # at once: most workers that die are just gone
    clock.time += LEASE + 1
    assert roster.recover_expired(pause=pause) == [(job.id, 0)]
    assert present(store, job).run_after == clock.time + pause
    assert store.claim(job.id, "w", LEASE) is None
    clock.time += pause
    claim(store, job)


def test_orderly_hand_backs_are_no_crashes(store: JobStore, roster: Roster, clock: Clock) -> None:
    job = submit(store)
    for _ in range(2 * MAX_ATTEMPTS):
        assert store.requeue(claim(store, job), "The server is restarting.")
    claim(store, job)
    clock.time += LEASE + 1
    assert roster.recover_expired() == [(job.id, 0)]
    assert present(store, job).crashes == 1


def test_jobs_that_wait_in_vain_are_listed(store: JobStore, roster: Roster, clock: Clock) -> None:
    old, delayed, running = submit(store, priority=2), submit(store), submit(store)
    claim(store, running)
    store.requeue(claim(store, delayed), "Later.", delay=60)
    clock.time += 10
    submit(store)
    assert roster.waiting(older_than=5) == {old.id: 2}
    clock.time += 60
    assert set(roster.waiting(older_than=5)) >= {old.id, delayed.id}


def test_nobody_waits_for_a_time_before_the_clock_was_set_back(
    store: JobStore, roster: Roster, clock: Clock
) -> None:
    dead, alive, delayed = submit(store), submit(store), submit(store)
    claim(store, dead)
    fence = claim(store, alive)
    store.requeue(claim(store, delayed), "Later.", delay=15)
    roster.mend_times(lease=LEASE, longest_delay=15)
    assert present(store, delayed).run_after == clock.time + 15  # all as it should be
    clock.time -= 3600
    roster.mend_times(lease=LEASE, longest_delay=15)
    assert present(store, delayed).run_after == clock.time
    assert store.is_ours(fence)
    clock.time += LEASE - 1
    assert roster.recover_expired() == []
    store.renew(fence, LEASE)
    clock.time += 2
    assert roster.recover_expired() == [(dead.id, 0)]
    assert store.is_ours(fence)


def test_the_workers_of_one_host_are_forgotten(roster: Roster) -> None:
    for host in ("here", "there"):
        roster.report(WorkerRow(f"{host}:1", 1, host, 0.0, 0.0, None, {}))
    roster.forget_host("here")
    assert [worker.host for worker in roster.alive(60)] == ["there"]
