"""Pictures and sound that come apart, joined to one source as they come."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gmapi.errors import MediaError
from gmapi.fetch.arrival import Arrival, Beginning
from gmapi.fetch.together import Tracks
from gmapi.fetch.track_files import LAST_BYTES_MAX
from gmapi.media import command, failures, process, streamable
from gmapi.media.mp4 import fragments
from gmapi.sandbox.feeding import Feed
from gmapi.sandbox.launcher import Grants
from gmapi.tools.arrival_plan import FROM_SEGMENTS
from gmapi.tools.arriving import ArrivingSource
from gmapi.tools.base import Work
from gmapi.tools.bounds import FILES_MAX

BEGUN_BYTES = 4096
"""When so much of the joined source is there, its head is, too."""

HEAD_BYTES = 1 << 19
HEAD_BYTES_MAX = 8 << 20
"""Of a track in which pictures begin after its first ones."""

TS_PACKET_BYTES = 188

CLOCKED = frozenset({"mpegts", "mp4"})
"""The kinds that are `command.CLOCKED`."""

Open = Callable[[Arrival, Beginning], "ArrivingSource | None"]
"""How a track can be read while it arrives; None when all of it has to be there."""

_LOOK_SECONDS = 0.05


class Joining:
    """Joins the tracks of one source, whose files are kept until the work ends.

    `beginning` is that of the pictures, `feeds` are what has begun to arrive, `kinds` those of both
    tracks (`streamable.kind`); `check` raises when nobody needs the source any more.
    """

    def __init__(
        self,
        work: Work,
        tracks: Tracks,
        beginning: Beginning,
        feeds: dict[Path, Feed],
        kinds: dict[Path, str],
        check: Callable[[], None],
    ) -> None:
        self._work = work
        self._tracks = tracks
        self._told = beginning
        self._check = check
        self._feeds = feeds
        self._kinds = kinds
        self._clocked = all(kind in CLOCKED for kind in kinds.values())
        self._folder = work.folder / "joining"
        self._folder.mkdir(exist_ok=True)
        # Beginnings that stay readable, whatever becomes of the other names meanwhile.
        self._pictures, self._sound = self._folder / "pictures", self._folder / "sound_track"
        for arrival, link in zip(tracks.both, (self._pictures, self._sound), strict=True):
            link.unlink(missing_ok=True)
            os.link(arrival.path, link)

    @classmethod
    def of(
        cls,
        work: Work,
        tracks: Tracks,
        open_: Open,
        suits: Callable[[str], bool],
        check: Callable[[], None],
    ) -> Joining | None:
        """None when the pictures are there already, or a track has to be there first, as it is of
        no kind that `suits`. Raises what ends them early, and what `check` raises."""

        def look() -> None:
            check()
            tracks.check()

        beginning = tracks.pictures.wait_to_begin(look)
        if beginning is None:
            return None
        feeds, kinds = {}, {}
        for arrival in tracks.both:
            began = arrival.wait_to_begin(look)
            source = None if began is None else open_(arrival, began)
            if source is not None and began is not None and arrival.take(began):
                feeds[arrival.path] = Feed(arrival, source.plan)
                kind = source.kind
            elif not arrival.is_whole or not _is_fit(kind := _kind(arrival.path), suits):
                return None
            kinds[arrival.path] = kind
        try:
            return cls(work, tracks, beginning, feeds, kinds, look)
        except OSError:  # one has just come to its end, or there are no links here
            return None

    @property
    def seconds(self) -> float | None:
        """How long the pictures play, perhaps only roughly."""
        return self._tracks.seconds

    def run(self, target: Path, begin: Callable[[Beginning], None]) -> bool:
        """Join them to `target`, of which `begin` is told when it can be read; False, with nothing
        done, where only whole tracks can be joined.

        Raises what ends a track early, and MediaError when the tracks cannot be joined to their
        end.
        """
        joined = self._folder / "joined"
        told = replace(self._told, file=joined)
        has_begun = False

        def look() -> None:
            nonlocal has_begun
            self._check()
            if not has_begun and _size(joined) >= BEGUN_BYTES:
                has_begun = True
                begin(told)

        try:
            paths = [arrival.path for arrival in self._tracks.both]
            self._join(paths, joined, self._feeds, look, self._work.reporter.log)
        except MediaError as error:
            joined.unlink(missing_ok=True)
            if has_begun:
                raise
            self._work.reporter.log(f"waiting for whole tracks: {error.message} ({error.cause})")
            return False
        with suppress(FileNotFoundError):
            if target.samefile(joined):  # by another name, which moving would leave
                joined.unlink()
                return True
        joined.replace(target)
        return True

    def sound(self, check: Callable[[], None]) -> Path:
        """See `arriving.Apart`."""
        self._tracks.sound.wait_for_end(check)
        head = self._beginning(self._tracks.pictures, self._pictures, check)
        if head is None:
            raise MediaError("The first pictures are in no parts.")
        pictures = self._folder / "first_pictures"
        pictures.write_bytes(head)
        return self._joined([pictures, self._tracks.sound.path], "sound", check)

    def both_ends(self, check: Callable[[], None], *, whole: bool) -> Path | None:
        """See `arriving.Apart`."""
        if not self._clocked or not (whole or self._kinds[self._tracks.pictures.path] == "mp4"):
            return None
        head = self._beginning(self._tracks.pictures, self._pictures, check)
        first_sound = self._beginning(self._tracks.sound, self._sound, check)
        last = self._tracks.last(whole) if head is not None else None
        if last is not None and not whole:
            last = fragments.filled(last, LAST_BYTES_MAX)
        if head is None or first_sound is None or last is None:
            return None
        pictures, sound = self._folder / "both_ends", self._folder / "first_sound"
        pictures.write_bytes(head + last)
        sound.write_bytes(first_sound)
        return self._joined([pictures, sound], "ends", check)

    def _beginning(self, track: Arrival, link: Path, check: Callable[[], None]) -> bytes | None:
        """The beginning of a track, to where something else can follow; None when there is no such
        place."""
        kind = self._kinds[track.path]
        size = HEAD_BYTES
        while size <= HEAD_BYTES_MAX:
            while _size(link) < size and not track.has_ended:
                check()
                time.sleep(_LOOK_SECONDS)
            with open(link, "rb") as file:
                head = file.read(size)
            end = len(head)
            if kind == "mp4":
                end = fragments.whole(head)
            elif kind == "mpegts":
                end = end // TS_PACKET_BYTES * TS_PACKET_BYTES
            if end:
                return head[:end]
            if track.has_ended:
                return None
            size *= 2
        return None

    def _joined(self, tracks: Sequence[Path], name: str, check: Callable[[], None]) -> Path:
        made = self._folder / name
        self._join(tracks, made, {}, check, _quiet)
        return made.replace(self._work.inputs / f"joined.{name}")

    def _join(
        self,
        tracks: Sequence[Path],
        output: Path,
        feeds: dict[Path, Feed],
        check: Callable[[], None],
        log: Callable[[str], None],
    ) -> None:
        work = self._work
        limit = work.settings.picture_max_pixels
        finished = process.run(
            work.launcher,
            command.join(work.ffmpeg, tracks, output, clocked=self._clocked, max_pixels=limit),
            cwd=work.folder,
            limits=work.limits(),
            grants=Grants(
                read=tuple(path.absolute() for path in tracks),
                write=(self._folder.absolute(),),
            ),
            watch=process.Watch((self._folder,), work.settings.output_limit, FILES_MAX, math.inf),
            on_line=log,
            cancelled=check,
            hide=(work.folder, work.settings.data_dir),
            feeds=feeds,
        )
        failures.check(finished, [output])


def _kind(path: Path) -> str:
    with open(path, "rb") as file:
        return streamable.kind(file.read(streamable.HEAD_BYTES)) or ""


def _is_fit(kind: str, suits: Callable[[str], bool]) -> bool:
    return kind in FROM_SEGMENTS and suits(kind)


def _quiet(line: str) -> None:
    """For what is said of files that end in the middle."""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
