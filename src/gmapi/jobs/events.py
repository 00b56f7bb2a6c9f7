"""Learning at once that a job changed, in whatever process that happened.

One watcher per process looks at SQLite's change counter every few dozen milliseconds, sooner when
a datagram says so, and wakes those who wait for a job whose version has moved. A wake-up carries
nothing: who is woken reads the job. A missed one costs a second, never a line.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from gmapi.jobs.database import ChangeCounter
from gmapi.jobs.model import ACTIVE, Job, LogLine, State
from gmapi.jobs.recent import Recent, footprint
from gmapi.jobs.store import JobStore
from gmapi.jobs.wakeup import WakeupListener

WATCH_SECONDS = 0.05
RECHECK_SECONDS = 1.0
PAUSE_SECONDS = 0.2
"""Least time between two wake-ups for a job that is still going on."""
LOG_TAIL = 200
CACHE_BYTES = 8 * 1024**2
"""The most that jobs read lately take, and the most that their log lines take."""

CACHE_SECONDS = 60.0
"""What nobody has asked for so long is let go: it may be of jobs that are gone."""

_LINE_BYTES = 150
"""About what a log line takes beside its text."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class JobWatch:
    """Waits for changes of one job; made by `EventHub.watch`."""

    def __init__(self) -> None:
        self._changed = threading.Event()

    def wait(self, timeout: float) -> None:
        """Return when the job may have changed, at the latest after `timeout` seconds."""
        self._changed.wait(timeout)
        self._changed.clear()

    def notify(self) -> None:
        """Wake the waiter."""
        self._changed.set()


