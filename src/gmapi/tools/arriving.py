"""What of a job's sources is still on its way, and how its processes are to read it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gmapi.fetch.arrival import Arrival
from gmapi.sandbox.feeding import Feed, Plan


class ArrivingSources:
    """The sources of one job that came before they were whole. Thread safe."""

    def __init__(self) -> None:
        self._arrivals: dict[Path, Arrival] = {}
        self._feeds: dict[Path, Feed] = {}

    def add(self, arrival: Arrival, plan: Plan) -> None:
        """A source that is read by this plan until it is whole."""
        self._arrivals[arrival.path] = arrival
        self._feeds[arrival.path] = Feed(arrival, plan)

    def feeds(self) -> dict[Path, Feed]:
        """For processes that begin now: what cannot be read as a file yet."""
        return {
            path: feed for path, feed in self._feeds.items() if not self._arrivals[path].is_whole
        }

    def is_whole(self, path: Path) -> bool:
        """Whether all of a source is there."""
        arrival = self._arrivals.get(path)
        return arrival is None or arrival.is_whole

    def has_all(self, path: Path) -> bool:
        """Whether all bytes of a source are there, though they may not be put away yet."""
        arrival = self._arrivals.get(path)
        if arrival is None or arrival.is_whole:
            return True
        beginning = arrival.beginning
        return beginning is not None and arrival.size == beginning.total

    def await_whole(self, path: Path, check: Callable[[], None]) -> None:
        """Return when all of a source is there. Raises what ended it early, and what `check`
        raises."""
        if (arrival := self._arrivals.get(path)) is not None:
            arrival.wait_for_end(check)

    def await_all(self, check: Callable[[], None]) -> None:
        """The same of all of them."""
        for path in list(self._arrivals):
            self.await_whole(path, check)

    def close(self) -> None:
        """Stop what has not come: nobody needs it any more."""
        for arrival in self._arrivals.values():
            arrival.stop()
