"""The benchmarks. Each compares with a peer measured in the same run, in interleaved rounds."""

from __future__ import annotations

import contextlib
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from harness import Bench, Figure, cpu_of, median, nginx, run_ffmpeg

ROUNDS = 5
POLL_MICROSECONDS = 250
PACK_RATIO = 2.5
MIB = 1024**2
DFPWM_ARGS = ["-vn", "-ar", "48000", "-ac", "1"]


def run_load(port: int, path: str, **options: object) -> dict[str, float]:
    """What load.py measures."""
    command = [sys.executable, str(Path(__file__).parent / "load.py"), "127.0.0.1", str(port), path]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    found: dict[str, float] = json.loads(
        subprocess.run(command, check=True, capture_output=True).stdout
    )
    return found


def sync_call(bench: Bench) -> None:
    """(a) A three-minute mp3 to dfpwm by a synchronous call, beside the bare command."""
    ours, bare = [], []
    values = {
        "input_url": bench.origin.url("/song.mp3"),
        "args": DFPWM_ARGS,
        "output_format": "dfpwm",
        "no_cache": True,
    }
    for _ in range(ROUNDS):
        started = time.perf_counter()
        answer = bench.server.post("/api/ffmpeg", values, timeout=300).json()
        ours.append(time.perf_counter() - started)
        assert answer["status"] == "success", answer
        source = str(bench.media / "song.mp3")
        output = str(bench.folder / "bare.dfpwm")
        bare.append(run_ffmpeg(["-i", source, *DFPWM_ARGS, "-f", "dfpwm", output])[0])
    bar = 1.15 * median(bare) + 0.3
    bench.add(
        Figure(
            "a. 180 s mp3 to dfpwm, sync call, wall (median)",
            f"{median(ours):.2f} s",
            f"ffmpeg {median(bare):.2f} s",
            f"{median(ours) / median(bare):.2f}",
            f"1.15 x + 0.3 s = {bar:.2f} s",
            median(ours) <= bar,
        )
    )


def polling(bench: Bench) -> None:
    """(b) 1,000 polls a second beside a running conversion."""
    values = {
        "input_url": bench.origin.url("/film1080.mp4"),
        "args": ["-c:v", "libx264", "-preset", "slow"],
        "output_format": "mp4",
        "no_cache": True,
    }
    task_id = bench.server.post("/api/ffmpeg/async", values).json()["task_id"]
    while bench.server.task(task_id)["status"] == "pending":
        time.sleep(0.05)
    found = run_load(
        bench.server.port, f"/api/task/{task_id}", connections=32, rate=1000, seconds=10
    )
    status = bench.server.task(task_id)["status"]
    bench.server.post(f"/api/task/{task_id}/cancel")
    rate = found["requests"] / found["seconds"]
    bench.add(
        Figure(
            f"b. polls held for 10 s beside a conversion (still {status})",
            f"{rate:.0f}/s, {found['errors']:.0f} errors, p50 {found['p50_ms']:.1f} ms, "
            f"p99 {found['p99_ms']:.0f} ms",
            bar="1,000/s without an error",
            met=rate > 985 and not found["errors"],
        )
    )


