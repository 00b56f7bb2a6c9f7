"""What one elected process does for all: lost jobs run again, old files go, the disk keeps room."""

from __future__ import annotations

import logging
import math
import shutil
import sqlite3
import threading
import time
from pathlib import Path

from sqlalchemy.exc import OperationalError

from gmapi.fetch.source_cache import SourceCache
from gmapi.jobs.clock import LEAP_SECONDS, WallClock
from gmapi.jobs.database import shrink
from gmapi.jobs.queue import JobQueue
from gmapi.jobs.room import DiskRoom
from gmapi.jobs.roster import Roster
from gmapi.jobs.store import JobStore
from gmapi.settings import Settings
from gmapi.storage.base import check_file_id
from gmapi.storage.interface import Storage

LOST_AFTER_SECONDS = 5.0
"""A job that waits so long while messages are too few is sent again."""

ORPHAN_AFTER_SECONDS = 60.0
"""Folders no job knows are left alone so long, in case their job is just being written."""

LAST_ATTEMPT_LEASES = 3
"""So many leases after its second crash a job is tried for the last time. A worker that hangs has
been killed by the supervisor then (`signs_of_life`)."""

log = logging.getLogger(__name__)


class Reaper:
    """Runs in each worker process; the elected one does the work."""

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        roster: Roster,
        queue: JobQueue,
        storage: Storage,
        sources: SourceCache,
        *,
        owner: str,
        longest_delay: float,
    ) -> None:
        self._settings = settings
        self._store = store
        self._roster = roster
        self._queue = queue
        self._storage = storage
        self._sources = sources
        self._owner = owner
        self._last_attempt_pause = LAST_ATTEMPT_LEASES * settings.lease_seconds
        self._longest_delay = max(longest_delay, self._last_attempt_pause)
        self._period = min(1.0, settings.lease_seconds / 5)
        self._next_sweep = 0.0
        self._next_room = 0.0
        self._room = DiskRoom(settings, store, storage, sources)
        self._absent_since: dict[str, float] = {}
        self._clock = WallClock(store.engine)
        self._clock_known = False
        self._clock_ahead = time.time() - time.monotonic()
        self._trust_leases_at = 0.0
        self._trust_files_at = 0.0

    def run(self, stopped: threading.Event) -> None:
        """Work until `stopped`."""
        while not stopped.wait(self._period):
            self.round()
        try:
            self._roster.resign("reaper", self._owner)
        except OperationalError as error:
            log.warning("the reaper could not resign: %s", error)

    def round(self) -> None:
        """Do once what is to be done now. Never raises."""
        self._look_at_clock()
        try:
            self._queue.refresh()
            if self._roster.lead("reaper", self._owner, max(3.0, 3 * self._period)):
                self._lead()
        except (OperationalError, sqlite3.Error) as error:
            log.warning("the reaper could not reach the database: %s", error)
            # Perhaps because the disk is full: this frees space without the database.
            self._room.relieve()
        except Exception:
            log.exception("the reaper met an error and goes on")

    def _look_at_clock(self) -> None:
        """When the clock leaps ahead, or the machine slept, live workers look silent: they get
        the time of one lease to renew theirs. Files just made look old: they get theirs, too."""
        now, ahead = time.monotonic(), time.time() - time.monotonic()
        if ahead - self._clock_ahead > self._settings.lease_seconds / 5:
            log.warning("the clock leapt ahead by %.1f s", ahead - self._clock_ahead)
            self._trust_leases_at = now + self._settings.lease_seconds
        if abs(ahead - self._clock_ahead) > LEAP_SECONDS:
            self._trust_files_at = now + self._orphan_grace()
        self._clock_ahead = ahead

    def _mend_times(self) -> None:
        """Before anything is judged by its age: nothing is swept while the database cannot be
        told of a leap."""
        if not self._clock_known:
            self._clock.remember()
            self._clock_known = True
        leap = self._clock.mend()
        if leap:
            self._sources.move_times(leap)

    def _lead(self) -> None:
        self._mend_times()
        self._roster.mend_times(
            lease=self._settings.lease_seconds, longest_delay=self._longest_delay
        )
        if time.monotonic() >= self._trust_leases_at:
            self._recover()
        self._resend_lost()
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + self._settings.cleanup_interval
            self.sweep()
        if time.monotonic() >= self._next_room:
            self._next_room = time.monotonic() + min(5.0, self._settings.cleanup_interval)
            self._room.make()

    def _recover(self) -> None:
        for job_id, priority in self._roster.recover_expired(pause=self._last_attempt_pause):
            log.warning("job %s is run again: its worker fell silent", job_id)
            job = self._store.get(job_id)
            delay = 0.0 if job is None else max(0.0, job.run_after - self._store.now())
            self._queue.put(job_id, priority=priority, delay=delay)

    def _resend_lost(self) -> None:
        waiting = self._roster.waiting(
            older_than=min(LOST_AFTER_SECONDS, 5 * self._period),
            running_max=self._settings.running_max_per_client,
        )
        # Any message leads to the job whose turn it is: nothing is lost while there are enough.
        missing = len(waiting) - self._queue.count() if waiting else 0
        if missing <= 0:
            self._absent_since.clear()
            return
        on_their_way = self._queue.ids()
        now = time.monotonic()
        absent = [job_id for job_id in waiting if job_id not in on_their_way]
        self._absent_since = {job_id: self._absent_since.get(job_id, now) for job_id in absent}
        for job_id, since in list(self._absent_since.items())[:missing]:
            # A message may be absent for a moment between the queue and the claim.
            if now - since >= self._period:
                log.warning("job %s was in no queue and is sent again", job_id)
                self._queue.put(job_id, priority=waiting[job_id])
                del self._absent_since[job_id]

    # -- retention ------------------------------------------------------------------------------

    def sweep(self) -> None:
        """Delete what has expired and what no job knows."""
        expiry = self._settings.file_expiry
        before = self._store.now() - expiry
        while old := self._store.oldest_finished(before=before):
            removed = self._store.remove(*old)
            for job in removed:
                if job.file_id is not None:
                    self._storage.delete(job.file_id)
            if not removed:
                break
        self._sources.sweep(time.time(), expiry)
        if time.monotonic() >= self._trust_files_at:
            self._remove_orphans()
        self._roster.forget_rates()
        self._roster.forget_silent(max(600.0, 10 * self._settings.lease_seconds))
        shrink(self._store.engine)

    def _orphan_grace(self) -> float:
        return min(ORPHAN_AFTER_SECONDS, self._settings.cleanup_interval)

    def _remove_orphans(self) -> None:
        limit = time.time() - self._orphan_grace()
        unknown = [file_id for file_id, modified in self._storage.ids() if modified < limit]
        # Read after the listing, so that an id made in between counts as known.
        known = self._store.live_file_ids()
        for file_id in unknown:
            if file_id not in known:
                self._storage.delete(file_id)
        folders = [f for f in _attempts(self._settings.attempts_dir) if _changed(f) < limit]
        running = {f"{job_id}.{attempt}" for job_id, attempt in self._store.running_attempts()}
        for folder in folders:
            if folder.name not in running:
                shutil.rmtree(folder, ignore_errors=True)


def _changed(path: Path) -> float:
    """Unix time of the last change; far ahead for what has just gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf


def _attempts(parent: Path) -> list[Path]:
    """The folders that workers have made; what else lies there is somebody's own."""
    if not parent.is_dir():
        return []
    return [path for path in parent.iterdir() if _is_attempt(path.name) and path.is_dir()]


def _is_attempt(name: str) -> bool:
    job_id, _, attempt = name.partition(".")
    return check_file_id(job_id) and attempt.isdecimal()
