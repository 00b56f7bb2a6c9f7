"""Jobs whose source is still arriving, in a real server: what is cancelled, taken over or killed
leaves nothing behind and takes nothing from the others."""

from __future__ import annotations

import os
import signal

import pytest

from harness import SONG, Bench
from support.http.origin import Origin
from support.http.slow_origin import SlowFile
from support.media.waves import stereo_wave
from support.product.server import alive, runs_with, wait_for

BODY = stereo_wave(10)
RELEASED = len(BODY) * 3 // 4
LEFT = {**SONG, "args": ["-af", "pan=mono|c0=c0", "-ar", "48000"]}


@pytest.fixture
def song(origin: Origin) -> tuple[SlowFile, str]:
    """A song of which the end is held, at an address of its own."""
    film = SlowFile(BODY)
    film.release(RELEASED)
    return film, origin.add(f"/arriving/{id(film)}.wav", film)


def _converting(bench: Bench, count: int) -> list[int]:
    """The ffmpegs that read a pipe and write sound, once there are so many."""

    def found() -> list[int]:
        pids = [pid for pid in bench.server.ffmpegs() if runs_with(pid, "dfpwm")]
        pids = [pid for pid in pids if runs_with(pid, "pipe:3")]
        return pids if len(pids) == count else []

    return list(wait_for(found, 60, f"{count} conversions"))


def _unfinished(bench: Bench) -> list[str]:
    return [path.name for path in bench.server.data_dir.glob("**/*.tmp")]


def _data(bench: Bench, task: dict[str, object]) -> bytes:
    result = task["result"]
    assert isinstance(result, dict)
    return bench.server.get(result["download_url"]).body


def test_a_worker_killed_in_the_middle_takes_nothing_from_who_reads_its_download(
    bench: Bench, song: tuple[SlowFile, str]
) -> None:
    film, url = song
    first = bench.submit({**SONG, "input_url": url})
    (ffmpeg,) = _converting(bench, 1)
    second = bench.submit({**LEFT, "input_url": url})
    _converting(bench, 2)
    assert len(film.requests) == 1
    os.kill(bench.wait_until_running(first), signal.SIGKILL)
    wait_for(lambda: not alive(ffmpeg), 30, "the end of its ffmpeg")
    film.release_all()
    tasks = [bench.completed(task) for task in (first, second)]
    assert [task["attempt"] for task in tasks] == [2, 1]
    assert [each.status for each in film.requests].count(200) == 2
    assert _unfinished(bench) == []
    # The same as of a source that was there.
    for task, values in zip(tasks, (SONG, LEFT), strict=True):
        again = bench.completed(bench.submit({**values, "input_url": url, "no_cache": True}))
        assert _data(bench, task) == _data(bench, again)


@pytest.mark.parametrize("no_cache", [False, True])
def test_a_cancelled_job_leaves_nothing(
    bench: Bench, song: tuple[SlowFile, str], no_cache: bool
) -> None:
    film, url = song
    task = bench.submit({**SONG, "input_url": url, "no_cache": no_cache})
    (ffmpeg,) = _converting(bench, 1)
    worker = bench.wait_until_running(task)
    assert bench.server.delete(f"/api/task/{task}").status == 200
    wait_for(lambda: not alive(ffmpeg), 30, "the end of ffmpeg")
    film.await_silence()
    assert film.requests[0].ended == "abandoned"
    wait_for(lambda: bench.attempts(task) == [], 30, "the end of its folder")
    assert _unfinished(bench) == []
    assert alive(worker)


def test_a_job_that_was_taken_over_lets_go_of_its_source(
    bench: Bench, song: tuple[SlowFile, str]
) -> None:
    film, url = song
    task = bench.submit({**SONG, "input_url": url, "no_cache": True})
    (ffmpeg,) = _converting(bench, 1)
    worker = bench.wait_until_running(task)
    bench.freeze(worker)
    try:
        bench.wait_until_running(task, 2)
        film.await_requests(2)
    finally:
        os.kill(worker, signal.SIGCONT)
    wait_for(lambda: not alive(ffmpeg), 30, "the end of the first attempt's ffmpeg")
    wait_for(lambda: film.requests[0].ended == "abandoned", 18, "the end of its download")
    film.release_all()
    assert bench.completed(task)["attempt"] == 2
    film.await_silence()
    assert [each.ended for each in film.requests] == ["abandoned", "whole"]
    assert bench.attempts(task) == []
    assert _unfinished(bench) == []
    assert alive(worker)


def test_a_source_that_breaks_off_ends_the_job_with_its_sentence(
    bench: Bench, origin: Origin
) -> None:
    film = SlowFile(BODY, etag=None)
    film.release(RELEASED)
    url = origin.add("/arriving/torn.wav", film)
    task = bench.submit({**SONG, "input_url": url})
    _converting(bench, 1)
    film.break_off()
    ended = bench.server.wait_for_task(task)
    assert (ended["status"], ended["error_code"]) == ("error", "source_truncated")
    assert "broke off" in ended["error"]
    assert bench.record(task)["file_id"] is None
    assert _unfinished(bench) == []
