"""Whether somebody still wants what a running job makes, and its time when it is to go on."""

from __future__ import annotations

from gmapi.jobs.model import Fence
from gmapi.jobs.overdue import Overdue
from gmapi.jobs.store import JobStore


class Attendance:
    """Of one attempt at a job, for its tool."""

    def __init__(self, store: JobStore, overdue: Overdue, fence: Fence) -> None:
        self._store = store
        self._overdue = overdue
        self._fence = fence
        self.seen = 0.0
        """When somebody had last used it, as the tool was told last."""

    def unused(self) -> float:
        """Seconds since somebody last used what the job makes, or asked for the job."""
        self.seen = self._store.last_wanted(self._fence.job_id)
        return max(0.0, self._store.now() - self.seen)

    def prolong(self) -> None:
        """Let GMAPI_JOB_TIMEOUT count from now."""
        self._overdue.prolong(self._fence)
