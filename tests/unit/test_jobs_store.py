"""The job table: submit, claim, fence and end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import QueueFullError
from gmapi.jobs import schema
from gmapi.jobs.database import connect
from gmapi.jobs.model import Fence, Job, State
from gmapi.jobs.store import JobStore

LEASE = 30.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    engine = connect(tmp_path / "jobs.db")
    schema.upgrade(engine)
    yield JobStore(engine, log_max_lines=10)
    engine.dispose()


def submit(store: JobStore, key: str | None = None, **options: Any) -> Job:
    values = {"tool": "ffmpeg", "request": {"a": 1}, "client": "c", **options}
    values = {"queue_max": 1000, "queue_max_per_client": 1000, **values}
    return store.submit(key=key, **values).job


def claim(store: JobStore, job: Job, owner: str = "w1") -> tuple[Job, Fence]:
    claimed = store.claim(job.id, owner, LEASE)
    assert claimed is not None
    return claimed, Fence(job.id, owner, claimed.attempt)


def present(store: JobStore, job: Job) -> Job:
    found = store.get(job.id)
    assert found is not None
    return found


def test_a_job_from_submit_to_finish(store: JobStore) -> None:
    job = submit(store)
    assert (job.state, job.attempt, job.file_id, job.result) == (State.PENDING, 0, None, {})
    claimed, fence = claim(store, job)
    assert (claimed.state, claimed.attempt, claimed.owner) == (State.RUNNING, 1, "w1")
    assert claimed.file_id is not None
    assert claimed.started is not None
    assert store.report(fence, progress=40, message="Half.", eta=3.0, result={"n": 1})
    assert store.finish(fence, {"n": 2}, "Done.")
    ended = present(store, job)
    assert (ended.state, ended.progress, ended.result) == (State.COMPLETED, 100.0, {"n": 2})
    assert (ended.message, ended.owner, ended.lease_until, ended.eta) == ("Done.", None, None, None)
    assert ended.finished is not None
    assert ended.version == 4


def test_only_one_of_many_claims_succeeds(store: JobStore) -> None:
    job = submit(store)
    barrier = threading.Barrier(8)
    won: list[str] = []

    def work(name: str) -> None:
        barrier.wait()
        if store.claim(job.id, name, LEASE) is not None:
            won.append(name)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert present(store, job).owner == won[0]
    assert present(store, job).attempt == 1


def test_same_keys_join_also_when_they_come_at_once(store: JobStore) -> None:
    barrier = threading.Barrier(8)
    found: list[str] = []

    def work() -> None:
        barrier.wait()
        found.append(submit(store, "k").id)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert store.counts()[State.PENDING] == 1


def test_a_key_is_joined_until_the_job_fails(store: JobStore) -> None:
    first = submit(store, "k")
    _, fence = claim(store, first)
    assert submit(store, "k").id == first.id
    store.finish(fence, {}, "Done.")
    again = store.submit(
        tool="ffmpeg", request={}, key="k", client="d", queue_max=1, queue_max_per_client=1
    )
    assert (again.job.id, again.joined) == (first.id, True)
    assert present(store, first).accessed is not None  # joining counts as use

    failing = submit(store, "other")
    _, fence = claim(store, failing)
    store.fail(fence, "No.", "media_failed")
    assert submit(store, "other").id != failing.id
    cancelled = submit(store, "third")
    store.cancel(cancelled.id)
    assert submit(store, "third").id != cancelled.id


def test_jobs_without_a_key_never_join(store: JobStore) -> None:
    assert submit(store).id != submit(store).id


def test_full_queues(store: JobStore) -> None:
    limits = {"queue_max": 3, "queue_max_per_client": 2}
    jobs = [submit(store, client="a", **limits) for _ in range(2)]
    with pytest.raises(QueueFullError, match="You have 2 jobs waiting") as own:
        submit(store, client="a", **limits)
    assert own.value.retry_after
    submit(store, client="b", **limits)
    with pytest.raises(QueueFullError, match="queue is full: 3 jobs"):
        submit(store, client="c", **limits)
    claim(store, jobs[0])  # a running job waits no more
    submit(store, client="a", **limits)


def test_a_delayed_job_cannot_be_claimed_early(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(store)
    _, fence = claim(store, job)
    store.report(fence, result={"current_frames": 3})
    assert store.requeue(fence, "Wait.", delay=60)
    waiting = present(store, job)
    assert (waiting.state, waiting.message, waiting.owner) == (State.PENDING, "Wait.", None)
    # What the attempt has published is deleted, so nothing may point to it.
    assert (waiting.file_id, waiting.result, waiting.crashes) == (None, {}, 0)
    assert store.claim(job.id, "w2", LEASE) is None
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 61)
    assert claim(store, job, "w2")[0].attempt == 2


def test_each_attempt_publishes_under_its_own_id(store: JobStore) -> None:
    job = submit(store)
    first, fence = claim(store, job)
    assert store.requeue(fence, "Again.", crashed=True)
    second, _ = claim(store, job, "w2")
    assert second.file_id != first.file_id
    assert second.crashes == 1
    assert second.started == first.started
    assert first.file_id is not None
    assert second.file_id is not None
    assert store.by_file(first.file_id) is None
    assert store.by_file(second.file_id) == second
    assert store.live_file_ids() == {second.file_id}
    assert store.running_attempts() == {(job.id, 2)}


def test_a_broken_fence_writes_nothing(store: JobStore) -> None:
    job = submit(store)
    _, stale = claim(store, job)
    store.requeue(stale, "Again.")
    _, fence = claim(store, job, "w2")
    store.report(fence, progress=10, lines=[(1.0, "second")])
    before = present(store, job)
    assert not store.is_ours(stale)
    assert not store.renew(stale, LEASE)
    assert not store.report(stale, progress=90, message="x", lines=[(2.0, "stale")])
    assert not store.finish(stale, {"stale": 1}, "x")
    assert not store.fail(stale, "x", "y")
    assert not store.requeue(stale, "x")
    same_owner = Fence(job.id, "w2", 1)
    assert not store.finish(same_owner, {}, "x")
    assert present(store, job) == before
    assert [line.line for line in store.logbook.after(job.id)] == ["second"]
    assert store.is_ours(fence)


@pytest.mark.parametrize("given", [-5.0, 0.0, 30.0, 100.0, 1e9])
def test_progress_is_bounded_and_never_falls(store: JobStore, given: float) -> None:
    job = submit(store)
    _, fence = claim(store, job)
    store.report(fence, progress=50)
    store.report(fence, progress=given)
    assert present(store, job).progress == max(50.0, min(100.0, given))


def test_a_log_keeps_its_newest_lines_and_its_cursor(store: JobStore) -> None:
    job, other = submit(store), submit(store)
    _, fence = claim(store, job)
    _, other_fence = claim(store, other)
    for number in range(15):
        store.report(fence, lines=[(float(number), f"line {number}")])
        store.report(other_fence, lines=[(0.0, "other")])
    lines = store.logbook.after(job.id)
    assert [line.line for line in lines] == [f"line {number}" for number in range(5, 15)]
    assert [line.id for line in lines] == sorted(line.id for line in lines)
    assert store.logbook.after(job.id, lines[3].id) == lines[4:]
    assert store.logbook.after(job.id, lines[-1].id) == []
    assert store.logbook.after(job.id, limit=2) == lines[:2]
    assert store.logbook.tail(job.id, 3) == lines[-3:]


def test_cancelling_breaks_the_fence_and_leaves_the_finished_alone(store: JobStore) -> None:
    waiting, running, done = submit(store), submit(store), submit(store)
    _, fence = claim(store, running)
    _, done_fence = claim(store, done)
    store.finish(done_fence, {}, "Done.")
    for job in (waiting, running):
        cancelled = store.cancel(job.id)
        assert cancelled is not None
        assert (cancelled.state, cancelled.error_code) == (State.CANCELLED, "cancelled")
    assert not store.is_ours(fence)
    assert store.claim(waiting.id, "w1", LEASE) is None
    before = present(store, done)
    assert store.cancel(done.id) == before
    assert store.cancel("0" * 32) is None


def test_pages_counts_and_positions(store: JobStore) -> None:
    jobs = [submit(store) for _ in range(3)]
    urgent = submit(store, priority=5)
    claim(store, jobs[0])
    listed, total = store.page(limit=2)
    assert ([job.id for job in listed], total) == ([urgent.id, jobs[2].id], 4)
    listed, total = store.page(state=State.PENDING, tool="ffmpeg", offset=1)
    assert ([job.id for job in listed], total) == ([jobs[2].id, jobs[1].id], 3)
    assert store.page(tool="none") == ([], 0)
    assert store.counts() == {**dict.fromkeys(State, 0), State.PENDING: 3, State.RUNNING: 1}
    assert store.positions() == {urgent.id: 1, jobs[1].id: 2, jobs[2].id: 3}
    marks = store.marks([jobs[0].id, jobs[1].id, "0" * 32])
    assert marks == {jobs[0].id: (2, State.RUNNING), jobs[1].id: (1, State.PENDING)}


def test_the_oldest_use_goes_first_and_a_new_use_saves(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    jobs = []
    for _ in range(3):
        clock[0] += 10
        job = submit(store)
        _, fence = claim(store, job)
        store.report(fence, lines=[(0.0, "line")])
        store.finish(fence, {}, "Done.")
        jobs.append(job)
    waiting = submit(store)
    clock[0] += 10
    store.touch(jobs[0].id)
    listed = store.oldest_finished()
    assert [job.id for job in listed] == [jobs[1].id, jobs[2].id, jobs[0].id]
    assert [job.id for job in store.oldest_finished(before=1030.0)] == [jobs[1].id]
    store.touch(jobs[1].id)
    assert not store.remove(listed[0])  # used after it was looked at
    assert store.remove(listed[1])
    assert not store.remove(listed[1])
    assert store.get(jobs[2].id) is None
    assert store.logbook.after(jobs[2].id) == []
    assert len(store.logbook.after(jobs[0].id)) == 1
    assert not store.remove(present(store, waiting))
