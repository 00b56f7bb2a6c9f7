"""Bringing a source in, whatever its address leads to: a media file or a playlist."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from gmapi.errors import SourceError
from gmapi.fetch.address import SourceUrl, check_url
from gmapi.fetch.arrival import OnBegin, ignore
from gmapi.fetch.fetcher import Cancelled
from gmapi.fetch.headers import check_headers
from gmapi.fetch.playlists import PartProgress, Reading, fetch_track, read, record
from gmapi.fetch.segments import Track
from gmapi.fetch.sniff import PLAYLISTS
from gmapi.fetch.source_cache import SourceCache
from gmapi.fetch.terms import LIST_BYTES_MAX, Download
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
) -> Source:
    """Put a source at `into`, or its tracks at names that begin so. `on_begin` is told of a file
    that may be read while it grows.

    A playlist is read and its segments fetched, under one byte cap and one deadline for all of
    it. The `portion` limits what is taken of a playlist; without one a finished stream is taken
    whole and of a live one as much as `LIVE_SECONDS`. Of a file whose server tells no length at
    least that much is taken. Raises what `download` raises, and SourceError
    `source_playlist`.
    """
    return _Bringing(
        cache, into, headers, use_cache, portion, cancelled, on_progress, on_begin
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
    ) -> None:
        self._on_begin = on_begin
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
            paths = self._paths(len(plan.live))
            made = record(plan.live, paths, reading, self._part_progress(0.0, 1.0))
            return Source(
                tuple(paths), made.size, from_cache=False, is_part=made.is_part, leaps=made.leaps
            )
        return self._tracks(plan.tracks, fetched.version, reading)

    def _tracks(self, tracks: tuple[Track, ...], version: str | None, reading: Reading) -> Source:
        paths = self._paths(len(tracks))
        size, cached = 0, True
        for number, (track, path) in enumerate(zip(tracks, paths, strict=True)):
            told = self._part_progress(number / len(tracks), (number + 1) / len(tracks))
            get = self._getter(track, reading, self._cache.rules.max_bytes - size, told)
            if self._use_cache:
                # The same segments of the same version of a playlist are the same film, where the
                # word comes from the same place: it sets the version, and the headers go there.
                headers = sorted(self._headers.items())
                named = (track.digest(), version, headers, reading.home)
                fetched = self._cache.keep(
                    sha256(repr(named).encode()).hexdigest(),
                    path,
                    get,
                    lasting=version is not None,
                    cancelled=self._cancelled,
                )
                size += fetched.size
                cached = cached and fetched.from_cache
            else:
                size += get(path).size
                cached = False
        return Source(tuple(paths), size, cached, leaps=any(track.leaps for track in tracks))

    def _getter(
        self, track: Track, reading: Reading, room: int, told: PartProgress
    ) -> Callable[[Path], Download]:
        def get(target: Path) -> Download:
            size = fetch_track(track, target, reading, room, told)
            first = track.segments[0].url.url
            return Download(first, size, None, None, None, not_modified=False, cacheable=True)

        return get

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

    def _part_progress(self, low: float, high: float) -> PartProgress:
        def told(part: float, text: str) -> None:
            self._on_progress(low + (high - low) * part, text)

        return told


def amount(size: int, total: int | None) -> str:
    """Bytes in words."""
    if total:
        return f"{size / 1e6:.1f} of {total / 1e6:.1f} MB"
    return f"{size / 1e6:.1f} MB"
