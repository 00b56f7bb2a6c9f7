"""Rows 4, 5 and 7: songs, whole and as they grow, and radio."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from harness import median
from slow_origin import RATE, STATION_RATE
from streaming_room import MONO, Json, Room, Row, seconds

SONG = "song.mp3"
SONG_SECONDS = 180
SECOND_BYTES = 6000
AGAIN = 5
CALLERS = 10
LISTENERS = 50


def songs(room: Room) -> None:
    """4: a song by a waiting call, again, and ten callers at once"""
    ours, limits, again, together, kinds = [], [], [], [], []
    for _ in range(room.rounds):
        limits.append(room.origin.download(room.origin.new(SONG)))
        values = _values(room.origin.new(SONG))
        ours.append(_sync(room, values)[0])
        again += [_sync(room, values)[0] for _ in range(AGAIN)]
        values = _values(room.origin.new(SONG))
        with ThreadPoolExecutor(CALLERS) as pool:
            took = list(pool.map(lambda _, v=values: _sync(room, v), range(CALLERS)))
        together.append(max(one for one, _ in took))
        fetches = len([r for r in room.origin.log(values["input_url"]) if r.sent])
        kinds.append((fetches, len({file for _, file in took})))
    bar = median(limits) + 0.3
    room.add(
        Row(4, f"{SONG} ({SONG_SECONDS} s) to dfpwm, sync", seconds(ours), seconds(limits),
            f"download + 0.3 s = {bar:.2f} s", median(ours) <= bar)
    )  # fmt: skip
    room.add(
        Row(4, "the same again", f"{1000 * median(again):.0f} ms", bar="30 ms",
            met=median(again) <= 0.03)
    )  # fmt: skip
    most = 1.1 * median(ours)
    fetches, runs = max(kinds)
    room.add(
        Row(4, f"{CALLERS} callers at once, the last of them",
            f"{seconds(together)}; fetches: {fetches}, runs: {runs}", seconds(ours),
            f"one fetch, one run, 1.1 x = {most:.2f} s",
            median(together) <= most and (fetches, runs) == (1, 1))
    )  # fmt: skip


def _values(url: str) -> Json:
    return {"input_url": url, "args": [*MONO], "output_format": "dfpwm"}


def _sync(room: Room, values: Json) -> tuple[float, str]:
    """Seconds, and the file that was made."""
    started = time.monotonic()
    answer = room.server.post("/api/ffmpeg", values, timeout=300).json()
    took = time.monotonic() - started
    assert answer["status"] == "success", answer
    return took, answer["file_id"]


def growing_song(room: Room) -> None:
    """5: the first second of a song, after its bytes"""
    size = (room.media / SONG).stat().st_size
    ours, whole = [], False
    for _ in range(room.rounds):
        url = room.origin.new(SONG)
        task_id = room.submit("/api/ffmpeg/async", _values(url))
        for task in room.polls(task_id):
            result = room.result(task)
            if result.get("download_url") and result.get("size", SECOND_BYTES) >= SECOND_BYTES:
                part = {"Range": f"bytes=0-{SECOND_BYTES - 1}"}
                answer = room.server.get(result["download_url"], headers=part)
                if answer.status == 206 and len(answer.body) == SECOND_BYTES:
                    whole = whole or task["status"] == "completed"
                    break
        now = time.monotonic()
        first = next(each for each in room.origin.log(url) if each.first)
        ours.append(now - first.first - size / SONG_SECONDS / RATE)
        room.stop(task_id)
    measured = seconds(ours) + (" (not there: it was whole by then)" if whole else "")
    room.add(
        Row(5, f"first second of {SONG} read, after its bytes came", measured, bar="0.3 s",
            met=median(ours) <= 0.3)
    )  # fmt: skip


def radio(room: Room) -> None:
    """7: a station's first second, and one conversion for all listeners"""
    ours: list[float] = []
    for _ in range(room.rounds):
        url = room.origin.new("station/station.mp3")
        task_id = room.submit("/api/radio", {"input_url": url})
        _first_second(room, task_id)
        now = time.monotonic()
        ours.append(now - next(each.first for each in room.origin.log(url) if each.first))
        room.server.post(f"/api/task/{task_id}/cancel")
        room.server.wait_for_task(task_id)
    # The second itself takes its time on the air.
    room.add(
        Row(7, "radio: the source's first byte to the first second of sound read", seconds(ours),
            f"{1.0:.2f} s", "1.5 s", median(ours) <= 1.5)
    )  # fmt: skip
    _listeners(room)


def _first_second(room: Room, task_id: str) -> None:
    """Return as soon as the newest second of a station has been read."""
    for task in room.polls(task_id):
        result = room.result(task)
        if result.get("last"):
            answer = room.server.get(result["sound_urls"]["mono"] % result["last"])
            assert (answer.status, len(answer.body)) == (200, SECOND_BYTES), answer
            return


def _listeners(room: Room) -> None:
    url = room.origin.new("station/station.mp3")
    most = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.1):
            most = max(most, len(room.server.ffmpegs()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(LISTENERS) as pool:

            def listen(_: int) -> str:
                task_id = room.submit("/api/radio", {"input_url": url})
                _first_second(room, task_id)
                return task_id

            tasks = set(pool.map(listen, range(LISTENERS)))
    finally:
        over.set()
        watcher.join()
    lines = len([each for each in room.origin.log(url) if each.sent > STATION_RATE // 10])
    for task_id in tasks:
        room.server.post(f"/api/task/{task_id}/cancel")
    room.add(
        Row(7, f"{LISTENERS} listeners of a station",
            f"connections to it: {lines}, tasks: {len(tasks)}, ffmpeg processes: {most}",
            bar="one conversion", met=lines == 1)
    )  # fmt: skip
