"""What the rows of the streaming benchmark share: server, slow line, clips, and their table."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import GmapiServer, median, run_ffmpeg
from slow_origin import SlowOrigin
from streaming_clips import clips

POLL_SECONDS = 0.05
PATIENCE = 300.0
FRAMES = 200
MONO = ("-vn", "-ar", "48000", "-ac", "1")
Json = dict[str, Any]


class NotThere(Exception):
    """The server cannot do this (yet)."""


@dataclass
class Row:
    """A line of the table; `met` is None where there is no bar or nothing was measured."""

    number: int
    what: str
    measured: str
    limit: str = "-"
    bar: str = "-"
    met: bool | None = None

    def __str__(self) -> str:
        met = {True: "yes", False: "**no**", None: "-"}[self.met]
        return (
            f"| {self.number} | {self.what} | {self.measured} | {self.limit} | {self.bar} | {met} |"
        )


@dataclass
class Room:
    """A running server, its sources and what was measured."""

    server: GmapiServer
    origin: SlowOrigin
    media: Path
    folder: Path
    rounds: int
    minutes: float
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Note and print a row."""
        self.rows.append(row)
        print(row, flush=True)

    def submit(self, path: str, values: Json) -> str:
        """Start a job; its id. Raises NotThere where there is no such path."""
        answer = self.server.post(path, values)
        if answer.status == 404:
            raise NotThere(f"no {path}")
        accepted = answer.json()
        assert accepted.get("status") == "success", accepted
        return str(accepted["task_id"])

    def result(self, task: Json) -> Json:
        """What a task has made so far. Fails if it has failed."""
        assert task["status"] in ("pending", "running", "completed"), task
        result: Json = task["result"]
        return result

    def polls(self, task_id: str) -> Iterator[Json]:
        """The task again and again, until it has ended and was shown once more. Fails if it
        fails or takes too long."""
        until = time.monotonic() + PATIENCE
        while True:
            task = self.server.task(task_id)
            yield task
            self.result(task)
            assert task["status"] != "completed", f"never came: {json.dumps(task)[:500]}"
            assert time.monotonic() < until, task
            time.sleep(POLL_SECONDS)

    def stop(self, task_id: str) -> None:
        """Cancel a job and wait until the line is free for the next measurement."""
        self.server.post(f"/api/task/{task_id}/cancel")
        self.server.wait_for_task(task_id)
        self.origin.settle()

    def bare(self, clip: str, *arguments: str) -> tuple[float, float]:
        """Wall and CPU seconds of a bare ffmpeg that reads a whole clip from the disk."""
        return run_ffmpeg(["-i", str(self.media / clip), *arguments])


@contextlib.contextmanager
def room(rounds: int, *, minutes: float, each: bool, plain: bool) -> Iterator[Room]:
    """A server with a data folder of its own at the end of a slow line."""
    media = clips()
    with (
        tempfile.TemporaryDirectory(prefix="gmapi-bench-") as name,
        SlowOrigin(media, each=each, plain=plain) as origin,
        GmapiServer(Path(name) / "data", queue_max_per_client=1000, rate_limit="off") as server,
    ):
        yield Room(server, origin, media, Path(name), rounds, minutes)


def seconds(values: list[float]) -> str:
    """A median, and the range where there is one."""
    shown = f"{median(values):.2f} s"
    return shown if len(values) == 1 else f"{shown} ({min(values):.2f}-{max(values):.2f})"
