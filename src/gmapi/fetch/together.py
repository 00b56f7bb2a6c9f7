"""Tracks of one film that are fetched at the same time: its pictures, and its sound."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmapi.fetch.arrival import Arrival
from gmapi.fetch.playlists import PartProgress

AHEAD_SECONDS = 1.0
"""So much of the pictures is fetched beside the sound, and the rest after it: it is small, and
players begin when they have all of it."""

PATIENCE_SECONDS = 2.5
"""The sound of long films takes longer, and then comes beside the pictures."""

Last = Callable[[bool], bytes | None]
"""The last segment of the pictures, whole or only its head, fetched ahead of its turn; None where
there is no such thing.
Raises SourceError, and what ends the fetch of the source."""


@dataclass(frozen=True)
class Tracks:
    """Pictures and sound on their way, each to a file of its own, and the last segment of the
    pictures. `seconds` is how long the pictures play, perhaps only roughly; None when nobody
    knows that yet."""

    pictures: Arrival
    sound: Arrival
    last: Last
    seconds: float | None

    @property
    def both(self) -> tuple[Arrival, Arrival]:
        """Pictures, sound."""
        return self.pictures, self.sound

    def are_stopped(self) -> bool:
        """Whether nobody needs more of them."""
        return any(arrival.is_stopped for arrival in self.both)

    def check(self) -> None:
        """Raise what has ended one of them early."""
        for arrival in self.both:
            arrival.check()


OnTracks = Callable[[Tracks], None]
"""Uses tracks while they come, and returns when it has done so, or cannot."""


Fetch = Callable[[int, Tracks], None]
"""Fetches one of the tracks, 0 for the pictures and 1 for the sound. It must stop soon once one of
them `is_stopped`."""


def _no_last(whole: bool) -> None:
    return None


def fetch_together(
    paths: Sequence[Path],
    fetch: Fetch,
    *,
    last: Last = _no_last,
    seconds: float | None = None,
    on_tracks: OnTracks,
) -> None:
    """Fetch pictures and sound to `paths`, each by `fetch` in a thread of its own, the sound
    first; meanwhile `on_tracks` may use them, for `last` and `seconds` see `Tracks`. Raises what
    ends one of them early."""

    def arrival(number: int) -> Arrival:
        return Arrival(paths[number], lambda _: fetch(number, tracks))

    tracks = Tracks(arrival(0), arrival(1), last, seconds)
    for each in reversed(tracks.both):
        each.start()
    try:
        on_tracks(tracks)
        for each in tracks.both:
            each.wait_for_end(tracks.check)
    finally:
        for each in tracks.both:
            each.stop()


def nobody(tracks: Tracks) -> None:
    """For who waits until all is there."""


class SharedProgress:
    """Makes one progress of those of several tracks."""

    def __init__(self, count: int, told: PartProgress) -> None:
        self._parts = [0.0] * count
        self._told = told
        self._lock = threading.Lock()

    def of(self, number: int) -> PartProgress:
        """What is to be told of one of them."""

        def told(part: float, text: str) -> None:
            with self._lock:
                self._parts[number] = part
                self._told(sum(self._parts) / len(self._parts), text)

        return told
