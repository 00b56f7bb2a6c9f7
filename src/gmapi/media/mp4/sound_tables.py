"""When the sound of a film ends, by its index alone: as `timing` reads it from packets."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate

from gmapi.media.mp4 import packets
from gmapi.media.mp4.layout import Layout
from gmapi.media.mp4.tracks import PLAIN_SOUND, Track, unfolded

# Sound in packets that are a sample each; ffmpeg reads the lengths of some in the packets.
_FORMS = frozenset({b"mp4a", b"Opus", b"alac", b"fLaC", b"samr", b"sawb"})
_STEADY_FORMS = frozenset({b".mp3", b"ac-3", b"ec-3"})
# MPEG layer III under the name of AAC.
_LAYER_3_STEPS = (576, 1152)


def end(layout: Layout, track_index: int, *, exact_last: bool) -> float | None:
    """The seconds at which the sound in the track with this number ends, as ffmpeg numbers streams;
    None where the index does not tell it for sure. `exact_last` is that of `timing.Packets`.

    Raises boxes.IndexUnusable for tables that cannot be.
    """
    if not 0 <= track_index < len(layout.tracks) or layout.is_fragmented:
        return None
    track = layout.tracks[track_index]
    start = packets.clock_start(layout)
    if track.kind != b"soun" or start is None or track.delays:
        return None
    span = _span(layout, track, exact_last)
    if span is None:
        return None
    zero = packets.rescaled(start.numerator, track.ticks, start.denominator)
    first, last, total = span
    return max(0.0, min(last - zero, max(0, first - zero) + total) / track.ticks)


def _span(layout: Layout, track: Track, exact_last: bool) -> tuple[int, int, int] | None:
    """When the packets begin and end, and how much they fill, in ticks."""
    forms = {form for form, _ in track.descriptions}
    cut = packets.cut(layout, track)
    steps = [step for count, step in track.steps if count]
    if cut is None or not steps:
        return None
    if forms <= PLAIN_SOUND:
        whole = sum(count * step for count, step in track.steps)
        is_whole = not cut.start and not cut.gap and min(cut.end, track.told_duration) >= whole
        return (0, whole, whole) if is_whole else None
    is_steady = forms <= _STEADY_FORMS
    if not is_steady and (not forms <= _FORMS or steps[0] in _LAYER_3_STEPS):
        return None
    if track.count > packets.PACKETS_MAX:
        return None
    bounds = array("q", accumulate(unfolded(track.steps), initial=0))
    first, last = _kept(cut, bounds, track.ticks)
    if last <= first or (first and exact_last):
        return None
    begin, time = bounds[first], bounds[last - 1]
    length, zero = bounds[last] - time, cut.start - cut.gap
    if is_steady and (exact_last or b".mp3" not in forms):
        length = steps[0]
    elif not exact_last:
        # ffmpeg 5 takes the track's own word for its end.
        told = min(track.told_duration, bounds[-1], cut.gap + cut.end - cut.start)
        length = told - (time - zero)
    return (begin - zero, time - zero + length, time - begin + length) if length > 0 else None


def _kept(cut: packets.Cut, bounds: array[int], second: int) -> tuple[int, int]:
    """Of a track that is cut the first packet, and the one behind the last: decoders may need up
    to a second of what comes before."""
    first = max(0, bisect_right(bounds, max(0, cut.start - second)) - 1)
    last = min(bisect_left(bounds, cut.end, lo=first + 1), len(bounds) - 1)
    # Nothing at all is heard where none of it is inside.
    return first, last if bounds[last] > cut.start else first