class EventHub:
    """Cached reads of jobs and wake-ups for those who wait for them."""

    def __init__(self, store: JobStore, counter: ChangeCounter, listener: WakeupListener) -> None:
        self._store = store
        self._counter = counter
        self._listener = listener
        self._watches: dict[str, set[JobWatch]] = defaultdict(set)
        self._told: dict[str, tuple[tuple[int, State] | None, float]] = {}
        self._lock = threading.Lock()
        self._cache: Recent[str, Job] = Recent(CACHE_BYTES, CACHE_SECONDS)
        self._labels: Recent[str, dict[str, str]] = Recent(CACHE_BYTES, CACHE_SECONDS)
        self._files: Recent[str, Job] = Recent(CACHE_BYTES, CACHE_SECONDS)
        self._cache_counter = -1
        self._tails: Recent[str, tuple[int, list[LogLine]]] = Recent(CACHE_BYTES, CACHE_SECONDS)
        self._stopped = threading.Event()
        self.ending = False
        self._thread = threading.Thread(target=self._run, name="job events", daemon=True)

    def start(self) -> None:
        """Start the watcher."""
        self._thread.start()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called: waiting has no more sense."""
        return self._stopped.is_set()

    def end_streams(self) -> None:
        """Ask those who follow a job without end to stop; `ending` tells them."""
        self.ending = True
        self._wake_all()

    def stop(self) -> None:
        """Stop the watcher and wake everybody."""
        self.ending = True
        self._stopped.set()
        self._wake_all()
        self._thread.join()
        self._listener.close()
        self._counter.close()

    def _wake_all(self) -> None:
        with self._lock:
            watches = [watch for group in self._watches.values() for watch in group]
        for watch in watches:
            watch.notify()

    # -- reading --------------------------------------------------------------------------------

    def job(self, job_id: str) -> Job | None:
        """The job as it is now. Read from the database only after some commit anywhere."""
        job = self._read(self._cache, job_id, self._store.get, _job_bytes)
        if job is None:
            with self._lock:
                self._tails.drop(job_id)
        return job

    def by_file(self, file_id: str) -> Job | None:
        """The job that publishes under this file id, as it is now."""
        return self._read(self._files, file_id, self._store.by_file, _job_bytes)

    def labels(self, job_id: str) -> dict[str, str]:
        """What callers call a job, by caller, those who asked first first."""
        return self._read(self._labels, job_id, self._store.labels, footprint) or {}

    def _read(
        self,
        cache: Recent[str, T],
        key: str,
        look: Callable[[str], T | None],
        size: Callable[[T], int],
    ) -> T | None:
        counter = self._counter.value()
        with self._lock:
            if counter != self._cache_counter:
                self._cache.clear()
                self._labels.clear()
                self._files.clear()
                self._cache_counter = counter
            elif (kept := cache.get(key)) is not None:
                return kept
        found = look(key)
        with self._lock:
            # What does not exist is not kept: callers may ask for endless made-up ids.
            if found is not None and self._cache_counter == counter:
                cache.put(key, found, size(found))
        return found

    def log_tail(self, job: Job) -> list[LogLine]:
        """The latest `LOG_TAIL` log lines; a thousand listeners of one job share one read."""
        with self._lock:
            version, tail = self._tails.get(job.id) or (-1, [])
        if version != job.version:
            tail = self._store.logbook.tail(job.id, LOG_TAIL)
            size = sum(footprint(line.line) + _LINE_BYTES for line in tail)
            with self._lock:
                self._tails.put(job.id, (job.version, tail), size)
        return tail

    def logs(self, job: Job, after: int) -> list[LogLine]:
        """Log lines after id `after`, oldest first, at most `READ_MAX` of them."""
        tail = self.log_tail(job)
        if not tail or tail[-1].id <= after:
            return []
        if len(tail) < LOG_TAIL or tail[0].id <= after + 1:
            return [line for line in tail if line.id > after]
        return self._store.logbook.after(job.id, after)

    # -- waiting --------------------------------------------------------------------------------

    @contextmanager
    def watch(self, job_id: str) -> Iterator[JobWatch]:
        """Be woken by changes of a job while in the block."""
        watch = JobWatch()
        with self._lock:
            self._watches[job_id].add(watch)
        try:
            yield watch
        finally:
            with self._lock:
                group = self._watches[job_id]
                group.discard(watch)
                if not group:
                    del self._watches[job_id]
                    self._told.pop(job_id, None)

    def wait_until(self, job_id: str, done: Callable[[Job], bool], timeout: float) -> Job | None:
        """The job as soon as `done` holds or it is gone, else as it is after `timeout`."""
        deadline = time.monotonic() + timeout
        with self.watch(job_id) as watch:
            while True:
                job = self.job(job_id)
                left = deadline - time.monotonic()
                if job is None or done(job) or left <= 0 or self._stopped.is_set():
                    return job
                watch.wait(left)

    def _run(self) -> None:
        seen, look_at = -1, 0.0
        while not self._stopped.is_set():
            try:
                self._listener.wait(WATCH_SECONDS)
                counter, now = self._counter.value(), time.monotonic()
                if counter != seen or now >= look_at:
                    self._let_go()
                    look_at = now + RECHECK_SECONDS
                    seen = counter if self._notify_changed(now) else -1
            except SQLAlchemyError as error:
                log.warning("the job watcher could not read the database: %s", error)
            except Exception:  # without it nobody would ever be woken
                log.exception("the job watcher met an error and goes on")
                self._stopped.wait(RECHECK_SECONDS)

    def _let_go(self) -> None:
        with self._lock:
            self._cache.drop_unused()
            self._labels.drop_unused()
            self._files.drop_unused()
            self._tails.drop_unused()

    def _notify_changed(self, now: float) -> bool:
        """Wake those who wait for a job that moved; False when some must be looked at again.

        A job that goes on wakes its listeners a few times a second at most: there may be a
        thousand of them. One that ended wakes them at once.
        """
        with self._lock:
            watched = list(self._watches)
        if not watched:
            return True
        present = self._store.marks(watched)
        woken: list[JobWatch] = []
        all_told = True
        with self._lock:
            for job_id in watched:
                mark = present.get(job_id)
                told, at = self._told.get(job_id, (None, -PAUSE_SECONDS))
                if job_id not in self._watches or (mark is not None and mark == told):
                    continue
                if mark is not None and mark[1] in ACTIVE and now - at < PAUSE_SECONDS:
                    all_told = False
                    continue
                self._told[job_id] = (mark, now)
                woken += self._watches[job_id]
        for watch in woken:
            watch.notify()
        return all_told


def _job_bytes(job: Job) -> int:
    return footprint(job.request) + footprint(job.result)
