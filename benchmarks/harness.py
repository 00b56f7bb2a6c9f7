"""What all benchmarks share: a server, a loopback origin, media, CPU times and result lines."""

from __future__ import annotations

import contextlib
import functools
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.http.origin import Origin
from support.media.files import ffmpeg_program
from support.product.server import GmapiServer, descendants

__all__ = [
    "Bench",
    "Figure",
    "GmapiServer",
    "Origin",
    "bench",
    "cpu_of",
    "median",
    "nginx",
    "run_ffmpeg",
]

MEDIA: dict[str, list[str]] = {
    "song.mp3": ["-f", "lavfi", "-i", "aevalsrc=0.4*sin(2*PI*(220+40*sin(t))*t):d=180:s=44100"],
    "long.mp3": ["-f", "lavfi", "-i", "sine=300:d=1045:r=44100", "-b:a", "32k"],
    "film1080.mp4": [
        *("-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=30:d=30"),
        *("-f", "lavfi", "-i", "sine=440:d=30", "-c:v", "libx264", "-preset", "veryfast"),
        *("-pix_fmt", "yuv420p", "-c:a", "aac"),
    ],
    # Fine noise makes PNG frames of some 30 KB at 160 x 90.
    "noise.mp4": [
        *("-f", "lavfi", "-i", "testsrc2=s=160x90:r=20:d=20,noise=alls=60:allf=t"),
        *("-c:v", "libx264", "-preset", "veryfast", "-qp", "6", "-pix_fmt", "yuv420p"),
    ],
}


@dataclass
class Figure:
    """One line of the results: what, ours, the peer's, their ratio and the bar."""

    what: str
    ours: str
    peer: str = "-"
    ratio: str = "-"
    bar: str = "-"
    met: bool | None = None


@dataclass
class Bench:
    """A running server and an origin."""

    server: GmapiServer
    origin: Origin
    media: Path
    folder: Path
    figures: list[Figure] = field(default_factory=list)

    @property
    def web(self) -> psutil.Process:
        """The web process."""
        return psutil.Process(self.server.children("web")[0])

    def job(self, path: str, values: dict[str, object]) -> dict[str, object]:
        """Run a job to its end and return the task."""
        accepted = self.server.post(f"{path}/async", values).json()
        assert accepted["status"] == "success", accepted
        task = self.server.wait_for_task(accepted["task_id"], 300)
        assert task["status"] == "completed", task
        return task

    def add(self, figure: Figure) -> None:
        """Note and print a figure."""
        self.figures.append(figure)
        print(f"  {figure.what}: {figure.ours} | {figure.peer} | {figure.ratio}", flush=True)


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    """A server with its own data folder; everything is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="gmapi-bench-") as name, Origin() as origin:
        folder = Path(name)
        media = _media(folder)
        for path in media.iterdir():
            origin.add(f"/{path.name}", path.read_bytes(), etag=f'"{path.name}"')
        with GmapiServer(folder / "data", queue_max_per_client=1000) as server:
            yield Bench(server, origin, media, folder)


def _media(folder: Path) -> Path:
    target = folder / "media"
    target.mkdir()
    for name, arguments in MEDIA.items():
        run_ffmpeg([*arguments, str(target / name)])
    return target


def run_ffmpeg(arguments: list[str]) -> tuple[float, float]:
    """Bare ffmpeg; wall and CPU seconds."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([ffmpeg_program(), "-v", "error", "-y", *arguments], check=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cpu_of(*roots: int) -> float:
    """CPU seconds of processes and all below them, ended children included."""
    total = 0.0
    for root in roots:
        for pid in (root, *descendants(root)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = psutil.Process(pid).cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def median(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)


@functools.cache
def nginx_program() -> str | None:
    """Where nginx is, if it is installed."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@contextlib.contextmanager
def nginx(root: Path, port: int) -> Iterator[int | None]:
    """nginx with sendfile and one worker serving `root`; its master's pid, None without nginx."""
    program = nginx_program()
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="gmapi-nginx-") as name:
        config = Path(name) / "nginx.conf"
        config.write_text(
            f"daemon off; worker_processes 1; pid {name}/pid; error_log {name}/error.log;\n"
            "events { worker_connections 512; }\n"
            "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
            f"  client_body_temp_path {name}/b; proxy_temp_path {name}/p;\n"
            f"  fastcgi_temp_path {name}/f; uwsgi_temp_path {name}/u; scgi_temp_path {name}/s;\n"
            f"  server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
        )
        root.chmod(0o755)
        process = subprocess.Popen([program, "-p", name, "-c", str(config), "-g", "user root;"])
        try:
            _wait_for_port(port)
            yield process.pid
        finally:
            process.terminate()
            process.wait(10)


def _wait_for_port(port: int) -> None:
    import socket

    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
