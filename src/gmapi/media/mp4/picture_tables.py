"""When the pictures of a film are shown, by its index alone: as `timing` reads it from packets."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from gmapi.media import timing
from gmapi.media.mp4 import packets
from gmapi.media.mp4.layout import Layout
from gmapi.media.mp4.packets import Packets
from gmapi.media.mp4.tracks import Track

# Pictures that are decoded one by one: a sample is a packet, and a packet a picture.
_FORMS = frozenset(
    {
        b"avc1", b"avc3", b"hvc1", b"hev1", b"av01", b"vp08", b"vp09", b"mp4v", b"s263", b"h263",
        b"jpeg", b"mjpa", b"apch", b"apcn", b"apcs", b"apco", b"ap4h", b"ap4x", b"png ", b"rle ",
    }
)  # fmt: skip
# Those whose packets ffmpeg takes to pieces, and forgets how long they are.
_PARSED = frozenset({b"vp08", b"vp09"})


def times(layout: Layout, track_index: int, *, exact_last: bool) -> timing.PictureTimes | None:
    """The times of the pictures in the track with this number, as ffmpeg numbers streams; None
    where the index does not tell them for sure. `exact_last` is that of `timing.Packets`.

    Raises boxes.IndexUnusable for tables that cannot be.
    """
    if not 0 <= track_index < len(layout.tracks) or layout.is_fragmented:
        return None
    track = layout.tracks[track_index]
    if track.kind != b"vide" or any(form not in _FORMS for form, _ in track.descriptions):
        return None
    found, start = packets.of(layout, track), packets.clock_start(layout)
    if found is None or start is None:
        return None
    lengths = _newer_lengths(track, found) if exact_last else _older_lengths(track, found)
    if lengths is None:
        return None
    base, zero = 1 / track.ticks, _ticks(start, track)
    gathered = timing.Packets(exact_last)
    for time, length in zip(found.times, lengths, strict=True):
        gathered.take((time - zero) * base, length * base)
    return gathered.times()


def _ticks(start: Fraction, track: Track) -> int:
    return packets.rescaled(start.numerator, track.ticks, start.denominator)


def _newer_lengths(track: Track, found: Packets) -> Sequence[int] | None:
    """How long ffmpeg 6 and later take packets for: as the table says, but of a film that is cut
    at its beginning another row of it may count."""
    is_even = len({step for count, step in track.steps if count}) == 1
    return found.lengths if is_even or not found.first else None


def _older_lengths(track: Track, found: Packets) -> Sequence[int] | None:
    """How long ffmpeg 5 takes packets for: until the next one, but where that does not tell, or
    pictures are not shown in the order of decoding, or are taken to pieces, as long as the frame
    rate says; None where that is not known."""
    between = [b - a for a, b in pairwise([*found.times, found.end])]
    is_guessed = bool(track.delays) or any(form in _PARSED for form, _ in track.descriptions)
    if not is_guessed and between[-1] > 0:
        return between
    runs = [run for run in track.steps if run[0]]
    if len(runs) > 2 or (len(runs) == 2 and runs[1][0] > 1):
        return None
    step = runs[0][1]
    return array("q", [step]) * len(between) if is_guessed else [*between[:-1], step]
