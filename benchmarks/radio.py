"""`make bench-radio`: from pressing play to the first second of a station, and fifty who listen to
one; writes its figures to RESULTS.md.

The station sends 128 kbit/s MP3 at the pace at which it plays, so that a second of it cannot be
there sooner than a second after its first bytes.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from harness import GmapiServer, median
from results import conditions, write_section
from support.http.origin import Exchange, Origin
from support.media.broadcasts import BYTES_A_SECOND, broadcast
from support.product.server import wait_for

TRIALS = 8
LISTENERS = 50
LISTENED = 20
BAR_SECONDS = 1.5
PIECES_A_SECOND = 20


@dataclass
class PacedStation:
    """A station; `begun` is when its first bytes left it, by path."""

    song: bytes
    burst: int = 0
    begun: dict[str, float] = field(default_factory=dict)

    def __call__(self, exchange: Exchange) -> None:
        exchange.raw(b"ICY 200 OK\r\nicy-name: Test\r\nContent-Type: audio/mpeg\r\n\r\n")
        began = self.begun[exchange.request.path] = time.monotonic()
        size = BYTES_A_SECOND // PIECES_A_SECOND
        sent = 0
        while not exchange.origin.closing.is_set():
            exchange.raw((self.song * 2)[sent % len(self.song) :][:size])
            sent += size
            ahead = (sent - self.burst) / BYTES_A_SECOND
            exchange.wait(max(0.0, began + ahead - time.monotonic()))


def main() -> None:
    """Measure; print, and write unless told to print only."""
    before = conditions("make bench-radio")
    with tempfile.TemporaryDirectory(prefix="gmapi-bench-") as name, Origin() as origin:
        plain = PacedStation(broadcast("mp3", 12))
        bursting = PacedStation(plain.song, burst=10 * BYTES_A_SECOND)
        with GmapiServer(Path(name), radio_max=1) as server:
            rows = [
                _first_second(server, origin, "paced", plain),
                _first_second(server, origin, "ten seconds at once", bursting),
            ]
            rows += _fifty(server, origin, plain)
    lines = [before, "", "| what | median | longest | bar | met |", "|---|---|---|---|---|", *rows]
    print("\n".join(lines))
    if sys.argv[1:] != ["--print"]:
        write_section("make bench-radio", lines)


def _first_second(server: GmapiServer, origin: Origin, what: str, station: PacedStation) -> str:
    found = []
    for number in range(TRIALS):
        path = f"/{what.split()[0]}{number}"
        task = server.post("/api/radio", {"input_url": origin.add(path, station)}).json()["task_id"]
        second = f"/stream/{task}/sound/1/mono"
        wait_for(lambda at=second: server.get(at).status == 200, 30, "a second")
        found.append(time.monotonic() - station.begun[path])
        server.post(f"/api/task/{task}/cancel")
    return _row(f"first second after the station's first bytes, {what}", found, BAR_SECONDS)


def _fifty(server: GmapiServer, origin: Origin, station: PacedStation) -> list[str]:
    """Each asks for each second as soon as it has the one before."""
    url = origin.add("/fifty", station)
    task = server.post("/api/radio", {"input_url": url}).json()["task_id"]
    wait_for(lambda: server.get(f"/stream/{task}/sound/1/mono").status == 200, 30, "a second")
    late: list[float] = []
    guard = threading.Lock()

    def listen(number: int) -> str:
        joined = str(server.post("/api/radio", {"input_url": url}).json()["task_id"])
        for second in range(2, LISTENED + 2):
            path = f"/stream/{joined}/sound/{second}/mono"
            wait_for(lambda at=path: server.get(at).status == 200, 30, "a second")
            with guard:
                late.append(time.monotonic() - station.begun["/fifty"] - second)
        return joined

    processes = [psutil.Process(pid) for pid in server.children("web")]
    ffmpegs = server.ffmpegs()
    used = [sum(each.cpu_times()[:2]) for each in processes]
    began = time.monotonic()
    with ThreadPoolExecutor(LISTENERS) as pool:
        tasks = set(pool.map(listen, range(LISTENERS)))
    took = time.monotonic() - began
    spent = sum(sum(each.cpu_times()[:2]) for each in processes) - sum(used)
    conversions = len(ffmpegs)
    assert tasks == {task}
    assert len(server.ffmpegs()) == conversions == 1
    assert origin.count("/fifty") == 1
    share = 100 * spent / took
    return [
        _row(f"{LISTENERS} listeners: a second after it was sent", late, BAR_SECONDS),
        f"| {LISTENERS} listeners: conversions, connections to the station | 1 | 1 | 1 | yes |",
        f"| {LISTENERS} listeners: processor of the web process | {share:.0f} % | - | - | - |",
    ]


def _row(what: str, seconds: list[float], bar: float) -> str:
    met = "yes" if median(seconds) <= bar else "**no**"
    return f"| {what} | {median(seconds):.2f} s | {max(seconds):.2f} s | {bar} s | {met} |"


if __name__ == "__main__":
    main()
