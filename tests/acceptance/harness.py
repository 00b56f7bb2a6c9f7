"""What the tests of durability need: a server on some database, and a look at its records.

A `Backend` says where a server keeps its jobs and messages and how a test gets at them. The tests
know no other way, so they run on each of `BACKENDS`.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from support.http.origin import Origin, content, held
from support.product.server import GmapiServer, children_below, is_ffmpeg, runs_with, wait_for

LEASE = 2.0
RECOVERY = LEASE + 5.0
"""Within so many seconds of its worker's death a job must be done by another one."""

SONG = {"args": ["-vn", "-ar", "48000", "-ac", "1"], "output_format": "dfpwm"}
# Half a second of work.
FILM = {
    "args": ["-vf", "scale=640:-2", "-c:v", "libx264", "-preset", "ultrafast", "-an"],
    "output_format": "mp4",
}
ADOPT_ORPHANS = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
"""Makes a process inherit its orphaned descendants, as the first one of a container does."""

_numbers = count()


class SqliteBackend:
    """The default: two SQLite files in the data folder."""

    name = "sqlite"

    def settings(self) -> dict[str, Any]:
        """What a server needs to use this backend."""
        return {}

    def rows(self, server: GmapiServer, query: str, *values: object) -> list[dict[str, Any]]:
        """Rows of the server's own tables."""
        with closing(sqlite3.connect(server.data_dir / "gmapi.db", timeout=5)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, values)]

    def age(self, server: GmapiServer, seconds: float) -> None:
        """Make what has finished older than it is."""
        with closing(sqlite3.connect(server.data_dir / "gmapi.db", timeout=5)) as connection:
            connection.execute(
                "UPDATE jobs SET finished = finished - ?, accessed = accessed - ? "
                "WHERE finished IS NOT NULL",
                (seconds, seconds),
            )
            connection.commit()

    def messages(self, server: GmapiServer) -> int:
        """How many messages are on their way."""
        with closing(sqlite3.connect(server.data_dir / "queue.db", timeout=5)) as connection:
            query = "SELECT (SELECT COUNT(*) FROM task) + (SELECT COUNT(*) FROM schedule)"
            return int(connection.execute(query).fetchone()[0])

    def lose_messages(self, server: GmapiServer) -> int:
        """Delete all messages on their way; how many there were."""
        with closing(sqlite3.connect(server.data_dir / "queue.db", timeout=5)) as connection:
            found = connection.execute("DELETE FROM task").rowcount
            found += connection.execute("DELETE FROM schedule").rowcount
            connection.commit()
        return found

    def is_writable(self, server: GmapiServer) -> bool:
        """Whether no process holds a lock now."""
        for name in ("gmapi.db", "queue.db"):
            with closing(sqlite3.connect(server.data_dir / name, timeout=0.2)) as connection:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    return False
        return True


BACKENDS = [SqliteBackend()]


