"""`make bench-locked`: polls of a task while somebody holds the database locked, and alone; writes
its figures to RESULTS.md.

This process holds the write lock of both SQLite files, as a backup or a frozen worker would, for as
long as twenty polls a second go on; four submissions come meanwhile, and must have succeeded when
the lock is gone. Rounds with and without the lock take turns on one server.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cases import run_load
from harness import GmapiServer, median
from results import conditions, write_section
from support.http.dawdlers import dripping
from support.http.origin import Origin
from support.product.locks import locked
from support.product.server import wait_for

ROUNDS = 3
SECONDS = 7
RATE = 20
SUBMISSIONS = 4
BAR_MS = 50.0


def main() -> None:
    """Measure; print, and write unless told to print only."""
    alone: list[dict[str, float]] = []
    beside: list[dict[str, float]] = []
    late: list[float] = []
    before = conditions("make bench-locked")
    with tempfile.TemporaryDirectory(prefix="gmapi-bench-") as name, Origin() as origin:
        origin.add("/dripping", dripping(0.2))
        with GmapiServer(Path(name), fetch_stall=600) as server:
            task = _submit(server, origin, "watched")[0]
            wait_for(lambda: server.task(task)["status"] == "running", 30, "a running task")
            for number in range(ROUNDS):
                alone.append(_polls(server, task))
                with _locked(server, origin, number, late):
                    beside.append(_polls(server, task))
    lines = [before, "", *_table(alone, beside, late)]
    print("\n".join(lines))
    if sys.argv[1:] != ["--print"]:
        write_section("make bench-locked", lines)


def _polls(server: GmapiServer, task: str) -> dict[str, float]:
    path = f"/api/task/{task}"
    return run_load(server.port, path, connections=4, rate=RATE, seconds=SECONDS)


def _submit(server: GmapiServer, origin: Origin, name: str) -> tuple[str, float]:
    """A new task, and the monotonic time of its answer."""
    values = {"input_url": origin.url(f"/dripping?{name}"), "output_format": "mp3"}
    answer = server.post("/api/ffmpeg/async", values)
    assert answer.status == 202, answer
    return answer.json()["task_id"], time.monotonic()


@contextlib.contextmanager
def _locked(server: GmapiServer, origin: Origin, number: int, late: list[float]) -> Iterator[None]:
    """Hold the lock in the block; notes how long after it each submission was answered."""
    with ThreadPoolExecutor(SUBMISSIONS) as pool:
        with locked(*(server.data_dir / name for name in ("gmapi.db", "queue.db"))):
            waiting = [
                pool.submit(_submit, server, origin, f"{number}.{each}")
                for each in range(SUBMISSIONS)
            ]
            yield
            assert not any(each.done() for each in waiting)
            released = time.monotonic()
        answers = [each.result() for each in waiting]
    late += [answered - released for _, answered in answers]
    for task, _ in answers:
        server.post(f"/api/task/{task}/cancel")


def _table(
    alone: list[dict[str, float]], beside: list[dict[str, float]], late: list[float]
) -> list[str]:
    lines = [
        f"| polls, {RATE} a second, medians of {ROUNDS} rounds | p50 | p99 | not 200 | bar | met |",
        "|---|---|---|---|---|---|",
    ]
    for what, found in (
        ("alone", alone),
        (f"with the database held locked for {SECONDS} s", beside),
    ):
        p50 = median([each["p50_ms"] for each in found])
        p99 = median([each["p99_ms"] for each in found])
        errors = sum(int(each["errors"]) for each in found)
        met = "yes" if p99 < BAR_MS and not errors else "**no**"
        bar = f"p99 {BAR_MS:.0f} ms, all 200"
        lines.append(f"| {what} | {p50:.1f} ms | {p99:.1f} ms | {errors} | {bar} | {met} |")
    lines.append("")
    lines.append(
        f"The {len(late)} submissions made meanwhile were accepted, at the latest "
        f"{1000 * max(late):.0f} ms after the lock was gone."
    )
    return lines


if __name__ == "__main__":
    main()
