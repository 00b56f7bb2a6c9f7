"""What the elected process does: lost jobs run again, old files go, and nothing stops it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.source_cache import SourceCache
from gmapi.jobs import database, schema
from gmapi.jobs.database import connect, shrink
from gmapi.jobs.model import Fence, Job, State, WorkerRow
from gmapi.jobs.queue import JobQueue
from gmapi.jobs.reaper import Reaper
from gmapi.jobs.roster import Roster
from gmapi.jobs.store import JobStore
from gmapi.settings import Settings
from gmapi.storage.base import new_file_id
from gmapi.storage.local import LocalStorage

LEASE = 5.0
EXPIRY = 100.0
LONG_AGO = 1000.0


class Clocks:
    """Both clocks of the machine: `pass_time` moves them together, `leap` only the wall clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._wall, self._steady = time.time, time.monotonic
        self._passed = self._leapt = 0.0
        monkeypatch.setattr(time, "time", lambda: self._wall() + self._passed + self._leapt)
        monkeypatch.setattr(time, "monotonic", lambda: self._steady() + self._passed)

    def pass_time(self, seconds: float) -> None:
        self._passed += seconds

    def leap(self, seconds: float) -> None:
        self._leapt += seconds


@dataclass
class Place:
    """A data folder with everything a reaper looks after."""

    settings: Settings
    store: JobStore
    roster: Roster
    queue: JobQueue
    storage: LocalStorage
    sources: SourceCache

    def reaper(self, owner: str = "r1") -> Reaper:
        return Reaper(
            self.settings,
            self.store,
            self.roster,
            self.queue,
            self.storage,
            self.sources,
            owner=owner,
            longest_delay=15.0,
        )

    def submit(self, key: str | None = None) -> Job:
        return self.store.submit(
            tool="ffmpeg", request={}, key=key, client="c", queue_max=99, queue_max_per_client=99
        ).job

    def claim(self, job: Job) -> tuple[Fence, Job]:
        claimed = self.store.claim(job.id, "w", LEASE)
        assert claimed is not None
        return Fence(job.id, "w", claimed.attempt), claimed

    def present(self, job: Job) -> Job:
        found = self.store.get(job.id)
        assert found is not None
        return found

    def publish(self, file_id: str, age: float = 0.0) -> Path:
        output = self.settings.data_dir / "output.tmp"
        output.write_bytes(b"output")
        self.storage.publish(file_id, "output.bin", output)
        folder = self.settings.files_dir / file_id
        _age(folder, age)
        return folder

    def attempt(self, name: str, age: float) -> Path:
        folder = self.settings.attempts_dir / name
        (folder / "out").mkdir(parents=True)
        (folder / "out" / "half.mp4").write_bytes(b"half")
        _age(folder, age)
        return folder

    def delivered(self) -> list[str]:
        """Take all messages out of the queue."""
        found = []
        while (task := self.queue.huey.dequeue()) is not None:
            found.append(str(task.args[0]))
        return found


def _age(folder: Path, age: float) -> None:
    then = time.time() - age
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then))


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(database, "LOCKED_SECONDS", 0.1)
    settings = Settings(
        data_dir=tmp_path, lease_seconds=LEASE, file_expiry=EXPIRY, cleanup_interval=10
    )
    engine = connect(settings.database_path)
    schema.upgrade(engine)
    queue = JobQueue(settings.queue_path)
    yield Place(
        settings,
        JobStore(engine),
        Roster(engine),
        queue,
        LocalStorage(settings.files_dir),
        SourceCache(settings.sources_dir, FetchRules.from_settings(settings)),
    )
    queue.close()
    engine.dispose()


