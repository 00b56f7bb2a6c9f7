"""Rows 9 and 10: many players beside conversions, and what the whole tree holds meanwhile."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness import cpu_of, median
from streaming_room import MONO, PATIENCE, Json, Room, Row
from streaming_starts import FRAME_VALUES, SMALL
from support.product.server import descendants, is_ffmpeg

PLAYERS = 50
STAGES = (50, 75, 100, 150, 200, 300, 400)
STAGE_SECONDS = 15
LOOK_SECONDS = 5.0
MEMORY_BAR_MB = 600.0
FLAT = 1.05
FLAT_DESCRIPTORS = 10


def crowd(room: Room) -> None:
    """9: fifty players beside two conversions, and more until it breaks"""
    film = _film(room)
    broken = ""
    with _two_conversions(room):
        for players in STAGES:
            found, shares = _stage(room, film, players, STAGE_SECONDS)
            fine = not found["late"] and not found["failed"]
            measured = (
                f"{found['packs']} packs, late: {found['late']}, failed: {found['failed']}; p50 "
                f"{1000 * found['p50']:.0f} ms, p99 {1000 * found['p99']:.0f} ms, "
                f"most {found['most']:.2f} s; {found['bytes'] / STAGE_SECONDS / 1e6:.0f} MB/s"
            )
            is_bar = players == PLAYERS
            room.add(
                Row(9, f"{players} players beside two conversions", measured, shares,
                    "every pack within 1.5 s" if is_bar else "-", fine if is_bar else None)
            )  # fmt: skip
            if not fine:
                broken = "; ".join([f"{players} players", shares, *found["failures"]])
                break
    told = broken or f"not at {STAGES[-1]} players"
    room.add(Row(9, "where it breaks, and what was busy then", told))


def _film(room: Room) -> Json:
    """A finished film for the players, and its sound."""
    values = {"video_url": room.origin.new("first.mp4"), **FRAME_VALUES}
    task = room.server.wait_for_task(room.submit("/api/video_frame/async", values), PATIENCE)
    assert task["status"] == "completed", task
    return task


@contextlib.contextmanager
def _two_conversions(room: Room) -> Iterator[None]:
    """Two that go on until the end, from a source that is there already."""
    url = room.origin.new("first.mp4")
    again = {"input_url": url, "args": [*SMALL], "output_format": "mp4", "no_cache": True}
    first = {"input_url": url, "args": ["-vn"], "output_format": "m4a"}
    room.server.wait_for_task(room.submit("/api/ffmpeg/async", first), PATIENCE)
    over = threading.Event()

    def convert(number: int) -> None:
        while not over.is_set():
            task_id = room.submit("/api/ffmpeg/async", {**again, "label": f"{number}"})
            while not over.wait(0.5):
                if room.server.task(task_id)["status"] not in ("pending", "running"):
                    break
            else:
                room.server.post(f"/api/task/{task_id}/cancel")

    with _threads([lambda: convert(0), lambda: convert(1)], over):
        # Packs are asked for once both are at work.
        until = time.monotonic() + 30
        while len(room.server.ffmpegs()) < 2 and time.monotonic() < until:
            time.sleep(0.1)
        yield


@contextlib.contextmanager
def _threads(acts: list[Callable[[], None]], over: threading.Event) -> Iterator[None]:
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _stage(room: Room, film: Json, players: int, length: float) -> tuple[dict[str, Any], str]:
    """What the players measured, and how busy web, workers, players and machine were."""
    (web,) = room.server.children("web")
    workers = room.server.children("worker")
    before = cpu_of(web), cpu_of(*workers), _waited(web)
    psutil.cpu_percent()
    started = time.monotonic()
    found = _play(room, film, players, length)
    took = time.monotonic() - started
    machine = psutil.cpu_percent() * (psutil.cpu_count() or 1) / 100
    shares = [cpu_of(web) - before[0], cpu_of(*workers) - before[1], found["cpu"]]
    told = ", ".join(
        f"{name} {share / took:.2f}"
        for name, share in zip(("web", "workers", "players"), shares, strict=True)
    )
    waited = (_waited(web) - before[2]) / took
    return found, (
        f"cores busy: {told}, all {machine:.2f} of {psutil.cpu_count()}; web waits for a core "
        f"{100 * waited:.0f} % of the time"
    )


def _waited(pid: int) -> float:
    """Seconds that the main thread of a process could have run but had no core."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def _play(room: Room, film: Json, players: int, length: float) -> dict[str, Any]:
    result = film["result"]
    command = [
        sys.executable, str(Path(__file__).parent / "players.py"), "127.0.0.1",
        str(room.server.port), film["task_id"], str(result["current_frames"]),
        "--players", str(players), "--seconds", str(length),
        "--sound", result["audio_urls"]["audio_dfpwm_url"],
    ]  # fmt: skip
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def steady(room: Room) -> None:
    """10: memory and descriptors of the whole tree beside mixed work"""
    film = _film(room)
    looks: list[Held] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_SECONDS):
            looks.append(_held(room.server.pid))

    length = room.minutes * 60
    acts = [look, lambda: _mixed_work(room, over)]
    with _two_conversions(room), _threads(acts, over):
        found = _play(room, film, PLAYERS, length)
    # What starts up grows; then nothing may.
    third = len(looks) // 3
    memory = [each.megabytes for each in looks]
    descriptors = [float(each.descriptors) for each in looks]
    largest = max(looks, key=lambda each: each.megabytes)
    middles = [median(memory[third : 2 * third]), median(memory[2 * third :])]
    opened = [median(descriptors[third : 2 * third]), median(descriptors[2 * third :])]
    room.add(
        Row(10, f"memory of the whole tree (PSS), {PLAYERS} players and mixed work, "
            f"{room.minutes:g} minutes",
            f"most {largest.megabytes:.0f} MB, {largest.ffmpegs:.0f} of them ffmpeg's; median "
            f"{median(memory):.0f} MB; packs late: "
            f"{found['late']}, failed: {found['failed']}",
            bar=f"{MEMORY_BAR_MB:.0f} MB", met=max(memory) < MEMORY_BAR_MB)
    )  # fmt: skip
    room.add(
        Row(10, "medians of the second and the last third",
            f"{middles[0]:.0f} and {middles[1]:.0f} MB, "
            f"{opened[0]:.0f} and {opened[1]:.0f} descriptors",
            bar="flat",
            met=middles[1] <= FLAT * middles[0] and opened[1] <= opened[0] + FLAT_DESCRIPTORS)
    )  # fmt: skip


