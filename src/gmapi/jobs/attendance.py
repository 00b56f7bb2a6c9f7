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

    def unused(self) -> float:
        """Seconds since somebody last used what the job makes, or asked for the job."""
        return self._store.unused_for(self._fence.job_id)

    def prolong(self) -> None:
        """Let GMAPI_JOB_TIMEOUT count from now."""
        self._overdue.prolong(self._fence)
