"""What is measured of the disk, for many who ask, and by whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from gmapi.errors import StorageFullError
from gmapi.jobs import usage
from gmapi.jobs.model import WorkerRow
from gmapi.jobs.service import Health, JobService
from gmapi.jobs.usage import Shared, Usage
from gmapi.settings import Settings
from gmapi.storage.local import LocalStorage
from gmapi.tools.ffmpeg import FfmpegRequest
from gmapi.tools.registry import TOOLS

CALLERS = 40


class Walk:
    """Stands for a walk through all files: counts, and waits if told to."""

    def __init__(self) -> None:
        self.count = 0
        self.bytes = 5
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def __call__(self, *_: object) -> int:
        self.count += 1
        self.begun.set()
        assert self.go_on.wait(30)
        return self.bytes


@pytest.fixture
def walk(monkeypatch: pytest.MonkeyPatch) -> Walk:
    made = Walk()
    monkeypatch.setattr(LocalStorage, "used_bytes", made)
    return made


@pytest.fixture
def service(tmp_path: Path, walk: Walk) -> Iterator[JobService]:
    """With a budget that is not used up, its slow work done by gevent's other threads."""
    settings = Settings(data_dir=tmp_path, disk_budget=10, queue_max_per_client=100)
    made = JobService(settings, gevent.get_hub().threadpool.apply)
    made.start()
    yield made
    made.stop()


def submit(service: JobService, number: int) -> Any:
    request = FfmpegRequest(input_url=f"http://127.0.0.1/{number}", output_format="mp3")
    return service.submit(TOOLS["ffmpeg"], request, "c")


def test_many_who_ask_for_health_and_submit_share_one_walk(service: JobService, walk: Walk) -> None:
    for number in range(CALLERS):
        assert service.health(3.0).used_bytes == 5
        submit(service, number)
    assert walk.count == 1


def test_a_walk_holds_up_nobody_but_the_first_who_asks(service: JobService, walk: Walk) -> None:
    walk.go_on.clear()
    first = gevent.spawn(service.health)
    with gevent.Timeout(30):
        while not walk.begun.is_set():
            gevent.sleep(0.001)
        assert not first.ready()
        assert service.page(state=None, tool=None, limit=1, offset=0) == ([], 0)  # we go on
    walk.go_on.set()
    found = first.get(timeout=30)
    assert isinstance(found, Health)
    assert found.used_bytes == 5


def test_a_full_budget_is_not_searched_again_for_each_refusal(
    service: JobService, walk: Walk
) -> None:
    walk.bytes = 11
    for number in range(CALLERS):
        with pytest.raises(StorageFullError, match="budget"):
            submit(service, number)
    assert walk.count <= 3


def test_that_a_server_cannot_work_is_not_held_on_to(service: JobService) -> None:
    assert service.health(60.0).problems == ["No worker is alive."]
    service._roster.report(WorkerRow("w", 1, "here", time.time(), time.time(), None, {}))
    with gevent.Timeout(30):
        while service.health(60.0).problems:
            gevent.sleep(0.01)


# -- the pieces ------------------------------------------------------------------------------


def test_those_who_ask_during_a_look_get_the_last_one() -> None:
    values = iter(range(10))
    looking, go_on = threading.Event(), threading.Event()

    def look() -> int:
        value = next(values)
        if value:
            looking.set()
            assert go_on.wait(30)
        return value

    shared = Shared(look)
    assert shared.get(60.0) == 0
    assert shared.get(60.0) == 0
    answers: list[int] = []
    renewing = threading.Thread(target=lambda: answers.append(shared.get(0.0)))
    renewing.start()
    assert looking.wait(30)
    assert [shared.get(0.0) for _ in range(CALLERS)] == [0] * CALLERS
    go_on.set()
    renewing.join(30)
    assert answers == [1]
    assert shared.get(60.0) == 1


def test_those_who_come_before_the_first_look_is_done_wait_for_it() -> None:
    begun, go_on = threading.Event(), threading.Event()
    looks: list[int] = []

    def look() -> int:
        looks.append(1)
        begun.set()
        assert go_on.wait(30)
        return 7

    shared = Shared(look)
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(shared.get(60.0))) for _ in range(CALLERS)
    ]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert answers == [7] * CALLERS
    assert len(looks) == 1


def test_a_look_that_fails_is_made_again() -> None:
    results: list[Any] = [OSError("no"), 3]

    def look() -> int:
        result = results.pop(0)
        if isinstance(result, OSError):
            raise result
        return int(result)

    shared = Shared(look)
    with pytest.raises(OSError, match="no"):
        shared.get(1.0)
    assert shared.get(1.0) == 3


def test_what_takes_long_is_measured_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(usage.time, "monotonic", lambda: clock[0])
    walks: list[float] = []

    def walk() -> int:
        clock[0] += 1.0
        walks.append(clock[0])
        return len(walks)

    measured = Usage(walk)
    for _ in range(600):
        measured.latest()
        clock[0] += 0.1
    spent, passed = len(walks) * 1.0, clock[0] - 1000.0
    assert len(walks) > 1
    assert spent / passed <= usage.MEASURING_SHARE * 1.5
    assert measured.now() == len(walks)
