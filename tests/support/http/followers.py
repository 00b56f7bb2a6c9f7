"""Readers of a source while it arrives: one cache, an `Arrival` and a pipe each, as a job has, in
this process or in one of its own.

    follower = Follower(cache, url, folder / "input")
    follower.await_bytes(100)
    assert follower.outcome() == body

    there = FollowerProcess(folder, url, 1)
    there.await_bytes(100)
    there.kill()
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from gmapi.fetch.address import check_url
from gmapi.fetch.arrival import Arrival
from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.source_cache import Fetched, SourceCache
from gmapi.hosts import parse_allow
from gmapi.sandbox.feeding import Feed, Feeder

LONG = 60.0
_SPAWN = multiprocessing.get_context("spawn")


def shared_cache(folder: Path, **limits: float) -> SourceCache:
    """The cache that all of a folder's followers share."""
    values: dict[str, Any] = {"max_bytes": 10**8, "deadline": 60.0, "stall": 20.0, **limits}
    return SourceCache(folder / "sources", FetchRules(parse_allow(["127.0.0.1"]), **values))


class Follower:
    """Reads a source as it comes, in threads of its own; `on_bytes` is told how many have come."""

    def __init__(
        self,
        cache: SourceCache,
        url: str,
        into: Path,
        *,
        use_cache: bool = True,
        on_bytes: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.fetched: Fetched | None = None
        self.arrival = Arrival(into, self._fetch)
        self._cache, self._url, self._use_cache = cache, url, use_cache
        self._on_bytes = on_bytes
        self._data = bytearray()
        self._error: BaseException | None = None
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.arrival.start()
        self._thread.start()

    def await_bytes(self, count: int) -> None:
        """Until so many have been read."""
        with self._news:
            self._news.wait_for(lambda: len(self._data) >= count or self._error, LONG)
        if self._error is not None:
            raise self._error
        assert len(self._data) >= count

    def cancel(self) -> None:
        """It is not wanted any more."""
        self.arrival.stop()
        self._thread.join(LONG)

    def outcome(self) -> bytes:
        """All that was read; raises what ended it early."""
        self._thread.join(LONG)
        assert not self._thread.is_alive()
        self.arrival.stop()
        if self._error is not None:
            raise self._error
        return bytes(self._data)

    def _fetch(self, arrival: Arrival) -> None:
        self.fetched = self._cache.fetch(
            check_url(self._url),
            arrival.path,
            use_cache=self._use_cache,
            cancelled=lambda: arrival.is_stopped,
            on_progress=lambda *_: None,
            on_begin=arrival.begin,
        )

    def _run(self) -> None:
        try:
            beginning = self.arrival.wait_to_begin(lambda: None)
            if beginning is None:
                self._take(self.arrival.path.read_bytes())
                return
            assert self.arrival.take(beginning)
            reader, writer = os.pipe()
            feeder = Feeder(Feed(self.arrival), writer)
            try:
                self._read(reader, feeder)
            finally:
                os.close(reader)
                feeder.close()
            # Nothing counts before its own end does.
            self.arrival.wait_for_end(lambda: None)
        except BaseException as error:
            with self._news:
                self._error = error
                self._news.notify_all()

    def _read(self, reader: int, feeder: Feeder) -> None:
        os.set_blocking(reader, False)
        while True:
            try:
                data = os.read(reader, 1 << 20)
            except BlockingIOError:
                feeder.check()
                with self._news:
                    self._news.wait(0.01)
                continue
            if not data:
                return
            self._take(data)

    def _take(self, data: bytes) -> None:
        with self._news:
            self._data += data
            self._news.notify_all()
        self._on_bytes(len(self._data))


def _follow(folder: str, url: str, number: int, answers: Any) -> None:
    cache = shared_cache(Path(folder))
    follower = Follower(
        cache,
        url,
        Path(folder) / f"process{number}",
        on_bytes=lambda count: answers.put(("bytes", count)),
    )
    try:
        data = follower.outcome()
    except Exception as error:
        answers.put(("failed", getattr(error, "code", repr(error))))
    else:
        counts = cache.counts
        answers.put(("done", sha256(data).digest(), (counts.hits, counts.joins, counts.misses)))


class FollowerProcess:
    """A follower that can be killed."""

    def __init__(self, folder: Path, url: str, number: int) -> None:
        self._answers = _SPAWN.Queue()
        self._process = _SPAWN.Process(
            target=_follow, args=(str(folder), url, number, self._answers), daemon=True
        )
        self._process.start()

    def await_bytes(self, count: int) -> None:
        """Until so many have been read."""
        while True:
            kind, *rest = self._answers.get(timeout=LONG)
            assert kind == "bytes", (kind, rest)
            if rest[0] >= count:
                return

    def kill(self) -> None:
        """End it as the system would."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.join(LONG)

    def freeze(self) -> None:
        """Stop it where it is."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def outcome(self) -> tuple[Any, ...]:
        """("done", digest, (hits, joins, misses)) or ("failed", code)."""
        while True:
            try:
                answer = self._answers.get(timeout=LONG)
            except queue.Empty:
                raise AssertionError("no outcome") from None
            if answer[0] != "bytes":
                self._process.join(LONG)
                return tuple(answer)
