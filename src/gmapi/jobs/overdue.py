"""The last word on GMAPI_JOB_TIMEOUT: a job that asks nobody whether to go on takes its worker
along."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from gmapi.jobs.model import Fence
from gmapi.jobs.store import JobStore
from gmapi.settings import Settings
from gmapi.tools.bounds import out_of_time

GRACE_SECONDS = 60.0
"""How long after GMAPI_JOB_TIMEOUT a job may take to notice that its time is up."""

EXIT_CODE = 70
"""With which a worker ends whose job does not."""

log = logging.getLogger(__name__)


class Overdue:
    """Looks whether a job of this worker is stuck: its lease is renewed for as long as the process
    lives, so only the end of the process ends it."""

    def __init__(self, settings: Settings, store: JobStore) -> None:
        self._settings = settings
        self._store = store
        self._running: dict[Fence, float] = {}

    @contextmanager
    def watched(self, fence: Fence, claimed: float) -> Iterator[None]:
        """The time during which a job runs; `claimed` is its begin, as monotonic time."""
        self._running[fence] = self._end(claimed)
        try:
            yield
        finally:
            del self._running[fence]

    def prolong(self, fence: Fence) -> None:
        """Let the time of a job count from now; it has shown that it is not stuck."""
        if fence in self._running:
            self._running[fence] = self._end(time.monotonic())

    def _end(self, begin: float) -> float:
        return begin + self._settings.job_timeout + GRACE_SECONDS

    def look(self) -> None:
        """End the process when a job should have ended. Call it often, from another thread."""
        now = time.monotonic()
        fence = next((fence for fence, end in list(self._running.items()) if now > end), None)
        if fence is None:
            return
        log.error("job %s does not end by itself; this worker ends with it", fence.job_id)
        error = out_of_time(self._settings)
        try:
            self._store.fail(fence, error.message, error.code)
        except OperationalError as locked:  # its lease runs out, and it counts as crashed
            log.warning("the end of job %s could not be written: %s", fence.job_id, locked)
        os._exit(EXIT_CODE)
