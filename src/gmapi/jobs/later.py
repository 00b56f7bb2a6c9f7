"""Writes that nobody waits for: that a file was fetched, and that there is work.

A thread of its own makes them, one after another and in order, so whoever asks for one goes on at
once, however long the database is locked.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy.exc import OperationalError

from gmapi.jobs.database import is_locked

PATIENCE_SECONDS = 60.0
"""How long one write is tried again while the database is locked."""

RETRY_SECONDS = 0.05

log = logging.getLogger(__name__)

T = TypeVar("T")


class Later(Generic[T]):
    """Calls `write` with each item that is put in. What fails for good is lost, with a warning."""

    def __init__(self, what: str, write: Callable[[T], None]) -> None:
        self._what = what
        self._write = write
        self._items: deque[T] = deque()
        self._news = threading.Event()
        self._closed = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, item: T) -> None:
        """Have an item written soon; returns at once."""
        self._items.append(item)
        self._news.set()
        with self._starting:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name=self._what, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Write what is left, as far as that can be done now."""
        self._closed.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            closed = self._closed.is_set()
            while self._items:
                self._write_one(self._items.popleft())
            if closed:
                return
            self._news.wait()
            self._news.clear()

    def _write_one(self, item: T) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self._write(item)
                return
            except (sqlite3.Error, OperationalError) as error:
                over = self._closed.is_set() or time.monotonic() > deadline
                if over or not is_locked(error):
                    log.warning("%s: not written: %s", self._what, error)
                    return
            except Exception:  # the next ones may be written all the same
                log.exception("%s: not written", self._what)
                return
            self._closed.wait(RETRY_SECONDS)
