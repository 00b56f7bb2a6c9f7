"""Fetching the sources of jobs: media, playlists by their segments, media that a page leads to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gmapi.errors import JobCancelled, MediaError, RequestError
from gmapi.fetch.address import SourceUrl, check_url
from gmapi.fetch.arrival import Arrival, Beginning, changed, ignore
from gmapi.fetch.headers import HARMLESS_HEADERS, check_headers
from gmapi.fetch.parts import Parts
from gmapi.fetch.site_door import nothing_found
from gmapi.fetch.sniff import PAGE, NotMediaError
from gmapi.fetch.source_cache import SourceCache
from gmapi.fetch.sources import Source, amount, bring
from gmapi.fetch.together import Tracks
from gmapi.fetch.unending import Portion
from gmapi.media import command, ogg_pages, picture_files
from gmapi.media.length import media_seconds
from gmapi.media.links import copy_part
from gmapi.tools.arrival_plan import Opening
from gmapi.tools.arriving import ArrivingSource
from gmapi.tools.base import Wanted, Work
from gmapi.tools.joining import Joining
from gmapi.tools.page import find_media

_HAIR_SECONDS = 0.1


class FetchedSources:
    """Sources from the network, or from the cache of what has been fetched before."""

    def __init__(self, cache: SourceCache) -> None:
        self._cache = cache

    def bring(self, work: Work, wanted: Wanted) -> Path:
        """Fetch a source into the work folder. Raises as `Work.fetch` does."""
        fetch = _Fetch(self._cache, work, wanted)
        if wanted.arriving is None or not work.launcher.passes_pipes:
            return fetch.run()
        return fetch.start(wanted.arriving)


class _Fetch:
    """One source on its way."""

    def __init__(self, cache: SourceCache, work: Work, wanted: Wanted) -> None:
        self._cache = cache
        self._work = work
        self._wanted = wanted
        self._source = check_url(wanted.url, wanted.field)
        self._target = work.inputs / wanted.name
        self._started = time.monotonic()
        self._portion = Portion(wanted.max_duration, wanted.enough, self._measure)
        self._arrival: Arrival | None = None
        self._joining: Joining | None = None
        self._is_joined = False
        self._suits: Callable[[str], bool] | None = None
        self._is_handed_over = False
        # Whether the file that has come becomes another before it is used.
        self._is_settled = False
        self._deciding = threading.Lock()

    def start(self, suits: Callable[[str], bool]) -> Path:
        """Fetch in a thread of its own, and return as soon as that is begun of a source of a kind
        that `suits`, and of which ffmpeg makes the same as of the whole; else at the end."""
        work = self._work
        self._suits = suits
        self._arrival = arrival = Arrival(self._target, self._arrive)
        arrival.start()
        try:
            source = self._begun(arrival, suits)
            with self._deciding:
                self._is_handed_over = source is not None and not self._is_settled
            if not self._is_handed_over:
                arrival.wait_for_end(work.check)
        except BaseException:
            arrival.stop()
            raise
        if source is None or arrival.is_whole:
            arrival.stop()
        else:
            work.arriving.add(source)
        return self._target

    def _begun(self, arrival: Arrival, suits: Callable[[str], bool]) -> ArrivingSource | None:
        """The source as it can be read while it arrives; None when it has to be whole."""
        while (beginning := arrival.wait_to_begin(self._work.check)) is not None:
            source = self._opened(arrival, beginning, suits)
            if source is None or arrival.take(beginning):
                return source and replace(source, apart=self._joining)
        return None

    def _opened(
        self, arrival: Arrival, beginning: Beginning, suits: Callable[[str], bool]
    ) -> ArrivingSource | None:
        work = self._work
        headers, rules = check_headers(self._wanted.headers), self._cache.rules
        parts = Parts(
            *(beginning, self._source, headers, rules, self._cancelled),
            has_come=lambda: arrival.has_ended,
        )
        opening = Opening(arrival, beginning, parts, work.check, work.reporter.log)
        return opening.plan(suits, with_tags=self._wanted.with_tags)

    def _join_as_they_come(self, tracks: Tracks) -> None:
        """Make one source of pictures and sound while they arrive, if that can be."""
        suits, arrival = self._suits, self._arrival
        if suits is None or arrival is None:
            return

        def open_(track: Arrival, beginning: Beginning) -> ArrivingSource | None:
            return self._opened(track, beginning, suits)

        self._joining = Joining.of(self._work, tracks, open_, suits, self._check)
        if self._joining is not None:
            self._is_joined = self._joining.run(self._target, arrival.begin)

    def _arrive(self, arrival: Arrival) -> None:
        self.run()

    def run(self) -> Path:
        reporter = self._work.reporter
        source, (low, high) = self._source, self._wanted.share
        reporter.report(progress=low, message=f"Fetching the source from {source.host}.")
        try:
            brought = self._bring(source, self._wanted.headers)
        except NotMediaError as error:
            if self._is_handed_over:
                raise changed() from error
            if error.kind != PAGE:
                raise
            brought = self._bring(*self._look_into_page(error))
        origin = "taken from the cache" if brought.from_cache else "fetched"
        reporter.log(f"source {origin}: {amount(brought.size, None)} from {source.host}")
        if brought.leaps:
            self._settle_leaps(brought.paths)
        if len(brought.paths) > 1 and not self._is_joined:
            self._join(brought.paths)
        if brought.untold or brought.is_part:
            self._shorten(brought)
        if not self._is_handed_over:
            reporter.report(progress=high)
        return self._target

    def _bring(self, url: SourceUrl, headers: Mapping[str, str]) -> Source:
        return bring(
            self._cache,
            url,
            self._target,
            headers=headers,
            use_cache=self._wanted.use_cache,
            portion=self._portion,
            cancelled=self._cancelled,
            on_progress=self._report,
            on_begin=ignore if self._arrival is None else self._arrival.begin,
            on_tracks=self._join_as_they_come,
        )

    def _cancelled(self) -> bool:
        self._work.check()
        return self._arrival is not None and self._arrival.is_stopped

    def _check(self) -> None:
        if self._cancelled():
            raise JobCancelled

    def _report(self, part: float, words: str) -> None:
        if self._is_handed_over:  # what counts is what is made of it
            return
        low, high = self._wanted.share
        seconds = time.monotonic() - self._started
        self._work.reporter.report(
            progress=low + (high - low) * part,
            message=f"Fetching the source from {self._source.host}: {words}.",
            eta=seconds / part - seconds if part > 0.02 and seconds > 1 else None,
        )

    def _look_into_page(self, error: NotMediaError) -> tuple[SourceUrl, dict[str, str]]:
        """Address of the media that a page leads to, and the headers to fetch it with."""
        work, page = self._work, self._source
        if work.settings.sites == "off":
            raise NotMediaError(
                PAGE,
                error.cause,
                " The operator can let the server look into pages: GMAPI_SITES=on.",
            ) from error
        work.reporter.report(message=f"Looking for the media in the page of {page.host}.")
        found = find_media(
            work.launcher, page, self._cache.rules, cwd=work.folder, cancelled=self._cancelled
        )
        try:
            url = check_url(found.url)
            own = check_headers(found.headers)
        except RequestError as refused:
            raise nothing_found(f"{found}: {refused}") from None
        work.reporter.log(f"the page leads to {url.host}")
        # The caller's headers were meant for the page's origin.
        given = self._wanted.headers
        if url.origin != page.origin:
            given = {k: v for k, v in given.items() if k.lower() in HARMLESS_HEADERS}
        lower = {name.lower() for name in given}
        return url, {k: v for k, v in own.items() if k.lower() not in lower} | dict(given)

    def _measure(self, path: Path, most: float) -> float | None:
        work = self._work
        return media_seconds(
            work.launcher,
            work.ffmpeg,
            path,
            most,
            cwd=work.folder,
            max_pixels=work.settings.picture_max_pixels,
            limits=work.limits(),
            cancelled=work.check,
        )

    def _shorten(self, brought: Source) -> None:
        """Keep as much as is wanted of a source of which nobody told how long it is."""
        portion = self._portion
        seconds = portion.of_endless if brought.is_part else portion.seconds
        if seconds is None:
            return
        there = self._measure(self._target, seconds + 1.0) or 0.0
        # More than the work needs does no harm, as it takes no more of it by itself.
        as_needed = seconds == portion.enough
        if brought.untold and there > seconds + _HAIR_SECONDS:
            pages = ogg_pages.reach(self._target, seconds)
            is_chain = pages is not None and pages.links > 1
            # A chain is read link by link, so those that nobody needs would cost time.
            if pages is not None and (is_chain or brought.is_part):
                self._cut_behind(pages.end)
            if not as_needed and not is_chain:
                self._cut(seconds)
        if not brought.is_part:
            return
        self._work.look_back.longest = 0.0  # where it ends is no damage
        if there < seconds - _HAIR_SECONDS:
            self._work.warn(
                f"Only {there:.0f} s of the source were taken: it broke off then, or reached what "
                "this server fetches."
            )
        elif not as_needed:
            self._work.warn(
                f"The source tells no end, and {seconds:.0f} s of it were taken; a larger "
                "max_duration takes more, up to 3600 s."
            )

    def _cut_behind(self, end: int) -> None:
        """Keep the bytes before the offset `end`."""
        beginning = self._work.outputs / f"{self._target.name}.beginning"
        copy_part(self._target, beginning, 0, end)
        beginning.replace(self._target)

    def _cut(self, seconds: float) -> None:
        work = self._work
        container = work.probe(self._target).container
        if picture_files.is_picture(self._target, container):
            return
        beginning = work.outputs / f"{self._target.name}.beginning"
        argv = command.beginning(
            work.ffmpeg,
            self._target,
            beginning,
            seconds,
            container=container,
            max_pixels=work.settings.picture_max_pixels,
        )
        try:
            work.run_ffmpeg(argv, outputs=[beginning])
        except MediaError as error:
            # Not everything can be held; the rest of the source is right as well.
            work.reporter.log(f"the source is used to its end: {error.message}")
            beginning.unlink(missing_ok=True)
        else:
            beginning.replace(self._target)

    def _settle_leaps(self, tracks: Sequence[Path]) -> None:
        with self._deciding:
            self._is_settled = True
            is_used = self._is_handed_over or self._is_joined
        if not is_used:
            for path in tracks:
                self._run_through(path)
            return
        # They were not in sight when its conversion began.
        self._work.warn(
            "The stream's clock changed on the way, as it does at advertisements; pictures and "
            "sound may be a little apart from there on."
        )

    def _run_through(self, track: Path) -> None:
        """Make one clock of those that the parts of a stream have, such as a film and its
        advertisements."""
        work = self._work
        if work.probe(track).container != "mpegts":
            return
        made = work.outputs / f"{track.name}.one_clock"
        limit = work.settings.picture_max_pixels
        argv = command.run_through(work.ffmpeg, track, made, max_pixels=limit)
        work.run_ffmpeg(argv, outputs=[made])
        # The track may be the cache's own file.
        track.unlink()
        made.rename(track)

    def _join(self, tracks: Sequence[Path]) -> None:
        """Make one file of the pictures and the sound of a film that come apart."""
        work = self._work
        joined = work.outputs / f"{self._target.name}.joined"
        # Files with a clock of their own keep it: their sound need not begin with the pictures.
        clocked = all(work.probe(track).container in command.CLOCKED for track in tracks)
        argv = command.join(
            work.ffmpeg,
            tracks,
            joined,
            clocked=clocked,
            max_pixels=work.settings.picture_max_pixels,
        )
        work.run_ffmpeg(argv, outputs=[joined])
        joined.replace(self._target)
        for track in tracks:
            track.unlink()
