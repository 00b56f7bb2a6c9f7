"""The locks as a running server's ffmpeg has them, seen from outside by /proc."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Bench, serve_file
from support.http.origin import Origin
from support.product.server import alive, arguments, descendants, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the full sandbox is for Linux")

# Hours of work.
LONG = {
    "args": ["-vf", "setpts=9999*PTS,fps=1000", "-c:v", "libx264", "-an"],
    "output_format": "mkv",
}


class Running:
    """A job in the middle of its work."""

    def __init__(self, bench: Bench, task: str) -> None:
        self.task = task
        self.worker = bench.wait_until_running(task)
        self.folder = (bench.server.data_dir / "attempts").resolve()
        self.ffmpeg: int = wait_for(lambda: self._writing(bench), 60, "an ffmpeg at work")

    def _writing(self, bench: Bench) -> int:
        for pid in bench.server.ffmpegs():
            at_work = any("fps=1000" in word for word in arguments(pid))
            if at_work and any(path.endswith(".mkv") for path in files(pid).values()):
                return pid
        return 0


def files(pid: int) -> dict[int, str]:
    """What a process has open: its number, and a path or a kind; nothing when it has ended."""
    found = {}
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found[int(entry.name)] = os.readlink(entry)
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return found


@pytest.fixture
def running(bench: Bench, origin: Origin, film_file: Path) -> Iterator[Running]:
    sandbox = bench.server.get("/health").json()["sandbox"]
    if sandbox["state"] != "full":
        pytest.skip(f"not here: {', '.join(sandbox['missing'])}")
    task = bench.submit({**LONG, "input_url": serve_file(origin, film_file)})
    found = Running(bench, task)
    yield found
    bench.server.delete(f"/api/task/{task}")
    wait_for(lambda: not alive(found.ffmpeg), 30, "the end of the job")


def test_the_child_of_a_server_is_locked_in(bench: Bench, running: Running) -> None:
    pid = running.ffmpeg
    place = Path(f"/proc/{pid}")
    status = dict(re.findall(r"^(\w+):\s*(.*)$", (place / "status").read_text(), re.M))
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert (place / "environ").read_bytes() == b""
    limits = dict(re.findall(r"^Max (\D+?) +(\d+) ", (place / "limits").read_text(), re.M))
    assert limits["core file size"] == "0"
    assert limits["open files"] == "256"
    # Those without a limit have no number.
    assert {"address space", "data size", "cpu time", "file size"} <= set(limits)
    assert os.getpgid(pid) == os.getsid(pid) == pid
    assert os.getpriority(os.PRIO_PROCESS, pid) >= 10
    assert pid in descendants(running.worker)


def test_the_child_of_a_server_has_nothing_open_but_its_own(bench: Bench, running: Running) -> None:
    found = files(running.ffmpeg)
    progress, output, log = found.pop(0), found.pop(1), found.pop(2)
    assert output == "/dev/null"
    assert progress.startswith("pipe:")
    assert log.startswith("pipe:")
    (folder,) = running.folder.glob(f"{running.task}.*")
    # To write its progress ffmpeg makes a second number of the same pipe.
    others = [path for path in found.values() if path != progress]
    assert others
    for path in others:
        assert Path(path).is_relative_to(folder), path


def test_the_child_of_a_server_ends_with_its_worker(bench: Bench, running: Running) -> None:
    below = descendants(running.worker)
    assert running.ffmpeg in below
    os.kill(running.worker, signal.SIGKILL)
    wait_for(lambda: not any(map(alive, below)), 10, "the end of all that the worker has started")
