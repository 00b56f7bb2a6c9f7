"""Stations as clients hear them: one conversion for all, beside the jobs of the workers."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.documents import ROOT, blocks
from support.game.cc_emulator import Computer
from support.http.origin import Origin
from support.media.broadcasts import ICY, broadcast, station
from support.product.server import GmapiServer, wait_for

LISTENERS = 50


@pytest.fixture(scope="module")
def own_origin() -> Iterator[Origin]:
    with Origin() as started:
        started.add("/radio", station(broadcast("mp3", 12), ICY))
        started.add("/other", station(broadcast("mp3", 12), ICY))
        yield started


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GmapiServer]:
    """A server with one worker, which plays one station."""
    folder = tmp_path_factory.mktemp("tuned")
    settings = {"workers": 1, "radio_max": 1, "lease_seconds": 2, "job_timeout": 30}
    with GmapiServer(folder, **settings) as running:
        yield running


def listen(server: GmapiServer, url: str) -> str:
    """The task of a station that is on the air."""
    answer = server.post("/api/radio", {"input_url": url})
    assert answer.status == 202, answer
    task_id = str(answer.json()["task_id"])
    assert answer.headers["Location"].endswith(task_id)
    on_air(server, task_id)
    return task_id


def on_air(server: GmapiServer, task_id: str) -> dict[str, Any]:
    def result() -> dict[str, Any]:
        task = server.task(task_id)
        assert task["status"] in ("pending", "running"), task
        return dict(task["result"]) if task["result"].get("on_air") else {}

    return dict(wait_for(result, 60, "a station on the air"))


def test_fifty_listeners_share_one_conversion(tuned: GmapiServer, own_origin: Origin) -> None:
    url = own_origin.url("/radio")
    before = own_origin.count("/radio")
    first = listen(tuned, url)
    last = on_air(tuned, first)["last"]

    def hear(number: int) -> tuple[str, list[bytes]]:
        path = "/api/radio/async" if number % 2 else "/api/radio"
        fields = {"input_url": url, "no_cache": bool(number % 3), "max_duration": 1 + number}
        task = tuned.post(path, fields).json()["task_id"]
        channels = ("mono", "left", "right")
        seconds = range(max(1, last - 2), last + 1)
        answers = [tuned.get(f"/stream/{task}/sound/{s}/{channels[number % 3]}") for s in seconds]
        assert {answer.status for answer in answers} == {200}
        return task, [answer.body for answer in answers]

    with ThreadPoolExecutor(LISTENERS) as pool:
        heard = list(pool.map(hear, range(LISTENERS)))
    assert {task for task, _ in heard} == {first}
    assert {len(body) for _, bodies in heard for body in bodies} == {6000}
    # A tone of one channel is the same in all three.
    assert len({tuple(bodies) for _, bodies in heard}) == 1
    assert own_origin.count("/radio") == before + 1
    assert len(tuned.ffmpegs()) == 1


def test_a_second_is_a_file_that_never_changes(tuned: GmapiServer, own_origin: Origin) -> None:
    task = listen(tuned, own_origin.url("/radio"))
    second = on_air(tuned, task)["last"]
    path = f"/stream/{task}/sound/{second}/mono"
    whole = tuned.get(path)
    assert whole.headers["Access-Control-Allow-Origin"] == "*"
    assert whole.headers["Content-Length"] == "6000"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert tuned.request("HEAD", path).headers["Content-Length"] == "6000"
    part = tuned.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, whole.body[10:20])
    same = tuned.get(path, headers={"If-None-Match": whole.headers["ETag"]})
    assert same.status == 304
    assert tuned.get(f"/stream/{task}/sound/{second}/left").headers["ETag"] != whole.headers["ETag"]


def test_what_is_not_there_is_told(tuned: GmapiServer, own_origin: Origin) -> None:
    task = listen(tuned, own_origin.url("/radio"))
    last = on_air(tuned, task)["last"]
    far = tuned.get(f"/stream/{task}/sound/{last + 1000}/mono")
    assert far.status == 404
    assert far.json()["last"] >= last
    assert far.json()["first"] >= 1
    assert str(far.json()["last"]) in far.reason
    soon = tuned.get(f"/stream/{task}/sound/{last + 50}/mono")
    assert soon.status == 503
    assert soon.headers["Retry-After"] == "1"
    assert soon.json()["error_code"] == "unavailable"
    assert soon.json()["last"] >= last
    # The next one is waited for.
    newest = int(soon.json()["last"])
    assert wait_for(lambda: tuned.get(f"/stream/{task}/sound/{newest + 1}/mono").status == 200, 60)
    for odd in ("0/mono", "-1/mono", "01/mono", "1/centre", "1e3/mono", "9999999999999/mono"):
        assert tuned.get(f"/stream/{task}/sound/{odd}").status == 404, odd
    assert tuned.get(f"/stream/{'0' * 32}/sound/1/mono").status == 404


def test_a_station_keeps_no_worker_from_other_jobs(tuned: GmapiServer, own_origin: Origin) -> None:
    task = listen(tuned, own_origin.url("/radio"))
    song = own_origin.add("/song.mp3", broadcast("mp3", 12))
    answer = tuned.post("/api/ffmpeg", {"input_url": song, "output_format": "dfpwm"}).json()
    assert answer["status"] == "success"
    assert tuned.get(f"/stream/{answer['task_id']}/sound/1/mono").status == 404
    assert on_air(tuned, task)


def test_no_more_stations_than_the_operator_allows(tuned: GmapiServer, own_origin: Origin) -> None:
    task = listen(tuned, own_origin.url("/radio"))
    refused = tuned.post("/api/radio", {"input_url": own_origin.url("/other")})
    assert refused.status == 429
    assert refused.json()["error_code"] == "queue_full"
    assert "GMAPI_RADIO_MAX" in refused.json()["message"]
    assert refused.headers["Retry-After"] == "60"
    # Once it is cancelled there is room, and nothing of it is left.
    assert tuned.post(f"/api/task/{task}/cancel").json()["status"] == "cancelled"
    gone = tuned.get(f"/stream/{task}/sound/1/mono")
    assert gone.status == 404
    assert "last" not in gone.json()
    wait_for(lambda: not tuned.ffmpegs(), 60, "the end of its process")
    other = listen(tuned, own_origin.url("/other"))
    assert other != task
    tuned.post(f"/api/task/{other}/cancel")


def test_a_station_that_fails_says_why_and_another_try_begins_anew(
    tuned: GmapiServer, own_origin: Origin
) -> None:
    url = own_origin.add("/file.mp3", broadcast("mp3", 12))
    task = tuned.post("/api/radio", {"input_url": url}).json()["task_id"]
    ended = tuned.wait_for_task(task)
    assert (ended["status"], ended["error_code"]) == ("error", "source_not_live")
    sound = tuned.get(f"/stream/{task}/sound/1/mono")
    assert (sound.status, sound.json()["message"]) == (404, ended["message"])
    other = tuned.post("/api/radio", {"input_url": url}).json()["task_id"]
    assert other != task
    tuned.wait_for_task(other)


def test_a_station_outlives_its_worker(tuned: GmapiServer, own_origin: Origin) -> None:
    task = listen(tuned, own_origin.url("/radio"))
    assert tuned.get(f"/stream/{task}/sound/1/mono").status == 200
    (worker,) = tuned.children("worker")
    os.kill(worker, signal.SIGKILL)

    def again() -> int:
        tuned.get(f"/stream/{task}/sound/1/mono")
        found = tuned.task(task)
        assert found["status"] in ("pending", "running"), found
        return int(found["result"].get("last") or 0) if found["attempt"] == 2 else 0

    assert wait_for(again, 60, "the second attempt") > 10_000_000
    gone = tuned.get(f"/stream/{task}/sound/1/mono")
    assert gone.status == 404
    first = gone.json()["first"]
    assert first > 10_000_000
    assert tuned.get(f"/stream/{task}/sound/{first}/mono").status == 200
    tuned.post(f"/api/task/{task}/cancel")


def test_a_server_that_stops_waits_for_no_station(
    make_server: Callable[..., GmapiServer], own_origin: Origin
) -> None:
    server = make_server(workers=1).start()
    task = listen(server, own_origin.url("/radio"))
    assert server.stop() == 0
    server.start()
    # Who listens goes on: it is the same task.
    wait_for(lambda: server.get(f"/stream/{task}/sound/1/mono").status in (404, 503), 60)
    assert on_air(server, task)["last"] > 10_000_000


IMPATIENT = """
import sys
if "worker" in sys.orig_argv or "web" in sys.orig_argv:
    import pathlib, time
    import gmapi.tools.radio as radio
    from gmapi.fetch.broadcast import Broadcast
    radio.UNHEARD_SECONDS, radio.ACCESS_SECONDS = 2.0, 0.5
    leave, held = Broadcast.__exit__, pathlib.Path(__file__).with_name("held")
    def late(self, *error):
        while held.exists():
            time.sleep(0.02)
        leave(self, *error)
    Broadcast.__exit__ = late
