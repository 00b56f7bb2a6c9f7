"""Disk space: what is used, what may go, and whether another job may come in."""

from __future__ import annotations

import logging
import shutil

from gmapi.errors import StorageFullError
from gmapi.fetch.source_cache import SourceCache
from gmapi.jobs.database import stored_bytes
from gmapi.jobs.store import JobStore
from gmapi.settings import Settings
from gmapi.storage.interface import Storage
from gmapi.tools.base import free_space_reserve

SPARE_SECONDS = 60.0
"""What has just finished is not deleted for the budget: its caller is about to fetch it."""

log = logging.getLogger(__name__)


class DiskRoom:
    """Keeps what is stored below the budget, and the disk from filling up."""

    def __init__(
        self, settings: Settings, store: JobStore, storage: Storage, sources: SourceCache
    ) -> None:
        self._settings = settings
        self._store = store
        self._storage = storage
        self._sources = sources

    def used_bytes(self) -> int:
        """What published files, cached sources and the database take."""
        database = stored_bytes(self._settings.database_path)
        return self._storage.used_bytes() + self._sources.used_bytes() + database

    def disk_free(self) -> int:
        """Free bytes of the disk the data folder is on."""
        return shutil.disk_usage(self._settings.data_dir).free

    def make(self) -> None:
        """Delete cached sources, then (for the budget only) finished jobs, oldest use first.

        What finished within `SPARE_SECONDS` stays. Open downloads go on, and a running job has
        its own link to its source.
        """
        self.relieve()
        budget = int(self._settings.disk_budget)
        excess = self.used_bytes() - budget if budget else 0
        if excess <= 0:
            return
        excess -= self._sources.evict(excess)
        while excess > 0:
            removed = False
            for job in self._store.oldest_finished(spared=SPARE_SECONDS):
                if excess <= 0:
                    return
                if self._store.remove(job):
                    removed = True
                    excess -= self._storage.delete(job.file_id) if job.file_id else 0
                    log.warning("job %s was deleted early: the disk budget is used up", job.id)
            if not removed:
                return

    def relieve(self) -> None:
        """Delete cached sources while the disk is nearly full; needs no database."""
        reserve = free_space_reserve(self._settings.data_dir)
        shortage = 2 * reserve - self.disk_free()
        if shortage > 0:
            self._sources.evict(shortage)

    def check(self) -> None:
        """Raise StorageFullError when there is no room for another job."""
        budget = int(self._settings.disk_budget)
        if budget and self.used_bytes() >= budget:
            self.make()
            if self.used_bytes() >= budget:
                raise StorageFullError(
                    "The server's disk budget is used up by tasks that run or have just ended. "
                    "Try again in a minute.",
                    retry_after=60,
                )
        if self.disk_free() < free_space_reserve(self._settings.data_dir):
            raise StorageFullError("The server's disk is full. Try again later.", retry_after=60)
