"""Downloading one source to a file, within limits of size and time.

The transfer runs in a thread of its own while the caller's thread watches the clock and the
cancel flag, and shuts the socket down when either runs out. Read timeouts alone do not do: they
start again with each byte, so a trickling source would hold a worker for hours. All callbacks
run in the caller's thread.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, TypeVar

from gmapi.errors import JobCancelled, NoSpaceError, SourceError
from gmapi.fetch.address import SourceUrl
from gmapi.fetch.arrival import Beginning, OnBegin, ignore
from gmapi.fetch.connection import Connection
from gmapi.fetch.headers import check_headers
from gmapi.fetch.terms import Download, FetchRules, Validators
from gmapi.fetch.transfer import Transfer
from gmapi.fetch.unending import WHOLE, Gauge, Portion

__all__ = [
    "Cancelled", "Download", "FetchRules", "Progress", "Validators", "check_headers", "check_time",
    "disk_errors", "download", "watched",
]  # fmt: skip

Cancelled = Callable[[], bool]
Progress = Callable[[int, int | None], None]
Result = TypeVar("Result")

_POLL = 0.2  # seconds between two looks at the clock and the cancel flag


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn a full disk or quota into NoSpaceError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoSpaceError(
            "The disk of the server is full; try again later.", cause=error
        ) from error


def download(
    source_url: SourceUrl,
    target: Path,
    rules: FetchRules,
    *,
    headers: Mapping[str, str] | None = None,
    cancelled: Cancelled,
    on_progress: Progress,
    validators: Validators | None = None,
    wanted: frozenset[str] = frozenset(),
    until: float | None = None,
    portion: Portion = WHOLE,
    on_alone: Callable[[], None] = lambda: None,
    on_begin: OnBegin = ignore,
) -> Download:
    """Fetch a source into `target`, which is replaced, and removed again when this fails.

    `cancelled` is asked and `on_progress(received, total or None)` told five times a second.
    Text of one of the kinds `wanted` (see `sniff`) is taken although it is no media. `until` is
    when it must be done on the monotonic clock; without it the deadline of the rules counts from
    now. What tells no length is left where it is as much as the `portion` says, or as may be
    fetched; `on_alone` is told when such a download will be of no use to others. `on_begin` is
    told, by the transfer's thread, when media of a known length has begun to come: from then on
    the target only grows.

    Raises SourceError (codes `source_unreachable`, `source_refused`, `source_status`,
    `source_too_large`, `source_too_slow`, `source_truncated`, `source_empty`,
    `source_not_media`), RequestError for bad headers, NoSpaceError, JobCancelled, and whatever
    the callbacks raise.
    """
    checked = check_headers(headers or {})
    until = time.monotonic() + rules.deadline if until is None else until
    gauge = Gauge(portion, target) if portion.measure else None
    transfer: Transfer | None = None
    is_over = False

    def begin(url: str, total: int, etag: str | None) -> None:
        on_begin(Beginning(target, url, total, etag))

    def fetch(connection: Connection) -> Download:
        nonlocal transfer, is_over
        transfer = Transfer(
            connection,
            source_url,
            rules,
            checked,
            validators=validators,
            wanted=wanted,
            parts_do=gauge is not None,
            on_begin=None if on_begin is ignore else begin,
        )
        unchanged = transfer.begin()
        if unchanged is not None:
            return unchanged
        with target.open("wb") as file:
            done = transfer.save(file)
        is_over = True
        return done

    def tick() -> None:
        if transfer is None:
            return
        received, is_radio = transfer.received, transfer.is_radio
        if gauge is None or not transfer.is_untold:
            on_progress(received, transfer.total)
            return
        if gauge.is_for_itself(is_radio=is_radio):
            on_alone()
        if not is_over and gauge.is_enough(received, is_radio=is_radio):
            transfer.finish()
        if not gauge.tell(received, is_radio=is_radio):
            on_progress(received, None)

    try:
        try:
            done = watched(fetch, rules, cancelled=cancelled, tick=tick, until=until)
        except SourceError as error:
            if transfer is None or not transfer.is_untold or time.monotonic() < until:
                raise
            done = transfer.end_here(error)
        if transfer is not None and transfer.failure and not (gauge and gauge.is_worth_it()):
            raise transfer.failure
        return done
    except BaseException:
        with suppress(OSError):
            target.unlink(missing_ok=True)
        raise


def watched(
    work: Callable[[Connection], Result],
    rules: FetchRules,
    *,
    cancelled: Cancelled,
    tick: Callable[[], None],
    until: float | None = None,
) -> Result:
    """Run `work` in a thread with a connection that is broken off when `cancelled` says so, when
    `until` (monotonic; by default the deadline of the rules from now) is reached, or when `tick`,
    which is called five times a second and at the end, raises.

    Raises what `work` and the callbacks raise, SourceError `source_too_slow`, JobCancelled.
    """
    if cancelled():
        raise JobCancelled
    deadline = time.monotonic() + rules.deadline if until is None else until
    thread = _Thread(work, Connection(rules.allow, rules.stall))
    thread.start()
    try:
        while not thread.finished.wait(max(0.0, min(_POLL, deadline - time.monotonic()))):
            check_time(rules, cancelled, deadline)
            tick()
        thread.join()
        if thread.failure is not None:
            raise thread.failure
        tick()
    except BaseException:
        thread.connection.stop()
        # Only a name look-up can outlast this; it touches no file and ends by itself.
        thread.join(1)
        raise
    return thread.results[0]


def check_time(rules: FetchRules, cancelled: Cancelled, until: float) -> None:
    """Raises JobCancelled, what `cancelled` raises, and SourceError `source_too_slow` when `until`
    (monotonic) is reached, the deadline of the rules."""
    if cancelled():
        raise JobCancelled
    if time.monotonic() >= until:
        raise SourceError(
            f"The source took longer than the {rules.deadline:g} seconds a download may take; use "
            "a smaller or faster source.",
            code="source_too_slow",
        )


class _Thread(threading.Thread, Generic[Result]):
    def __init__(self, work: Callable[[Connection], Result], connection: Connection) -> None:
        super().__init__(name="gmapi-fetch", daemon=True)
        self.connection = connection
        self.results: list[Result] = []
        self.failure: BaseException | None = None
        self.finished = threading.Event()
        self._work = work

    def run(self) -> None:
        try:
            with disk_errors():
                self.results.append(self._work(self.connection))
        except BaseException as error:
            self.failure = error
        finally:
            self.connection.close()
            self.finished.set()