"""


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GmapiServer, Path]]:
    """A server that counts seconds instead of minutes until nobody listens; and the path of a file
    that keeps stations from ending while it is there."""
    folder = tmp_path_factory.mktemp("impatient")
    (folder / "sitecustomize.py").write_text(IMPATIENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        with GmapiServer(folder / "data", workers=1) as running:
            yield running, folder / "held"


def test_a_station_ends_after_its_last_listener(
    impatient: tuple[GmapiServer, Path], own_origin: Origin
) -> None:
    server, _ = impatient
    task = listen(server, own_origin.url("/radio"))
    until = time.monotonic() + 2.8
    while time.monotonic() < until:
        assert server.get(f"/stream/{task}/sound/1/mono").status == 200
        time.sleep(0.3)
    assert server.task(task)["status"] == "running"
    ended = server.wait_for_task(task)
    assert ended["status"] == "completed"
    assert "nobody listened" in ended["message"]
    assert not ended["result"]["on_air"]
    assert server.ffmpegs() == []
    # What is left of it can still be heard; who asks again gets it as it is now.
    assert server.get(f"/stream/{task}/sound/{ended['result']['last']}/mono").status == 200
    assert listen(server, own_origin.url("/radio")) != task


def test_who_comes_at_the_last_moment_is_played_to(
    impatient: tuple[GmapiServer, Path], own_origin: Origin
) -> None:
    server, held = impatient
    held.touch()
    task = listen(server, own_origin.url("/other"))
    wait_for(lambda: not server.ffmpegs(), 60, "the end of its process")
    late = server.post("/api/radio", {"input_url": own_origin.url("/other")}).json()["task_id"]
    held.unlink()
    assert late == task
    assert wait_for(lambda: server.task(task)["attempt"] == 2, 60, "the second attempt")
    assert on_air(server, task)["last"] > 10_000_000


@pytest.mark.parametrize("channels", [("mono",), ("left", "right")])
def test_a_game_computer_plays_a_station(
    channels: tuple[str, ...], tuned: GmapiServer, own_origin: Origin
) -> None:
    computer = Computer()
    page, readme = ROOT / "docs" / "radio.md", ROOT / "README.md"
    for module in (*blocks(readme), *blocks(page)):
        if module.file in ("gmapi.lua", "radio.lua"):
            source = module.body.replace("127.0.0.1:5000", f"127.0.0.1:{tuned.port}")
            computer.add_module(module.file.removesuffix(".lua"), source)
    speakers = ", ".join(f"{channel} = peripheral.find('speaker')" for channel in channels)
    computer.run(
        f"require('radio').play('{own_origin.url('/radio')}', {{{speakers}}}, 2) print('played')"
    )
    assert computer.printed[-1] == "played"
    assert any(re.fullmatch(r"On the air: Test\.", line) for line in computer.printed)
    samples = computer.speaker.samples
    assert len(samples) == 2 * 48_000 * len(channels)
    assert max(samples[48_000:]) > 10, "silence"
