"""A real GMapiServer as a process of its own, and a small HTTP client for tests."""

from __future__ import annotations

import contextlib
import glob
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import psutil

START_SECONDS = 60.0
"""How long a server may take to start, on a busy machine too."""


@dataclass
class Answer:
    """An HTTP answer with its reason phrase, which game computers show."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def call(
    method: str,
    url: str,
    *,
    json_body: Any = None,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    timeout: float = 60.0,
    source: str | None = None,
) -> Answer:
    """One request on a connection of its own, as the game sends it; from the address `source`
    (of 127.0.0.0/8)."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(
        parts.hostname, parts.port, timeout=timeout, source_address=(source, 0) if source else None
    )
    if json_body is not None:
        body = json.dumps(json_body).encode()
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.reason, response.headers, response.read())
    finally:
        connection.close()


def wait_for(check: Callable[[], Any], seconds: float = 30.0, what: str = "the condition") -> Any:
    """The first true value of `check`; fails when there is none within `seconds`."""
    started = time.monotonic()
    while True:
        value = check()
        if value:
            return value
        waited = time.monotonic() - started
        assert waited < seconds, f"{what} did not come true within {seconds} s"
        # What takes longer is looked at less often: the looks cost time, too.
        time.sleep(min(max(0.02, waited / 20), 0.1))


