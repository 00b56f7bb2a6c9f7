"""Disk space: who must go, who may stay, and when nobody else may come in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from gmapi.errors import StorageFullError
from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.source_cache import SourceCache
from gmapi.jobs import schema
from gmapi.jobs.database import connect, stored_bytes, write
from gmapi.jobs.model import Fence, Job
from gmapi.jobs.room import SPARE_SECONDS, DiskRoom
from gmapi.jobs.schema import jobs
from gmapi.jobs.store import JobStore
from gmapi.settings import Settings
from gmapi.storage.local import LocalStorage

KIB = 1024
BLOCK = 8 * 1024 * KIB


@dataclass
class Place:
    """A data folder with its database."""

    settings: Settings
    store: JobStore
    storage: LocalStorage
    sources: SourceCache
    room: DiskRoom

    def finished(self, size: int = BLOCK, *, age: float = 100.0) -> Job:
        """A job that completed `age` seconds ago with one output of `size` bytes."""
        fence, job = self.running()
        assert job.file_id is not None
        output = self.settings.data_dir / "output.tmp"
        output.write_bytes(os.urandom(size))
        self.storage.publish(job.file_id, "output.bin", output)
        assert self.store.finish(fence, {}, "Done.")
        with write(self.store.engine) as connection:
            connection.execute(
                sa.update(jobs).where(jobs.c.id == job.id).values(finished=jobs.c.finished - age)
            )
        ended = self.store.get(job.id)
        assert ended is not None
        return ended

    def running(self) -> tuple[Fence, Job]:
        submitted = self.store.submit(
            tool="ffmpeg", request={}, key=None, client="c", queue_max=99, queue_max_per_client=99
        ).job
        job = self.store.claim(submitted.id, "w", 30)
        assert job is not None
        return Fence(job.id, "w", job.attempt), job

    def source(self, name: str, size: int, used: float) -> Path:
        """A cached source, last used at `used`."""
        folder = self.settings.sources_dir
        folder.mkdir(exist_ok=True)
        data, about = folder / f"{name}.data", folder / f"{name}.json"
        data.write_bytes(os.urandom(size))
        about.write_text("{}")
        os.utime(about, (used, used))
        return data

    def has(self, job: Job) -> bool:
        assert job.file_id is not None
        kept = self.store.get(job.id) is not None
        assert kept == (self.storage.size(job.file_id) > 0)
        return kept


def _place(tmp_path: Path, budget: int) -> Iterator[Place]:
    settings = Settings(data_dir=tmp_path, disk_budget=budget)
    engine = connect(settings.database_path)
    schema.upgrade(engine)
    store, storage = JobStore(engine), LocalStorage(settings.files_dir)
    sources = SourceCache(settings.sources_dir, FetchRules.from_settings(settings))
    yield Place(settings, store, storage, sources, DiskRoom(settings, store, storage, sources))
    engine.dispose()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """With a budget of four outputs and a half, of which the database takes a little."""
    yield from _place(tmp_path, 4 * BLOCK + BLOCK // 2)


@pytest.fixture
def unlimited(tmp_path: Path) -> Iterator[Place]:
    yield from _place(tmp_path, 0)


def test_within_the_budget_all_stay(place: Place) -> None:
    ended = [place.finished() for _ in range(4)]
    source = place.source("a", KIB, 1.0)
    place.room.make()
    place.room.check()
    assert all(place.has(job) for job in ended)
    assert source.exists()


def test_sources_go_before_outputs(place: Place) -> None:
    ended = [place.finished() for _ in range(3)]
    old, new = place.source("old", BLOCK, 1.0), place.source("new", BLOCK, 2.0)
    place.room.make()
    assert all(place.has(job) for job in ended)
    assert (old.exists(), new.exists()) == (False, True)


def test_the_longest_unused_output_goes_first_and_no_more_than_needed(place: Place) -> None:
    ended = [place.finished() for _ in range(6)]
    place.store.touch(ended[0].id)
    place.room.make()
    assert [place.has(job) for job in ended] == [True, False, False, True, True, True]


def test_many_small_outputs_go_for_a_large_one(place: Place) -> None:
    small = [place.finished(512 * KIB) for _ in range(20)]
    large = place.finished(4 * BLOCK)
    place.room.make()
    place.room.make()  # for what the database has taken meanwhile
    assert place.has(large)
    assert place.room.used_bytes() <= int(place.settings.disk_budget)
    kept = [place.has(job) for job in small]
    assert kept == sorted(kept)  # the newest


def test_running_jobs_and_what_is_open_are_spared(place: Place) -> None:
    _, running = place.running()
    assert running.file_id is not None
    part = place.settings.data_dir / "part.tmp"
    part.write_bytes(bytes(2 * BLOCK))
    place.storage.publish(running.file_id, "part.bin", part)
    old = place.finished(3 * BLOCK)
    assert old.file_id is not None
    with place.storage.open(old.file_id, "output.bin") as download:
        place.room.make()
        assert not place.has(old)
        assert len(download.read(0, 3 * BLOCK)) == 3 * BLOCK
    assert place.storage.size(running.file_id) >= 2 * BLOCK
    assert place.store.get(running.id) == running


def test_a_source_in_use_is_spared(place: Place) -> None:
    used = place.source("used", 5 * BLOCK, 1.0)
    os.link(used, place.settings.data_dir / "input")
    place.room.make()
    assert used.exists()


def test_a_budget_used_up_by_running_jobs_refuses_new_ones(place: Place) -> None:
    _, running = place.running()
    assert running.file_id is not None
    part = place.settings.data_dir / "part.tmp"
    part.write_bytes(bytes(5 * BLOCK))
    place.storage.publish(running.file_id, "part.bin", part)
    with pytest.raises(StorageFullError, match="budget") as refused:
        place.room.check()
    assert refused.value.retry_after
    assert refused.value.status == 507


def test_check_makes_room_itself(place: Place) -> None:
    ended = [place.finished() for _ in range(5)]
    place.room.check()
    assert [place.has(job) for job in ended] == [False, True, True, True, True]


def test_without_a_budget_only_a_full_disk_refuses(
    unlimited: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, source = unlimited.finished(), unlimited.source("a", BLOCK, 1.0)
    unlimited.room.check()
    unlimited.room.make()
    assert source.exists()
    monkeypatch.setattr(unlimited.room, "disk_free", lambda: 10 * KIB)
    with pytest.raises(StorageFullError, match="disk is full"):
        unlimited.room.check()
    unlimited.room.relieve()
    assert not source.exists()
    assert unlimited.has(job)  # outputs live as long as promised


def test_what_has_just_finished_is_spared(place: Place) -> None:
    """The output of a large job would go first otherwise, before its caller has fetched it."""
    fresh = [place.finished(2 * BLOCK, age=0.0) for _ in range(3)]
    old = place.finished(age=SPARE_SECONDS + 1)
    place.room.make()
    assert [place.has(job) for job in (*fresh, old)] == [True, True, True, False]
    with pytest.raises(StorageFullError, match="just ended"):
        place.room.check()


def test_the_database_counts(place: Place) -> None:
    before = place.room.used_bytes()
    assert before >= stored_bytes(place.settings.database_path) > 0
    fence, _ = place.running()
    lines = [(0.0, "x" * 1000) for _ in range(500)]
    assert place.store.report(fence, lines=lines)
    assert place.room.used_bytes() >= before + 500_000


def test_the_limit_of_an_output_is_never_above_the_budget(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path, output_max_bytes=5, disk_budget=0).output_limit == 5
    assert Settings(data_dir=tmp_path, output_max_bytes=5, disk_budget=9).output_limit == 5
    assert Settings(data_dir=tmp_path, output_max_bytes=5, disk_budget=3).output_limit == 3
