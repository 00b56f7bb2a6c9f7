"""The connection to the database: SQLite in WAL mode, one file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

BUSY_TIMEOUT_MS = 5000


def connect(path: Path) -> Engine:
    """An engine on the SQLite file at `path`, made when missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A last-in-first-out pool keeps few connections warm however many callers wait.
    engine = sa.create_engine(
        f"sqlite:///{path}",
        pool_size=4,
        max_overflow=60,
        pool_use_lifo=True,
        connect_args={"check_same_thread": False},
    )

    @sa.event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own transaction handling is off: `begin` below says when one starts.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """A transaction that takes the write lock at once, so it never fails half-way for it."""
    with engine.connect() as plain:
        connection = plain.execution_options(sqlite_begin="IMMEDIATE")
        with connection.begin():
            yield connection


class ChangeCounter:
    """Tells whether any process has committed to the database since the last look."""

    def __init__(self, path: Path) -> None:
        # A connection never sees its own commits here, hence one that only looks.
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        self._lock = threading.Lock()

    def value(self) -> int:
        """A number that differs after each commit (SQLite's `PRAGMA data_version`)."""
        with self._lock:
            row: Any = self._connection.execute("PRAGMA data_version").fetchone()
        return int(row[0])

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
