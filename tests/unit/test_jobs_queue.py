"""Messages between processes: delivery, delay, and a file that is deleted or damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from gmapi.jobs.queue import JobQueue


@pytest.fixture
def closing_all() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def make(stack: ExitStack, path: Path, delivered: list[str] | None = None) -> JobQueue:
    queue = JobQueue(path, delivered.append if delivered is not None else None)
    stack.callback(queue.close)
    return queue


def deliver(queue: JobQueue) -> bool:
    """What a worker does in each turn of its loop; whether there was a message."""
    task = queue.huey.dequeue()
    if task is None:
        return False
    queue.huey.execute(task)
    return True


def test_ids_arrive_once_in_order_and_urgent_ones_first(
    tmp_path: Path, closing_all: ExitStack
) -> None:
    delivered: list[str] = []
    sender = make(closing_all, tmp_path / "queue.db")
    worker = make(closing_all, tmp_path / "queue.db", delivered)
    for job_id in ("a", "b"):
        sender.put(job_id)
    sender.put("urgent", priority=5)
    assert worker.ids() == {"a", "b", "urgent"}
    while deliver(worker):
        pass
    assert delivered == ["urgent", "a", "b"]
    assert worker.ids() == set()


def test_a_delayed_id_is_not_delivered_yet(tmp_path: Path, closing_all: ExitStack) -> None:
    delivered: list[str] = []
    queue = make(closing_all, tmp_path / "queue.db", delivered)
    queue.put("later", delay=60)
    while deliver(queue):  # the message itself is taken and put on the schedule
        pass
    assert delivered == []
    assert queue.ids() == set()
    assert queue.huey.scheduled_count() == 1


@pytest.mark.parametrize("left_over", [(), ("-wal", "-shm")])
def test_a_deleted_file_is_made_anew(
    tmp_path: Path, closing_all: ExitStack, left_over: tuple[str, ...]
) -> None:
    path, delivered = tmp_path / "queue.db", list[str]()
    sender, worker = make(closing_all, path), make(closing_all, path, delivered)
    sender.put("lost")
    for suffix in {"", "-wal", "-shm"} - set(left_over):
        Path(f"{path}{suffix}").unlink()
    sender.put("found")
    worker.refresh()
    while deliver(worker):
        pass
    assert delivered[-1] == "found"
    assert path.exists()
    worker.refresh()
    sender.put("again")
    assert worker.ids() == {"again"}


def test_a_damaged_file_is_made_anew(tmp_path: Path, closing_all: ExitStack) -> None:
    path = tmp_path / "queue.db"
    path.write_bytes(b"not a database at all" * 100)
    delivered: list[str] = []
    queue = make(closing_all, path, delivered)
    queue.put("a")
    assert deliver(queue)
    assert delivered == ["a"]


def test_a_locked_file_is_not_taken_for_a_damaged_one(
    tmp_path: Path, closing_all: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "queue.db"
    make(closing_all, path).put("kept")

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **{**k, "timeout": 0.05}))
    monkeypatch.setattr("gmapi.jobs.queue.LOCKED_SECONDS", 0.05)
    with closing(real(path)) as other:
        other.isolation_level = None
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError):
            JobQueue(path)
        other.execute("ROLLBACK")
    assert make(closing_all, path).ids() == {"kept"}
