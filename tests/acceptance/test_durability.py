"""No accepted job is lost and none ends twice, whatever dies, freezes, fills up or is deleted.

Servers run with a lease of 2 s, so that a job whose worker died runs again soon.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import (
    FILM,
    RECOVERY,
    SONG,
    Bench,
    callers,
    held_source,
    serve_file,
)
from support.http.origin import Origin
from support.product.server import alive, descendants, wait_for

MakeBench = Callable[..., Bench]


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


# -- workers ----------------------------------------------------------------------------------


def test_a_killed_workers_job_is_done_by_another(
    bench: Bench, origin: Origin, song_file: Path
) -> None:
    with held_source(origin, song_file) as source:
        task = bench.submit({**SONG, "input_url": source.url})
        _kill(bench.wait_until_running(task))
        died = time.time()
        source.release.set()
        done = bench.completed(task)
    assert done["attempt"] == 2
    assert done["finished_at"] - died < RECOVERY
    assert bench.record(task)["crashes"] == 1
    assert done["result"]["file_id"] in bench.published()
    told = [line for line in bench.lines(task) if line.startswith(("Its worker", "Attempt"))]
    assert told == [
        "Its worker stopped; waiting to be run again.",
        "Attempt 2 begins; its files have new addresses, earlier ones are gone.",
    ]


def test_no_ffmpeg_outlives_its_worker_and_a_deadly_job_is_given_up(
    bench: Bench, origin: Origin, film_file: Path
) -> None:
    task = bench.submit({**FILM, "input_url": serve_file(origin, film_file)})
    for attempt in (1, 2, 3):
        worker = bench.wait_until_running(task, attempt)
        ffmpeg = bench.stop_ffmpeg("scale=640")
        _kill(worker)
        wait_for(lambda pid=ffmpeg: not alive(pid), 5, "the end of ffmpeg")
    ended = bench.server.wait_for_task(task)
    assert ended["status"] == "error"
    assert ended["error_code"] == "worker_died"
    assert "3 times" in ended["error"]
    assert ended["message"] == ended["error"] == bench.lines(task)[-1]
    assert ended["result"] == {}
    assert bench.record(task)["file_id"] is None
    wait_for(lambda: len(bench.server.children("worker")) == 2, 30, "two workers")
    wait_for(lambda: not bench.zombies(), 5, "no zombies")


def test_a_frozen_worker_that_thaws_writes_nothing(
    bench: Bench, origin: Origin, film_file: Path
) -> None:
    task = bench.submit({**FILM, "input_url": serve_file(origin, film_file)})
    worker = bench.wait_until_running(task)
    ffmpeg = bench.stop_ffmpeg("scale=640")
    first_file = bench.record(task)["file_id"]
    bench.freeze(worker)
    try:
        done = bench.completed(task)
        assert done["attempt"] == 2
        record, lines = bench.record(task), bench.lines(task)
        assert alive(ffmpeg)
    finally:
        os.kill(worker, signal.SIGCONT)
    wait_for(lambda: not alive(ffmpeg), 10, "the end of the first attempt's ffmpeg")
    stopped = f"job {task}: stopped: cancelled or taken over"
    wait_for(lambda: bench.told(stopped), 10, "the thawed worker's withdrawal")
    assert bench.record(task) == {**record, "accessed": bench.record(task)["accessed"]}
    assert bench.lines(task) == lines
    assert bench.attempts(task) == []
    assert first_file not in bench.published()
    assert record["file_id"] in bench.published()
    assert alive(worker)
    assert bench.told(f"job {task}: completed") == 1


def test_a_lost_fork_server_is_not_the_jobs_fault(
    bench: Bench, origin: Origin, film_file: Path
) -> None:
    task = bench.submit({**FILM, "input_url": serve_file(origin, film_file)})
    worker = bench.wait_until_running(task)
    ffmpeg = bench.stop_ffmpeg("scale=640")
    (fork_server,) = (pid for pid in descendants(worker) if ffmpeg in descendants(pid))
    _kill(fork_server)
    done = bench.completed(task)
    assert not alive(ffmpeg)
    assert done["attempt"] == 2
    assert bench.record(task)["crashes"] == 1
    assert alive(worker)


# -- the web process ----------------------------------------------------------------------------


def test_a_killed_web_process_is_replaced_and_no_caller_is_refused(
    bench: Bench, origin: Origin, song_file: Path
) -> None:
    server = bench.server
    (web,) = server.children("web")
    with held_source(origin, song_file) as source:
        task = bench.submit({**SONG, "input_url": source.url})
        bench.wait_until_running(task)
        with callers(lambda: server.get("/health").status) as seen:
            wait_for(lambda: len(seen) > 3, what="calls")
            killed = time.monotonic()
            _kill(web)
            wait_for(lambda: server.children("web") not in ([], [web]), what="a new web process")
            calls = len(seen)
            wait_for(lambda: len(seen) > calls + 10, what="calls of the new process")
        source.release.set()
        done = bench.completed(task)
    assert done["attempt"] == 1
    outcomes = [outcome for started, outcome in seen if started > killed + 0.05]
    assert outcomes
    assert set(outcomes) == {200}
    assert not any(isinstance(outcome, ConnectionRefusedError) for _, outcome in seen)


# -- cancelling ---------------------------------------------------------------------------------


def test_cancelling_a_waiting_job(bench: Bench, origin: Origin, song_file: Path) -> None:
    with ExitStack() as stack:
        busy = [stack.enter_context(held_source(origin, song_file)) for _ in range(2)]
        running = [bench.submit({**SONG, "input_url": source.url}) for source in busy]
        for task in running:
            bench.wait_until_running(task)
        with held_source(origin, song_file) as unwanted:
            waiting = bench.submit({**SONG, "input_url": unwanted.url})
            answer = bench.server.delete(f"/api/task/{waiting}")
            assert (answer.status, answer.json()["status"]) == (200, "cancelled")
            for source in busy:
                source.release.set()
            for task in running:
                bench.completed(task)
            after = bench.submit({**SONG, "input_url": serve_file(origin, song_file)})
            bench.completed(after)
            assert origin.count(unwanted.path) == 0
        assert bench.server.task(waiting)["status"] == "cancelled"


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_cancelling_a_running_job_ends_its_ffmpeg(
    bench: Bench, origin: Origin, film_file: Path, method: str
) -> None:
    task = bench.submit({**FILM, "input_url": serve_file(origin, film_file)})
    worker = bench.wait_until_running(task)
    ffmpeg = bench.stop_ffmpeg("scale=640")
    if method == "DELETE":
        answer = bench.server.delete(f"/api/task/{task}")
    else:
        answer = bench.server.post(f"/api/task/{task}/cancel")
    assert (answer.status, answer.json()["status"]) == (200, "cancelled")
    wait_for(lambda: not alive(ffmpeg), 3, "the end of ffmpeg")
    wait_for(lambda: not bench.attempts(task), 5, "the end of the attempt's folder")
    record = bench.record(task)
    assert (record["state"], record["error_code"]) == ("cancelled", "cancelled")
    assert record["file_id"] not in bench.published()
    assert alive(worker)


# -- the queue ----------------------------------------------------------------------------------


def test_lost_messages_are_sent_again(bench: Bench, origin: Origin, song_file: Path) -> None:
    with ExitStack() as stack:
        busy = [stack.enter_context(held_source(origin, song_file)) for _ in range(2)]
        tasks = [bench.submit({**SONG, "input_url": source.url}) for source in busy]
        for task in tasks:
            bench.wait_until_running(task)
        waiting = [
            bench.submit({**SONG, "input_url": serve_file(origin, song_file)}) for _ in range(3)
        ]
        # They are sent a moment after the callers have their answers.
        wait_for(lambda: bench.backend.messages(bench.server) == 3, what="three messages")
        assert bench.backend.lose_messages(bench.server) == 3
        for source in busy:
            source.release.set()
        for task in tasks + waiting:
            assert bench.completed(task)["attempt"] == 1


def test_a_deleted_queue_is_made_anew(bench: Bench, origin: Origin, song_file: Path) -> None:
    if bench.backend.name != "sqlite":
        pytest.skip("the queue of this backend is no file")
    with ExitStack() as stack:
        busy = [stack.enter_context(held_source(origin, song_file)) for _ in range(2)]
        tasks = [bench.submit({**SONG, "input_url": source.url}) for source in busy]
        for task in tasks:
            bench.wait_until_running(task)
        tasks.append(bench.submit({**SONG, "input_url": serve_file(origin, song_file)}))
        for path in bench.server.data_dir.glob("queue.db*"):
            path.unlink()
        for source in busy:
            source.release.set()
        for task in tasks:
            bench.completed(task)
    # Processes that have the deleted file open go on with it until the next message.
    bench.completed(bench.submit({**SONG, "input_url": serve_file(origin, song_file)}))
    assert (bench.server.data_dir / "queue.db").exists()


def test_ten_same_requests_are_one_job_and_one_fetch(
    bench: Bench, origin: Origin, song_file: Path
) -> None:
    with held_source(origin, song_file) as source:
        values = {**SONG, "input_url": source.url}
        with ThreadPoolExecutor(10) as pool:
            tasks = list(pool.map(lambda _: bench.submit(values), range(10)))
            bench.wait_until_running(tasks[0])
            answer = pool.submit(bench.server.post, "/api/ffmpeg", values)
            source.release.set()
            done = bench.completed(tasks[0])
            assert answer.result().json()["file_id"] == done["result"]["file_id"]
        assert set(tasks) == {tasks[0]}
        assert origin.count(source.path) == 1
        assert bench.submit(values) == tasks[0]
        anew = bench.submit({**values, "no_cache": True})
        assert anew != tasks[0]
        assert bench.completed(anew)["result"]["file_id"] != done["result"]["file_id"]
        assert origin.count(source.path) == 2


# -- the data folder ---------------------------------------------------------------------------


def test_a_second_server_on_the_same_data_folder_is_refused(bench: Bench) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GMAPI_")}
    second = subprocess.run(
        [sys.executable, "-m", "gmapi", "serve", "--port", "0"],
        env={**environment, "GMAPI_DATA_DIR": str(bench.server.data_dir)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode != 0
    assert "another server is running with" in second.stderr
    assert "--data-dir" in second.stderr
    assert "Traceback" not in second.stderr
    assert bench.server.get("/health").status == 200
