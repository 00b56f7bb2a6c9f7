"""What ends a long poll and is pushed to listeners: only what can be seen to change."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gmapi.web import news
from gmapi.web.events import Feed, LogPush, Push, StatePush
from support.product.application import RunningApplication, RunningJob, running_application
from support.product.server import wait_for

NEVER = 600.0
"""A moment between two pieces of progress that no test outlasts."""

FETCHING = "Fetching the source from media.example.org: 1.2 MB of 5.0 MB."


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningApplication]:
    with running_application(tmp_path) as found:
        yield found


@pytest.fixture
def job(running: RunningApplication) -> RunningJob:
    found = running.run()
    report(found, progress=3.1, message=FETCHING, eta=9.0)
    return found


def report(job: RunningJob, *lines: str, **values: Any) -> None:
    assert job.store.report(job.fence, lines=[(1.5, line) for line in lines], **values)


def a_bit_more(job: RunningJob) -> None:
    """What a fetch writes four times a second: nobody sees it."""
    report(job, progress=3.4, message=FETCHING, eta=8.7)


# -- long polls -----------------------------------------------------------------------------------


@contextmanager
def polling(running: RunningApplication, job: RunningJob, **query: Any) -> Iterator[Future[Any]]:
    """A poll that waits by now."""
    address = f"/api/task/{job.id}"
    values = {"wait": 25, **query}
    with ThreadPoolExecutor(1) as pool:
        client = running.app.test_client()
        answer = pool.submit(lambda: client.get(address, query_string=values).get_json())
        wait_for(lambda: job.id in running.service.events._watches, 20, "the poll")
        try:
            yield answer
        finally:
            if not answer.done():
                running.store.cancel(job.id)


def woken(running: RunningApplication, job: RunningJob) -> None:
    """Wait until those who wait have been told of the job's present version."""
    present = running.store.get(job.id)
    assert present is not None
    events = running.service.events
    wait_for(lambda: (events._told.get(job.id) or [None])[0] == (present.version, present.state))


@pytest.mark.parametrize("moment", [0.0, NEVER])
def test_a_poll_does_not_end_by_what_nobody_sees(
    running: RunningApplication, job: RunningJob, moment: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "PROGRESS_SECONDS", moment)
    with polling(running, job) as answer:
        for _ in range(3):
            a_bit_more(job)
            woken(running, job)
        job.finish({"download_url": "/x"})
        assert answer.result(20)["status"] == "completed"


@pytest.mark.parametrize(
    "change",
    [
        {"progress": 4.0},
        {"message": "Fetching the source from media.example.org: 1.3 MB of 5.0 MB."},
        {"result": {"current_frames": 5}},
    ],
)
def test_mere_progress_ends_a_poll_after_a_moment(
    running: RunningApplication,
    job: RunningJob,
    change: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(news, "PROGRESS_SECONDS", 0.0)
    report(job, result={"current_frames": 1})
    with polling(running, job) as answer:
        report(job, eta=8.0, **change)
        found = answer.result(20)
    assert found.items() >= change.items()
    monkeypatch.setattr(news, "PROGRESS_SECONDS", NEVER)
    with polling(running, job) as answer:
        report(job, progress=7.0, message="Further.", result={"current_frames": 9})
        woken(running, job)
        job.finish()
        assert answer.result(20)["status"] == "completed", "it was told at once"


@pytest.mark.parametrize("since", [None, 0])
def test_a_line_ends_a_poll(
    running: RunningApplication,
    job: RunningJob,
    since: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(news, "PROGRESS_SECONDS", 0.0)
    if since is None:
        job.log("an old one")
    with polling(running, job, **({} if since is None else {"since": since})) as answer:
        report(job, "a line", progress=3.2, message=FETCHING)
        assert answer.result(20)["new_logs"][-1] == "a line"


def test_what_a_result_newly_has_ends_a_poll_at_once(
    running: RunningApplication, job: RunningJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "PROGRESS_SECONDS", NEVER)
    with polling(running, job) as answer:
        report(job, result={"download_url": "/x"})
        assert answer.result(20)["result"] == {"download_url": f"{BASE}/x"}
    with polling(running, job) as answer:
        report(job, result={"download_url": "/x", "warnings": ["Odd."]})
        assert answer.result(20)["result"]["warnings"] == ["Odd."]


BASE = "http://localhost"


def test_a_short_poll_waits_no_longer_than_asked(
    running: RunningApplication, job: RunningJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "PROGRESS_SECONDS", NEVER)
    found = running.get(f"/api/task/{job.id}", query_string={"wait": 0.05})
    assert found["message"] == FETCHING


# -- what is pushed -------------------------------------------------------------------------------


class Listener:
    """Takes the pushes of a job one by one; the job goes on in between only."""

    def __init__(self, running: RunningApplication, job: RunningJob) -> None:
        self._pushes = Feed(running.service).follow(job.id, 0, BASE, None)

    def next(self) -> Push:
        push = next(self._pushes)
        assert push is not None, "nothing came for a long time"
        return push

    def state(self) -> str:
        push = self.next()
        assert isinstance(push, StatePush), push
        return push.data

    def line(self) -> str:
        push = self.next()
        assert isinstance(push, LogPush), push
        return push.lines[-1].line

    def end(self) -> None:
        assert [push.event for push in self._pushes if isinstance(push, StatePush)] == ["end"]


@pytest.mark.parametrize("moment", [0.0, NEVER])
def test_no_state_is_pushed_twice(
    running: RunningApplication, job: RunningJob, moment: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "PROGRESS_SECONDS", moment)
    listener = Listener(running, job)
    assert FETCHING in listener.state()
    for number in range(3):
        a_bit_more(job)
        job.log(f"line {number}")
        assert listener.line() == f"line {number}"
    job.finish()
    listener.end()


def test_mere_progress_is_pushed_after_a_moment_and_a_turn_at_once(
    running: RunningApplication, job: RunningJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "PROGRESS_SECONDS", 0.0)
    listener = Listener(running, job)
    listener.state()
    report(job, progress=20.0, message="Converting.")
    assert '"message":"Converting."' in listener.state()
    monkeypatch.setattr(news, "PROGRESS_SECONDS", NEVER)
    for number in range(3):
        report(job, f"line {number}", progress=21.0 + number)
        assert listener.line() == f"line {number}"
    report(job, result={"download_url": "/x"})
    pushed = listener.state()
    assert '"progress":23.0' in pushed
    assert f'"download_url":"{BASE}/x"' in pushed
    job.finish()
    listener.end()


def test_progress_that_came_early_is_pushed_when_its_moment_comes(
    running: RunningApplication, job: RunningJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the job is quiet by then: nothing else wakes its listeners."""
    monkeypatch.setattr(news, "PROGRESS_SECONDS", 0.3)
    listener = Listener(running, job)
    listener.state()
    report(job, progress=50.0, message="Half of it.")
    assert "Half of it." in listener.state()
