"""What the supervisor does to the database before its processes use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from gmapi.errors import SettingsError
from gmapi.jobs import opening, schema
from gmapi.jobs.database import connect
from gmapi.jobs.model import WorkerRow
from gmapi.jobs.opening import open_for_start
from gmapi.jobs.roster import Roster

LOADED = """
import sys
from pathlib import Path
import gmapi.cli, gmapi.supervisor, gmapi.terminal.startup
gmapi.terminal.startup.open_for_start(Path(sys.argv[1]), "here")
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


def make(path: Path, *statements: str) -> None:
    """A database as this program leaves it, and what is done to it then."""
    engine = connect(path)
    schema.upgrade(engine)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def test_the_newest_revision_is_known_without_sqlalchemy() -> None:
    assert opening.newest() == schema.HEAD


def test_a_missing_database_stays_missing(path: Path) -> None:
    open_for_start(path, "here")
    assert not path.exists()


def test_the_workers_of_this_host_are_forgotten(path: Path) -> None:
    make(path)
    engine = connect(path)
    roster = Roster(engine)
    for host in ("here", "there"):
        roster.report(WorkerRow(f"{host}:1", 1, host, 0.0, 0.0, None, {}))
    open_for_start(path, "here")
    assert [worker.host for worker in roster.alive(60)] == ["there"]
    engine.dispose()


def test_an_old_database_is_brought_to_the_newest_form(path: Path) -> None:
    make(
        path,
        "DROP TABLE rate_buckets",
        "DROP INDEX jobs_client",
        "UPDATE alembic_version SET version_num = '0001'",
    )
    open_for_start(path, "here")
    engine = connect(path)
    assert "rate_buckets" in sa.inspect(engine).get_table_names()
    engine.dispose()


def test_a_newer_database_is_refused_with_a_sentence(path: Path) -> None:
    make(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SettingsError, match="made by a newer version"):
        open_for_start(path, "here")


def test_a_file_that_is_no_database_is_refused_with_a_sentence(path: Path) -> None:
    path.write_bytes(b"no database, though as long as one " * 100)
    with pytest.raises(SettingsError, match=r"^GMAPI_DATA_DIR: .*jobs\.db cannot be used"):
        open_for_start(path, "here")


@pytest.mark.parametrize("state", ["missing", "up to date"])
def test_the_supervisor_loads_little(path: Path, state: str) -> None:
    if state == "up to date":
        make(path)
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(path)], check=True, capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    assert "sqlite3" in loaded
    assert not loaded & {"sqlalchemy", "alembic", "flask", "gevent", "huey", "rich", "urllib3"}
