"""What `gmapi serve` does to the database before its processes use it.

By sqlite3 alone as long as the database is new or up to date: to load SQLAlchemy takes a tenth of
a second and more, and the processes that need it load it themselves.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from gmapi.errors import SettingsError

WAIT_SECONDS = 5.0
VERSIONS = Path(__file__).parent / "migrations" / "versions"


def open_for_start(path: Path, host: str) -> None:
    """Bring an old database to its newest form, and forget the workers that `host` had.

    They are gone, or report themselves again soon. A missing database is left to whoever opens it
    first. Raises SettingsError when it cannot be used.
    """
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, WAIT_SECONDS, isolation_level=None)) as connection:
            if _revision(connection) not in (None, newest()):
                _upgrade(path)
            if _has_table(connection, "workers"):
                connection.execute("DELETE FROM workers WHERE host = ?", (host,))
    except sqlite3.DatabaseError as error:
        raise SettingsError([f"GMAPI_DATA_DIR: {path} cannot be used: {error}"]) from error


def newest() -> str:
    """The newest revision of the database, by the names of the migrations."""
    return max(file.name.partition("_")[0] for file in VERSIONS.glob("*.py"))


def _upgrade(path: Path) -> None:
    from gmapi.jobs import schema
    from gmapi.jobs.database import connect

    engine = connect(path)
    try:
        schema.upgrade(engine)
    finally:
        engine.dispose()


def _revision(connection: sqlite3.Connection) -> str | None:
    if not _has_table(connection, "alembic_version"):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(query, (name,)).fetchone() is not None