def test_jobs_of_silent_workers_are_sent_again(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    place.claim(job)
    reaper = place.reaper()
    reaper.round()
    assert place.delivered() == []
    clocks.pass_time(LEASE + 1)
    reaper.round()
    assert place.delivered() == [job.id]
    assert place.present(job).state is State.PENDING


def test_the_last_attempt_at_a_deadly_job_is_sent_to_come_later(
    place: Place, clocks: Clocks
) -> None:
    job = place.submit()
    reaper = place.reaper()
    for _ in range(2):
        place.claim(job)
        clocks.pass_time(LEASE + 1)
        place.delivered()
        reaper.round()
    message = place.queue.huey.dequeue()
    assert message is not None
    assert message.args == (job.id,)
    assert message.eta is not None
    # Its time is none from before the clock was set back.
    clocks.pass_time(2 * LEASE)
    reaper.round()
    assert place.store.claim(job.id, "w", LEASE) is None
    clocks.pass_time(LEASE)
    place.claim(job)


def test_only_the_leader_works(place: Place, clocks: Clocks) -> None:
    leader, other = place.reaper("r1"), place.reaper("r2")
    leader.round()
    place.claim(place.submit())
    clocks.pass_time(2.0)
    leader.round()
    clocks.pass_time(2.0)
    leader.round()
    clocks.pass_time(2.0)
    other.round()
    assert place.delivered() == []
    clocks.pass_time(4.0)  # the leader is silent: dead
    other.round()
    assert len(place.delivered()) == 1


def test_a_lost_message_is_sent_again_but_not_one_on_its_way(place: Place, clocks: Clocks) -> None:
    lost, waiting = place.submit(), place.submit()
    place.queue.put(waiting.id)
    reaper = place.reaper()
    for _ in range(8):
        reaper.round()
        clocks.pass_time(1.0)
    assert sorted(place.delivered()) == sorted([lost.id, waiting.id])  # each once


def test_messages_used_up_for_other_jobs_are_no_loss(place: Place, clocks: Clocks) -> None:
    """Any message leads to the job whose turn it is: what counts is that there are enough."""
    jobs = [place.submit() for _ in range(3)]
    for job_id in ("gone", "gone", jobs[0].id):
        place.queue.put(job_id)
    reaper = place.reaper()
    for _ in range(8):
        reaper.round()
        clocks.pass_time(1.0)
    assert place.queue.count() == 3
    place.queue.huey.dequeue()
    for _ in range(3):
        reaper.round()
        clocks.pass_time(1.0)
    assert place.delivered() == ["gone", jobs[0].id, jobs[1].id]


def test_jobs_that_may_not_run_now_are_no_loss(place: Place, clocks: Clocks) -> None:
    place.settings = place.settings.model_copy(update={"running_max_per_client": 1})
    fence, _ = place.claim(place.submit())
    waiting = place.submit()
    reaper = place.reaper()
    for _ in range(8):
        place.store.renew(fence, LEASE)
        reaper.round()
        clocks.pass_time(1.0)
    assert place.delivered() == []
    place.store.finish(fence, {}, "Done.")
    for _ in range(3):
        reaper.round()
        clocks.pass_time(1.0)
    assert place.delivered() == [waiting.id]


def test_a_message_between_queue_and_claim_is_not_doubled(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    place.queue.put(job.id)
    reaper = place.reaper()
    clocks.pass_time(10)
    assert place.delivered() == [job.id]  # a worker takes it out ...
    reaper.round()
    place.claim(job)  # ... and claims the job a moment later
    clocks.pass_time(2)
    reaper.round()
    assert place.delivered() == []


def test_a_message_that_came_too_early_is_replaced_soon(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    fence, _ = place.claim(job)
    place.store.requeue(fence, "Later.", delay=15)
    assert place.store.claim(job.id, "w", LEASE) is None  # the message is used up in vain
    reaper = place.reaper()
    reaper.round()
    clocks.pass_time(15)
    rounds = 0
    while not (found := place.delivered()):
        rounds += 1
        assert rounds <= 7
        clocks.pass_time(1.0)
        reaper.round()
    assert found == [job.id]
    place.claim(job)


def test_a_delayed_message_does_not_hide_that_its_job_waits(place: Place, clocks: Clocks) -> None:
    """The schedule goes by the clock: after that was set back, messages on it come too late."""
    job = place.submit()
    place.queue.put(job.id, delay=3600)
    task = place.queue.huey.dequeue()
    place.queue.huey.execute(task)  # puts it on the schedule
    reaper = place.reaper()
    for _ in range(8):
        reaper.round()
        clocks.pass_time(1.0)
    assert place.delivered() == [job.id]


def test_a_clock_that_leaps_ahead_takes_no_job_from_a_live_worker(
    place: Place, clocks: Clocks
) -> None:
    alive, dead = place.submit(), place.submit()
    fence, _ = place.claim(alive)
    place.claim(dead)
    reaper = place.reaper()
    reaper.round()
    clocks.leap(7200)
    reaper.round()
    assert place.store.is_ours(fence)
    clocks.pass_time(1.0)
    assert place.store.renew(fence, LEASE)  # what a live worker does every second here
    clocks.pass_time(LEASE - 0.5)
    assert place.store.renew(fence, LEASE)
    reaper.round()
    assert place.store.is_ours(fence)
    assert place.delivered() == [dead.id]


def test_a_clock_that_is_set_back_delays_no_recovery(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    place.claim(job)
    reaper = place.reaper()
    reaper.round()
    clocks.leap(-7200)
    reaper.round()
    clocks.pass_time(LEASE + 1)
    reaper.round()
    assert place.delivered() == [job.id]


def test_a_clock_that_leaps_ahead_deletes_nothing(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    fence, claimed = place.claim(job)
    assert claimed.file_id is not None
    folder = place.publish(claimed.file_id)
    place.store.finish(fence, {}, "Done.")
    place.store.touch(job.id)
    sources = place.settings.sources_dir
    sources.mkdir(exist_ok=True)
    for name in ("a.data", "a.json"):
        (sources / name).write_text("{}")
    half_made = place.attempt(f"{new_file_id()}.1", 0)
    leader, other = place.reaper("r1"), place.reaper("r2")
    leader.round()
    other.round()
    before = place.present(job)
    for leap in (30 * EXPIRY, -40 * EXPIRY, 20 * EXPIRY):
        clocks.leap(leap)
        for reaper in (leader, other):  # whichever leads now: it is moved once
            reaper.round()
            reaper.sweep()
    assert folder.exists()
    assert (sources / "a.data").exists()
    assert half_made.exists()
    after = place.present(job)
    for name in ("created", "started", "finished", "accessed"):
        moved = getattr(after, name) - getattr(before, name)
        assert moved == pytest.approx(10 * EXPIRY, abs=1.0)
    # From then on it lives as long as it would have.
    clocks.pass_time(EXPIRY - 10)
    leader.round()
    assert folder.exists()
    clocks.pass_time(20)
    leader.round()
    assert not folder.exists()
    assert not (sources / "a.data").exists()


def test_a_leap_while_no_server_runs_deletes_nothing(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    place.store.finish(place.claim(job)[0], {}, "Done.")
    place.reaper("before").round()
    clocks.leap(10 * EXPIRY)
    place.reaper("after").round()
    assert place.present(job).state is State.COMPLETED


def test_nothing_is_swept_while_a_leap_cannot_be_noted(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    place.store.finish(place.claim(job)[0], {}, "Done.")
    reaper = place.reaper()
    reaper.round()
    clocks.leap(10 * EXPIRY)
    _locked(place, reaper.round)
    assert place.present(job).state is State.COMPLETED
    reaper.round()
    assert place.present(job).state is State.COMPLETED


def test_time_that_passed_while_the_machine_was_off_has_passed(
    place: Place, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place.submit()
    place.store.finish(place.claim(job)[0], {}, "Done.")
    place.reaper().round()
    monkeypatch.setattr("gmapi.jobs.clock._boot", lambda: "another start")
    clocks.leap(EXPIRY + 1)
    place.reaper("next").round()
    assert place.store.get(job.id) is None


def test_the_database_gives_back_what_deleted_tasks_took(place: Place, clocks: Clocks) -> None:
    for _ in range(3):
        fence, _ = place.claim(place.submit())
        place.store.report(fence, lines=[(0.0, "x" * 2000) for _ in range(600)])
        place.store.finish(fence, {}, "Done.")
    full = _pages(place)
    clocks.pass_time(EXPIRY + 1)
    place.reaper().sweep()
    assert _pages(place) < full / 5


def test_an_older_database_shrinks_too(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as old:
        old.execute("PRAGMA journal_mode=WAL")
        old.execute("CREATE TABLE t (x)")
        old.executemany("INSERT INTO t VALUES (?)", [("x" * 4000,)] * 500)
        old.execute("DELETE FROM t")
        old.commit()
    engine = connect(path)
    shrink(engine)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA auto_vacuum").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA page_count").scalar_one() < 10
    engine.dispose()


def _pages(place: Place) -> int:
    with place.store.engine.connect() as connection:
        count: int = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return count


def test_what_has_expired_is_deleted(place: Place, clocks: Clocks) -> None:
    finished, kept, failed, waiting = (place.submit() for _ in range(4))
    folders = []
    for job in (finished, kept):
        fence, claimed = place.claim(job)
        assert claimed.file_id is not None
        folders.append(place.publish(claimed.file_id))
        place.store.report(fence, lines=[(0.0, "line")])
        place.store.finish(fence, {}, "Done.")
    place.store.fail(place.claim(failed)[0], "No.", "media_failed")
    clocks.pass_time(EXPIRY / 2)
    place.store.touch(kept.id)
    reaper = place.reaper()
    reaper.sweep()
    assert all(folder.exists() for folder in folders)
    clocks.pass_time(EXPIRY / 2 + 1)
    reaper.sweep()
    assert [folder.exists() for folder in folders] == [False, True]
    assert place.store.get(finished.id) is None
    assert place.store.get(failed.id) is None
    assert place.store.logbook.after(finished.id) == []
    assert len(place.store.logbook.after(kept.id)) == 1
    assert place.present(waiting).state is State.PENDING  # waiting is no reason to expire


def test_leftovers_of_dead_attempts_are_deleted(place: Place) -> None:
    job = place.submit()
    fence, first = place.claim(job)
    assert first.file_id is not None
    place.store.requeue(fence, "Again.")
    _, second = place.claim(job)
    assert second.file_id is not None
    dead = [
        place.publish(first.file_id, LONG_AGO),
        place.publish(new_file_id(), LONG_AGO),
        place.attempt(f"{job.id}.1", LONG_AGO),
        place.attempt(f"{new_file_id()}.1", LONG_AGO),
    ]
    alive = [
        place.publish(second.file_id, LONG_AGO),
        place.publish(new_file_id()),  # too young to judge
        place.attempt(f"{job.id}.2", LONG_AGO),
        place.attempt(f"{new_file_id()}.9", 0),
    ]
    place.reaper().sweep()
    assert not any(folder.exists() for folder in dead)
    assert all(folder.exists() for folder in alive)


def test_what_is_somebody_elses_is_left_alone(place: Place) -> None:
    """Whoever keeps something of his own in the data folder keeps it."""
    mine = [
        place.attempt(name, LONG_AGO)
        for name in ("photos", "backup.1", new_file_id(), f"{new_file_id()}.old", f".{'a' * 31}.1")
    ]
    for name in ("photos", "A" * 32, "a" * 31):
        folder = place.settings.files_dir / name
        folder.mkdir(parents=True)
        (folder / "picture.jpg").write_bytes(b"picture")
        _age(folder, LONG_AGO)
        mine.append(folder)
    place.reaper().sweep()
    assert all(list(folder.rglob("*.*")) for folder in mine)


def test_expired_sources_and_silent_workers_are_forgotten(place: Place, clocks: Clocks) -> None:
    folder = place.settings.sources_dir
    folder.mkdir(exist_ok=True)
    for name in ("a.data", "a.json"):
        (folder / name).write_text("{}")
    place.roster.report(WorkerRow("w", 1, "host", 0.0, 0.0, None, {}))
    clocks.pass_time(700)
    place.reaper().sweep()
    assert list(folder.iterdir()) == []
    assert place.roster.alive(10_000) == []


def _locked(place: Place, work: Callable[[], None]) -> None:
    """Run `work` while another process holds the database's write lock."""
    with closing(sqlite3.connect(place.settings.database_path)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        work()
        other.execute("ROLLBACK")


def test_a_locked_database_stops_the_reaper_only_for_a_round(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    place.claim(job)
    clocks.pass_time(LEASE + 1)
    reaper = place.reaper()
    _locked(place, reaper.round)
    assert place.delivered() == []
    reaper.round()
    assert place.delivered() == [job.id]


def test_a_recovered_job_whose_message_could_not_be_sent_is_sent_later(
    place: Place, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place.submit()
    place.claim(job)
    clocks.pass_time(LEASE + 1)
    reaper = place.reaper()
    with monkeypatch.context() as patched:

        def full(*_: object, **__: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        patched.setattr(place.queue, "put", full)
        reaper.round()
    assert place.present(job).state is State.PENDING
    assert place.delivered() == []
    for _ in range(8):
        clocks.pass_time(1.0)
        reaper.round()
    assert place.delivered() == [job.id]


def test_when_the_database_is_full_sources_make_room(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place.settings.sources_dir
    folder.mkdir(exist_ok=True)
    for name in ("a.data", "a.json"):
        (folder / name).write_text("{}")

    def full(*_: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(place.roster, "lead", full)
    monkeypatch.setattr("gmapi.jobs.room.DiskRoom.disk_free", lambda _: 0)
    place.reaper().round()
    assert list(folder.iterdir()) == []
