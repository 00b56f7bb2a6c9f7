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
from urllib.parse import urlsplit

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
from origin import Origin
from server import GmapiServer, alive, descendants, wait_for

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
    assert ended["message"] == ended["error"]
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


# -- the whole server ---------------------------------------------------------------------------


def test_a_killed_supervisor_can_be_started_again_at_once(
    make_bench: MakeBench, origin: Origin, song_file: Path
) -> None:
    # So long a lease that nobody counts as dead who only waits for a processor.
    bench = make_bench(workers=1, lease_seconds=60)
    server, port = bench.server, bench.server.port
    with held_source(origin, song_file) as source:
        running = bench.submit({**SONG, "input_url": source.url})
        bench.wait_until_running(running)
        waiting = bench.submit({**SONG, "input_url": serve_file(origin, song_file)})
        left = server.kill_supervisor()
        assert len(left) >= 3
        server.start()
        assert server.port == port
        # The old worker may finish what it has begun, while the new one is there already. When
        # that was slow to start, the old one has waited long enough and has handed it back.
        source.release.set()
        attempts = bench.completed(running)["attempt"]
        bench.completed(waiting)
    wait_for(lambda: not any(alive(pid) for pid in left), what="the end of the old processes")
    handed_back = f"job {running}: handed back"
    wait_for(lambda: attempts == 1 + bench.told(handed_back), what=f"{attempts} attempts")
    assert bench.record(running)["crashes"] == 0


def test_everything_killed_and_started_again(
    make_bench: MakeBench, origin: Origin, song_file: Path
) -> None:
    bench = make_bench(workers=1)
    server = bench.server
    earlier = bench.completed(bench.submit({**SONG, "input_url": serve_file(origin, song_file)}))
    output, lines = server.get(earlier["result"]["download_url"]), bench.lines(earlier["task_id"])
    assert lines
    with held_source(origin, song_file) as source:
        running = bench.submit({**SONG, "input_url": source.url})
        bench.wait_until_running(running)
        waiting = bench.submit({**SONG, "input_url": serve_file(origin, song_file)})
        server.kill_everything()
        source.release.set()
        server.start()
        (worker,) = wait_for(lambda: server.children("worker"), what="a new worker")
        query = "SELECT * FROM workers WHERE pid = ?"
        wait_for(lambda: bench.backend.rows(server, query, worker), what="its sign")
        # The dead one of before is not counted as alive.
        assert server.get("/health").json()["workers"]["alive"] == 1
        assert bench.completed(running)["attempt"] == 2
        bench.completed(waiting)
    task = server.get(f"/api/task/{earlier['task_id']}?since=0").json()
    assert (task["status"], task["new_logs"]) == ("completed", lines)
    again = server.get(urlsplit(earlier["result"]["download_url"]).path)
    assert (again.status, again.body) == (200, output.body)


def test_sigterm_lets_short_jobs_finish_and_hands_long_ones_back(
    make_bench: MakeBench, origin: Origin, song_file: Path
) -> None:
    bench = make_bench(workers=2)
    server = bench.server
    with (
        held_source(origin, song_file) as short,
        held_source(origin, song_file) as long,
        ThreadPoolExecutor(3) as pool,
    ):
        answers, tasks = {}, {}
        for source in (short, long):
            values = {**SONG, "input_url": source.url}
            answers[source.url] = pool.submit(server.post, "/api/ffmpeg", values)
            tasks[source.url] = bench.submit(values)
            bench.wait_until_running(tasks[source.url])
        stopping = pool.submit(server.stop)
        wait_for(lambda: bench.told("stopping:"), what="the stop")
        short.release.set()
        answer = answers[short.url].result().json()
        assert answer["status"] == "success"
        assert stopping.result() == 0
        late = answers[long.url].result().json()
        assert (late["status"], late["error_code"]) == ("error", "unavailable")
        assert late["task_id"] == tasks[long.url]
        record = bench.record(tasks[long.url])
        assert (record["state"], record["crashes"], record["file_id"]) == ("pending", 0, None)
        long.release.set()
        server.start()
        assert bench.completed(tasks[long.url])["attempt"] == 2
        assert bench.record(tasks[long.url])["crashes"] == 0
        assert len(server.get(urlsplit(answer["download_url"]).path).body) == answer["size"]


def test_a_service_manager_signals_every_process(
    make_bench: MakeBench, origin: Origin, film_file: Path
) -> None:
    bench = make_bench(workers=1)
    server = bench.server
    task = bench.submit({**FILM, "input_url": serve_file(origin, film_file)})
    bench.wait_until_running(task)
    ffmpeg = bench.stop_ffmpeg("scale=640")
    with ThreadPoolExecutor(1) as pool:
        everybody = descendants(server.pid)
        stopping = pool.submit(server.stop)
        for pid in everybody:
            os.kill(pid, signal.SIGTERM)
        os.kill(ffmpeg, signal.SIGCONT)
        assert stopping.result() == 0
    assert not any(alive(pid) for pid in everybody)
    record = bench.record(task)
    assert (record["state"], record["crashes"]) == ("pending", 0)
    server.start()
    assert bench.completed(task)["attempt"] == 2


def test_a_hail_of_signals_stops_the_server_once(make_server: Callable[..., GmapiServer]) -> None:
    server = make_server(workers=1).start()
    pid, everybody = server.pid, descendants(server.pid)
    # As many as it takes for some to arrive while another one is being handled.
    for number in range(40_000):
        os.kill(pid, signal.SIGTERM if number % 2 else signal.SIGINT)
    assert server.stop() == 0
    assert not any(alive(each) for each in everybody)


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
