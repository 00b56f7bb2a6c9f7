"""What is made lives as long as it is used, and then it goes with all that belongs to it."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness import LEASE, SONG, Bench, SqliteBackend, serve_file
from support.http.origin import Origin, held
from support.http.raw_http import game_call
from support.http.refusals import assert_no_files, assert_refused
from support.product.server import GmapiServer, wait_for

EXPIRY = 4.0
"""Seconds; longer than a busy machine takes between two accesses."""


@pytest.fixture(scope="module")
def brief(backend: SqliteBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A server that keeps what it made for moments only."""
    times = {"file_expiry": EXPIRY, "cleanup_interval": 0.2, "lease_seconds": LEASE}
    folder = tmp_path_factory.mktemp("brief")
    with GmapiServer(folder, **times, **backend.settings()) as server:
        yield Bench(backend, server)


def song(server: GmapiServer, origin: Origin) -> dict[str, str]:
    values = {**SONG, "input_url": origin.url("/song.mp3")}
    answer: dict[str, str] = game_call(server.port, "POST", "/api/ffmpeg", values).json()
    assert answer["status"] == "success", answer
    return answer


def test_a_task_that_has_expired(brief: Bench, origin: Origin) -> None:
    server = brief.server
    values = {"video_url": origin.url("/clip.mp4"), "w": 32, "h": 32}
    accepted = server.post("/api/video_frame/async", values).json()
    path = f"/api/task/{accepted['task_id']}"
    wait_for(lambda: server.get(path).status == 404, 30, "the task's expiry")
    frame = f"/frames/{accepted['task_id']}/frame_000001.png"
    for answer in (
        server.get(path),
        server.get(frame),
        server.post("/api/framepack", {"urls": [frame]}),
        server.get(f"/api/framepack/{accepted['task_id']}/1-2"),
    ):
        assert_refused(answer, 404, "not_found", None, "its time has run out")
    assert_no_files(server)


def test_f2_v11_access_prolongs_life_and_then_it_goes(brief: Bench, origin: Origin) -> None:
    server = brief.server
    made_song = song(server, origin)
    download = urlsplit(made_song["download_url"]).path
    values = {"video_url": origin.url("/clip.mp4"), "w": 16, "h": 12}
    made = [
        server.post("/api/video_frame/async", {**values, "fps": fps}).json()["task_id"]
        for fps in (20, 10, 5)
    ]
    for task in made:
        assert server.wait_for_task(task)["status"] == "completed"
    by_frames, by_packs, left_alone = made
    frames = {task: f"/frames/{task}/frame_000001.png" for task in made}
    audio = server.task(by_frames)["result"]["audio_urls"]["audio_dfpwm_url"]
    started = time.monotonic()

    def loop_mode() -> bool:
        assert game_call(server.port, "GET", download).status == 200
        assert game_call(server.port, "GET", frames[by_frames]).status == 200
        pack = {"urls": [frames[by_packs]]}
        assert game_call(server.port, "POST", "/api/framepack", pack).status == 200
        return time.monotonic() - started > 2 * EXPIRY

    wait_for(loop_mode, what="the end of the film's length")
    # A task lives and dies as one: frames kept its sound alive.
    assert game_call(server.port, "HEAD", audio).status == 200
    # Looking at a task is no access to what it made.
    assert server.get(f"/api/task/{left_alone}").status == 404
    assert server.get(frames[left_alone]).status == 404

    for task in (made_song["task_id"], by_frames, by_packs):
        wait_for(lambda t=task: server.get(f"/api/task/{t}").status == 404, what="expiry")
    assert server.get(download).status == 404
    assert server.get(frames[by_frames]).status == 404
    assert server.get(audio).status == 404
    pack = game_call(server.port, "POST", "/api/framepack", {"urls": [frames[by_packs]]})
    assert pack.status == 404
    files = server.data_dir / "files"
    wait_for(lambda: not any(p.is_file() for p in files.rglob("*")), what="an empty store")


