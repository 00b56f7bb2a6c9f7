"""Fixtures of unit tests: the job table in a SQLite file, what sees it, and what cleans it up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gmapi.jobs import database, schema
from gmapi.jobs.database import connect
from gmapi.jobs.service import JobService
from gmapi.jobs.store import JobStore
from gmapi.settings import Settings
from support.product.reaping import Clocks, Place, place_at


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    """A job table of its own."""
    engine = connect(tmp_path / "jobs.db")
    schema.upgrade(engine)
    yield JobStore(engine)
    engine.dispose()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[JobService]:
    """What a web process sees of jobs, with a data folder of its own."""
    made = JobService(Settings(data_dir=tmp_path))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Clocks that the test moves."""
    return Clocks(monkeypatch)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """What a reaper looks after; it waits only a moment for a database that is locked."""
    monkeypatch.setattr(database, "LOCKED_SECONDS", 0.1)
    with place_at(tmp_path) as made:
        yield made
