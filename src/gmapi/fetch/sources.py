"""Bringing a source in, whatever its address leads to: a media file or a playlist."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from gmapi.errors import SourceError
from gmapi.fetch.address import SourceUrl, check_url
from gmapi.fetch.arrival import OnBegin, ignore
from gmapi.fetch.fetcher import Cancelled
from gmapi.fetch.headers import check_headers
from gmapi.fetch.live import Recording, record
from gmapi.fetch.playlists import PartProgress, Reading, read
from gmapi.fetch.segments import Track
from gmapi.fetch.sniff import PLAYLISTS
from gmapi.fetch.source_cache import SourceCache
from gmapi.fetch.terms import LIST_BYTES_MAX
from gmapi.fetch.together import (
    AHEAD_SECONDS,
    PATIENCE_SECONDS,
    OnTracks,
    SharedProgress,
    Tracks,
    fetch_together,
    nobody,
)
from gmapi.fetch.track_cache import TrackFetch, until_stopped
from gmapi.fetch.unending import WHOLE, Portion

Progress = PartProgress
"""Told which part is done (0 to 1, 0 when unknown), and how much that is in words."""


@dataclass(frozen=True)
class Source:
    """A source in place. Several `paths` are tracks of one film, to be played together: pictures
    first, then sound. `size` in bytes is that of all. `untold` is whether its server told no
    length, `is_part` whether more would have come, `leaps` whether its clock does not run through.
    """

    paths: tuple[Path, ...]
    size: int
    from_cache: bool
    untold: bool = False
    is_part: bool = False
    leaps: bool = False


def bring(
    cache: SourceCache,
    url: SourceUrl,
    into: Path,
    *,
    headers: Mapping[str, str] | None = None,
    use_cache: bool = True,
    portion: Portion = WHOLE,
    cancelled: Cancelled,
    on_progress: Progress,
    on_begin: OnBegin = ignore,
    on_tracks: OnTracks = nobody,
) -> Source:
    """Put a source at `into`, or its tracks at names that begin so. `on_begin` is told of a file
    that may be read while it grows, and `on_tracks` of tracks that may.

    A playlist is read and its segments fetched, under one byte cap and one deadline for all of
    it. The `portion` limits what is taken of a playlist; without one a finished stream is taken
    whole and of a live one as much as `LIVE_SECONDS`. Of a file whose server tells no length at
    least that much is taken. Raises what `download` raises, and SourceError
    `source_playlist`.
    """
    return _Bringing(
        cache, into, headers, use_cache, portion, cancelled, on_progress, on_begin, on_tracks
    ).bring(url)


class _Bringing:
    def __init__(
        self,
        cache: SourceCache,
        into: Path,
        headers: Mapping[str, str] | None,
        use_cache: bool,
        portion: Portion,
        cancelled: Cancelled,
        on_progress: Progress,
        on_begin: OnBegin,
        on_tracks: OnTracks,
    ) -> None:
        self._on_begin = on_begin
        self._on_tracks = on_tracks
        self._cache = cache
        self._into = into
        self._headers = check_headers(headers or {})
        self._use_cache = use_cache
        self._portion = replace(portion, on_seconds=self._seconds_progress)
        self._cancelled = cancelled
        self._on_progress = on_progress
        self._until = time.monotonic() + cache.rules.deadline

    def bring(self, url: SourceUrl) -> Source:
        reading = Reading(
            self._cache.rules,
            self._headers,
            url.origin,
            self._until,
            self._portion,
            self._cancelled,
        )
        # A list may name a stream; a stream's playlists name nothing but segments.
        for _ in range(2):
            fetched = self._cache.fetch(
                url,
                self._into,
                headers=reading.headers_for(url),
                use_cache=self._use_cache,
                cancelled=self._cancelled,
                on_progress=self._file_progress,
                wanted=PLAYLISTS,
                until=self._until,
                portion=self._portion,
                on_begin=self._on_begin,
            )
            if fetched.kind is None:
                return Source(
                    (self._into,),
                    fetched.size,
                    fetched.from_cache,
                    fetched.untold,
                    fetched.is_part,
                )
            text = self._into.read_bytes().decode("utf-8", "replace")
            self._into.unlink()
            # What a playlist names is relative to where it came from after all redirects.
            plan = read(text, fetched.kind, check_url(fetched.url), reading)
            if plan.entry is None:
                break
            url = plan.entry
        else:
            raise SourceError(
                "The source's playlist names another list, which names another; give the address "
                "of a media file or a stream.",
                code="source_playlist",
            )
        if plan.live:
            return self._record(plan.live, reading)
        return self._tracks(plan.tracks, fetched.version, reading)

    def _record(self, urls: Sequence[SourceUrl], reading: Reading) -> Source:
        paths = self._paths(len(urls))
        made: list[Recording] = []

        def go(reading: Reading, *on_begins: OnBegin) -> None:
            made.append(record(urls, paths, reading, self._on_progress, on_begins))

        def fetch(number: int, tracks: Tracks) -> None:
            if number == 0:
                begins = (each.begin for each in tracks.both)
                go(until_stopped(reading, tracks.are_stopped), *begins)
            else:  # both come by the same hand
                tracks.pictures.wait_for_end(_nothing)

        if len(paths) == 1:
            go(reading, self._on_begin)
        else:
            fetch_together(paths, fetch, on_tracks=self._on_tracks)
        return Source(
            tuple(paths),
            made[0].size,
            from_cache=False,
            is_part=made[0].is_part,
            leaps=made[0].leaps,
        )

    def _tracks(self, tracks: tuple[Track, ...], version: str | None, reading: Reading) -> Source:
        paths = self._paths(len(tracks))
        leaps = any(track.leaps for track in tracks)
        fetching = TrackFetch(self._cache, self._use_cache, version, self._headers, reading)
        progress = SharedProgress(len(tracks), self._on_progress)

        def fetch(number: int, both: Tracks) -> None:
            patient_until = time.monotonic() + PATIENCE_SECONDS

            def may_go(seconds: float) -> bool:
                if number == 1 or seconds < AHEAD_SECONDS or both.sound.has_ended:
                    return True
                return time.monotonic() > patient_until

            fetching.fetch(
                tracks[number],
                paths[number],
                progress.of(number),
                both.both[number].begin,
                until=both.are_stopped,
                may_go=may_go,
            )

        if len(tracks) == 1:
            fetching.fetch(tracks[0], paths[0], progress.of(0), ignore if leaps else self._on_begin)
        else:
            fetch_together(
                paths,
                fetch,
                last=partial(fetching.last, tracks[0]),
                seconds=tracks[0].seconds,
                on_tracks=nobody if leaps else self._on_tracks,
            )
        return Source(tuple(paths), fetching.size, fetching.all_cached, leaps=leaps)

    def _paths(self, count: int) -> list[Path]:
        if count == 1:
            return [self._into]
        return [self._into.with_name(f"{self._into.name}.track{i}") for i in range(count)]

    def _file_progress(self, received: int, total: int | None) -> None:
        # What is small may be a playlist, after which most is still to come.
        part = received / total if total and total > LIST_BYTES_MAX else 0.0
        self._on_progress(part, amount(received, total))

    def _seconds_progress(self, there: float, of: float | None, size: int) -> None:
        known = f"{there:.0f} of {of:.0f} s" if of else f"{there:.0f} s"
        self._on_progress(there / of if of else 0.0, f"{known}, {amount(size, None)}")


def _nothing() -> None:
    pass


def amount(size: int, total: int | None) -> str:
    """Bytes in words."""
    if total:
        return f"{size / 1e6:.1f} of {total / 1e6:.1f} MB"
    return f"{size / 1e6:.1f} MB"
