"""Whoever holds the database locked holds up nobody who reads, and loses no submission."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness import SONG, Bench, held_source, serve_file
from support.http.origin import Origin
from support.product.locks import locked
from support.product.server import Answer

GIVES_UP_SECONDS = 2.5
"""Less than SQLite waits for a lock, which blocked all callers of the web process for as long."""

ROUNDS = 15


@pytest.fixture(scope="module")
def done(bench: Bench, origin: Origin, media_dir: Path) -> dict[str, Any]:
    """A finished task."""
    song = media_dir / "song.mp3"
    return bench.completed(bench.submit({**SONG, "input_url": serve_file(origin, song)}))


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


def readers(bench: Bench, *tasks: dict[str, Any]) -> list[Callable[[], Answer]]:
    """Calls that only look: polls with and without a cursor, the list, a download, the events."""
    paths = ["/api/tasks", "/health"]
    for task in tasks:
        poll = f"/api/task/{task['task_id']}"
        paths += [poll, f"{poll}?since=0"]
        if url := task["result"].get("download_url"):
            paths += [url, f"{poll}/events"]
    return [lambda path=path: bench.server.get(path, timeout=GIVES_UP_SECONDS) for path in paths]


@pytest.mark.parametrize(
    ("files", "mode"),
    [
        (("gmapi.db",), "IMMEDIATE"),
        (("gmapi.db",), "EXCLUSIVE"),
        (("queue.db",), "EXCLUSIVE"),
        (("gmapi.db", "queue.db"), "EXCLUSIVE"),
    ],
)
def test_a_lock_holds_up_no_reader_and_loses_no_submission(
    bench: Bench,
    origin: Origin,
    song_file: Path,
    done: dict[str, Any],
    pool: ThreadPoolExecutor,
    files: tuple[str, ...],
    mode: str,
) -> None:
    server = bench.server
    with held_source(origin, song_file) as source:
        running = bench.submit({**SONG, "input_url": source.url})
        unwanted = bench.submit({**SONG, "input_url": source.url, "no_cache": True})
        bench.wait_until_running(running)
        looks = readers(bench, done, server.task(running))
        with locked(*(server.data_dir / name for name in files), mode=mode):
            values = [{**SONG, "input_url": serve_file(origin, song_file)} for _ in range(4)]
            answers = [pool.submit(server.post, "/api/ffmpeg/async", each) for each in values]
            cancelled = pool.submit(server.delete, f"/api/task/{unwanted}")
            until = time.monotonic() + 1.0
            rounds = 0
            while rounds < ROUNDS or time.monotonic() < until:
                for look in looks:
                    answer = look()
                    assert answer.status == 200, answer
                rounds += 1
        for waiting in answers:
            answer = waiting.result()
            assert answer.status == 202, answer
            assert bench.completed(answer.json()["task_id"])["attempt"] == 1
        assert cancelled.result().json()["status"] == "cancelled"
        source.release.set()
        bench.completed(running)
