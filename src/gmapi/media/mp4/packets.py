"""The packets that ffmpeg makes of a track: their times, by its tables and its edit list.

Only what all ffmpegs here are known to do alike is told; what is unusual gives None.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, takewhile

from gmapi.media.mp4.boxes import IndexUnusable
from gmapi.media.mp4.layout import Layout
from gmapi.media.mp4.tracks import Track, unfolded

PACKETS_MAX = 1_000_000
"""Packets of a track that are told."""
_STEP_MAX = 1 << 31
_TIME_MAX = 1 << 52
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Packets:
    """`times` at which packets are shown, in the order of decoding, and how long, in ticks of the
    track; `end` is when the track ends by its own word, and `first` the number of the sample that
    is the first packet."""

    times: Sequence[int]
    lengths: Sequence[int]
    end: int
    first: int = 0


@dataclass(frozen=True, slots=True)
class Cut:
    """What an edit list leaves: after a gap, the track from `start` to before `end`, in ticks."""

    gap: int
    start: int
    end: int


def of(layout: Layout, track: Track) -> Packets | None:
    """The packets of a track of pictures."""
    if not 0 < track.count <= PACKETS_MAX or not _is_plain(track):
        return None
    lengths = array("q", unfolded(track.steps))
    end = min(track.told_duration, sum(lengths))
    decoded = array("q", accumulate(lengths, initial=0))
    decoded.pop()
    shown = decoded
    if track.delays:
        shown = array("q", map(int.__add__, decoded, unfolded(track.delays)))
    keys = range(track.count) if track.keys is None else track.keys
    if not keys or keys[0] != 0:
        return None
    piece = cut(layout, track)
    if piece is None:
        return None
    first = 0
    if track.edits:
        found = _kept(piece, decoded, shown, keys)
        if found is None:
            return None
        first, last, zero = found
        shown = array("q", [time - zero for time in shown[first:last]])
        lengths = lengths[first:last]
        end = min(end, piece.gap + piece.end - piece.start)
    return Packets(shown, lengths, end, first)


def clock_start(layout: Layout) -> Fraction | None:
    """The seconds at which the first track begins, which ffmpeg takes off all times; None where
    it is not known."""
    tracks = [track for track in layout.tracks if track.count]
    starts = [_start(layout, track) for track in tracks if track.kind in (b"vide", b"soun")]
    known = [start for start in starts if start is not None]
    if not known or len(known) < len(starts):
        return None
    # Text and the like count as well, but only where ffmpeg comes across them in time.
    return min(known) if len(tracks) == len(starts) or min(known) == 0 else None


def _start(layout: Layout, track: Track) -> Fraction | None:
    """The seconds at which a track begins."""
    gap = _first_gap(layout, track)
    if gap is None or not _is_plain(track):
        return None
    ticks = gap if track.edits else next(iter(unfolded(track.delays)), 0)
    if ticks < 0:
        return None
    # ffmpeg counts whole microseconds.
    return Fraction(rescaled(ticks, _MICROSECONDS, track.ticks), _MICROSECONDS)


def shift(layout: Layout, track: Track) -> int:
    """How many of its ticks later than in its tables a track is played at first; 0 where that is
    not known."""
    gap = _first_gap(layout, track)
    start = next((edit.start for edit in track.edits or () if edit.start is not None), 0)
    return (gap or 0) - start


def _first_gap(layout: Layout, track: Track) -> int | None:
    """How long nothing of a track is played at first, in its ticks; None where that is all, or
    not known."""
    edits = track.edits
    if not edits:
        return None if edits is None else 0
    gaps = list(takewhile(lambda edit: edit.start is None, edits))
    if len(gaps) == len(edits):
        return None
    movie = movie_ticks(layout)
    return sum(rescaled(edit.duration, track.ticks, movie) for edit in gaps)


def rescaled(ticks: int, above: int, below: int) -> int:
    """`ticks` x `above` / `below`, as ffmpeg rounds it."""
    return (ticks * above + below // 2) // below


def _is_plain(track: Track) -> bool:
    """Whether time goes forward in it, and not too far."""
    steps = [step for count, step in track.steps if count]
    delays = [delay for count, delay in track.delays if count]
    span = sum(count * step for count, step in track.steps)
    return (
        all(0 < step < _STEP_MAX for step in steps)
        and all(abs(delay) < _STEP_MAX // 2 for delay in delays)
        and span < _TIME_MAX
    )


def cut(layout: Layout, track: Track) -> Cut | None:
    """The one piece that is played of a track; None where it is not one."""
    edits, gap = track.edits, _first_gap(layout, track)
    if edits is None or gap is None:
        return None
    if not edits:
        return Cut(0, 0, _TIME_MAX)
    last = edits[-1]
    if last.start is None or last.start < 0 or any(e.start is not None for e in edits[:-1]):
        return None
    length = rescaled(last.duration, track.ticks, movie_ticks(layout))
    if not length or max(length, last.start, gap) > _TIME_MAX:
        return None
    return Cut(gap, last.start, last.start + length)


def movie_ticks(layout: Layout) -> int:
    """Steps of the clock of the movie, in which edits are long."""
    box = layout.tree.need(b"mvhd")
    body = layout.index[box.body : box.end]
    at = 20 if body[:1] == b"\1" else 12
    ticks = int.from_bytes(body[at : at + 4])
    if not 0 < ticks < _STEP_MAX or len(body) < at + 4:
        raise IndexUnusable("a clock that stands still")
    return ticks


def _kept(
    cut: Cut, decoded: Sequence[int], shown: Sequence[int], keys: Sequence[int]
) -> tuple[int, int, int] | None:
    """Of a track that is cut: the first packet, the one behind the last, and the time of the track
    that becomes 0.

    It begins with the picture that others need, and ends with one that needs none, or the second
    of those where pictures are not shown in the order of decoding. What comes before and after
    the cut has times of its own, though it is not shown.
    """
    is_mixed = shown is not decoded
    early = max(0, -min(map(int.__sub__, shown, decoded))) if is_mixed else 0
    at = bisect_right(decoded, cut.start + early) - 1
    number = bisect_right(keys, at) - 1
    while number >= 0 and shown[keys[number]] > cut.start:
        number -= 1
    if number < 0:
        if any(time <= cut.start for time in shown[: at + 1]):
            return None
        number = 0
    first, last = keys[number], len(shown)
    ends = 0
    for key in keys[number:]:
        step = decoded[key + 1] - decoded[key] if key + 1 < len(decoded) else cut.end - cut.start
        ends += shown[key] + step >= cut.end
        if ends > is_mixed:
            last = key + 1
            break
    inside = [at for at in range(first, last) if cut.start <= shown[at] < cut.end]
    if not inside:
        return None
    lowest = min(shown[at] for at in inside)
    if cut.gap + lowest < decoded[inside[0]]:
        return None
    return first, last, max(decoded[inside[0]], lowest) - cut.gap
