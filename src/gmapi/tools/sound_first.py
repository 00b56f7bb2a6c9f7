"""The sound of a film ahead of its pictures: players begin when they have all of it.

In an MP4 it lies in many small pieces between the pictures. The index tells where, so these are
fetched by themselves, and put behind an index of the sound alone. Sound that comes apart is there
before its pictures anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gmapi.errors import MediaError, SourceError
from gmapi.media.mp4 import sound_alone, sound_tables
from gmapi.media.mp4.boxes import IndexUnusable
from gmapi.media.mp4.sound_alone import SoundAlone
from gmapi.media.selection import Selection
from gmapi.tools.arriving import Apart, ArrivingSource
from gmapi.tools.base import Work

_AS_LONG_SECONDS = 0.2

SOUND_BYTES_MAX = 64 << 20
CONNECTIONS = 4
LATENCY_SECONDS = 0.05
"""What a request takes, supposedly, besides its bytes."""

WORTH_SHARE = 0.5
"""Of the time that the download still takes: when the sound takes no more, it is worth it."""


@dataclass(frozen=True)
class SoundAhead:
    """A source to decode the sound from, with its `own_clock` or as usual."""

    chosen: Selection
    own_clock: bool


def fetch(
    work: Work, chosen: Selection, *, seconds_max: float, check: Callable[[], None]
) -> SoundAhead | None:
    """The sound of a source as one of its own; None when it is not to be had so, or not sooner
    than with the pictures, or longer than `seconds_max`. Raises what ended the source early, and
    what `check` raises while it is waited for, but for MediaError."""
    source = work.arriving.get(chosen.path)
    if source is None or chosen.sound is None or (chosen.length or 0.0) > seconds_max:
        return None
    if source.apart is not None and not source.is_live:
        return _apart(work, chosen, source.apart, check)
    if source.index is None or not source.parts.are_exact:
        return None
    sounds = [stream.index for stream in chosen.info.streams if stream.kind == "audio"]
    try:
        alone = sound_alone.of(source.index, sounds.index(chosen.sound.index))
        if not _is_worth_it(source, alone):
            return None
        parts = source.parts.gather(alone.ranges, CONNECTIONS)
        heard = sound_tables.end(source.index, chosen.sound.index, exact_last=True)
    except (IndexUnusable, SourceError) as error:
        work.reporter.log(f"the sound comes with the pictures: {error}")
        return None
    path = chosen.path.with_name(f"{chosen.path.name}.sound")
    with open(path, "wb") as file:
        file.write(alone.head)
        file.writelines(parts)
    work.reporter.log(f"the sound was fetched first: {alone.size / 1e6:.1f} MB")
    if heard is not None and abs(heard - (chosen.length or 0.0)) < _AS_LONG_SECONDS:
        # What is lost of it is told as of a source. Its index has the length of the film: of a
        # shorter one it would be said that it ends early.
        work.look_back.lengths[path] = chosen.length
    track = replace(chosen.sound, index=0)
    info = replace(chosen.info, streams=(track,))
    alone_now = replace(chosen, path=path, info=info, picture=None, sound=track, alpha=None)
    return SoundAhead(alone_now, own_clock=True)


def _apart(
    work: Work, chosen: Selection, apart: Apart, check: Callable[[], None]
) -> SoundAhead | None:
    try:
        path = apart.sound(check)
    except MediaError as error:
        work.reporter.log(f"the sound comes with the pictures: {error.message}")
        return None
    work.reporter.log("the sound is there before its pictures")
    return SoundAhead(replace(chosen, path=path), own_clock=False)


def _is_worth_it(source: ArrivingSource, alone: SoundAlone) -> bool:
    rate = source.arrival.bytes_a_second
    if rate is None or alone.size > SOUND_BYTES_MAX:
        return False
    requests = len(alone.ranges) / 100
    seconds = max(alone.size / rate, requests * LATENCY_SECONDS / CONNECTIONS)
    return seconds < WORTH_SHARE * ((source.total or 0) - source.arrival.size) / rate
