"""The connection to the database: SQLite in WAL mode, one file.

Who holds the database locked (a backup, a checkpoint on a slow disk, a frozen process) holds up
writers for as long. Worker threads wait for it inside SQLite. The one thread of a web process must
never do that: there SQLite answers at once, and `read` and `write` try again after a sleep, in
which the others are served.
"""

from __future__ import annotations

import itertools
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from gmapi.errors import GmapiError, StorageFullError, UnavailableError

LOCKED_SECONDS = 5.0
"""How long a worker waits for a database that somebody else holds locked."""

WEB_LOCKED_SECONDS = 12.0
"""How long a call to a web process does; its caller is told to come back then."""

JOURNAL_BYTES = 4 * 1024**2
"""What a journal that has grown for a large transaction is cut back to."""

SHRINK_PAGES = 500
"""Pages given back in one go (of 4 KiB): others write in between."""

PAUSE_SECONDS = 0.02

_INCREMENTAL = 2  # as PRAGMA auto_vacuum tells it

T = TypeVar("T")


@dataclass(frozen=True)
class _Turns:
    """How the callers of an engine wait: up to `patience` seconds, and writers one by one."""

    patience: float
    writers: threading.Lock = field(default_factory=threading.Lock)


def connect(path: Path, *, serves_others: bool = False) -> Engine:
    """An engine on the SQLite file at `path`, made when missing.

    `serves_others`: for a thread that others depend on, as that of a web process. It is then never
    blocked by a lock, nor by a checkpoint of its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    turns = _Turns(WEB_LOCKED_SECONDS if serves_others else LOCKED_SECONDS)
    # A last-in-first-out pool keeps few connections warm however many callers wait.
    engine = sa.create_engine(
        f"sqlite:///{path}",
        pool_size=4,
        max_overflow=60,
        pool_use_lifo=True,
        connect_args={"check_same_thread": False},
        execution_options={"turns": turns},
    )

    @sa.event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own transaction handling is off: `begin` below says when one starts.
        connection.isolation_level = None
        inside = 0 if serves_others else int(1000 * LOCKED_SECONDS)
        connection.execute(f"PRAGMA busy_timeout={inside}")
        # Counts for a file that is new; others are converted by `shrink`.
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        # For a new file it fails at once, whatever the timeout, while another process does it.
        patiently(lambda: connection.execute("PRAGMA journal_mode=WAL"), turns.patience)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA journal_size_limit={JOURNAL_BYTES}")
        connection.execute("PRAGMA foreign_keys=ON")
        if serves_others:  # workers write every few seconds, and so do it
            connection.execute("PRAGMA wal_autocheckpoint=0")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def is_locked(error: BaseException) -> bool:
    """Whether SQLite failed because somebody else holds the database locked."""
    cause = error.orig if isinstance(error, OperationalError) else error
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def patiently(action: Callable[[], T], seconds: float) -> T:
    """What `action` returns, called again while the database is locked, for so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except (sqlite3.OperationalError, OperationalError) as error:
            if not is_locked(error) or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.0))


def public_error(error: OperationalError) -> GmapiError:
    """What a caller is told when the database cannot be written now."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFullError(
            "The server's disk is full. Try again later.", cause=error, retry_after=60
        )
    return UnavailableError("The server is too busy. Try again.", cause=error, retry_after=2)


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees the database as it is now, whatever is written meanwhile."""
    with _begun(engine, "DEFERRED", _turns(engine).patience) as connection:
        yield connection


@contextmanager
def write(engine: Engine, patience: float | None = None) -> Iterator[Connection]:
    """A transaction that takes the write lock at once, so it never fails half-way for it.

    Raises OperationalError when others hold the lock for longer than `patience` seconds, or than
    the engine's own.
    """
    turns = _turns(engine)
    if patience is None:
        patience = turns.patience
    asked = time.monotonic()
    # One by one, in order: a thousand callers that try again would be a load of their own.
    if not turns.writers.acquire(timeout=patience):
        raise OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError("locked"))
    try:
        left = patience - (time.monotonic() - asked)
        with _begun(engine, "IMMEDIATE", left) as connection:
            yield connection
    finally:
        turns.writers.release()


@contextmanager
def _begun(engine: Engine, mode: str, patience: float) -> Iterator[Connection]:
    def begin() -> Connection:
        connection = engine.connect()
        try:
            connection = connection.execution_options(sqlite_begin=mode)
            connection.begin()
            if mode == "DEFERRED":  # which takes nothing yet: only a look shows whether it can
                connection.exec_driver_sql("PRAGMA schema_version")
        except BaseException:
            # Nobody keeps a connection while he waits: there are few, and others want to read.
            connection.close()
            raise
        return connection

    with patiently(begin, patience) as connection:
        yield connection
        connection.commit()


def _turns(engine: Engine) -> _Turns:
    turns: _Turns = engine.get_execution_options()["turns"]
    return turns


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
        self._connection.execute("PRAGMA busy_timeout=0")
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