@dataclass
class Bench:
    """A server on a backend, with what tests do to it."""

    backend: SqliteBackend
    server: GmapiServer

    # -- jobs -----------------------------------------------------------------------------------

    def submit(self, values: dict[str, Any], tool: str = "ffmpeg", **options: Any) -> str:
        """Submit a request; the task's id."""
        answer = self.server.post(f"/api/{tool}/async", values, **options)
        assert answer.status in (200, 202), answer
        return str(answer.json()["task_id"])

    def record(self, task_id: str) -> dict[str, Any]:
        """The job as the database has it."""
        rows = self.backend.rows(self.server, "SELECT * FROM jobs WHERE id = ?", task_id)
        assert len(rows) == 1, rows
        return rows[0]

    def lines(self, task_id: str) -> list[str]:
        """All log lines of a job."""
        query = "SELECT line FROM job_logs WHERE job_id = ? ORDER BY id"
        return [row["line"] for row in self.backend.rows(self.server, query, task_id)]

    def wait_until_running(self, task_id: str, attempt: int = 1) -> int:
        """The process id of the worker that runs this attempt at a job, once one does."""

        def worker() -> int:
            job = self.record(task_id)
            if job["state"] != "running" or job["attempt"] != attempt:
                return 0
            return int(job["owner"].split(":")[1])

        return int(wait_for(worker, 30, f"attempt {attempt}"))

    def completed(self, task_id: str, seconds: float = 60.0) -> dict[str, Any]:
        """The task when it has completed, and only once; its output can be downloaded."""
        task = self.server.wait_for_task(task_id, seconds)
        assert task["status"] == "completed", (task, self.server.log_text())
        assert self.told(f"job {task_id}: completed") <= 1
        if url := task["result"].get("download_url"):
            assert len(self.server.get(url).body) == task["result"]["size"]
        return task

    def told(self, text: str) -> int:
        """How often the server's log says this."""
        return self.server.log_text().count(text)

    # -- files ----------------------------------------------------------------------------------

    def published(self) -> set[str]:
        """The file ids there are on the disk."""
        return {path.name for path in (self.server.data_dir / "files").iterdir()}

    def attempts(self, task_id: str) -> list[str]:
        """The work folders of a job."""
        folder = self.server.data_dir / "attempts"
        return sorted(path.name for path in folder.glob(f"{task_id}.*"))

    # -- processes ------------------------------------------------------------------------------

    def stop_ffmpeg(self, word: str) -> int:
        """Stop (SIGSTOP) the first ffmpeg with `word` in its command; its process id."""

        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for pid in children_below(self.server.pid):
                if is_ffmpeg(pid) and runs_with(pid, word):
                    os.kill(pid, signal.SIGSTOP)
                    return pid
            time.sleep(0.002)
        raise AssertionError(f"there was no ffmpeg with {word} to stop")

    def freeze(self, pid: int) -> None:
        """Stop a worker (SIGSTOP) at a moment when it holds no lock of the database."""

        def at_a_good_moment() -> bool:
            os.kill(pid, signal.SIGSTOP)
            wait_for(lambda: _state(pid) == "T", what="a stopped worker")
            if self.backend.is_writable(self.server):
                return True
            os.kill(pid, signal.SIGCONT)
            return False

        wait_for(at_a_good_moment, what="a worker without locks")

    def zombies(self) -> list[int]:
        """Ended processes that the supervisor has not taken in."""
        return [pid for pid in _children(self.server.pid) if _state(pid) == "Z"]


def fresh(path: Path) -> str:
    """A path for the origin that was never used before, ending like `path`."""
    return f"/durability/{next(_numbers)}{path.suffix}"


@dataclass
class HeldSource:
    """A source that comes to its end only when released."""

    url: str
    path: str
    release: threading.Event


@contextmanager
def held_source(origin: Origin, path: Path) -> Iterator[HeldSource]:
    """Serve a file that is held back after its first half; released at the end of the block."""
    body = path.read_bytes()
    source = HeldSource("", fresh(path), threading.Event())
    waiting = held(body, len(body) // 2, source.release)
    whole = content(body, etag=f'"{source.path}"')

    def serve(exchange: Any) -> None:
        (whole if source.release.is_set() else waiting)(exchange)

    source.url = origin.add(source.path, serve)
    try:
        yield source
    finally:
        source.release.set()


def serve_file(origin: Origin, path: Path) -> str:
    """Serve a file at an address of its own, so that no cache has it."""
    name = fresh(path)
    return origin.add(name, path.read_bytes(), etag=f'"{name}"')


@contextmanager
def callers(call_once: Callable[[], int]) -> Iterator[list[tuple[float, object]]]:
    """Calls again and again in a thread; yields a list of start times and what came of it."""
    seen: list[tuple[float, object]] = []
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            started = time.monotonic()
            try:
                seen.append((started, call_once()))
            except OSError as error:
                seen.append((started, error))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def adopting(server: GmapiServer) -> GmapiServer:
    """Let this server's supervisor inherit orphans."""
    server.command = [sys.executable, "-c", ADOPT_ORPHANS, *server.command]
    return server


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
