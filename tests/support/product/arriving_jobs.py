"""A conversion of a source that is still arriving, in this process, that a test lets go on.

job = ArrivingJob(work, notes, url, output_format="dfpwm")
job.await_converting()          # the source is being converted, though most of it is to come
film.release_all()
result = job.outcome()
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gmapi.tools.base import Work
from support.product.works import Notes, run_tool

LONG = 60.0


class HeardNotes(Notes):
    """Notes that can be waited for, and that end the work when told."""

    def __init__(self) -> None:
        super().__init__()
        self._news = threading.Condition()
        self.stopped: BaseException | None = None

    def report(self, **values: Any) -> None:
        super().report(**values)
        with self._news:
            self._news.notify_all()

    def check(self) -> None:
        if self.stopped is not None:
            raise self.stopped

    def await_message(self, beginning: str, ended: Any, *, or_end: bool = False) -> None:
        """Until somebody has said so; that nobody will, says `ended`: a failure, or an `or_end`."""
        with self._news:
            while not any(told.startswith(beginning) for told in self.messages):
                if ended():
                    assert or_end, self.messages
                    return
                self._news.wait(0.05)


class ArrivingJob:
    """One run of the `ffmpeg` tool."""

    def __init__(self, work: Work, notes: HeardNotes, url: str, **fields: Any) -> None:
        self._notes = notes
        self._pool = ThreadPoolExecutor(1)
        fields = {"output_format": "dfpwm", **fields}
        self._run = self._pool.submit(run_tool, work, "ffmpeg", input_url=url, **fields)

    def await_converting(self, *, or_end: bool = False) -> None:
        """Until the source has been handed to the tool; `or_end` when the run may end before, as on
        a busy machine where its time is short."""
        self._notes.await_message("Converting", self._run.done, or_end=or_end)

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return self._run.done()

    def outcome(self) -> Any:
        """The result; raises what ended it."""
        try:
            return self._run.result(LONG)
        finally:
            self._pool.shutdown()
