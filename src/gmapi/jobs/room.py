"""Disk space: what is used, what may go, and whether another job may come in."""

from __future__ import annotations

import logging
import shutil
import time

from gmapi.errors import StorageFullError
from gmapi.fetch.source_cache import SourceCache
from gmapi.jobs.database import stored_bytes
from gmapi.jobs.model import Job
from gmapi.jobs.store import JobStore
from gmapi.jobs.usage import Aside, Usage, directly
from gmapi.settings import Settings
from gmapi.storage.interface import Storage
from gmapi.tools.bounds import free_space_reserve

SPARE_SECONDS = 60.0
"""What has just finished is not deleted for the budget: its caller is about to fetch it."""

FUTILE_SECONDS = 2.0
"""How long nobody looks again for something to delete where there was nothing."""

log = logging.getLogger(__name__)


class DiskRoom:
    """Keeps what is stored below the budget, and the disk from filling up.

    What may take long, which is to walk through all files, is left to `aside`.
    """

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        storage: Storage,
        sources: SourceCache,
        aside: Aside = directly,
    ) -> None:
        self._settings = settings
        self._store = store
        self._storage = storage
        self._sources = sources
        self._aside = aside
        self._usage = Usage(self._measure, aside)
        self._futile_until = 0.0

    def used_bytes(self) -> int:
        """What published files, cached sources and the database take, measured now."""
        return self._usage.now()

    def recently_used_bytes(self) -> int:
        """The same as it was a moment ago, for whoever asks often."""
        return self._usage.latest()

    def _measure(self) -> int:
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
        wanted = excess
        excess -= self._aside(lambda: self._sources.evict(wanted))
        while excess > 0:
            removed = self._store.remove(*self._oldest(excess))
            for job in removed:
                excess -= self._delete(job.file_id) if job.file_id else 0
                log.warning("job %s was deleted early: the disk budget is used up", job.id)
            if not removed:
                return

    def _oldest(self, wanted: int) -> list[Job]:
        """As many of the longest unused jobs as hold so many bytes, if there are."""
        found, held = [], 0
        for job in self._store.oldest_finished(spared=SPARE_SECONDS):
            if held >= wanted:
                break
            found.append(job)
            held += self._size(job.file_id) if job.file_id else 0
        return found

    def _size(self, file_id: str) -> int:
        return self._aside(lambda: self._storage.size(file_id))

    def _delete(self, file_id: str) -> int:
        return self._aside(lambda: self._storage.delete(file_id))

    def relieve(self) -> None:
        """Delete cached sources while the disk is nearly full; needs no database."""
        reserve = free_space_reserve(self._settings.data_dir)
        shortage = 2 * reserve - self.disk_free()
        if shortage > 0:
            self._aside(lambda: self._sources.evict(shortage))

    def check(self) -> None:
        """Raise StorageFullError when there is no room for another job."""
        budget = int(self._settings.disk_budget)
        if budget and self._usage.latest() >= budget and not self._fits(budget):
            raise StorageFullError(
                "The server's disk budget is used up by tasks that run or have just ended. "
                "Try again in a minute.",
                retry_after=60,
            )
        if self.disk_free() < free_space_reserve(self._settings.data_dir):
            raise StorageFullError("The server's disk is full. Try again later.", retry_after=60)

    def _fits(self, budget: int) -> bool:
        """Whether what is stored is below the budget once what may go has gone."""
        if time.monotonic() < self._futile_until:
            return False
        self.make()
        if self.used_bytes() < budget:
            return True
        self._futile_until = time.monotonic() + FUTILE_SECONDS
        return False
