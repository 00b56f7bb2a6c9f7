"""Fixtures of unit tests: the job table in a SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gmapi.jobs import schema
from gmapi.jobs.database import connect
from gmapi.jobs.store import JobStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    """A job table of its own."""
    engine = connect(tmp_path / "jobs.db")
    schema.upgrade(engine)
    yield JobStore(engine)
    engine.dispose()
