"""Databases that somebody holds locked, as a backup or a frozen process does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def locked(*paths: Path, mode: str = "EXCLUSIVE") -> Iterator[None]:
    """Nobody else can write to these SQLite files while in the block."""
    if not paths:
        yield
        return
    with closing(sqlite3.connect(paths[0], timeout=30, isolation_level=None)) as connection:
        connection.execute(f"BEGIN {mode}")
        try:
            with locked(*paths[1:], mode=mode):
                yield
        finally:
            connection.execute("ROLLBACK")
