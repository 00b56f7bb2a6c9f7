"""What the web layer sees of jobs: submit, look, wait, cancel, list, and how the server fares."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import OperationalError

from gmapi.access import Rate
from gmapi.errors import ForbiddenError, NotFoundError, StorageFullError
from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.source_cache import SourceCache
from gmapi.jobs import schema
from gmapi.jobs.database import ChangeCounter, connect, public_error
from gmapi.jobs.events import EventHub
from gmapi.jobs.model import Job, LogLine, State, Submission, WorkerRow
from gmapi.jobs.queue import JobQueue
from gmapi.jobs.room import DiskRoom
from gmapi.jobs.roster import Roster
from gmapi.jobs.store import JobStore
from gmapi.jobs.wakeup import WakeupListener
from gmapi.settings import Settings
from gmapi.storage.base import check_file_id
from gmapi.storage.local import LocalStorage
from gmapi.tools.base import Tool
from gmapi.tools.fields import ToolRequest

WORKER_SILENT_SECONDS = 15.0
RECENT_LINES = 10
DELIVERED_MAX = 4096
TOUCH_SHARE = 0.05
PLACES_SECONDS = 0.5
"""How long the places of waiting jobs are kept: all who ask for theirs share one look."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Health:
    """How the server fares; `problems` is empty when it can work."""

    states: dict[State, int]
    workers: list[WorkerRow]
    used_bytes: int
    free_bytes: int
    database_ok: bool
    problems: list[str]


@dataclass(frozen=True, slots=True)
class NewLines:
    """Log lines, the cursor for the next question, and whether there are more after it already."""

    lines: list[LogLine]
    cursor: int
    more: bool


