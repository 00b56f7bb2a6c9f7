"""No accepted job is lost and none ends twice when the whole server ends, well or not, and is
started again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import websocket

from harness import FILM, SONG, Bench, SqliteBackend, held_source, serve_file
from support.http.origin import Origin
from support.product.server import GmapiServer, alive, descendants, wait_for

MakeBench = Callable[..., Bench]

LONG_LEASE = 5.0
"""Seconds; nobody who only waits for a processor is silent for so long."""


SERVICE_RESTART = 1012
"""The code of a WebSocket's end that says: connect again."""


def close_code(listener: websocket.WebSocket) -> int:
    """The code with which the server ends a WebSocket; messages before that are dropped."""
    while True:
        kind, data = listener.recv_data(control_frame=True)
        if kind == websocket.ABNF.OPCODE_CLOSE:
            listener.shutdown()
            return int.from_bytes(data[:2])


@pytest.fixture(scope="module")
def restarted(backend: SqliteBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    settings = {"workers": 1, "lease_seconds": LONG_LEASE, **backend.settings()}
    with GmapiServer(tmp_path_factory.mktemp("restarted"), **settings) as server:
        yield Bench(backend, server)


@pytest.fixture
def lone(restarted: Bench) -> Bench:
    """A running server with one worker, which a test may end and leave ended."""
    if not restarted.server.is_running:
        restarted.server.start()
    return restarted


def test_a_killed_supervisor_can_be_started_again_at_once(
    lone: Bench, origin: Origin, song_file: Path
) -> None:
    bench, server, port = lone, lone.server, lone.server.port
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


def test_everything_killed_and_started_again(lone: Bench, origin: Origin, song_file: Path) -> None:
    bench, server = lone, lone.server
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
        address = f"ws://127.0.0.1:{server.port}/api/task/{tasks[long.url]}/ws"
        listener = websocket.create_connection(address, timeout=30)
        stopping = pool.submit(server.stop)
        wait_for(lambda: bench.told("stopping:"), what="the stop")
        assert close_code(listener) == SERVICE_RESTART
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
    lone: Bench, origin: Origin, film_file: Path
) -> None:
    bench, server = lone, lone.server
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


def test_a_hail_of_signals_stops_the_server_once(lone: Bench) -> None:
    server = lone.server
    pid, everybody = server.pid, descendants(server.pid)
    # As many as it takes for some to arrive while another one is being handled.
    for number in range(40_000):
        os.kill(pid, signal.SIGTERM if number % 2 else signal.SIGINT)
    assert server.stop() == 0
    assert not any(alive(each) for each in everybody)
