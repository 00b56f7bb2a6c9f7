"""The sound of a film by itself, for those who want it whole before they see anything."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import accumulate
from operator import itemgetter

from gmapi.media.mp4 import boxes, places
from gmapi.media.mp4.boxes import IndexUnusable
from gmapi.media.mp4.layout import Layout
from gmapi.media.mp4.packets import clock_start
from gmapi.media.mp4.tracks import Track

RANGES_MAX = 70_000
"""700 requests of a hundred each."""

# The head of a part in an answer of several has as many.
_GAP_BYTES_MAX = 200
# Titles, covers and chapters, of the film and of a track.
_LEFT_OUT = (b"udta", b"meta", b"tref")


@dataclass(frozen=True, slots=True)
class SoundAlone:
    """A file of sound and nothing else: `head`, and after it these `ranges` of the whole file, each
    where it begins and how many bytes, in this order. Decode it with -copyts, else what is silent
    at its beginning is lost."""

    head: bytes
    ranges: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return len(self.head) + sum(length for _, length in self.ranges)


def of(layout: Layout, track_number: int | None = None) -> SoundAlone:
    """The sound track with this number, from 0 on among those of sound, or all of them.

    Raises boxes.IndexUnusable where there is none, or it would not sound the same.
    """
    if layout.is_fragmented:
        raise IndexUnusable("the places of the sound are spread over the file")
    sounds = [track for track in layout.tracks if track.kind == b"soun"]
    if track_number is not None:
        sounds = sounds[track_number : track_number + 1]
    for track in sounds:
        places.check_track(layout, track)
    ranges = _ranges(sounds)
    if not ranges:
        raise IndexUnusable("no sound")
    if clock_start(layout) != 0:
        raise IndexUnusable("no track is known to begin at once")
    # With the old places only to see how long it gets.
    size = sum(length for _, length in ranges)
    begin = len(_head(layout, sounds, [track.offsets for track in sounds], size))
    starts = list(accumulate((length for _, length in ranges), initial=begin))
    firsts = [first for first, _ in ranges]

    def place(offset: int) -> int:
        # One of no bytes may be anywhere.
        number = max(0, bisect_right(firsts, offset) - 1)
        return min(starts[number] + max(0, offset - firsts[number]), starts[number + 1])

    moved = [places.numbers(map(place, track.offsets)) for track in sounds]
    return SoundAlone(_head(layout, sounds, moved, size), tuple(ranges))


def _ranges(sounds: Sequence[Track]) -> list[tuple[int, int]]:
    """Where the sound lies, in the order of the file, in which the chunks of each track are."""
    ranges: list[tuple[int, int]] = []
    each = (zip(track.offsets, track.chunk_sizes, strict=True) for track in sounds)
    chunks = merge(*(filter(itemgetter(1), chunks) for chunks in each))
    for first, size in chunks:
        last, length = ranges[-1] if ranges else (0, 0)
        end = last + length
        if ranges and first - end < _GAP_BYTES_MAX:
            ranges[-1] = last, max(end, first + size) - last
        else:
            ranges.append((first, size))
        if len(ranges) > RANGES_MAX:
            raise IndexUnusable("sound in very many pieces")
    return ranges


def _head(
    layout: Layout, sounds: Sequence[Track], offsets: Sequence[Sequence[int]], size: int
) -> bytes:
    others = {track.box.first: b"" for track in layout.tracks if track not in sounds}
    for holder in (layout.tree, *(track.box for track in sounds)):
        for kind in _LEFT_OUT:
            others |= {box.first: b"" for box in holder.all(kind)}
    for track, values in zip(sounds, offsets, strict=True):
        for box in track.offset_tables:
            # As wide as before, however low they are now: the length must not depend on it.
            others[box.first] = places.table(values, short=box.kind == b"stco")
    index = boxes.rewritten(layout.index, layout.tree, others)
    return layout.begins + index + boxes.opening(b"mdat", size)
