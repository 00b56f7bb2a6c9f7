"""Workers that hang or are frozen are replaced, and a job that makes them hang is given up."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import FILM, SONG, Bench, serve_file
from support.http.origin import Origin
from support.product.server import alive, descendants, wait_for

# Python loads this at its start. In a worker, the fetch of a source named `poison` then holds
# Python's lock for ever, in a call that no signal ends: no thread of the process runs any more, and
# no signal is looked at. That of one named `stuck` waits for ever without asking whether to go on,
# and that of `greedy` takes all memory that it gets.
HOSTILE = """
import ctypes, sys, time
if "worker" in sys.orig_argv:
    from gmapi.tools.source_fetch import FetchedSources
    bring = FetchedSources.bring
    def bring_or_hang(self, work, wanted):
        if "poison" in wanted.url:
            mutex, library = ctypes.create_string_buffer(64), ctypes.PyDLL(None)
            while True:
                library.pthread_mutex_lock(mutex)
        if "greedy" in wanted.url:
            held = []
            while True:
                held.append(bytearray(1 << 20))
        if "stuck" in wanted.url:
            time.sleep(1e6)
        return bring(self, work, wanted)
    FetchedSources.bring = bring_or_hang
    import gmapi.jobs.overdue
    gmapi.jobs.overdue.GRACE_SECONDS = 0.5
if "serve" in sys.orig_argv:
    import gmapi.signs_of_life
    gmapi.signs_of_life.LEAST_SILENT_SECONDS = 5.0
"""


@pytest.fixture(autouse=True)
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(HOSTILE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_hanging_and_frozen_workers_are_replaced(
    make_bench: Callable[..., Bench],
    origin: Origin,
    song_file: Path,
    film_file: Path,
) -> None:
    bench = make_bench(workers=3)
    film = bench.submit({**FILM, "input_url": serve_file(origin, film_file)})
    frozen = bench.wait_until_running(film)
    ffmpeg = bench.stop_ffmpeg("scale=640")
    bench.freeze(frozen)
    poison = bench.submit({**SONG, "input_url": origin.url("/poison.mp3")})
    hanging = bench.wait_until_running(poison)
    os.kill(hanging, signal.SIGTERM)  # in vain
    assert bench.completed(film)["attempt"] == 2

    wait_for(lambda: not alive(hanging), 60, "the end of the worker that hangs")
    wait_for(lambda: not alive(frozen), 60, "the end of the frozen worker")
    wait_for(lambda: not alive(ffmpeg), 10, "the end of the frozen worker's ffmpeg")
    bench.completed(bench.submit({**SONG, "input_url": serve_file(origin, song_file)}))

    ended = bench.server.wait_for_task(poison)
    assert (ended["status"], ended["error_code"]) == ("error", "worker_died")
    record = bench.record(poison)
    assert (record["attempt"], record["crashes"]) == (3, 3)
    for pid in (hanging, frozen):
        assert f"(process {pid}) has been silent for" in bench.server.log_text()
    # The last one that hangs is among them; the supervisor would kill it in a moment, which the
    # test need not wait for.
    old = bench.server.children("worker")
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len({*bench.server.children("worker")} - {*old}) == 3, 30, "three new workers")


def test_a_job_that_never_asks_whether_to_go_on_ends_in_time(
    make_bench: Callable[..., Bench], origin: Origin, song_file: Path
) -> None:
    bench = make_bench(workers=1, job_timeout=4)
    task = bench.submit({**SONG, "input_url": origin.url("/stuck.mp3")})
    worker = bench.wait_until_running(task)
    ended = bench.server.wait_for_task(task)
    assert (ended["status"], ended["error_code"]) == ("error", "limit_exceeded")
    assert "longer than the 4 s" in ended["error"]
    assert bench.record(task)["crashes"] == 0
    wait_for(lambda: not alive(worker), 10, "the end of the worker")
    bench.completed(bench.submit({**SONG, "input_url": serve_file(origin, song_file)}))


def test_a_job_that_takes_all_memory_ends_and_its_worker_goes_on(
    make_bench: Callable[..., Bench], origin: Origin, song_file: Path
) -> None:
    bench = make_bench(workers=1, worker_memory="300MiB")
    task = bench.submit({**SONG, "input_url": origin.url("/greedy.mp3")})
    worker = bench.wait_until_running(task)
    ended = bench.server.wait_for_task(task)
    assert (ended["status"], ended["error_code"]) == ("error", "limit_exceeded")
    assert "more memory than this server gives" in ended["error"]
    bench.completed(bench.submit({**SONG, "input_url": serve_file(origin, song_file)}))
    assert bench.server.children("worker") == [worker]
    # Children have limits of their own, also those of a fork server that is started later.
    (fork_server,) = descendants(worker)
    os.kill(fork_server, signal.SIGKILL)
    bench.completed(bench.submit({**SONG, "input_url": serve_file(origin, song_file)}))
    (fork_server,) = descendants(worker)
    limits = Path(f"/proc/{fork_server}/limits").read_text()
    assert re.search(r"^Max data size +unlimited +unlimited", limits, re.MULTILINE)
