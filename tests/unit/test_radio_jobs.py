"""Work that goes on for as long as somebody uses it: its time, who is there, and how many there
may be."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gmapi.errors import QueueFullError
from gmapi.jobs import overdue as overdue_module
from gmapi.jobs.attendance import Attendance
from gmapi.jobs.model import Fence, Job, State
from gmapi.jobs.overdue import Overdue
from gmapi.jobs.service import JobService
from gmapi.jobs.store import JobStore
from gmapi.settings import Settings
from gmapi.tools.radio import RADIO, RadioRequest
from gmapi.tools.registry import TOOLS
from gmapi.web.app import create_app
from gmapi.web.routes import stream

URL = "http://a/radio"


def request(**fields: object) -> RadioRequest:
    return RadioRequest.model_validate({"input_url": URL, **fields})


def claim(service: JobService, job: Job) -> tuple[JobStore, Fence]:
    store = service._store
    claimed = store.claim(job.id, "w", 30)
    assert claimed is not None
    return store, Fence(job.id, "w", claimed.attempt)


def test_whatever_else_is_asked_the_same_station_is_one_task(service: JobService) -> None:
    first = service.submit(RADIO, request(), "c").job
    for fields in ({"no_cache": True}, {"max_age": 0}, {"max_duration": 5}, {"label": "mine"}):
        assert service.submit(RADIO, request(**fields), "d").job.id == first.id
    other = service.submit(RADIO, request(headers={"Referer": "x"}), "c").job
    assert other.id != first.id


def test_a_station_that_has_been_switched_off_is_not_joined(service: JobService) -> None:
    job = service.submit(RADIO, request(), "c").job
    store, fence = claim(service, job)
    assert service.submit(RADIO, request(), "c").job.id == job.id
    assert store.finish(fence, {}, "Off.")
    # However old a result the caller would take.
    assert service.submit(RADIO, request(max_age=1e9), "c").job.id != job.id


@pytest.mark.parametrize("most", [0, 2])
def test_only_so_many_stations_are_played(most: int, tmp_path: Path) -> None:
    service = JobService(Settings(data_dir=tmp_path, radio_max=most))
    service.start()
    try:
        jobs = [
            service.submit(RADIO, request(input_url=f"{URL}{number}"), "c").job
            for number in range(most)
        ]
        with pytest.raises(QueueFullError, match="GMAPI_RADIO_MAX") as caught:
            service.submit(RADIO, request(input_url=f"{URL}x"), "d")
        assert caught.value.retry_after
        for job in jobs[:1]:
            # One that is on can be joined, and other work is not concerned.
            assert service.submit(RADIO, request(input_url=f"{URL}0"), "d").joined
            service.cancel(job.id)
            service.submit(RADIO, request(input_url=f"{URL}x"), "d")
        song = TOOLS["ffmpeg"].request.model_validate({"input_url": URL, "output_format": "mp3"})
        service.submit(TOOLS["ffmpeg"], song, "c")
    finally:
        service.stop()


def test_each_access_is_told_to_the_work(
    service: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = service.submit(RADIO, request(), "c").job
    store, fence = claim(service, job)
    attendance = Attendance(store, Overdue(service.settings, store), fence)
    now = time.time()
    monkeypatch.setattr(store, "now", lambda: now + 100)
    assert attendance.unused() == pytest.approx(100, abs=5)
    service.touch(job, 5.0)
    assert attendance.unused() < 1
    # Whoever asks for the station is there, too, though nothing of it can be heard yet.
    monkeypatch.setattr(store, "now", lambda: now + 200)
    assert attendance.unused() == pytest.approx(100, abs=5)
    service.submit(RADIO, request(), "d")
    assert attendance.unused() < 1
    assert store.last_wanted("0" * 32) == 0.0


def test_a_station_does_not_end_under_who_comes_at_the_last_moment(service: JobService) -> None:
    job = service.submit(RADIO, request(), "c").job
    store, fence = claim(service, job)
    attendance = Attendance(store, Overdue(service.settings, store), fence)
    attendance.unused()
    assert service.submit(RADIO, request(), "d").joined
    assert not store.finish(fence, {}, "Off.", wanted_until=attendance.seen)
    assert service.job(job.id).state is State.RUNNING
    attendance.unused()
    assert store.finish(fence, {}, "Off.", wanted_until=attendance.seen)
    assert service.job(job.id).state is State.COMPLETED


def test_a_job_that_shows_that_it_works_gets_more_time(
    service: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(overdue_module.os, "_exit", ended.append)
    clock = [1000.0]
    monkeypatch.setattr(overdue_module.time, "monotonic", lambda: clock[0])
    radio = service.submit(RADIO, request(), "c").job
    store, fence = claim(service, radio)
    overdue = Overdue(service.settings, store)
    attendance = Attendance(store, overdue, fence)
    most = service.settings.job_timeout + overdue_module.GRACE_SECONDS
    other = service.submit(RADIO, request(input_url=f"{URL}2"), "c").job
    _, other_fence = claim(service, other)
    with overdue.watched(fence, 1000.0):
        clock[0] += most - 1
        attendance.prolong()
        clock[0] += most - 1
        overdue.look()
        # Beside it another one may be stuck.
        with overdue.watched(other_fence, clock[0]):
            attendance.prolong()
            overdue.look()
            assert ended == []
            clock[0] += most - 1
            attendance.prolong()
            clock[0] += 2
            overdue.look()
            assert ended == [overdue_module.EXIT_CODE]
    assert service.job(other.id).state is State.ERROR
    assert service.job(radio.id).state is State.RUNNING
    overdue.look()
    attendance.prolong()  # over: of no effect
    assert len(ended) == 1


def test_seconds_of_a_station_that_waits_runs_and_has_ended(
    service: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "PATIENCE_SECONDS", 0.05)
    job = service.submit(RADIO, request(), "c").job
    client = create_app(service.settings, service).test_client()

    def ask(number: int = 1, channel: str = "mono") -> tuple[int, dict[str, object]]:
        path = f"/stream/{job.id}/sound/{number}/{channel}"
        with client.get(path, base_url="http://localhost") as answer:
            return answer.status_code, answer.get_json(silent=True) or {}

    status, told = ask()
    assert (status, told["error_code"]) == (503, "unavailable")
    store, fence = claim(service, job)
    present = service.job(job.id)
    assert present.file_id is not None
    with service.storage.part_writer(present.file_id, "sound", window=2) as writer:
        assert ask()[0] == 503
        for number in (1, 2, 3):
            writer.append(b"".join(bytes([number, at]) * 3000 for at in range(3)))
        assert ask(1) == (404, {**ask(1)[1], "first": 2, "last": 3})
        path = f"/stream/{job.id}/sound/3/right"
        with client.get(path, base_url="http://localhost") as answer:
            assert (answer.status_code, answer.data) == (200, bytes([3, 2]) * 3000)
        assert ask(4)[0] == 503
        assert ask(4 + 60)[0] == 404
    assert store.finish(fence, {}, "Off.")
    assert ask(3)[0] == 200
    status, told = ask(4)
    assert status == 404
    assert "last" not in told
