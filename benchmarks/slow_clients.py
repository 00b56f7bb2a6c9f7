"""`make bench-slow`: /health alone, and beside slow clients and slow sources; writes its figures to
RESULTS.md.

Sixty connections hold half a request each and are opened anew when the server closes them; a
hundred calls wait for sources that send a byte every fifth of a second. Rounds with and without
them take turns on one server.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cases import run_load
from harness import GmapiServer, median
from results import conditions, write_section
from support.http.dawdlers import dripping, half_sent
from support.http.origin import Origin
from support.http.raw_http import GameCall
from support.product.server import wait_for

ROUNDS = 3
SECONDS = 8
RATE = 50
HALF_SENT = 60
SOURCES = 100
BAR_MS = 100.0


def main() -> None:
    """Measure; print, and write unless told to print only."""
    quiet: list[dict[str, float]] = []
    beside: list[dict[str, float]] = []
    before = conditions("make bench-slow")
    with tempfile.TemporaryDirectory(prefix="gmapi-bench-") as name, Origin() as origin:
        origin.add("/dripping", dripping(0.2))
        settings = {"queue_max_per_client": 1000, "fetch_stall": 600}
        with GmapiServer(Path(name), **settings) as server:
            for number in range(ROUNDS):
                quiet.append(_health(server))
                with _slow(server, origin, number):
                    beside.append(_health(server))
    lines = [before, "", *_table(quiet, beside)]
    print("\n".join(lines))
    if sys.argv[1:] != ["--print"]:
        write_section("make bench-slow", lines)


def _health(server: GmapiServer) -> dict[str, float]:
    found = run_load(server.port, "/health", connections=4, rate=RATE, seconds=SECONDS)
    assert not found["errors"], found
    return found


@contextlib.contextmanager
def _slow(server: GmapiServer, origin: Origin, number: int) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for source in range(SOURCES):
            url = origin.url(f"/dripping?{number}.{source}")
            values = {"input_url": url, "output_format": "mp3"}
            stack.enter_context(GameCall(server.port, "POST", "/api/ffmpeg", values))
        stack.enter_context(half_sent(server.port, HALF_SENT, again=True))
        wait_for(lambda: _unfinished(server) == SOURCES, 30, "a hundred jobs")
        yield
        for task in server.get("/api/tasks?limit=500").json()["tasks"]:
            server.post(f"/api/task/{task['task_id']}/cancel")
    wait_for(lambda: _unfinished(server) == 0, 60, "the end of all jobs")


def _unfinished(server: GmapiServer) -> int:
    queue: dict[str, int] = server.get("/health").json()["queue"]
    return queue["waiting"] + queue["running"]


def _table(quiet: list[dict[str, float]], beside: list[dict[str, float]]) -> list[str]:
    lines = [
        f"| /health, {RATE} a second, medians of {ROUNDS} rounds | p50 | p99 | bar | met |",
        "|---|---|---|---|---|",
    ]
    for what, found in (
        ("alone", quiet),
        (f"beside {HALF_SENT} half-sent requests and {SOURCES} trickling sources", beside),
    ):
        p50 = median([each["p50_ms"] for each in found])
        p99 = median([each["p99_ms"] for each in found])
        met = "yes" if p99 < BAR_MS else "**no**"
        lines.append(f"| {what} | {p50:.1f} ms | {p99:.1f} ms | {BAR_MS:.0f} ms | {met} |")
    return lines


if __name__ == "__main__":
    main()