def connections(bench: Bench) -> None:
    """(c) 200 held sync calls and 1,000 SSE listeners; the price of a poll."""
    task = bench.job(
        "/api/ffmpeg",
        {"input_url": bench.origin.url("/song.mp3"), "args": ["-t", "5"], "output_format": "wav"},
    )
    path = f"/api/task/{task['task_id']}"
    run_load(bench.server.port, path, connections=16, seconds=2)
    costs = []
    for _ in range(3):
        before = cpu_of(bench.web.pid)
        found = run_load(bench.server.port, path, connections=16, seconds=4)
        costs.append(1e6 * (cpu_of(bench.web.pid) - before) / found["requests"])
    bench.add(
        Figure(
            "c. server CPU of one poll, alone (best of 3)",
            f"{min(costs):.0f} us",
            bar=f"{POLL_MICROSECONDS} us",
            met=min(costs) <= POLL_MICROSECONDS,
        )
    )
    slow = {
        "input_url": bench.origin.url("/film1080.mp4"),
        "args": ["-c:v", "libx264", "-preset", "veryslow"],
        "output_format": "mkv",
    }
    slow_id = bench.server.post("/api/ffmpeg/async", slow).json()["task_id"]
    memory_before = bench.web.memory_full_info().pss
    body = json.dumps(slow).encode()
    sync = (
        b"POST /api/ffmpeg HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        + body
    )
    listen = f"GET /api/task/{slow_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    held = [_open(bench.server.port, sync) for _ in range(200)]
    held += [_open(bench.server.port, listen) for _ in range(1000)]
    for connection in held:  # a listener's first event, a waiting call's first white space
        assert connection.recv(65536)
    stop = threading.Event()
    drain = threading.Thread(target=_drain, args=(held, stop))
    drain.start()
    found = run_load(bench.server.port, path, connections=8, rate=100, seconds=8)
    memory = (bench.web.memory_full_info().pss - memory_before) / len(held) / 1024
    state = bench.server.task(slow_id)
    stop.set()
    drain.join()
    for connection in held:
        connection.close()
    bench.server.post(f"/api/task/{slow_id}/cancel")
    assert state["status"] == "running", state
    bench.add(
        Figure(
            "c. memory of one of 1,200 held connections",
            f"{memory:.0f} KiB",
            bar="64 KiB",
            met=memory < 64,
        )
    )
    bench.add(
        Figure(
            "c. 100 polls/s beside them",
            f"{found['errors']:.0f} errors, p50 {found['p50_ms']:.1f} ms, "
            f"p99 {found['p99_ms']:.0f} ms",
            bar="answered",
            met=not found["errors"],
        )
    )


