"""The connection to the database: SQLite in WAL mode, one file."""

from __future__ import annotations

import itertools
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from gmapi.errors import GmapiError, StorageFullError, UnavailableError

BUSY_TIMEOUT_MS = 5000
JOURNAL_BYTES = 4 * 1024**2
"""What a journal that has grown for a large transaction is cut back to."""

SHRINK_PAGES = 500
"""Pages given back in one go (of 4 KiB): others write in between."""

_INCREMENTAL = 2  # as PRAGMA auto_vacuum tells it


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
        # Counts for a file that is new; others are converted by `shrink`.
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        _use_wal(connection)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA journal_size_limit={JOURNAL_BYTES}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL, which for a new file fails at once while another process does the same."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def public_error(error: OperationalError) -> GmapiError:
    """What a caller is told when the database cannot be written now."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFullError(
            "The server's disk is full. Try again later.", cause=error, retry_after=60
        )
    return UnavailableError("The server is too busy. Try again.", cause=error, retry_after=2)


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """A transaction that takes the write lock at once, so it never fails half-way for it."""
    with engine.connect() as plain:
        connection = plain.execution_options(sqlite_begin="IMMEDIATE")
        with connection.begin():
            yield connection


def shrink(engine: Engine) -> None:
    """Give the pages that deleted rows have left back to the disk.

    A file made before this was done is converted once, which needs as much room again and keeps
    writers waiting meanwhile; readers go on.
    """
    # Not by a Connection, which would begin a transaction.
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        if cursor.execute("PRAGMA auto_vacuum").fetchone() != (_INCREMENTAL,):
            cursor.execute("VACUUM")
        (free,) = cursor.execute("PRAGMA freelist_count").fetchone()
        for _ in range(0, free, SHRINK_PAGES):
            # `execute` would free one page: it steps once where a statement has no columns.
            cursor.executescript(f"PRAGMA incremental_vacuum({SHRINK_PAGES})")
    finally:
        raw.close()


def stored_bytes(path: Path) -> int:
    """What a SQLite database takes on the disk, with its journals."""
    total = 0
    for suffix in ("", "-wal", "-shm"):
        try:
            total += path.with_name(path.name + suffix).stat().st_size
        except FileNotFoundError:
            continue
    return total


class ChangeCounter:
    """Tells whether any process has committed to the database since the last look."""

    def __init__(self, path: Path) -> None:
        # A connection never sees its own commits here, hence one that only looks.
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        self._lock = threading.Lock()
        self._unknown = itertools.count(-2, -1)

    def value(self) -> int:
        """A number that differs after each commit (SQLite's `PRAGMA data_version`).

        Where the database cannot tell, a number never given before: look for yourself.
        """
        with self._lock:
            try:
                row: Any = self._connection.execute("PRAGMA data_version").fetchone()
            except sqlite3.OperationalError:
                return next(self._unknown)
        return int(row[0])

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