def test_a_download_that_outlasts_the_expiry_is_an_access_while_it_sends(
    brief: Bench, origin: Origin, film_file: Path
) -> None:
    """So it comes to its end, and when it breaks off near it, the rest can still be had."""
    server = brief.server
    large = {
        "input_url": serve_file(origin, film_file),
        "args": ["-vn", "-ar", "192000", "-ac", "2", "-c:a", "pcm_s32le"],
        "output_format": "wav",
    }
    made = server.wait_for_task(brief.submit(large))["result"]
    path = urlsplit(made["download_url"]).path
    download = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    download.request("GET", path)
    response = download.getresponse()
    received, started, step = 0, time.monotonic(), made["size"] // 200

    def slowly() -> bool:
        nonlocal received
        received += len(response.read(step))
        return time.monotonic() - started > 2.5 * EXPIRY

    wait_for(slowly, what="a download longer than the expiry")
    download.close()
    assert received < made["size"]
    rest = server.get(path, headers={"Range": f"bytes={received}-"})
    assert (rest.status, len(rest.body)) == (206, made["size"] - received)


def test_v11_expiry_counts_from_the_end_of_a_long_task(
    brief: Bench, origin: Origin, media_dir: Path
) -> None:
    server, release = brief.server, threading.Event()
    url = origin.add("/v11", held((media_dir / "clip.mp4").read_bytes(), 500, release))
    values = {"video_url": url, "w": 64, "h": 64}
    task_id = server.post("/api/video_frame/async", values).json()["task_id"]
    started = time.monotonic()
    wait_for(
        lambda: (
            server.get(f"/api/task/{task_id}").status == 200
            and time.monotonic() - started > 1.5 * EXPIRY
        ),
        what="a task older than the expiry",
    )
    release.set()
    assert server.wait_for_task(task_id)["status"] == "completed"
    assert server.get(f"/frames/{task_id}/frame_000001.png").status == 200


def test_expiry_takes_everything_with_it(brief: Bench, origin: Origin, film_file: Path) -> None:
    bench, server = brief, brief.server
    wait_for(lambda: not bench.published(), what="the end of what other tests made")
    values = {"video_url": serve_file(origin, film_file), "w": 320, "h": 180}
    cut = bench.submit(values, tool="video_frame")
    worker = bench.wait_until_running(cut)
    first_frame = f"/frames/{cut}/frame_000001.png"
    wait_for(lambda: server.get(first_frame).status == 200, 30, "a frame")
    os.kill(worker, signal.SIGKILL)
    first_file = bench.record(cut)["file_id"]
    assert bench.attempts(cut) == [f"{cut}.1"]
    done = bench.completed(cut)
    assert done["attempt"] == 2
    assert bench.record(cut)["file_id"] != first_file
    assert server.get(f"/frames/{cut}/frame_000280.png").status == 200

    def dead_frames_are_gone() -> bool:
        assert server.get(first_frame).status == 200  # by which the living ones live on
        return first_file not in bench.published()

    wait_for(dead_frames_are_gone, what="the end of dead frames")
    assert bench.published() == {bench.record(cut)["file_id"]}
    failed = bench.submit({**SONG, "input_url": origin.url("/missing")})
    assert server.wait_for_task(failed)["status"] == "error"

    folders = [server.data_dir / name for name in ("files", "sources", "attempts")]
    wait_for(lambda: not any(any(folder.iterdir()) for folder in folders), 30, "empty folders")
    for table in ("jobs", "job_logs"):
        query = f"SELECT * FROM {table}"
        wait_for(lambda query=query: not bench.backend.rows(server, query), 30, f"no {table}")
    assert server.get(f"/api/task/{cut}").status == 404
    assert server.get(first_frame).status == 404
    # The same request is new work now.
    again = bench.submit(values, tool="video_frame")
    assert again != cut
    server.delete(f"/api/task/{again}")