@dataclass
class Held:
    """What a process and all below it hold; `ffmpegs` is the part of the programs it runs."""

    megabytes: float = 0.0
    ffmpegs: float = 0.0
    descriptors: int = 0


def _held(root: int) -> Held:
    found = Held()
    for pid in (root, *descendants(root)):
        with contextlib.suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            size = process.memory_full_info().pss / 1e6
            found.megabytes += size
            found.ffmpegs += size * is_ffmpeg(pid)
            found.descriptors += process.num_fds()
    return found


def _mixed_work(room: Room, over: threading.Event) -> None:
    """Songs, frames and films for screens from new sources, each third of them cancelled."""
    number = 0
    while not over.is_set():
        kinds: list[tuple[str, Json]] = [
            ("/api/ffmpeg/async", {"input_url": room.origin.new("song.mp3"), "args": [*MONO],
                                   "output_format": "dfpwm"}),
            ("/api/video_frame/async", {"video_url": room.origin.new("last.mp4"), **FRAME_VALUES}),
            ("/api/sanjuuni/async", {"input_url": room.origin.new("film.webm"),
                                     "args": ["--width=102", "--height=57"],
                                     "output_format": "32vid"}),
        ]  # fmt: skip
        path, values = kinds[number % len(kinds)]
        task_id = room.submit(path, values)
        number += 1
        until = time.monotonic() + (3 if number % 3 == 0 else PATIENCE)
        while not over.wait(0.5):
            ended = room.server.task(task_id)["status"] not in ("pending", "running")
            if ended or time.monotonic() > until:
                break
        room.server.post(f"/api/task/{task_id}/cancel")