def _open(port: int, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(data)
    return connection


def _drain(held: list[socket.socket], stop: threading.Event) -> None:
    for connection in held:
        connection.setblocking(False)
    while not stop.wait(0.2):
        for connection in held:
            with contextlib.suppress(BlockingIOError):
                connection.recv(65536)


def downloads(bench: Bench) -> None:
    """(d) 200 MB and a 15 MiB range of it beside nginx."""
    task = bench.job(
        "/api/ffmpeg",
        {
            "input_url": bench.origin.url("/long.mp3"),
            "args": ["-ac", "2", "-ar", "48000"],
            "output_format": "wav",
        },
    )
    url = urlsplit(task["result"]["download_url"])  # type: ignore[index]
    stored = bench.server.data_dir / "files" / url.path.removeprefix("/download/")
    size = stored.stat().st_size
    web = bench.web.pid
    with nginx(stored.parent, 18999) as peer:
        for what, headers, length in (
            (f"{size / 1e6:.0f} MB download", [], size),
            ("15 MiB range", [f"Range: bytes=33554432-{33554432 + 15 * MIB - 1}"], 15 * MIB),
        ):
            ours, theirs = [], []
            for _ in range(ROUNDS):
                ours.append(_per_gb(web, bench.server.port, url.path, headers, length))
                if peer is not None:
                    theirs.append(_per_gb(peer, 18999, f"/{stored.name}", headers, length))
            bench.add(_beside(f"d. {what}, server CPU per GB (median)", ours, theirs, "s/GB"))


def _per_gb(pid: int, port: int, path: str, headers: list[str], length: int) -> float:
    """Server CPU seconds per GB of some 2 GB sent to one client."""
    times = max(1, round(2e9 / length))
    before = cpu_of(pid)
    for _ in range(times):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            head = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close"]
            connection.sendall("\r\n".join([*head, *headers, "", ""]).encode())
            buffer, received = bytearray(MIB), 0
            while count := connection.recv_into(buffer):
                received += count
            assert received > length, (received, length)
    return (cpu_of(pid) - before) / (times * length / 1e9)


def packs(bench: Bench) -> None:
    """(e) Packs of 20 frames beside nginx sending a file of the same size."""
    task = bench.job(
        "/api/video_frame",
        {"video_url": bench.origin.url("/noise.mp4"), "w": 140, "h": 79, "fps": 20},
    )
    urls = [f"/frames/{task['task_id']}/frame_{n:06d}.png" for n in range(95, 115)]
    body = json.dumps({"urls": urls})
    pack = bench.server.post("/api/framepack", {"urls": urls}).body
    root = bench.folder / "nginx"
    root.mkdir(exist_ok=True)
    (root / "pack.bin").write_bytes(pack)
    ways = {"/api/framepack": body, f"/api/framepack/{task['task_id']}/95-114": ""}
    ours: dict[str, list[float]] = {way: [] for way in ways}
    ours_cpu: dict[str, list[float]] = {way: [] for way in ways}
    theirs, theirs_cpu = [], []
    with nginx(root, 18998) as peer:
        for _ in range(ROUNDS):
            for way, sent in ways.items():
                before = cpu_of(bench.web.pid)
                found = run_load(bench.server.port, way, connections=8, seconds=2, body=sent)
                assert not found["errors"]
                ours[way].append(found["requests"] / found["seconds"])
                ours_cpu[way].append(1e6 * (cpu_of(bench.web.pid) - before) / found["requests"])
            if peer is not None:
                before = cpu_of(peer)
                found = run_load(18998, "/pack.bin", connections=8, seconds=2)
                theirs.append(found["requests"] / found["seconds"])
                theirs_cpu.append(1e6 * (cpu_of(peer) - before) / found["requests"])
    frame = len(pack) / 20 / 1000
    for way, what in zip(ways, ("", " by its address"), strict=True):
        rate = f"e. packs{what} of 20 frames of {frame:.0f} KB a second (median)"
        bench.add(_beside(rate, ours[way], theirs, "/s"))
        spent = ours_cpu[way]
        figure = _beside(f"e. server CPU of one pack{what} (median)", spent, theirs_cpu, "us")
        figure.bar = f"{PACK_RATIO} x"
        figure.met = median(spent) <= PACK_RATIO * median(theirs_cpu) if theirs_cpu else None
        bench.add(figure)


def frames(bench: Bench) -> None:
    """(f) 1080p to 256x144 at 20 frames a second beside the bare command."""
    source = str(bench.media / "film1080.mp4")
    target = bench.folder / "frames"
    target.mkdir(exist_ok=True)
    walls, cpus, bare_walls, bare_cpus = [], [], [], []
    for number in range(ROUNDS):
        before, started = cpu_of(bench.server.pid), time.perf_counter()
        bench.job(
            "/api/video_frame",
            {
                "video_url": bench.origin.url("/film1080.mp4"),
                "w": 256,
                "h": 144,
                "fps": 20,
                "pad_to_target": True,
                "no_cache": True,
                "round": number,
            },
        )
        walls.append(time.perf_counter() - started)
        cpus.append(cpu_of(bench.server.pid) - before)
        wall, cpu = run_ffmpeg(
            ["-i", source, "-vf", "fps=20,scale=256:144", str(target / "frame_%06d.png")]
        )
        bare_walls.append(wall)
        bare_cpus.append(cpu)
    bench.add(_beside("f. 600 frames and sound, wall (median)", walls, bare_walls, "s"))
    bench.add(_beside("f. 600 frames and sound, CPU (median)", cpus, bare_cpus, "s"))


def _beside(what: str, ours: list[float], theirs: list[float], unit: str) -> Figure:
    def show(values: list[float]) -> str:
        value = statistics.median(values)
        return f"{value:.2f} {unit}" if value < 50 else f"{value:.0f} {unit}"

    if not theirs:
        return Figure(what, show(ours), "not installed")
    return Figure(what, show(ours), show(theirs), f"{median(ours) / median(theirs):.2f}")


CASES = {
    "a": sync_call,
    "b": polling,
    "c": connections,
    "d": downloads,
    "e": packs,
    "f": frames,
}
