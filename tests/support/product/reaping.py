"""A data folder with everything a reaper looks after, and the clocks of its machine."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.source_cache import SourceCache
from gmapi.jobs import schema
from gmapi.jobs.database import connect
from gmapi.jobs.model import Fence, Job
from gmapi.jobs.queue import JobQueue
from gmapi.jobs.reaper import Reaper
from gmapi.jobs.roster import Roster
from gmapi.jobs.store import JobStore
from gmapi.settings import Settings
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
        make_old(folder, age)
        return folder

    def attempt(self, name: str, age: float) -> Path:
        folder = self.settings.attempts_dir / name
        (folder / "out").mkdir(parents=True)
        (folder / "out" / "half.mp4").write_bytes(b"half")
        make_old(folder, age)
        return folder

    def delivered(self) -> list[str]:
        """Take all messages out of the queue."""
        found = []
        while (task := self.queue.huey.dequeue()) is not None:
            found.append(str(task.args[0]))
        return found


@contextmanager
def place_at(folder: Path) -> Iterator[Place]:
    """The place in a folder that exists."""
    settings = Settings(
        data_dir=folder, lease_seconds=LEASE, file_expiry=EXPIRY, cleanup_interval=10
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


def make_old(folder: Path, age: float) -> None:
    """Let a folder and all in it have been changed `age` seconds ago."""
    then = time.time() - age
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then))
