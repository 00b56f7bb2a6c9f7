"""A worker process: takes job ids from the queue, claims the jobs and runs their tools."""

from __future__ import annotations

import logging
import os
import random
import secrets
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import OperationalError

import gmapi.tools.screens.conversion  # noqa: F401  # loaded at the start, not by the first job
from gmapi.errors import (
    GmapiError,
    JobCancelled,
    JobError,
    JobInterrupted,
    LeaseLost,
    LimitError,
    MediaError,
    NoSpaceError,
)
from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.source_cache import SourceCache
from gmapi.jobs import schema
from gmapi.jobs.attendance import Attendance
from gmapi.jobs.database import connect
from gmapi.jobs.model import (
    GIVEN_UP,
    MAX_ATTEMPTS,
    Fence,
    Job,
    State,
    WorkerRow,
    next_attempt,
)
from gmapi.jobs.overdue import Overdue
from gmapi.jobs.pulse import Pulse
from gmapi.jobs.queue import JobQueue
from gmapi.jobs.reaper import Reaper
from gmapi.jobs.roster import Roster
from gmapi.jobs.store import JobStore
from gmapi.jobs.wakeup import WakeupSender
from gmapi.media.binaries import find_ffmpeg, inspect
from gmapi.sandbox.launcher import Launcher
from gmapi.sandbox.limits import bound_own_memory
from gmapi.settings import Settings
from gmapi.storage.base import space_errors
from gmapi.storage.local import LocalStorage
from gmapi.tools.base import Work
from gmapi.tools.registry import TOOLS
from gmapi.tools.screens.kernel_state import kernel_state
from gmapi.tools.source_fetch import FetchedSources

STOP_GRACE_SECONDS = 10.0
"""How long a job at hand may go on after SIGTERM before it is handed back."""

NO_SPACE_RETRY_SECONDS = 15.0
"""The longest that a job waits after the disk was full."""

THREAD_MEMORY = {"native": 256 << 20, "numpy": 3 << 30}
"""Bytes that converting the largest pictures takes in each of the threads, one for each core."""

DELIVERY_SLACK_SECONDS = 0.5
"""A message that arrives before its job may run is in vain, so it is sent to come later."""

WOKEN_MAX = 16
"""For so many of the clients that shared a job their next one is sent for at once."""

log = logging.getLogger(__name__)


def attempt_folder(attempts_dir: Path, job_id: str, attempt: int) -> Path:
    """The work folder of one attempt at a job."""
    return attempts_dir / f"{job_id}.{attempt}"


def _out_of_memory(error: MemoryError) -> JobError:
    return JobError(
        "This job needs more memory than this server gives a worker. Ask for a shorter part, or "
        "for smaller pictures.",
        cause=f"MemoryError: {error}",
        code=LimitError.code,
    )


