"""A database that somebody else holds locked: who waits, how, and for how long."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from gmapi.errors import UnavailableError
from gmapi.jobs import database, schema
from gmapi.jobs.database import ChangeCounter, connect, public_error, read, write
from gmapi.jobs.model import Fence, Job
from gmapi.jobs.service import JobService
from gmapi.jobs.store import JobStore
from gmapi.tools.ffmpeg import FfmpegRequest
from gmapi.tools.registry import TOOLS
from support.product.locks import locked
from support.product.server import wait_for

SUBMISSION = {"input_url": "http://127.0.0.1:1/a.mp3", "output_format": "mp3"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    """As a web process has it."""
    made = connect(path, serves_others=True)
    schema.upgrade(made)
    yield made
    made.dispose()


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[float]]:
    """Has something done in the fifth of the sleeps of those who wait; the list of them all."""

    def arrange(act: Callable[[], object]) -> list[float]:
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 5:
                act()

        monkeypatch.setattr(database.time, "sleep", sleep)
        return slept

    return arrange


def hold(path: Path, *statements: str) -> sqlite3.Connection:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for statement in statements:
        other.execute(statement)
    return other


def add_leader(engine: Engine, name: str = "x") -> None:
    with write(engine) as connection:
        connection.execute(sa.insert(schema.leaders).values(name=name, owner="o", until=1.0))


def leaders(engine: Engine) -> int:
    with read(engine) as connection:
        return int(connection.execute(sa.select(sa.func.count(schema.leaders.c.name))).scalar_one())


@pytest.mark.parametrize("mode", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_writer_sleeps_where_others_can_be_served(
    engine: Engine, path: Path, mode: str, sleeps: Callable[..., list[float]]
) -> None:
    with closing(hold(path, f"BEGIN {mode}")) as other:
        held: list[int] = []

        def let_go() -> None:
            held.append(engine.pool.checkedout())  # type: ignore[attr-defined]
            assert leaders(engine) == 0  # readers go on meanwhile
            other.execute("ROLLBACK")

        slept = sleeps(let_go)
        add_leader(engine)
    assert len(slept) == 5
    assert max(slept) < 0.05
    assert held == [0]  # no connection is kept while waiting
    assert leaders(engine) == 1


def test_a_reader_that_is_locked_out_sleeps_too(
    engine: Engine, path: Path, sleeps: Callable[..., list[float]]
) -> None:
    engine.dispose()  # the other one gets the file for itself
    counter = ChangeCounter(path)
    with closing(hold(path, "PRAGMA locking_mode=EXCLUSIVE", "BEGIN IMMEDIATE")) as other:
        slept = sleeps(other.close)
        assert leaders(engine) == 0
        assert len(slept) == 5
    assert counter.value() is not None
    counter.close()


def test_who_waits_too_long_is_told_to_come_back(
    path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WEB_LOCKED_SECONDS", 0.2)
    impatient = connect(path, serves_others=True)
    outcomes: list[UnavailableError] = []

    def ask() -> None:
        with pytest.raises(OperationalError) as caught:
            add_leader(impatient)
        error = public_error(caught.value)
        assert isinstance(error, UnavailableError)
        outcomes.append(error)

    with locked(path):
        threads = [threading.Thread(target=ask) for _ in range(20)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Together, not one after the other.
        assert time.monotonic() - started < 20 * 0.2
    assert [error.retry_after for error in outcomes] == [2] * 20
    add_leader(impatient)
    impatient.dispose()


def test_writers_of_a_process_take_turns(path: Path, engine: Engine) -> None:
    """More of them than there are connections, all of which are free for readers."""
    with locked(path):
        threads = [threading.Thread(target=add_leader, args=(engine, str(n))) for n in range(100)]
        for thread in threads:
            thread.start()
        assert leaders(engine) == 0
    for thread in threads:
        thread.join()
    assert leaders(engine) == 100


def finished(service: JobService, job: Job) -> Job:
    store = JobStore(connect(service.settings.database_path))
    claimed = store.claim(job.id, "w", 30.0)
    assert claimed is not None
    assert store.finish(Fence(job.id, "w", 1), {}, "Done.")
    store.engine.dispose()
    return service.job(job.id)


def test_a_download_does_not_wait_until_its_access_is_noted(service: JobService) -> None:
    tool = TOOLS["ffmpeg"]
    job = service.submit(tool, FfmpegRequest.model_validate(SUBMISSION), "c").job
    job = finished(service, job)
    with locked(service.settings.database_path):
        service.touch(job)
        assert service.job(job.id).accessed is None
    wait_for(lambda: service.job(job.id).accessed, 10, "the access")


def test_a_submission_does_not_wait_for_the_queue(service: JobService) -> None:
    tool = TOOLS["ffmpeg"]
    with locked(service.settings.queue_path):
        job = service.submit(tool, FfmpegRequest.model_validate(SUBMISSION), "c").job
    wait_for(lambda: service._queue.ids() == {job.id}, 10, "the message")


def test_what_is_to_be_written_later_is_written_before_the_end(service: JobService) -> None:
    tool = TOOLS["ffmpeg"]
    jobs = []
    for number in range(20):
        values = SUBMISSION | {"input_url": f"http://127.0.0.1:1/{number}.mp3"}
        jobs.append(service.submit(tool, FfmpegRequest.model_validate(values), "c").job)
    service._messages.close()
    assert service._queue.ids() == {job.id for job in jobs}