class GmapiServer:
    """`python -m gmapi serve` with its own data folder; settings as keyword arguments.

    The log is kept and printed by `log_text`. A context manager: leaving stops the server.
    """

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        self.data_dir = data_dir
        self.settings = {"workers": 2, "fetch_allow": "127.0.0.1,localhost", **settings}
        self.port = 0
        self.command = [sys.executable, "-m", "gmapi"]
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: list[str] = []
        self._raw: list[bytes] = []
        self._reader: threading.Thread | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether there is a supervisor."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GMAPI_")}
        for name, value in self.settings.items():
            environment["GMAPI_" + name.upper()] = str(value)
        environment["GMAPI_DATA_DIR"] = str(self.data_dir)
        environment["PYTHONUNBUFFERED"] = "1"
        self._process = subprocess.Popen(
            [*self.command, "serve", "--port", str(self.port)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._lines.clear()
        self._raw.clear()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = int(wait_for(self._announced_port, START_SECONDS, "the start-up summary"))
        wait_for(self._healthy, START_SECONDS, "a healthy answer")
        return self

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self._raw.append(line)
                self._lines.append(line.decode(errors="replace").rstrip())

    def _announced_port(self) -> str | None:
        assert self._process is not None
        assert self._process.poll() is None, f"the server ended:\n{self.log_text()}"
        for line in list(self._lines):
            if match := re.search(r"listening on \S+ port (\d+)", line):
                return match[1]
        return None

    def _healthy(self) -> bool:
        try:
            return self.get("/health").status == 200
        except OSError:
            return False

    def log_text(self) -> str:
        return "\n".join(self._lines)

    def log_bytes(self) -> bytes:
        """The log as it was written."""
        return b"".join(self._raw)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self._process is not None
        if self.is_running:
            self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(40)
        self._finish()
        return code

    def kill_everything(self) -> None:
        """SIGKILL the supervisor, web, workers and all their children, as a power cut would."""
        assert self._process is not None
        pids = [self.pid, *descendants(self.pid)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(60)
        wait_for(lambda: not any(alive(pid) for pid in pids), 60, "the end of all processes")
        self._finish()

    def kill_supervisor(self) -> list[int]:
        """SIGKILL the supervisor alone; returns the ids of the processes it leaves."""
        assert self._process is not None
        left = descendants(self.pid)
        self._process.kill()
        self._process.wait(60)
        return left

    def _finish(self) -> None:
        assert self._reader is not None
        self._reader.join(60)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.kill_everything()
            raise

    def __exit__(self, *_: object) -> None:
        if self.is_running:
            self.stop()

    # -- requests -------------------------------------------------------------------------------

    def request(self, method: str, path: str, **options: Any) -> Answer:
        return call(method, self._url(path), **options)

    def get(self, path: str, **options: Any) -> Answer:
        return call("GET", self._url(path), **options)

    def post(self, path: str, values: Any = None, **options: Any) -> Answer:
        return call("POST", self._url(path), json_body=values, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        return call("DELETE", self._url(path), **options)

    def _url(self, path: str) -> str:
        return path if path.startswith("http") else self.base + path

    def task(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/api/task/{task_id}").json()
        return found

    def wait_for_task(self, task_id: str, seconds: float = 60.0) -> dict[str, Any]:
        """The task as soon as it has ended, by long polls."""
        deadline = time.monotonic() + seconds
        while True:
            task: dict[str, Any] = self.get(f"/api/task/{task_id}?wait=5").json()
            if task["status"] not in ("pending", "running"):
                return task
            assert time.monotonic() < deadline, f"the task did not end: {task}"

    # -- processes ------------------------------------------------------------------------------

    def children(self, kind: str) -> list[int]:
        """Process ids of this server's `web` or `worker` processes."""
        return [pid for pid in descendants(self.pid) if arguments(pid)[3:4] == [kind]]

    def ffmpegs(self) -> list[int]:
        """Process ids of the ffmpeg programs this server runs now."""
        return [pid for pid in descendants(self.pid) if is_ffmpeg(pid)]


@contextlib.contextmanager
def frozen(server: GmapiServer, word: str) -> Iterator[threading.Event]:
    """Freezes each ffmpeg with `word` in its command as soon as it is seen, until the end.

    The event is set when there was one.
    """
    caught, over = threading.Event(), threading.Event()
    stopped: set[int] = set()

    def watch() -> None:
        while not over.wait(0.002):
            for pid in children_below(server.pid):
                if pid not in stopped and is_ffmpeg(pid) and runs_with(pid, word):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGSTOP)
                        stopped.add(pid)
                        caught.set()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield caught
    finally:
        over.set()
        thread.join()
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def fork_servers() -> list[psutil.Process]:
    """The fork servers of launchers in this process, ended ones that nobody has reaped included."""
    return [child for child in psutil.Process().children() if _is_fork_server(child)]


def _is_fork_server(process: psutil.Process) -> bool:
    try:
        # A process has no arguments yet when whoever started it is told that it has started.
        words = wait_for(process.cmdline, 60, "a command line")
        return any("gmapi.sandbox.fork_server" in word for word in words)
    except psutil.ZombieProcess:
        return True  # its command line is gone; nothing else here is left unreaped
    except psutil.NoSuchProcess:
        return False


def descendants(pid: int) -> list[int]:
    """All processes below `pid`, from /proc."""
    parents: dict[int, list[int]] = {}
    for child in _pids():
        parent = _parent(child)
        if parent is not None:
            parents.setdefault(parent, []).append(child)
    found, waiting = [], [pid]
    while waiting:
        below = parents.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def children_below(pid: int) -> list[int]:
    """The same, sooner, for those who look again and again: it may miss some while others end."""
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        for path in glob.glob(f"/proc/{parent}/task/*/children"):
            with contextlib.suppress(OSError), open(path) as file:
                below = [int(child) for child in file.read().split()]
                found += below
                waiting += below
    return found


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _pids() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return []


def runs_with(pid: int, word: str) -> bool:
    """Whether there is `word` in one of the arguments of a process."""
    return any(word in argument for argument in arguments(pid))


def thread_states(pid: int) -> set[str]:
    """The letters that /proc has for the states of a process's threads: R for one that runs or
    waits for a processor, S for one that sleeps, T for one that is stopped."""
    found = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found.add((thread / "stat").read_text().rpartition(")")[2].split()[0])
    return found


def is_ffmpeg(pid: int) -> bool:
    """Whether a process runs an ffmpeg program."""
    words = arguments(pid)  # none when it has ended
    return bool(words) and "ffmpeg" in Path(words[0]).name