class Worker:
    """Everything one worker process holds. `run` returns after SIGTERM."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.id = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
        # Started first, while this process has one thread: it forks the children.
        self.launcher = Launcher(settings.sandbox)
        self.launcher.start()
        kernels = kernel_state(settings)
        if settings.worker_memory:
            threads = os.cpu_count() or 1
            bound_own_memory(int(settings.worker_memory) + threads * THREAD_MEMORY[kernels.name])
        self.ffmpeg = inspect(self.launcher, find_ffmpeg(settings.ffmpeg))
        engine = connect(settings.database_path)
        schema.upgrade(engine)
        self.store = JobStore(engine, log_max_lines=settings.log_max_lines)
        self.roster = Roster(engine, log_max_lines=settings.log_max_lines)
        self.overdue = Overdue(settings, self.store)
        self.queue = JobQueue(settings.queue_path, self.run_job)
        self.storage = LocalStorage(settings.files_dir)
        self.sources = SourceCache(settings.sources_dir, FetchRules.from_settings(settings))
        self.wakeup = WakeupSender(settings.run_dir)
        self._row = WorkerRow(
            id=self.id,
            pid=os.getpid(),
            host=socket.gethostname(),
            started=time.time(),
            seen=time.time(),
            job_id=None,
            info={
                "ffmpeg": self.ffmpeg.version,
                "sandbox": self.launcher.protection.state,
                "sandbox_missing": list(self.launcher.protection.missing),
                "kernels": asdict(kernels),
            },
        )
        self._stop_at: float | None = None
        self._stopped = threading.Event()
        self._current: str | None = None
        self._live: list[threading.Thread] = []

    def run(self) -> None:
        """Deliver jobs until SIGTERM; a job that outlasts the grace is handed back."""
        reaper = Reaper(
            self.settings,
            self.store,
            self.roster,
            self.queue,
            self.storage,
            self.sources,
            owner=self.id,
            longest_delay=NO_SPACE_RETRY_SECONDS,
        )
        consumer = self.queue.consumer(self._on_stop)
        threads = [
            threading.Thread(target=self._sign_on, name="roster", daemon=True),
            threading.Thread(target=reaper.run, args=(self._stopped,), name="reaper", daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            consumer.run()
        finally:
            self._on_stop()
            for thread in self._live:  # before their children are killed
                thread.join()
            self._stopped.set()
            for thread in threads:
                thread.join()
            self.launcher.close()
            try:
                self.roster.leave(self.id)
            except OperationalError as error:
                log.warning("this worker could not sign off: %s", error)

    def _on_stop(self) -> None:
        if self._stop_at is None:
            self._stop_at = time.monotonic() + STOP_GRACE_SECONDS

    def _must_stop(self) -> bool:
        return self._stop_at is not None and time.monotonic() > self._stop_at

    def _stops(self) -> bool:
        return self._stop_at is not None

    def _sign_on(self) -> None:
        while True:
            self.overdue.look()
            try:
                row = self._row
                self.roster.report(
                    replace(row, seen=0, job_id=self._current, info=row.info | self._counts())
                )
            except (OperationalError, MemoryError) as error:
                log.warning("this worker could not report itself: %s", error)
            if self._stopped.wait(min(2.0, self.settings.lease_seconds / 5)):
                return

    def _counts(self) -> dict[str, Any]:
        return {"sources": asdict(self.sources.counts)}

    # -- one job --------------------------------------------------------------------------------

    def run_job(self, job_id: str) -> None:
        """Run the job whose turn it is, and the next ones until there is none.

        The message for `job_id` says only that there is work. To go on without another message
        makes up for those that were used up in vain.
        """
        if self._stop_at is not None:
            self._send(job_id)  # for another worker, or for the next start
            return
        while self._stop_at is None and (claim := self._claim()) is not None:
            self._run_claimed(*claim)

    def _claim(self) -> tuple[Job, float] | None:
        """The job whose turn it is, and the monotonic time just before it was claimed."""
        claimed = time.monotonic()
        try:
            job = self.store.claim(
                None,
                self.id,
                self.settings.lease_seconds,
                running_max=self.settings.running_max_per_client,
            )
        except OperationalError as error:
            # Its message is used up; the reaper sends another one.
            log.warning("no job could be claimed: %s", error)
            return None
        return None if job is None else (job, claimed)

    def _run_claimed(self, job: Job, claimed: float) -> None:
        if TOOLS[job.tool].is_live:
            # It waits nearly all the time, and for nobody knows how long: others need not.
            self._live = [thread for thread in self._live if thread.is_alive()]
            thread = threading.Thread(
                target=self._run_beside, args=(job, claimed), name=f"live {job.id}", daemon=True
            )
            self._live.append(thread)
            thread.start()
            return
        self._current = job.id
        try:
            self._run_one(job, claimed)
        finally:
            self._current = None

    def _run_beside(self, job: Job, claimed: float) -> None:
        try:
            self._run_one(job, claimed)
        except Exception:  # its lease runs out, and it is run again
            log.exception("job %s was lost", job.id)

    def _run_one(self, job: Job, claimed: float) -> None:
        self.wakeup.poke()
        log.info("job %s (%s) starts, attempt %d", job.id, job.tool, job.attempt)
        try:
            outcome = self._attempt(job, claimed)
        finally:
            self.wakeup.poke()
        log.info("job %s: %s after %.1f s", job.id, outcome, time.monotonic() - claimed)
        if self.settings.running_max_per_client:
            self._wake_for_clients_of(job)

    def _wake_for_clients_of(self, ended: Job) -> None:
        """A client that ran as many jobs as it may has room for another one now, whose message
        may have been used up in vain: this worker may be busy with somebody else's job next."""
        try:
            clients = self.store.clients_of(ended.id)[:WOKEN_MAX]
            waiting = [job for client in clients if (job := self.store.next_of(client))]
        except OperationalError as error:  # the reaper sends it again
            log.warning("a client's next job could not be looked for: %s", error)
            return
        for job_id, priority in {job.id: job.priority for job in waiting}.items():
            self._send(job_id, priority)

    def _attempt(self, job: Job, claimed: float) -> str:
        fence = Fence(job.id, self.id, job.attempt)
        folder = attempt_folder(self.settings.attempts_dir, job.id, job.attempt)
        kept = False
        try:
            with (
                Pulse(
                    self.store,
                    fence,
                    self.settings.lease_seconds,
                    claimed=claimed,
                    # What is live comes to no end by being waited for.
                    interrupted=self._stops if TOOLS[job.tool].is_live else self._must_stop,
                    on_write=self.wakeup.poke,
                ) as pulse,
                self.overdue.watched(fence, claimed),
            ):
                outcome, kept = self._run_tool(job, fence, folder, pulse)
        finally:
            if not kept:
                self._discard(job, folder)
            shutil.rmtree(folder, ignore_errors=True)
        return outcome

    def _run_tool(self, job: Job, fence: Fence, folder: Path, pulse: Pulse) -> tuple[str, bool]:
        """The outcome for the log, and whether what was published stays."""
        tool = TOOLS[job.tool]
        assert job.file_id is not None
        if job.attempt > 1:
            pulse.log(next_attempt(job.attempt))
        attendance = Attendance(self.store, self.overdue, fence)
        try:
            with space_errors():
                work = Work(
                    job_id=job.id,
                    file_id=job.file_id,
                    folder=folder,
                    settings=self.settings,
                    ffmpeg=self.ffmpeg,
                    launcher=self.launcher,
                    sources=FetchedSources(self.sources),
                    storage=self.storage,
                    reporter=pulse,
                    attempt=job.attempt,
                    attendance=attendance,
                )
                request = tool.request.restore(job.request)
                with closing(work):
                    result = work.with_warnings(tool.run(work, request))
            pulse.check()
            message = result.message or "Done."
            if tool.is_live:
                end = partial(self.store.finish, fence, result.values(), message)
                return self._end_live(job, fence, pulse, partial(end, wanted_until=attendance.seen))
            # A run that joined nothing is what others join from now on.
            key = request.identity(tool.name) if request.no_cache else None
            ended = pulse.end(
                lambda: self.store.finish(fence, result.values(), message, takes_key=key)
            )
            return ("completed", True) if ended else ("lost to another worker", False)
        except (LeaseLost, JobCancelled):
            return "stopped: cancelled or taken over", False
        except JobInterrupted:
            return self._hand_back(job, fence, pulse), False
        except NoSpaceError as error:
            return self._wait_for_space(job, fence, folder, pulse, error), False
        except GmapiError as error:
            return self._explain(job, fence, pulse, error), False
        except MemoryError as error:
            return self._explain(job, fence, pulse, _out_of_memory(error)), False
        except Exception:
            log.exception("job %s broke", job.id)
            message = "The server met an internal error with this job; its log says more."
            self._fail(fence, pulse, message, "internal")
            return "broke", False

    def _end_live(
        self, job: Job, fence: Fence, pulse: Pulse, finish: Callable[[], bool]
    ) -> tuple[str, bool]:
        """End a job that nobody uses any more; where somebody has come back at the last moment, it
        begins again."""
        finished = False

        def end() -> bool:
            nonlocal finished
            finished = finish()
            return finished or self.store.requeue(fence, "Somebody has come back.")

        if not pulse.end(end):
            return "lost to another worker", False
        if finished:
            return "completed", True
        self._send(job.id, job.priority)
        return "begins again, somebody has come back", False

    def _explain(self, job: Job, fence: Fence, pulse: Pulse, error: GmapiError) -> str:
        """Tell a failure of the job from one of this worker, which the job can do nothing for."""
        from_child = isinstance(error, MediaError | LimitError)
        if from_child and self._stop_at is not None:
            # A service manager signals all processes of a service, ffmpeg included.
            return self._hand_back(job, fence, pulse)
        if from_child and self.launcher.is_broken():
            log.error("job %s lost its processes: %s (%s)", job.id, error.message, error.cause)
            if job.crashes + 1 >= MAX_ATTEMPTS:
                self._fail(fence, pulse, GIVEN_UP, "worker_died")
                return "given up"
            message = "Its processes were lost; waiting to be run again."
            pulse.log(message)
            if pulse.end(lambda: self.store.requeue(fence, message, crashed=True)):
                self._send(job.id, job.priority)
            return "put back, its processes were lost"
        level = logging.INFO if isinstance(error, JobError) else logging.WARNING
        log.log(level, "job %s failed: %s (%s)", job.id, error.message, error.cause)
        self._fail(fence, pulse, error.message, error.code)
        return "failed"

    def _fail(self, fence: Fence, pulse: Pulse, message: str, code: str) -> None:
        pulse.log(message)
        pulse.end(lambda: self.store.fail(fence, message, code))

    def _hand_back(self, job: Job, fence: Fence, pulse: Pulse) -> str:
        message = "The server is restarting."
        pulse.log(message)
        if pulse.end(lambda: self.store.requeue(fence, message)):
            self._send(job.id, job.priority)
        return "handed back, this worker stops"

    def _wait_for_space(
        self, job: Job, fence: Fence, folder: Path, pulse: Pulse, error: NoSpaceError
    ) -> str:
        """A full disk is the server's trouble, not the job's: it is put back and tried again."""
        log.warning("job %s: %s (%s)", job.id, error.message, error.cause)
        self._discard(job, folder)  # first, so that the database has room to note it
        if time.time() - job.created > self.settings.file_expiry:
            self._fail(fence, pulse, "The server had no disk space for this job.", error.code)
            return "failed, no space"
        message = "The server's disk is full; the job waits until there is room."
        # Jobs that filled the disk together must not come back at the same moment.
        delay = NO_SPACE_RETRY_SECONDS * random.uniform(0.5, 1.0)
        pulse.log(message)
        if pulse.end(lambda: self.store.requeue(fence, message, delay)):
            self._send(job.id, job.priority, delay + DELIVERY_SLACK_SECONDS)
        return "put back, no space"

    def _discard(self, job: Job, folder: Path) -> None:
        """Delete what an attempt has made, unless its job has completed with it after all."""
        shutil.rmtree(folder, ignore_errors=True)
        if job.file_id is None:
            return
        try:
            owner = self.store.by_file(job.file_id)
            if owner is None or owner.state is not State.COMPLETED:
                self.storage.delete(job.file_id)
        except (OperationalError, OSError) as error:  # the reaper sweeps it later
            log.warning("the files of an attempt could not be deleted: %s", error)

    def _send(self, job_id: str, priority: int = 0, delay: float = 0.0) -> None:
        try:
            self.queue.put(job_id, priority=priority, delay=delay)
        except sqlite3.Error as error:  # the reaper sends it again
            log.warning("job %s could not be sent at once: %s", job_id, error)
