"""What the web layer sees of jobs: submit, look, wait, cancel, list, and how the server fares."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlalchemy.exc import OperationalError

from gmapi.access import Rate
from gmapi.errors import NotFoundError, StorageFullError
from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.source_cache import SourceCache
from gmapi.jobs import outputs, schema
from gmapi.jobs.database import ChangeCounter, connect, public_error
from gmapi.jobs.events import EventHub
from gmapi.jobs.later import Later
from gmapi.jobs.model import Job, LogLine, State, Submission, Withdrawal, WorkerRow
from gmapi.jobs.queue import JobQueue
from gmapi.jobs.room import DiskRoom
from gmapi.jobs.roster import Roster
from gmapi.jobs.store import JobStore
from gmapi.jobs.usage import Aside, Shared, directly
from gmapi.jobs.wakeup import WakeupListener
from gmapi.settings import Settings
from gmapi.storage.base import check_file_id
from gmapi.storage.local import LocalStorage
from gmapi.tools.fields import ToolRequest
from gmapi.tools.tool import Tool

WORKER_SILENT_SECONDS = 15.0
RECENT_LINES = 10
JOBS_KEPT = 4096
"""Of so many jobs it is known which lines were handed out, and when they were last used."""

TOUCH_SHARE = 0.05
PLACES_SECONDS = 0.5
"""How long the places of waiting jobs are kept: all who ask for theirs share one look."""

HEALTH_SECONDS = 0.25
"""How long the look of one caller who knows details does for the others."""

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

    def __init__(self, settings: Settings, aside: Aside = directly) -> None:
        """`aside` does what takes long, so that whoever else is served need not wait."""
        self.settings = settings
        engine = connect(settings.database_path, serves_others=True)
        schema.upgrade(engine)
        self._store = JobStore(engine, log_max_lines=settings.log_max_lines)
        self._roster = Roster(engine)
        self._queue = JobQueue(settings.queue_path, serves_others=True)
        self.storage = LocalStorage(settings.files_dir)
        self._room = DiskRoom(
            settings,
            self._store,
            self.storage,
            SourceCache(settings.sources_dir, FetchRules.from_settings(settings)),
            aside,
        )
        self._health = Shared(self._look_at_health)
        self.events = EventHub(
            self._store,
            ChangeCounter(settings.database_path),
            WakeupListener(settings.run_dir),
        )
        self._delivered: OrderedDict[str, int] = OrderedDict()
        self._touched: OrderedDict[str, float] = OrderedDict()
        self._accesses = Later("an access to a job's files", self._store.touch)
        self._messages = Later("a message that a job waits", self._send)
        self._places: dict[str, int] = {}
        self._places_read = -PLACES_SECONDS

    def start(self) -> None:
        """Start watching for changes."""
        self.events.start()

    def stop(self) -> None:
        """Stop watching; everybody who waits is woken."""
        self.events.stop()
        self._accesses.close()
        self._messages.close()
        self._queue.close()
        self._store.engine.dispose()

    # -- requests -------------------------------------------------------------------------------

    def submit(
        self,
        tool: Tool,
        request: ToolRequest,
        client: str,
        rate: Rate | None = None,
        *,
        caller: str | None = None,
        label: str | None = None,
    ) -> Submission:
        """Accept a request: a new job, or the one that does the same already.

        `client` is what limits go by; `caller`, if that is another name, who may list the job and
        take it back; `label` what the caller calls it.

        Raises RequestError or RefusedError for what is wrong with it, RateLimitedError when the
        client submits faster than `rate`, QueueFullError and StorageFullError when there is no
        room, UnavailableError when the database is too busy.
        """
        tool.accept(request)
        # What is live is nothing but what is on now.
        most = 0.0 if tool.is_live else self.settings.result_max_age
        with _database_errors():
            self._room.check()
            submission = self._store.submit(
                tool=tool.name,
                request=request.normalised(),
                key=request.key(tool.name),
                client=client,
                queue_max=self.settings.queue_max,
                queue_max_per_client=self.settings.queue_max_per_client,
                rate=rate,
                caller=caller,
                label=label,
                max_age=most if tool.is_live or request.max_age is None else request.max_age,
                usable=lambda job: outputs.are_there(job, self.storage),
                live_max=self.settings.radio_max if tool.is_live else None,
            )
        if not submission.joined:  # a lost message does no harm: the reaper sends it again
            self._messages.put(submission.job)
        return submission

    def _send(self, job: Job) -> None:
        self._queue.put(job.id, priority=job.priority)

    def job(self, job_id: str) -> Job:
        """The job with this id. Raises NotFoundError."""
        with _database_errors():
            job = self.events.job(job_id) if check_file_id(job_id) else None
        if job is None:
            raise NotFoundError(
                "There is no task with this id; it never existed, was deleted, or its "
                "time has run out."
            )
        return job

    def labelled(self, job: Job, owner: str | None) -> Job:
        """The job with the label that `owner` gave it; with None the first it was given."""
        with _database_errors():
            labels = self.events.labels(job.id)
        label = labels.get(owner) if owner is not None else next(iter(labels.values()), None)
        return job if label == job.label else replace(job, label=label)

    def cancel(self, job_id: str, owner: str | None = None) -> Withdrawal:
        """Take back what `owner` asked for, or with None what anybody did.

        A job that waits or runs is cancelled at once, unless others share it: then it goes on for
        them. A finished one stays as it is. Raises NotFoundError, ForbiddenError for one that the
        owner never asked for, StorageFullError or UnavailableError.
        """
        job = self.job(job_id)
        with _database_errors():
            if owner is not None:
                withdrawal = self._store.withdraw(job.id, owner)
            else:
                cancelled = self._store.cancel(job.id)
                withdrawal = Withdrawal(cancelled, others=0) if cancelled is not None else None
        return _still_there(withdrawal)

    def delete(self, job_id: str, owner: str | None = None) -> Withdrawal:
        """Cancel a job that waits or runs, as `cancel` does; take a finished one off the owner's
        list.

        When nobody else shares it, or with None, a finished one is gone, and its outputs with it:
        the answer is what it was. Raises what `cancel` raises.
        """
        if not self.job(job_id).is_finished:
            return self.cancel(job_id, owner)
        with _database_errors():
            withdrawal = _still_there(self._store.discard(job_id, owner))
        job = withdrawal.job
        if withdrawal.deleted and job.file_id is not None:
            try:
                self.storage.delete(job.file_id)
            except OSError as error:  # the reaper's sweep tries again
                log.warning("outputs could not be deleted: %s", error)
        return withdrawal

    def page(
        self,
        *,
        state: State | None,
        tool: str | None,
        owner: str | None = None,
        limit: int,
        offset: int,
    ) -> tuple[list[Job], int]:
        """Jobs, newest first, and how many there are in all; with `owner` those it shares only."""
        with _database_errors():
            return self._store.page(
                state=state, tool=tool, caller=owner, limit=limit, offset=offset
            )

    def position(self, job: Job) -> int:
        """The place of a waiting job in the queue, from 1, as it was a moment ago at most."""
        now = time.monotonic()
        if now - self._places_read > PLACES_SECONDS or job.id not in self._places:
            with _database_errors():
                self._places, self._places_read = self._store.positions(), now
        return self._places.get(job.id, 1)

    def new_lines(self, job: Job, since: int | None, *, handed_out: bool = True) -> NewLines:
        """Log lines for a poll.

        With `since` the lines after it. Without, those this process has not handed out for this
        job yet, and at least the latest few: pollers without a cursor clear their screen first.
        These count as handed out from now on, unless `handed_out` says that they are not.
        """
        with _database_errors():
            tail = self.events.log_tail(job)
            lines = [] if since is None else self.events.logs(job, since)
        newest = tail[-1].id if tail else 0
        if since is not None:
            reached = lines[-1].id if lines else since
            return NewLines(lines, reached, more=reached < newest)
        seen = self._delivered.get(job.id, 0)
        fresh = [line for line in tail if line.id > seen]
        if len(fresh) < RECENT_LINES:
            fresh = tail[-RECENT_LINES:]
        if handed_out:
            self._delivered[job.id] = newest
            self._delivered.move_to_end(job.id)
            while len(self._delivered) > JOBS_KEPT:
                self._delivered.popitem(last=False)
        return NewLines(fresh, newest, more=False)

    # -- files ----------------------------------------------------------------------------------

    def file_owner(self, file_id: str) -> Job:
        """The job that publishes under this file id; counts as an access. Raises NotFoundError."""
        with _database_errors():
            job = self.events.by_file(file_id) if check_file_id(file_id) else None
        if job is None:
            raise NotFoundError(
                "There is no file with this address; it never existed, was deleted, or its "
                "time has run out."
            )
        self.touch(job)
        return job

    def touch(self, job: Job, most: float = 60.0) -> None:
        """Count an access to a job's files, written at most now and then, every `most` seconds;
        never waits for that."""
        now = time.monotonic()
        pause = min(most, self.settings.file_expiry * TOUCH_SHARE)
        if now - self._touched.get(job.id, -pause) < pause:
            return
        self._touched[job.id] = now
        self._touched.move_to_end(job.id)
        while len(self._touched) > JOBS_KEPT:
            self._touched.popitem(last=False)
        try:
            self._store.touch(job.id, patience=0)
        except OperationalError:  # somebody holds the database locked, and a download does not wait
            self._accesses.put(job.id)

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

    def health(self, within: float = HEALTH_SECONDS) -> Health:
        """How the server fares, or did within so many seconds. Never raises.

        That it could not work is not held on to: those who wait for it ask again and again.
        """
        found = self._health.get(within)
        return found if not found.problems else self._health.get(min(within, HEALTH_SECONDS))

    def _look_at_health(self) -> Health:
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
            used, free = self._room.recently_used_bytes(), self._room.disk_free()
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


def _still_there(withdrawal: Withdrawal | None) -> Withdrawal:
    if withdrawal is None:
        raise NotFoundError("There is no task with this id any more.")
    return withdrawal


@contextmanager
def _database_errors() -> Iterator[None]:
    """Tell callers of a full disk or a busy database instead of an internal error."""
    try:
        yield
    except OperationalError as error:
        raise public_error(error) from error
