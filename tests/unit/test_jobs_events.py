"""Waking those who wait for a job, and reading jobs and logs without asking too often."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gmapi.jobs.database import ChangeCounter, connect
from gmapi.jobs.events import LOG_TAIL, EventHub
from gmapi.jobs.model import Fence, Job, State
from gmapi.jobs.store import JobStore
from gmapi.jobs.wakeup import WakeupListener, WakeupSender
from support.product.server import wait_for

LONG = 20.0


@pytest.fixture
def elsewhere(tmp_path: Path, store: JobStore) -> Iterator[JobStore]:
    """The store of another process."""
    engine = connect(tmp_path / "jobs.db")
    yield JobStore(engine)
    engine.dispose()


@pytest.fixture
def hub(tmp_path: Path, store: JobStore) -> Iterator[EventHub]:
    made = EventHub(store, ChangeCounter(tmp_path / "jobs.db"), WakeupListener(tmp_path / "run"))
    made.start()
    yield made
    made.stop()


def submit(store: JobStore) -> Job:
    return store.submit(
        tool="ffmpeg", request={}, key=None, client="c", queue_max=9, queue_max_per_client=9
    ).job


def claim(store: JobStore, job: Job) -> Fence:
    claimed = store.claim(job.id, "w", 30)
    assert claimed is not None
    return Fence(job.id, "w", claimed.attempt)


def finished(job: Job) -> bool:
    return job.is_finished


def test_a_waiter_learns_of_the_end(hub: EventHub, elsewhere: JobStore) -> None:
    job = submit(elsewhere)
    with ThreadPoolExecutor(10) as pool:
        waiting = [pool.submit(hub.wait_until, job.id, finished, LONG) for _ in range(10)]
        fence = claim(elsewhere, job)
        for progress in range(0, 100, 10):
            elsewhere.report(fence, progress=progress)
        elsewhere.finish(fence, {"n": 1}, "Done.")
        for future in waiting:
            found = future.result(LONG)
            assert found is not None
            assert (found.state, found.result) == (State.COMPLETED, {"n": 1})


def test_waiting_ends_with_its_time_and_with_the_hub(
    tmp_path: Path, hub: EventHub, store: JobStore
) -> None:
    job = submit(store)
    found = hub.wait_until(job.id, finished, 0.01)
    assert found is not None
    assert found.state is State.PENDING
    assert hub.wait_until("0" * 32, finished, LONG) is None
    with ThreadPoolExecutor(1) as pool:
        other = EventHub(
            store, ChangeCounter(tmp_path / "jobs.db"), WakeupListener(tmp_path / "other")
        )
        other.start()
        waiting = pool.submit(other.wait_until, job.id, finished, LONG)
        other.stop()
        assert waiting.result(LONG) is not None
        assert other.stopped
        assert other.ending


def test_a_waiter_learns_that_a_job_is_gone(hub: EventHub, elsewhere: JobStore) -> None:
    job = submit(elsewhere)
    elsewhere.finish(claim(elsewhere, job), {}, "Done.")
    ended = elsewhere.get(job.id)
    assert ended is not None
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(hub.wait_until, job.id, lambda _: False, LONG)
        wait_for(lambda: hub._watches, 10, "the waiter")
        elsewhere.remove(ended)
        assert waiting.result(LONG) is None


def test_reads_are_repeated_only_after_a_commit(
    hub: EventHub, store: JobStore, elsewhere: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(elsewhere)
    reads: list[str] = []
    real = store.get

    def counted(job_id: str) -> Job | None:
        reads.append(job_id)
        return real(job_id)

    monkeypatch.setattr(store, "get", counted)
    for _ in range(5):
        found = hub.job(job.id)
        assert found is not None
        assert found.state is State.PENDING
    assert len(reads) == 1
    claim(elsewhere, job)
    found = hub.job(job.id)
    assert found is not None
    assert found.state is State.RUNNING
    assert len(reads) == 2
    assert hub.job("0" * 32) is None


def test_what_this_process_writes_is_seen_at_once(hub: EventHub, store: JobStore) -> None:
    job = submit(store)
    assert hub.job(job.id) == job
    cancelled = store.cancel(job.id)
    assert hub.job(job.id) == cancelled


def test_no_log_line_is_missed_or_repeated(hub: EventHub, elsewhere: JobStore) -> None:
    job, other = submit(elsewhere), submit(elsewhere)
    fence, other_fence = claim(elsewhere, job), claim(elsewhere, other)
    total = 3 * LOG_TAIL

    def write() -> None:
        for number in range(0, total, 10):
            batch = [(0.0, f"line {n}") for n in range(number, number + 10)]
            elsewhere.report(fence, lines=batch)
            elsewhere.report(other_fence, lines=[(0.0, "other")])
        elsewhere.finish(fence, {}, "Done.")

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[str] = []
    cursor = 0
    with hub.watch(job.id) as watch:
        deadline = time.monotonic() + LONG
        while len(seen) < total:
            assert time.monotonic() < deadline
            now = hub.job(job.id)
            assert now is not None
            fresh = hub.logs(now, cursor)
            seen += [line.line for line in fresh]
            if fresh:
                cursor = fresh[-1].id
            elif len(seen) < total:
                watch.wait(1.0)
    writer.join()
    assert seen == [f"line {number}" for number in range(total)]


def test_a_poke_reaches_all_listeners(tmp_path: Path) -> None:
    listener = WakeupListener(tmp_path / "run")
    sender = WakeupSender(tmp_path / "run")
    woken = threading.Event()

    def wait() -> None:
        listener.wait(LONG)
        woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    wait_for(lambda: sender.poke() or woken.is_set(), 10, "the poke")
    thread.join()
    listener.close()
    sender.poke()  # nobody listens: no harm
    sender.close()
    assert list((tmp_path / "run").iterdir()) == []


def test_sockets_of_the_dead_are_cleared_and_long_paths_endured(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    dead = WakeupListener(folder)
    assert dead._socket is not None
    dead._socket.close()
    (left,) = folder.iterdir()
    left.rename(folder / "1.sock")
    WakeupListener(folder).close()
    assert list(folder.iterdir()) == []
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    listener = WakeupListener(deep)
    listener.wait(0.01)
    listener.close()


def test_a_counter_that_cannot_be_read_counts_as_changed(tmp_path: Path, store: JobStore) -> None:
    counter = ChangeCounter(tmp_path / "jobs.db")
    assert counter.value() == counter.value()
    real = counter._connection

    class Locked:
        def execute(self, _: str) -> Any:
            raise sqlite3.OperationalError("database is locked")

    counter._connection = Locked()  # type: ignore[assignment]
    assert len({counter.value() for _ in range(3)}) == 3
    counter._connection = real
    counter.close()


def test_the_watcher_outlives_errors(
    hub: EventHub, store: JobStore, elsewhere: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(elsewhere)
    failed = threading.Event()
    real = store.marks

    def broken(job_ids: Any) -> Any:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("anything at all")
        return real(job_ids)

    monkeypatch.setattr(store, "marks", broken)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(hub.wait_until, job.id, finished, LONG)
        assert failed.wait(10)
        elsewhere.cancel(job.id)
        found = waiting.result(LONG)
    assert found is not None
    assert found.state is State.CANCELLED