class JobService:
    """One per web process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        engine = connect(settings.database_path)
        schema.upgrade(engine)
        self._store = JobStore(engine, log_max_lines=settings.log_max_lines)
        self._roster = Roster(engine)
        self._queue = JobQueue(settings.queue_path)
        self.storage = LocalStorage(settings.files_dir)
        self._room = DiskRoom(
            settings,
            self._store,
            self.storage,
            SourceCache(settings.sources_dir, FetchRules.from_settings(settings)),
        )
        self.events = EventHub(
            self._store,
            ChangeCounter(settings.database_path),
            WakeupListener(settings.run_dir),
        )
        self._delivered: OrderedDict[str, int] = OrderedDict()
        self._touched: OrderedDict[str, float] = OrderedDict()
        self._places: dict[str, int] = {}
        self._places_read = -PLACES_SECONDS

    def start(self) -> None:
        """Start watching for changes."""
        self.events.start()

    def stop(self) -> None:
        """Stop watching; everybody who waits is woken."""
        self.events.stop()
        self._queue.close()
        self._store.engine.dispose()

    # -- requests -------------------------------------------------------------------------------

    def submit(
        self, tool: Tool, request: ToolRequest, client: str, rate: Rate | None = None
    ) -> Submission:
        """Accept a request: a new job, or the one that does the same already.

        Raises RequestError or RefusedError for what is wrong with it, RateLimitedError when the
        client submits faster than `rate`, QueueFullError and StorageFullError when there is no
        room, UnavailableError when the database is too busy.
        """
        tool.accept(request)
        with _database_errors():
            self._room.check()
            submission = self._store.submit(
                tool=tool.name,
                request=_labelled(request),
                key=request.key(tool.name),
                client=client,
                queue_max=self.settings.queue_max,
                queue_max_per_client=self.settings.queue_max_per_client,
                rate=rate,
            )
        if not submission.joined:
            try:
                self._queue.put(submission.job.id, priority=submission.job.priority)
            except Exception as error:  # the reaper sends it again: it is accepted all the same
                log.warning("job %s could not be sent at once: %s", submission.job.id, error)
        return submission

    def job(self, job_id: str) -> Job:
        """The job with this id. Raises NotFoundError."""
        job = self.events.job(job_id) if check_file_id(job_id) else None
        if job is None:
            raise NotFoundError(
                "There is no task with this id; it never existed or its time has run out."
            )
        return job

    def cancel(self, job_id: str, owner: str | None = None) -> Job:
        """Cancel a waiting or running job at once; with `owner` only one of that client.

        Raises NotFoundError, ForbiddenError, StorageFullError or UnavailableError.
        """
        self._check_owner(job_id, owner, "cancel")
        with _database_errors():
            job = self._store.cancel(job_id)
        if job is None:
            raise NotFoundError("There is no task with this id any more.")
        return job

    def delete(self, job_id: str, owner: str | None = None) -> tuple[Job, bool]:
        """Cancel a waiting or running job, or delete a finished one with its outputs; with `owner`
        only one of that client. The job as it is, or was, and whether it was deleted.

        Downloads that are under way go on. Raises what `cancel` raises.
        """
        self._check_owner(job_id, owner, "delete")
        with _database_errors():
            job = self._store.discard(job_id)
        if job is None:
            return self.cancel(job_id, owner), False
        if job.file_id is not None:
            self.storage.delete(job.file_id)
        return job, True

    def _check_owner(self, job_id: str, owner: str | None, deed: str) -> None:
        if owner not in (None, self.job(job_id).client):
            raise ForbiddenError(f"This task is another client's; only that one may {deed} it.")

    def page(
        self,
        *,
        state: State | None,
        tool: str | None,
        owner: str | None = None,
        limit: int,
        offset: int,
    ) -> tuple[list[Job], int]:
        """Jobs, newest first, and how many there are in all; with `owner` that client's only."""
        return self._store.page(state=state, tool=tool, client=owner, limit=limit, offset=offset)

    def position(self, job: Job) -> int:
        """The place of a waiting job in the queue, from 1, as it was a moment ago at most."""
        now = time.monotonic()
        if now - self._places_read > PLACES_SECONDS or job.id not in self._places:
            self._places, self._places_read = self._store.positions(), now
        return self._places.get(job.id, 1)

    def new_lines(self, job: Job, since: int | None, *, handed_out: bool = True) -> NewLines:
        """Log lines for a poll.

        With `since` the lines after it. Without, those this process has not handed out for this
        job yet, and at least the latest few: pollers without a cursor clear their screen first.
        These count as handed out from now on, unless `handed_out` says that they are not.
        """
        tail = self.events.log_tail(job)
        newest = tail[-1].id if tail else 0
        if since is not None:
            lines = self.events.logs(job, since)
            reached = lines[-1].id if lines else since
            return NewLines(lines, reached, more=reached < newest)
        seen = self._delivered.get(job.id, 0)
        fresh = [line for line in tail if line.id > seen]
        if len(fresh) < RECENT_LINES:
            fresh = tail[-RECENT_LINES:]
        if handed_out:
            self._delivered[job.id] = newest
            self._delivered.move_to_end(job.id)
            while len(self._delivered) > DELIVERED_MAX:
                self._delivered.popitem(last=False)
        return NewLines(fresh, newest, more=False)

    # -- files ----------------------------------------------------------------------------------

    def file_owner(self, file_id: str) -> Job:
        """The job that publishes under this file id; counts as an access. Raises NotFoundError."""
        job = self._store.by_file(file_id) if check_file_id(file_id) else None
        if job is None:
            raise NotFoundError(
                "There is no file with this address; it never existed or its time has run out."
            )
        self.touch(job)
        return job

    def touch(self, job: Job) -> None:
        """Count an access to a job's files, written at most now and then."""
        now = time.monotonic()
        pause = min(60.0, self.settings.file_expiry * TOUCH_SHARE)
        if now - self._touched.get(job.id, -pause) < pause:
            return
        self._touched[job.id] = now
        self._touched.move_to_end(job.id)
        while len(self._touched) > DELIVERED_MAX:
            self._touched.popitem(last=False)
        try:
            self._store.touch(job.id)
        except OperationalError as error:
            log.warning("an access could not be noted: %s", error)

    def still_runs(self, job: Job) -> bool:
        """Whether the attempt that `job` was read in still goes on and publishes."""
        try:
            present = self.events.job(job.id)
        except OperationalError as error:
            log.warning("a job could not be looked at: %s", error)
            return True
        return (
            present is not None
            and present.state is State.RUNNING
            and present.file_id == job.file_id
        )

    # -- the server -----------------------------------------------------------------------------

    def health(self) -> Health:
        """How the server fares. Never raises."""
        problems: list[str] = []
        states = dict.fromkeys(State, 0)
        workers: list[WorkerRow] = []
        used = free = 0
        database_ok = True
        try:
            states = self._store.counts()
            workers = self._roster.alive(WORKER_SILENT_SECONDS)
        except OperationalError as error:
            log.error("the database does not answer: %s", error)
            database_ok = False
            problems.append("The database does not answer.")
        try:
            used, free = self._room.used_bytes(), self._room.disk_free()
            self._room.check()
        except OSError as error:
            log.error("the data folder cannot be read: %s", error)
            problems.append("The data folder cannot be read.")
        except StorageFullError as error:
            problems.append(error.message)
        except OperationalError as error:
            log.error("the database cannot be written: %s", error)
            problems.append("The database cannot be written.")
        if database_ok and not workers:
            problems.append("No worker is alive.")
        return Health(states, workers, used, free, database_ok, problems)


def _labelled(request: ToolRequest) -> dict[str, Any]:
    label = {"label": request.label} if request.label else {}
    return request.normalised() | label


@contextmanager
def _database_errors() -> Iterator[None]:
    """Tell callers of a full disk or a busy database instead of an internal error."""
    try:
        yield
    except OperationalError as error:
        raise public_error(error) from error
