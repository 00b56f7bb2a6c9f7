"""What is kept of what was read lately is bounded by bytes and by age."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from gmapi.jobs.database import ChangeCounter
from gmapi.jobs.events import CACHE_BYTES, CACHE_SECONDS, LOG_TAIL, EventHub
from gmapi.jobs.model import Fence, Job
from gmapi.jobs.recent import Recent, footprint
from gmapi.jobs.store import JobStore
from gmapi.jobs.wakeup import WakeupListener


def test_the_longest_unused_goes_first() -> None:
    recent: Recent[str, bytes] = Recent(10_000, 60)
    for name in "abc":
        recent.put(name, bytes(2000), 2000)
    assert recent.get("a") == bytes(2000)
    recent.put("d", bytes(3000), 3000)
    recent.put("e", bytes(2000), 2000)
    kept = [name for name in "abcde" if recent.get(name) is not None]
    assert kept == ["a", "d", "e"]
    assert recent.bytes <= 10_000


def test_what_is_put_again_counts_once_and_what_is_too_large_is_not_kept() -> None:
    recent: Recent[str, bytes] = Recent(10_000, 60)
    for _ in range(100):
        recent.put("a", bytes(5000), 5000)
    assert len(recent) == 1
    recent.put("b", bytes(20_000), 20_000)
    assert recent.get("b") is None
    recent.clear()
    assert (len(recent), recent.bytes) == (0, 0)


def test_what_nobody_asks_for_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    recent: Recent[str, int] = Recent(10_000, 60)
    recent.put("a", 1, 10)
    recent.put("b", 2, 10)
    now[0] += 40
    assert recent.get("b") == 2
    now[0] += 30
    recent.drop_unused()
    assert (recent.get("a"), recent.get("b")) == (None, 2)


def test_a_footprint_is_about_what_a_value_takes() -> None:
    tracemalloc.start()
    value = {f"key {i}": [str(i) * 50, float(i), None, {"x": "y" * i}] for i in range(1000)}
    measured, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.5 * measured < footprint(value) < 2 * measured


@pytest.fixture
def hub(tmp_path: Path, store: JobStore) -> Iterator[EventHub]:
    made = EventHub(store, ChangeCounter(tmp_path / "jobs.db"), WakeupListener(tmp_path / "run"))
    yield made
    made.start()
    made.stop()


def _job(store: JobStore, size: int) -> Job:
    """A finished job with a request and a log of `size` bytes each."""
    submitted = store.submit(
        tool="ffmpeg",
        request={"args": ["x" * size]},
        key=None,
        client="c",
        queue_max=9,
        queue_max_per_client=9,
    ).job
    claimed = store.claim(submitted.id, "w", 30)
    assert claimed is not None
    fence = Fence(claimed.id, "w", claimed.attempt)
    line = "y" * (size // LOG_TAIL)
    assert store.report(fence, lines=[(0.0, line) for _ in range(LOG_TAIL)])
    assert store.finish(fence, {}, "Done.")
    found = store.get(claimed.id)
    assert found is not None
    return found


def test_polls_of_many_tasks_hold_bounded_memory(hub: EventHub, store: JobStore) -> None:
    ids = [_job(store, 400_000).id for _ in range(60)]  # 24 MB of requests, and of log lines
    tracemalloc.start()
    for job_id in ids:
        job = hub.job(job_id)
        assert job is not None
        assert len(hub.logs(job, 0)) == LOG_TAIL
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2.5 * CACHE_BYTES


def test_a_task_that_is_gone_leaves_no_log_lines(hub: EventHub, store: JobStore) -> None:
    job = _job(store, 100_000)
    hub.log_tail(job)
    assert hub._tails.bytes > 0
    assert store.remove(job)
    assert hub.job(job.id) is None
    assert hub._tails.bytes == 0


def test_log_lines_nobody_asks_for_are_let_go_by_the_watcher(
    hub: EventHub, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = _job(store, 100_000)
    hub.log_tail(job)
    steady = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: steady() + CACHE_SECONDS + 1)
    hub._let_go()
    assert hub._tails.bytes == 0
