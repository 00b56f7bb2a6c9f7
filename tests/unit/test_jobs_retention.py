"""What the elected process deletes and gives back, and what it leaves alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gmapi.jobs.database import connect, shrink
from gmapi.jobs.model import State, WorkerRow
from gmapi.storage.base import new_file_id
from support.product.reaping import EXPIRY, LONG_AGO, Clocks, Place, make_old


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
        make_old(folder, LONG_AGO)
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
