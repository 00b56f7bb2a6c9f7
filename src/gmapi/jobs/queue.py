"""huey carries job ids from the submitter to the workers.

A message is only a hint: the claim refuses a duplicate, and the reaper sends a lost one again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from huey import SqliteHuey
from huey.api import Huey
from huey.consumer import Consumer

POLL_SECONDS = 0.05


class JobQueue:
    """The queue of job ids; `run` is called with each id in a worker."""

    def __init__(self, path: Path, run: Callable[[str], None] | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.huey: Huey = SqliteHuey("jobs", filename=str(path), results=False, strict_fifo=True)
        handler = run or _not_a_worker

        # huey finds a task by module and name, so the same function must stand on both ends.
        def run_job(job_id: str) -> None:
            handler(job_id)

        self._task = self.huey.task()(run_job)

    def put(self, job_id: str, *, priority: int = 0, delay: float = 0.0) -> None:
        """Send a job id, to be delivered after `delay` seconds."""
        self._task.schedule(args=(job_id,), delay=delay, priority=priority)

    def ids(self) -> set[str]:
        """The job ids on their way, delayed ones included."""
        waiting = [*self.huey.pending(), *self.huey.scheduled()]
        return {task.args[0] for task in waiting}

    def close(self) -> None:
        """Close the connection to the queue."""
        self.huey.storage.close()

    def consumer(self, on_stop: Callable[[], None]) -> Consumer:
        """What delivers ids to `run` in this process, one at a time, until SIGTERM.

        `on_stop` is called once when the signal arrives; the job at hand is then waited for.
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
    on_stop: Callable[[], None]

    def stop(self, graceful: bool = False) -> None:
        self.on_stop()
        super().stop(graceful=graceful)


def _not_a_worker(job_id: str) -> None:
    raise RuntimeError(f"this process does not run jobs ({job_id})")
