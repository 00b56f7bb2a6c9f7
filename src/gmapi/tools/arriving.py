"""What of a job's sources is still on its way, and how its processes are to read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gmapi.fetch.arrival import Arrival
from gmapi.media.mp4.layout import Layout
from gmapi.sandbox.feeding import Feed, Plan, Span

if TYPE_CHECKING:
    from gmapi.fetch.parts import Parts

_LOOK_SECONDS = 0.1


class Apart(Protocol):
    """Pictures and sound that come apart, and are joined to one source as they come."""

    @property
    def seconds(self) -> float | None:
        """How long the pictures play, perhaps only roughly; None when nobody knows that yet."""
        ...

    def sound(self, check: Callable[[], None]) -> Path:
        """A source with the same beginning, and all of the sound, as soon as that has come. Raises
        what ended it early, MediaError, and what `check` raises."""
        ...

    def both_ends(self, check: Callable[[], None], *, whole: bool) -> Path | None:
        """A source with the same beginning, in which the last pictures follow the first ones, with
        their own times; None when that cannot be had. Without `whole` they are empty, and some may
        be missing. Raises as `sound` does."""
        ...


@dataclass(frozen=True)
class ArrivingSource:
    """A source that is read by `plan` until it is whole. `kind` is as `streamable` names it,
    `parts` reads of it what has not come yet, `index` is that of an MP4, and `apart` is given
    where pictures and sound come apart."""

    arrival: Arrival
    plan: Plan
    kind: str
    parts: Parts
    index: Layout | None = None
    apart: Apart | None = None

    @property
    def path(self) -> Path:
        """Where it arrives."""
        return self.arrival.path

    @property
    def total(self) -> int | None:
        """Bytes there will be; None for what comes in segments, whose sizes nobody tells."""
        beginning = self.arrival.beginning
        return None if beginning is None else beginning.total

    @property
    def seconds(self) -> float | None:
        """How long it plays at least, where its playlist tells that."""
        beginning = self.arrival.beginning
        return None if beginning is None else beginning.seconds

    @property
    def is_live(self) -> bool:
        """Whether nobody knows how much there will be."""
        return self.total is None and self.seconds is None

    def beginning(self, size: int, check: Callable[[], None]) -> Feed:
        """What feeds a process the first `size` bytes of the plan, or a little more, as soon as
        they are there. Raises what ended the source early, and what `check` raises."""
        plan: list[bytes | Span] = []
        for piece in self.plan:
            if size <= 0:
                break
            if isinstance(piece, bytes):
                plan.append(piece)
                size -= len(piece)
                continue
            length = size if piece.length is None else min(size, piece.length)
            plan.append(Span(piece.first, length))
            size -= length
            while self.arrival.size < piece.first + length and not self.arrival.has_ended:
                check()
                self.arrival.wait(piece.first + length - 1, _LOOK_SECONDS)
        return Feed(self.arrival, plan)


class ArrivingSources:
    """The sources of one job that came before they were whole. Thread safe."""

    def __init__(self) -> None:
        self._sources: dict[Path, ArrivingSource] = {}

    def add(self, source: ArrivingSource) -> None:
        """Take a source that has begun to come."""
        self._sources[source.path] = source

    def get(self, path: Path) -> ArrivingSource | None:
        """What is on its way to `path`; None when all of it is there."""
        source = self._sources.get(path)
        return None if source is None or source.arrival.is_whole else source

    def feeds(self) -> dict[Path, Feed]:
        """For processes that begin now: what cannot be read as a file yet."""
        return {
            path: Feed(source.arrival, source.plan)
            for path, source in self._sources.items()
            if not source.arrival.is_whole
        }

    def came_late(self, path: Path) -> bool:
        """Whether a source was looked at before it was whole."""
        return path in self._sources

    def is_whole(self, path: Path) -> bool:
        """Whether all of a source is there."""
        return self.get(path) is None

    def share(self, path: Path) -> float | None:
        """How much of a source has come, from 0 to 1; None when it is whole."""
        source = self.get(path)
        return None if source is None or not source.total else source.arrival.size / source.total

    def has_all(self, path: Path) -> bool:
        """Whether all bytes of a source are there, though they may not be put away yet."""
        source = self.get(path)
        # Who reads what has no known size comes to its end only when it is whole.
        return source is None or (source.total is not None and source.arrival.size == source.total)

    def await_whole(self, path: Path, check: Callable[[], None]) -> None:
        """Return when all of a source is there. Raises what ended it early, and what `check`
        raises."""
        if (source := self._sources.get(path)) is not None:
            source.arrival.wait_for_end(check)

    def close(self) -> None:
        """Stop what has not come: nobody needs it any more."""
        for source in self._sources.values():
            source.arrival.stop()
