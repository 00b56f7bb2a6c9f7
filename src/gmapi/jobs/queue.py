"""huey carries job ids from the submitter to the workers.

A message is only a hint: whoever gets one takes the job whose turn it is, and goes on until there
is none. A message too many is in vain, and the reaper sends again when there are too few. So the
queue's file may be deleted, even while the server runs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from huey.api import Huey
from huey.consumer import Consumer
from huey.storage import SqliteStorage

from gmapi.jobs.database import LOCKED_SECONDS, patiently

POLL_SECONDS = 0.05

log = logging.getLogger(__name__)


class JobQueue:
    """The queue of job ids; `run` is called with each id in a worker.

    `serves_others`: `put` fails at once while the queue's file is locked; see `database.connect`.
    """

    def __init__(
        self,
        path: Path,
        run: Callable[[str], None] | None = None,
        *,
        serves_others: bool = False,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        timeout = 0.0 if serves_others else LOCKED_SECONDS
        self.huey: Huey = patiently(lambda: _open(path, timeout), LOCKED_SECONDS)
        self._opened = self._identity()
        handler = run or _not_a_worker

        # huey finds a task by module and name, so the same function must stand on both ends.
        def run_job(job_id: str) -> None:
            handler(job_id)

        self._task = self.huey.task()(run_job)

    def put(self, job_id: str, *, priority: int = 0, delay: float = 0.0) -> None:
        """Send a job id, to be delivered after `delay` seconds. Raises sqlite3.Error."""
        self.refresh()
        self._task.schedule(args=(job_id,), delay=delay, priority=priority)

    def ids(self) -> set[str]:
        """The job ids that wait to be delivered; not those put in with a delay."""
        return {task.args[0] for task in self.huey.pending()}

    def count(self) -> int:
        """How many messages wait to be delivered, some of them perhaps in vain."""
        return int(self.huey.pending_count())

    def refresh(self) -> None:
        """Open the file anew when it was deleted or replaced while this process had it open."""
        if self._identity() == self._opened:
            return
        log.warning("the queue's file is gone or another one; it is opened anew")
        self.huey.storage.close()
        self.huey.storage.initialize_schema()
        self._opened = self._identity()

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def close(self) -> None:
        """Close the connection to the queue."""
        self.huey.storage.close()

    def consumer(self, on_stop: Callable[[], None]) -> Consumer:
        """What delivers ids to `run` in this process, one at a time, until SIGTERM or SIGINT.

        `on_stop` is called as soon as a signal arrives; the job at hand is then waited for.
        """
        consumer = _Consumer(
            self.huey,
            workers=1,
            periodic=False,
            initial_delay=POLL_SECONDS,
            max_delay=POLL_SECONDS,
            backoff=1.0,
            graceful_signal="TERM",
        )
        consumer.on_stop = on_stop
        return consumer


class _Consumer(Consumer):  # type: ignore[misc]
    """Always stops in good order: huey's own would abort at the second signal.

    A service manager signals all processes of a service, and then the supervisor does it again.
    """

    on_stop: Callable[[], None]

    def _set_signal_handlers(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle_signal)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _handle_signal(self, signum: int, frame: FrameType | None) -> None:
        self.on_stop()
        self._signum, self._restart, self._graceful = signum, False, True


class _Storage(SqliteStorage):  # type: ignore[misc]
    """Does not wait for the disk at each message: what a crash of the machine takes is sent again.

    Who must not be blocked leaves the checkpoints to the workers, too.
    """

    def _create_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = super()._create_connection()
        connection.execute("PRAGMA synchronous=NORMAL")
        if not self._timeout:
            connection.execute("PRAGMA wal_autocheckpoint=0")
        return connection


def _open(path: Path, timeout: float) -> Huey:
    def attempt() -> Huey:
        return Huey(
            "jobs",
            storage_class=_Storage,
            filename=str(path),
            results=False,
            strict_fifo=True,
            timeout=timeout,
        )

    try:
        return attempt()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        log.error("the queue's file is damaged and made anew: %s", error)
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}{suffix}")
    return attempt()


def _not_a_worker(job_id: str) -> None:
    raise RuntimeError(f"this process does not run jobs ({job_id})")
