"""Where the data of tracks lies in a file: checked, and written anew when it moves."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import compress, islice, permutations
from operator import add, le

from gmapi.media.mp4.boxes import IndexUnusable, full
from gmapi.media.mp4.layout import Layout
from gmapi.media.mp4.packets import shift
from gmapi.media.mp4.tracks import Track

# What ffmpeg holds in memory when it wants another track first.
_APART_BYTES_MAX = 1 << 20
_CHUNK_BYTES_MAX = 16 << 20
_LOOKS_MAX = 10_000
_SEEN_AND_HEARD = (b"vide", b"soun")
_SHORT_MAX = (1 << 32) - 1


def check(layout: Layout) -> None:
    """Raise IndexUnusable for an index by which the file cannot be read from its first byte to its
    last: places outside the file or not in order, or what belongs together far apart."""
    for track in layout.tracks:
        check_track(layout, track)
    together = [track for track in layout.tracks if track.kind in _SEEN_AND_HEARD and track.offsets]
    if len(together) > 1:
        _check_apart(layout, together)


def check_track(layout: Layout, track: Track) -> None:
    """Raise IndexUnusable where a track has places outside the file, or not in order."""
    if not track.is_here:
        raise IndexUnusable("its data is in other files")
    offsets, sizes = track.offsets, track.chunk_sizes
    if not offsets:
        return
    # Chunks of no bytes may be anywhere.
    if not all(sizes):
        offsets = array("Q", compress(offsets, sizes))
        sizes = array("Q", filter(None, sizes))
    if max(sizes, default=0) > layout.total or max(offsets, default=0) > layout.total:
        raise IndexUnusable("a track has places outside the file")
    ends = array("Q", map(add, offsets, sizes))
    if not all(map(le, ends, islice(offsets, 1, None))):
        raise IndexUnusable("the places of a track do not ascend")
    index = layout.place
    begin = index.end if layout.is_first else len(layout.begins)
    if offsets and (offsets[0] < begin or ends[-1] > layout.total):
        raise IndexUnusable("a track has places outside the file")
    # The first chunk that ends behind the beginning of the index.
    at = bisect_right(ends, index.first)
    if at < len(offsets) and offsets[at] < index.end:
        raise IndexUnusable("a track has places inside the index")


def _check_apart(layout: Layout, tracks: Sequence[Track]) -> None:
    """What is seen and heard at one time lies together, by looks all over the film. What is
    between two looks cannot lie apart much more than they do, since places ascend."""
    if any(max(track.chunk_sizes) > _CHUNK_BYTES_MAX for track in tracks):
        raise IndexUnusable("pictures and sound come in very large pieces")
    looks = max(100, _LOOKS_MAX // len(tracks))
    for one, other in permutations(tracks, 2):
        later, behind = shift(layout, one), shift(layout, other)
        end = sum(count * step for count, step in other.steps)
        for at in range(0, len(one.offsets), max(1, len(one.offsets) // looks)):
            time = (one.chunk_times[at] + later) * other.ticks // one.ticks - behind
            # Sound may begin later or end earlier than pictures.
            if not 0 <= time < end:
                continue
            beside = bisect_right(other.chunk_times, time) - 1
            first, far = one.offsets[at], other.offsets[beside]
            gap = max(first - far - other.chunk_sizes[beside], far - first - one.chunk_sizes[at])
            if gap > _APART_BYTES_MAX:
                raise IndexUnusable("pictures and sound are far apart")


def fit(offsets: Sequence[int]) -> bool:
    """Whether 32 bits are enough for each of these."""
    return max(offsets, default=0) <= _SHORT_MAX


def numbers(offsets: Iterable[int]) -> array[int]:
    """Places one behind another in memory. Raises IndexUnusable where 64 bits are not enough."""
    try:
        return array("Q", offsets)
    except OverflowError as error:
        raise IndexUnusable("places beyond all files") from error


def table(offsets: Sequence[int], *, short: bool) -> bytes:
    """A table of offsets as a box, with 32 or 64 bits for each. Raises IndexUnusable where that is
    not enough."""
    if short and not fit(offsets):
        raise IndexUnusable("places beyond 4 GiB")
    values: array[int] = array("I", offsets) if short else numbers(offsets)
    if sys.byteorder == "little":
        values.byteswap()
    return full(b"stco" if short else b"co64", len(values).to_bytes(4) + values.tobytes())


def room(track: Track, *, short: bool) -> bytes:
    """A table of as many offsets as those of a track, all of them 0."""
    return table(array("I", bytes(4 * len(track.offsets))), short=short)
