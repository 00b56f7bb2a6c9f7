"""Finished tracks of playlists: fetched, or taken from the cache, within one cap for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from gmapi.fetch.arrival import OnBegin, ignore
from gmapi.fetch.playlists import PartProgress, Reading
from gmapi.fetch.segments import Track
from gmapi.fetch.source_cache import SourceCache
from gmapi.fetch.terms import Download
from gmapi.fetch.track_files import Room, at_once, fetch_last, fetch_track


class TrackFetch:
    """Brings the tracks of one playlist of this `version`. Thread safe."""

    def __init__(
        self,
        cache: SourceCache,
        use_cache: bool,
        version: str | None,
        headers: Mapping[str, str],
        reading: Reading,
    ) -> None:
        self._cache = cache
        self._use_cache = use_cache
        self._version = version
        self._headers = headers
        self._reading = reading
        self._room = Room(cache.rules.max_bytes)
        self._sizes: list[int] = []
        self.all_cached = True
        """Whether no byte had to be fetched."""

    @property
    def size(self) -> int:
        """Bytes of all tracks."""
        return sum(self._sizes)

    def fetch(
        self,
        track: Track,
        path: Path,
        told: PartProgress,
        on_begin: OnBegin,
        *,
        until: Callable[[], bool] | None = None,
        may_go: Callable[[float], bool] = at_once,
    ) -> None:
        """Put a track at `path`, or stop when `until` says so; the rest is as in `fetch_track`,
        which says what is raised."""
        reading = self._reading if until is None else until_stopped(self._reading, until)

        def get(target: Path, on_begin: OnBegin) -> Download:
            # What leaps is made another file before it is read.
            size = fetch_track(
                track,
                target,
                reading,
                self._room,
                told,
                on_begin=ignore if track.leaps else on_begin,
                may_go=may_go,
            )
            first = track.segments[0].url.url
            return Download(first, size, None, None, None, not_modified=False, cacheable=True)

        if not self._use_cache:
            self.all_cached = False
            self._sizes.append(get(path, on_begin).size)
            return
        fetched = self._cache.keep(
            self._key(track),
            path,
            get,
            lasting=self._version is not None,
            cancelled=reading.cancelled,
            on_begin=on_begin,
        )
        self._sizes.append(fetched.size)
        if fetched.from_cache:
            self._room.spend(fetched.size)
        else:
            self.all_cached = False

    def last(self, track: Track, whole: bool) -> bytes | None:
        """Its last segment, ahead of its turn; see `fetch_last`."""
        return fetch_last(track, self._reading, self._room, whole=whole)

    def _key(self, track: Track) -> str:
        # The same segments of the same version of a playlist are the same film, where the word
        # comes from the same place: it sets the version, and the headers go there.
        named = (track.digest(), self._version, sorted(self._headers.items()), self._reading.home)
        return sha256(repr(named).encode()).hexdigest()


def until_stopped(reading: Reading, is_stopped: Callable[[], bool]) -> Reading:
    """The same reading, that ends as well when `is_stopped`."""
    return replace(reading, cancelled=lambda: is_stopped() or reading.cancelled())
