"""A worker process: takes job ids from the queue, claims the jobs and runs their tools."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import threading
import time
from pathlib import Path

from sqlalchemy.exc import OperationalError

from gmapi.errors import (
    GmapiError,
    JobCancelled,
    JobError,
    JobInterrupted,
    LeaseLost,
    NoSpaceError,
)
from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.source_cache import SourceCache
from gmapi.jobs import schema
from gmapi.jobs.database import connect
from gmapi.jobs.model import Fence, Job, WorkerRow
from gmapi.jobs.pulse import Pulse
from gmapi.jobs.queue import JobQueue
from gmapi.jobs.reaper import Reaper
from gmapi.jobs.roster import Roster
from gmapi.jobs.store import JobStore
from gmapi.jobs.wakeup import WakeupSender
from gmapi.media.binaries import find_ffmpeg, inspect
from gmapi.sandbox.launcher import Launcher
from gmapi.settings import Settings
from gmapi.storage.local import LocalStorage
from gmapi.tools.base import Work
from gmapi.tools.registry import TOOLS

STOP_GRACE_SECONDS = 10.0
"""How long a job at hand may go on after SIGTERM before it is handed back."""

NO_SPACE_RETRY_SECONDS = 15.0
WRITE_RETRY_SECONDS = 0.5

log = logging.getLogger(__name__)


def attempt_folder(attempts_dir: Path, job_id: str, attempt: int) -> Path:
    """The work folder of one attempt at a job."""
    return attempts_dir / f"{job_id}.{attempt}"


class Worker:
    """Everything one worker process holds. `run` returns after SIGTERM."""

    def __init__(self, settings: Settings, *, stop_grace: float = STOP_GRACE_SECONDS) -> None:
        self.settings = settings
        self.id = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
        # Started first, while this process has one thread: it forks the children.
        self.launcher = Launcher()
        self.launcher.start()
        self.ffmpeg = inspect(self.launcher, find_ffmpeg(settings.ffmpeg))
        engine = connect(settings.database_path)
        schema.upgrade(engine)
        self.store = JobStore(engine, log_max_lines=settings.log_max_lines)
        self.roster = Roster(engine)
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
                "sandbox": "off" if settings.sandbox == "off" else self.launcher.state(),
                "sandbox_missing": self.launcher.missing(),
            },
        )
        self._stop_grace = stop_grace
        self._stop_at: float | None = None
        self._stopped = threading.Event()
        self._current: str | None = None

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
            self._stopped.set()
            for thread in threads:
                thread.join()
            self.roster.leave(self.id)
            self.launcher.close()

    def _on_stop(self) -> None:
        if self._stop_at is None:
            self._stop_at = time.monotonic() + self._stop_grace

    def _must_stop(self) -> bool:
        return self._stop_at is not None and time.monotonic() > self._stop_at

    def _sign_on(self) -> None:
        while True:
            try:
                row = self._row
                self.roster.report(
                    WorkerRow(row.id, row.pid, row.host, row.started, 0, self._current, row.info)
                )
            except OperationalError as error:
                log.warning("this worker could not report itself: %s", error)
            if self._stopped.wait(min(2.0, self.settings.lease_seconds / 5)):
                return

    # -- one job --------------------------------------------------------------------------------

    def run_job(self, job_id: str) -> None:
        """Claim a job and run it to its end; does nothing when it is not waiting."""
        if self._stop_at is not None:
            return  # the reaper sends the id to another worker
        job = self.store.claim(job_id, self.id, self.settings.lease_seconds)
        if job is None:
            return
        self._current = job.id
        self.wakeup.poke()
        started = time.monotonic()
        log.info("job %s (%s) starts, attempt %d", job.id, job.tool, job.attempt)
        try:
            outcome = self._attempt(job)
        finally:
            self._current = None
            self.wakeup.poke()
        log.info("job %s: %s after %.1f s", job.id, outcome, time.monotonic() - started)

    def _attempt(self, job: Job) -> str:
        fence = Fence(job.id, self.id, job.attempt)
        folder = attempt_folder(self.settings.attempts_dir, job.id, job.attempt)
        kept = False
        try:
            with Pulse(
                self.store,
                fence,
                self.settings.lease_seconds,
                interrupted=self._must_stop,
                on_write=self.wakeup.poke,
            ) as pulse:
                outcome, kept = self._run_tool(job, fence, folder, pulse)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if not kept and job.file_id is not None:
                self.storage.delete(job.file_id)
        return outcome

    def _run_tool(self, job: Job, fence: Fence, folder: Path, pulse: Pulse) -> tuple[str, bool]:
        """The outcome for the log, and whether what was published stays."""
        tool = TOOLS[job.tool]
        assert job.file_id is not None
        try:
            work = Work(
                job_id=job.id,
                file_id=job.file_id,
                folder=folder,
                settings=self.settings,
                ffmpeg=self.ffmpeg,
                launcher=self.launcher,
                sources=self.sources,
                storage=self.storage,
                reporter=pulse,
            )
            result = tool.run(work, tool.request.model_validate(job.request))
            pulse.check()
            values = result.model_dump(mode="json", exclude_none=True, exclude={"message"})
            ended = self._write(
                pulse,
                lambda: self.store.finish(fence, values, result.message or "Done."),
            )
            return ("completed", True) if ended else ("lost to another worker", False)
        except (LeaseLost, JobCancelled):
            return "stopped: cancelled or taken over", False
        except JobInterrupted:
            self._write(pulse, lambda: self.store.requeue(fence, "The server is restarting."))
            self.queue.put(job.id, priority=job.priority)
            return "handed back, this worker stops", False
        except NoSpaceError as error:
            return self._wait_for_space(job, fence, folder, pulse, error), False
        except GmapiError as error:
            level = logging.INFO if isinstance(error, JobError) else logging.WARNING
            log.log(level, "job %s failed: %s (%s)", job.id, error.message, error.cause)
            self._fail(fence, pulse, error.message, error.code)
            return "failed", False
        except Exception:
            log.exception("job %s broke", job.id)
            self._fail(
                fence,
                pulse,
                "The server met an internal error with this job; its log says more.",
                "internal",
            )
            return "broke", False

    def _fail(self, fence: Fence, pulse: Pulse, message: str, code: str) -> None:
        pulse.log(message)
        self._write(pulse, lambda: self.store.fail(fence, message, code))

    def _wait_for_space(
        self, job: Job, fence: Fence, folder: Path, pulse: Pulse, error: NoSpaceError
    ) -> str:
        """A full disk is the server's trouble, not the job's: it is put back and tried again."""
        log.warning("job %s: %s (%s)", job.id, error.message, error.cause)
        shutil.rmtree(folder, ignore_errors=True)
        if job.file_id is not None:
            self.storage.delete(job.file_id)
        if time.time() - job.created > self.settings.file_expiry:
            self._fail(fence, pulse, "The server had no disk space for this job.", error.code)
            return "failed, no space"
        message = "The server's disk is full; the job waits until there is room."
        self._write(pulse, lambda: self.store.requeue(fence, message, NO_SPACE_RETRY_SECONDS))
        self.queue.put(job.id, priority=job.priority, delay=NO_SPACE_RETRY_SECONDS)
        return "put back, no space"

    def _write(self, pulse: Pulse, statement: object) -> bool:
        """Flush the log, then write the end; tried again while the lease stands."""
        assert callable(statement)
        while True:
            try:
                return bool(pulse.flush() and statement())
            except OperationalError as error:
                log.warning("the end of a job could not be written yet: %s", error)
                try:
                    pulse.check()
                except (LeaseLost, JobInterrupted):
                    return False
                time.sleep(WRITE_RETRY_SECONDS)
