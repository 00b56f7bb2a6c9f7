"""What can be told of a film before all of it has come: its rhythm, and when its pictures end."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Self

from gmapi.errors import JobError, MediaError
from gmapi.media.completeness import completeness
from gmapi.media.mp4 import picture_tables, sound_tables
from gmapi.media.mp4.boxes import IndexUnusable
from gmapi.media.selection import Selection
from gmapi.media.timing import (
    ONE_PICTURE,
    PictureTimes,
    held,
    is_exact_last,
    may_be_held,
    picture_count,
    picture_times,
)
from gmapi.sandbox.feeding import Feed
from gmapi.tools.arriving import Apart, ArrivingSource
from gmapi.tools.base import Work

HEAD_BYTES = 1 << 19
"""Enough for the first pictures of all that may arrive (measured: 0.4 MB at most but for TS)."""

END_BYTES = 1 << 20
"""With 256 KiB and less some files had no picture in their end."""

NEAR_END_SECONDS = 0.02
"""Playlists round so."""

# Kinds whose header tells the length of the pictures themselves.
_TOLD_BY_HEADER = ("avi",)
# Kinds of which the beginning and the end can be read as one file, and the size of their packets.
_JOINABLE = {"mpegts": 188, "matroska": 1, "mpeg": 1, "ogg": 1, "flv": 1}


class Outlook:
    """Of a film that is arriving. `first` are the times of its first pictures."""

    def __init__(self, work: Work, chosen: Selection, source: ArrivingSource) -> None:
        self._work = work
        self._chosen = chosen
        self._source = source
        self._closed = threading.Event()
        self.sure_end: float | None = None
        """What `end` has found out for sure: the very end of the last picture."""
        # Of a broadcast more comes only as it plays.
        size = min(HEAD_BYTES, source.arrival.size) if source.is_live else HEAD_BYTES
        beginning = source.beginning(size, self._check)
        self.first = self._times(chosen, feeds={chosen.path: beginning})

    @classmethod
    def of(cls, work: Work, chosen: Selection) -> Outlook | None:
        """None when the film is whole, or when its first pictures do not tell what has to be
        known to begin with it."""
        source = work.arriving.get(chosen.path)
        if source is None or chosen.picture is None or chosen.is_picture_file:
            return None
        outlook = cls(work, chosen, source)
        # One picture may stand for all of a song; and what tells no times is counted as a whole.
        is_clear = outlook.first.count > 1 and outlook.first.rate is None
        return outlook if is_clear else None

    def whole(self) -> PictureTimes:
        """The times of all pictures, read as they come: at the end of the source."""
        return self._times(self._chosen, feeds=self._work.arriving.feeds())

    def close(self) -> None:
        """Nobody wants to know more: whoever waits for it gets a MediaError."""
        self._closed.set()

    def _check(self) -> None:
        self._work.check()
        if self._closed.is_set():
            raise MediaError("stopped")

    def end(self) -> float | None:
        """Seconds after which the pictures end, a hair's breadth off at most; None when nothing
        tells it. It may take a request for the end of the source."""
        if self._source.apart is not None:
            self.sure_end = self._end_of_apart(self._source.apart)
        if self.sure_end is not None:
            return self.sure_end
        if self._source.seconds is not None:
            return self._source.seconds
        if self._is_shorter_than_told():
            self._work.reporter.log("the source is shorter than its header says")
        else:
            told = self._chosen.picture.told_length if self._chosen.picture else None
            if told is not None:
                return told
            if self._source.kind in _TOLD_BY_HEADER:
                return self._chosen.length
        if self._source.kind not in _JOINABLE or not self._source.parts.are_exact:
            return None
        try:
            return self._end_of_both_ends(_JOINABLE[self._source.kind])
        except JobError as error:
            self._work.reporter.log(f"the end of the source tells nothing: {error.message}")
            return None

    def _is_shorter_than_told(self) -> bool:
        """Whether the file was cut off before it was put where it is, so that its header is about
        more than there is."""
        promised, total = completeness(self._chosen.path).promised, self._source.total
        return promised is not None and total is not None and promised > total

    def seconds_by_bytes(self) -> float | None:
        """A guess at the length by how much of it the first bytes are."""
        return self.first.end * (self._source.total or 0) / HEAD_BYTES or None

    def _end_of_apart(self, apart: Apart) -> float | None:
        """By the head of the last segment where that is as long as it should be, else by all of
        it."""
        told = self._source.seconds
        end = None if told is None else self._end_by(apart, whole=False)
        if end is not None and told is not None and end >= told - NEAR_END_SECONDS:
            return end
        end = self._end_by(apart, whole=True)
        # What of the last segment cannot be read has told nothing.
        return end if end and apart.seconds and end > apart.seconds / 2 else None

    def _end_by(self, apart: Apart, *, whole: bool) -> float | None:
        try:
            ends = apart.both_ends(self._check, whole=whole)
            return None if ends is None else self._times(replace(self._chosen, path=ends)).end
        except JobError as error:
            self._work.reporter.log(f"the last segment tells nothing: {error.message}")
            return None

    def _end_of_both_ends(self, packet: int) -> float | None:
        """By the last picture of a file of the first and the last bytes, with all times as they
        stand there."""
        source, chosen = self._source, self._chosen
        total = source.total or 0
        tail_at = (total - END_BYTES) // packet * packet
        head_size = min(END_BYTES // packet * packet, tail_at)
        tail = source.parts.read(tail_at, total - tail_at)
        # The beginning is there before the end is of use: pictures need it as well.
        source.beginning(head_size, self._check)
        ends = self._work.inputs / f"{chosen.path.name}.ends"
        with open(chosen.path, "rb") as file:
            ends.write_bytes(file.read(head_size) + tail)
        try:
            alone = replace(chosen, path=ends)
            times = self._times(alone, own_clock=True)
        finally:
            ends.unlink()
        end = times.end - (chosen.info.start or 0.0)
        # Where the end holds no picture, the last one is in the beginning.
        guess = self.seconds_by_bytes()
        return end if guess is not None and end > guess / 2 else None

    def _times(
        self,
        chosen: Selection,
        *,
        feeds: dict[Path, Feed] | None = None,
        own_clock: bool = False,
    ) -> PictureTimes:
        work = self._work
        return picture_times(
            work.launcher,
            work.ffmpeg,
            chosen,
            cwd=work.folder,
            own_clock=own_clock,
            max_pixels=work.settings.picture_max_pixels,
            limits=work.limits(),
            cancelled=self._check,
            feeds=feeds,
        )


def times_by_index(
    work: Work, chosen: Selection, *, with_sound: bool = False
) -> PictureTimes | None:
    """The times that stand in the index of an MP4 that is arriving, where that tells them all."""
    source = work.arriving.get(chosen.path)
    if source is None or source.index is None or chosen.picture is None or chosen.is_picture_file:
        return None
    exact = is_exact_last(work.ffmpeg.major, chosen)
    try:
        times = picture_tables.times(source.index, chosen.picture.index, exact_last=exact)
        if times is None or chosen.sound is None:
            return times
        if not with_sound or not may_be_held(times, chosen):
            return times
        heard = sound_tables.end(source.index, chosen.sound.index, exact_last=exact)
    except IndexUnusable as error:
        work.reporter.log(f"the index of the source does not tell its times: {error}")
        return None
    return None if heard is None else held(times, heard)


class FilmTimes:
    """When the pictures of a film are shown: known at once, or little by little as it arrives.

    A context manager, in which what is not known is found out by threads. `known` is what
    commands are to go by: without an end while that is not known.
    """

    def __init__(
        self,
        work: Work,
        chosen: Selection,
        *,
        known: PictureTimes | None = None,
        with_sound: bool = False,
    ) -> None:
        """Look at what is there, unless the times are `known`. `with_sound` when it is heard with
        the pictures, see `Work.picture_times`, which says what is raised."""
        self._work = work
        self._chosen = chosen
        self._with_sound = with_sound
        self._whole: Future[PictureTimes] = Future()
        self._end: Future[float | None] = Future()
        known = known or times_by_index(work, chosen, with_sound=with_sound)
        self._outlook = None if known is not None else Outlook.of(work, chosen)
        if self._outlook is None:
            self.known = known or work.picture_times(chosen, with_sound=with_sound)
            self._whole.set_result(self.known)
        else:
            self.known = PictureTimes(self._outlook.first.starts[:1], 0.0)

    @classmethod
    def of_still(cls, work: Work, chosen: Selection) -> FilmTimes:
        """Where only the first picture counts."""
        return cls(work, chosen, known=ONE_PICTURE)

    @property
    def first(self) -> PictureTimes:
        """Those of the first pictures, or of all that are known."""
        return self.known if self._outlook is None else self._outlook.first

    @property
    def is_open(self) -> bool:
        """Whether it was not known from the beginning when the film ends."""
        return self._outlook is not None

    def whole(self) -> PictureTimes:
        """All times; waits for them. Raises what ended the source early, and MediaError."""
        return self._whole.result()

    def end(self) -> float:
        """When the last picture goes, as soon as that is known for sure. Raises as `whole`."""
        if self._outlook is not None and not self._whole.done():
            self._end.result()
            if self._outlook.sure_end is not None:
                return self._outlook.sure_end
        return self.whole().end

    def count(self, fps: float) -> int | None:
        """How many pictures there will be at this rate, as far as is known now: exactly, or as
        near as players need it."""
        if self._whole.done():
            return picture_count(self._whole.result(), fps)
        end = self.known_end
        return None if end is None else picture_count(replace(self.known, end=end), fps)

    @property
    def known_end(self) -> float | None:
        """Seconds after which the pictures end, as far as that is known now."""
        if self._whole.done():
            return self._whole.result().end
        return self._end.result() if self._end.done() else None

    def guess(self, fps: float) -> int | None:
        """How many pictures there may be, by the bytes that they take; it may be far off."""
        seconds = self._outlook.seconds_by_bytes() if self._outlook is not None else None
        return None if seconds is None else round(seconds * fps)

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="film-times")
        if self._outlook is not None:
            self._whole = self._pool.submit(self._wait_for_all, self._outlook)
            self._end = self._pool.submit(self._outlook.end)
        return self

    def __exit__(self, *_: object) -> None:
        if self._outlook is not None:
            self._outlook.close()
        self._pool.shutdown(wait=True)

    def _wait_for_all(self, outlook: Outlook) -> PictureTimes:
        times = outlook.whole()
        if not self._with_sound:
            return times
        chosen = self._work.look_again(self._chosen)
        if not may_be_held(times, chosen):
            return times
        return self._work.picture_times(chosen, with_sound=True)
