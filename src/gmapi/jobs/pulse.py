"""The heartbeat of one running job: renews the lease, writes progress, learns of a takeover."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import OperationalError

from gmapi.errors import JobInterrupted, LeaseLost
from gmapi.jobs.model import Fence
from gmapi.jobs.store import JobStore

TICK_SECONDS = 0.25
WRITE_RETRY_SECONDS = 0.5
LOG_BUFFER_MAX = 400

log = logging.getLogger(__name__)


class Pulse:
    """Gathers what a job reports and writes it every tick, under the fence; its first result, for
    which players wait, at once.

    `check` is what running work calls often: it raises LeaseLost as soon as the job belongs to
    somebody else (cancelled, or taken over after this worker was frozen) and JobInterrupted when
    this worker must stop. `claimed` is the monotonic time just before the claim, from which the
    first lease of `lease` seconds counts.
    """

    def __init__(
        self,
        store: JobStore,
        fence: Fence,
        lease: float,
        *,
        claimed: float,
        interrupted: Callable[[], bool],
        on_write: Callable[[], None],
    ) -> None:
        self._store = store
        self._fence = fence
        self._lease = lease
        self._interrupted = interrupted
        self._on_write = on_write
        # Held during a write, so that nothing gathered earlier is written later.
        self._writing = threading.Lock()
        self._gathering = threading.Lock()
        self._lines: list[tuple[float, str]] = []
        self._values: dict[str, Any] = {}
        self._eta: float | None = None
        self._dirty = False
        self._dropped = 0
        self._lost = threading.Event()
        self._stop = threading.Event()
        self._has_result = False
        self._wake = threading.Event()
        self._valid_until = claimed + lease
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def report(
        self,
        *,
        progress: float | None = None,
        message: str | None = None,
        eta: float | None = None,
        result: dict[str, Any] | None = None,
    ) -> None:
        """Note progress (0 to 100), a sentence, the seconds left and the result so far. A result
        alone says nothing of the time left."""
        new = {"progress": progress, "message": message, "result": result}
        with self._gathering:
            self._values.update((key, value) for key, value in new.items() if value is not None)
            if progress is not None or message is not None:
                self._eta = eta
            self._dirty = True
            is_first = result is not None and not self._has_result
            self._has_result = self._has_result or is_first
        if is_first:
            self._wake.set()

    def log(self, line: str) -> None:
        """Note a log line; beyond what one tick can take, lines are counted, not kept."""
        with self._gathering:
            if len(self._lines) >= LOG_BUFFER_MAX:
                self._dropped += 1
            else:
                self._lines.append((time.time(), line))
            self._dirty = True

    def check(self) -> None:
        """Raise LeaseLost or JobInterrupted when the work must stop."""
        if not self._holds():
            raise LeaseLost
        if self._interrupted():
            raise JobInterrupted

    def _holds(self) -> bool:
        # A frozen and thawed process must not go on before it has looked at its lease again.
        return not self._lost.is_set() and time.monotonic() <= self._valid_until

    def flush(self) -> bool:
        """Write what has gathered; False when the job is no longer ours."""
        with self._writing:
            return self._flush()

    def end(self, statement: Callable[[], bool]) -> bool:
        """Write what has gathered, then the job's end by `statement`, a fenced write.

        Tried again while the lease stands. False when the job is no longer ours.
        """
        while True:
            try:
                with self._writing:
                    return self._flush() and self._note(statement())
            except OperationalError as error:
                log.warning("the end of a job could not be written yet: %s", error)
            time.sleep(WRITE_RETRY_SECONDS)
            if not self._holds():
                return False

    def _flush(self) -> bool:
        with self._gathering:
            dirty, eta, lines, values = self._dirty, self._eta, self._lines, self._values
            if self._dropped:
                lines.append((time.time(), f"({self._dropped} more lines were left out)"))
            self._lines, self._values, self._dirty, self._dropped = [], {}, False, 0
        if not dirty:
            return self._note(self._store.is_ours(self._fence))
        try:
            ours = self._store.report(self._fence, eta=eta, lines=lines, **values)
        except BaseException:
            with self._gathering:
                self._lines = lines + self._lines
                self._values = values | self._values
                self._dirty = True
            raise
        self._on_write()
        return self._note(ours)

    def _note(self, ours: bool) -> bool:
        if not ours:
            self._lost.set()
        return ours

    def _beat(self) -> None:
        renew_at = time.monotonic() + self._lease / 5
        while True:
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()
            if self._stop.is_set():
                return
            try:
                asked = time.monotonic()
                if asked >= renew_at:
                    if not self._note(self._store.renew(self._fence, self._lease)):
                        return
                    self._valid_until = asked + self._lease
                    renew_at = asked + self._lease / 5
                if not self.flush():
                    return
            except (OperationalError, MemoryError) as error:
                # A full disk, a busy database, or work that takes all the memory it may: the lease
                # decides how long that may last.
                log.warning("the job's state could not be written: %s", error)
