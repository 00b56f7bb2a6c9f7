"""Full disks, disk budgets and expiry: what must go goes, and nothing else."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness import (
    LEASE,
    SONG,
    Bench,
    SqliteBackend,
    held_source,
    serve_file,
)
from support.http.origin import Origin
from support.product.server import GmapiServer, wait_for

MakeBench = Callable[..., Bench]


MEBIBYTE = 1024**2
# 14 s of film make 21 MB of sound.
LARGE = {
    "args": ["-vn", "-ar", "192000", "-ac", "2", "-c:a", "pcm_s32le"],
    "output_format": "wav",
}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 100 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"a file system cannot be mounted: {error}")
    if mounted.returncode != 0:
        pytest.skip(f"a file system cannot be mounted (it takes root): {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_delays_jobs_and_loses_none(
    backend: SqliteBackend, small_disk: Path, origin: Origin, film_file: Path, song_file: Path
) -> None:
    server = GmapiServer(small_disk / "data", workers=1, lease_seconds=LEASE, **backend.settings())
    with server:
        bench = Bench(backend, server)
        earlier = bench.completed(
            bench.submit({**SONG, "input_url": serve_file(origin, song_file)})
        )
        ballast = small_disk / "ballast"
        with ballast.open("wb") as file:
            free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize
            os.posix_fallocate(file.fileno(), 0, free - 16 * MEBIBYTE)
        large = bench.submit({**LARGE, "input_url": serve_file(origin, film_file)})
        wait_for(lambda: "disk is full" in server.task(large)["message"], 30, "the full disk")
        assert server.task(large)["status"] == "pending"
        small = bench.submit({**SONG, "input_url": serve_file(origin, song_file)})
        bench.completed(small)

        with (small_disk / "more").open("wb") as file:
            free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize
            os.posix_fallocate(file.fileno(), 0, free - MEBIBYTE)
        answer = server.post(
            "/api/ffmpeg/async", {**SONG, "input_url": serve_file(origin, song_file)}
        )
        assert answer.status == 507
        assert answer.json()["error_code"] == "storage_full"
        assert int(answer.headers["Retry-After"]) > 0
        health = server.get("/health")
        assert (health.status, health.json()["database"]) == (503, "ok")
        assert server.get(earlier["result"]["download_url"]).status == 200
        assert server.post(f"/api/task/{small}/cancel").json()["status"] == "completed"
        # Also when not a byte is left, nothing breaks for good.
        last = small_disk / "last"
        with contextlib.suppress(OSError), last.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        assert server.post(
            "/api/ffmpeg/async", {**SONG, "input_url": "http://x.test/a"}
        ).status in (
            403,
            507,
        )
        assert server.task(large)["status"] in ("pending", "running")

        last.unlink(missing_ok=True)
        (small_disk / "more").unlink()
        ballast.unlink()
        bench.completed(large, 60)
        assert bench.record(large)["crashes"] <= 1
        bench.completed(bench.submit({**SONG, "input_url": serve_file(origin, song_file)}))


def test_the_disk_budget_takes_the_oldest_and_breaks_nothing(
    make_bench: MakeBench, origin: Origin, film_file: Path, song_file: Path
) -> None:
    # Room for two large outputs and a source, not for three.
    bench = make_bench(workers=2, disk_budget=50 * MEBIBYTE, cleanup_interval=1)
    server = bench.server
    tasks = [
        server.wait_for_task(bench.submit({**LARGE, "input_url": serve_file(origin, film_file)}))
        for _ in range(2)
    ]
    first, second = (task["result"] for task in tasks)
    with held_source(origin, song_file) as source:
        running = bench.submit({**SONG, "input_url": source.url})
        bench.wait_until_running(running)
        # A download of the second begins, then the first is used: the second is the oldest.
        parts = urlsplit(second["download_url"])
        download = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        download.request("GET", parts.path)
        response = download.getresponse()
        received = len(response.read(1000))
        assert server.get(first["download_url"]).status == 200
        third = bench.completed(bench.submit({**LARGE, "input_url": serve_file(origin, film_file)}))
        # What has just finished is spared, so these must have been here for a while.
        bench.backend.age(server, 100)
        wait_for(lambda: second["file_id"] not in bench.published(), 20, "room")
        assert server.get(second["download_url"]).status == 404
        assert server.get(f"/api/task/{tasks[1]['task_id']}").status == 404
        received += len(response.read())
        assert received == second["size"]
        download.close()
        assert server.get(first["download_url"], headers={"Range": "bytes=0-9"}).status == 206
        source.release.set()
        assert bench.completed(running)["attempt"] == 1
    assert third["result"]["file_id"] in bench.published()

    # An output that could not be kept fails with the reason.
    bench.backend.age(server, 100)
    huge = {**LARGE, "args": [*LARGE["args"], "-af", "atempo=0.5,atempo=0.5,atempo=0.5"]}
    task = server.wait_for_task(bench.submit({**huge, "input_url": serve_file(origin, film_file)}))
    assert (task["status"], task["error_code"]) == ("error", "limit_exceeded")

    # A source that alone is beyond the budget: nothing finished is left to delete.
    greedy = bench.server.data_dir / "greedy.mp4"
    greedy.write_bytes(film_file.read_bytes() + bytes(110 * MEBIBYTE))
    with held_source(origin, greedy) as source:
        task = bench.submit({**SONG, "input_url": source.url})
        values = {**SONG, "input_url": serve_file(origin, song_file)}
        path = "/api/ffmpeg/async"
        answer = wait_for(
            lambda: (found := server.post(path, values)).status == 507 and found, 30, "507"
        )
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["error_code"] == "storage_full"
        assert server.task(task)["status"] == "running"
        server.delete(f"/api/task/{task}")
