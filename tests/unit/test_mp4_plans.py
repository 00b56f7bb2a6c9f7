"""What is fed in place of an MP4: every chunk of every track is where its index says."""

from __future__ import annotations

import itertools
import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmapi.media.mp4 import fast_start, layout, sound_alone
from gmapi.media.mp4.boxes import IndexUnusable
from gmapi.media.mp4.layout import Layout
from gmapi.media.mp4.sound_alone import SoundAlone
from support.media.mp4_files import (
    FTYP,
    MOVIE_TICKS,
    Made,
    chunks_of,
    fed,
    film,
    found,
    full,
    index,
    one_film,
    rows,
    trak,
)
from support.media.odd_files import box

SMALL = settings(max_examples=60, deadline=None)


def alone(data: bytes, layout: Layout, number: int | None = None) -> tuple[SoundAlone, bytes]:
    """The sound of a film by itself, and all of its bytes."""
    sound = sound_alone.of(layout, number)
    parts = [data[first : first + length] for first, length in sound.ranges]
    return sound, b"".join([sound.head, *parts])


@st.composite
def films(draw: st.DrawFn) -> bytes:
    """Films of several tracks, in any order, with other boxes anywhere."""
    numbers = itertools.count()

    def sample() -> bytes:
        return b"%d." % next(numbers) * draw(st.integers(1, 40))

    tracks = []
    for kind, form in draw(
        st.lists(st.sampled_from([(b"vide", b"avc1"), (b"soun", b"mp4a"), (b"text", b"tx3g")]),
                 min_size=1, max_size=4)
    ):  # fmt: skip
        counts = draw(st.lists(st.integers(1, 3), min_size=1, max_size=6))
        chunks = [[sample() for _ in range(count)] for count in counts]
        extra = draw(st.sampled_from([b"", box(b"tref", bytes(12)), box(b"udta", b"name")]))
        tracks.append(Made(chunks, kind, form, is_wide=draw(st.booleans()), extra=extra))
    order = [number for number, made in enumerate(tracks) for _ in made.chunks]
    filler = st.lists(
        st.sampled_from([box(b"free", bytes(9)), box(b"wide"), box(b"uuid", bytes(300))]),
        max_size=2,
    )
    return film(
        tracks,
        order=draw(st.permutations(order)),
        before=[*draw(st.sampled_from([[FTYP], []])), *draw(filler)],
        between=draw(filler),
        after=draw(filler),
        extra=draw(st.sampled_from([b"", box(b"udta", b"title"), box(b"meta", bytes(4))])),
        cut_at=draw(st.integers(0, len(order))),
    )


@SMALL
@given(films())
def test_a_film_is_fed_with_its_index_in_front(data: bytes) -> None:
    layout = found(data)
    new = fed(data, fast_start.plan(layout))
    assert len(new) == len(data)
    seen = found(new)
    assert seen.is_first
    assert [part.kind for part in seen.parts[:2]][-1 if layout.begins else 0] == b"moov"
    for old, moved in zip(layout.tracks, seen.tracks, strict=True):
        assert chunks_of(new, moved) == chunks_of(data, old)
        assert moved.steps == old.steps


@SMALL
@given(films(), st.none() | st.integers(0, 2))
def test_sound_alone_has_all_its_chunks(data: bytes, number: int | None) -> None:
    layout = found(data)
    wanted = [track for track in layout.tracks if track.kind == b"soun"]
    if number is not None:
        wanted = wanted[number : number + 1]
    if not wanted:
        with pytest.raises(IndexUnusable, match="no sound"):
            sound_alone.of(layout, number)
        return
    sound, new = alone(data, layout, number)
    assert sound.size == len(new)
    seen = found(new)
    assert not any(kind in seen.index for kind in (b"udta", b"meta", b"tref"))
    for old, moved in zip(wanted, seen.tracks, strict=True):
        assert chunks_of(new, moved) == chunks_of(data, old)
    assert list(sound.ranges) == sorted(sound.ranges)
    for (first, length), (following, _) in itertools.pairwise(sound.ranges):
        assert following - first - length >= 200


def test_small_gaps_are_fetched_along() -> None:
    pictures = Made([[bytes(50)], [bytes(50)], [bytes(500)], [bytes(50)]])
    sound = Made([[b"1" * 9], [b"2" * 9], [b"3" * 9], [b"4" * 9]], b"soun", b"mp4a")
    data = film([pictures, sound])
    sound_now, whole = alone(data, found(data))
    assert [length for _, length in sound_now.ranges] == [9 + 50 + 9, 9 + 50 + 9]
    (track,) = found(whole).tracks
    assert chunks_of(whole, track) == [b"1" * 9, b"2" * 9, b"3" * 9, b"4" * 9]


def test_chunks_of_no_bytes_may_say_any_place() -> None:
    begin = len(FTYP) + 8
    places = [begin, begin + 30, 2**32 - 1, begin + 60]
    chunks = [[b"a" * 30], [b"b" * 30], [b""], [b"c" * 30]]
    made = Made(chunks, b"soun", b"mp4a", others={b"stco": rows(b"stco", [(p,) for p in places])})
    data = film([made])
    layout = found(data)
    whole = [b"a" * 30, b"b" * 30, b"", b"c" * 30]
    for new in (fed(data, fast_start.plan(layout)), alone(data, layout)[1]):
        assert chunks_of(new, found(new).tracks[0]) == whole


@pytest.mark.parametrize("is_first", [False, True])
def test_places_that_need_64_bits_get_them(is_first: bool) -> None:
    """Media that ends right below 4 GiB: with the index in front it ends beyond."""
    hole = (1 << 32) - 200
    at = hole if not is_first else 100
    made = Made([[b"x" * 50]], others={b"stco": rows(b"stco", [(at,)])})
    moov = film([made])[len(FTYP) + 58 :]
    total = hole + 60 + len(moov)
    head = FTYP + struct.pack(">I4sQ", 1, b"mdat", hole + 60 - len(FTYP)) + bytes(1000)
    seen = layout.find(head, total, lambda a, n: moov[a - hole - 60 : a - hole - 60 + n])
    plan = fast_start.plan(seen)
    index = plan[0]
    assert isinstance(index, bytes)
    assert (b"co64" in index) != is_first
    moved = found(index + box(b"free")).tracks[0].offsets[0]
    assert moved == at + len(index) - len(FTYP)


def test_samples_of_one_size_are_counted_by_their_description() -> None:
    def pcm(size: int, form: bytes, body: bytes) -> bytes:
        others = {
            b"stsz": full(b"stsz", struct.pack(">II", size, 16)),
            b"stsd": full(b"stsd", struct.pack(">I", 1), box(form, bytes(8), body)),
        }
        sound = Made([[bytes(4)] * 8, [bytes(4)] * 8], b"soun", form, others=others)
        return film([sound])

    plain = struct.pack(">HHIHHHHI", 0, 0, 0, 2, 16, 0, 0, 0)
    assert fast_start.plan(found(pcm(4, b"sowt", plain)))
    with pytest.raises(IndexUnusable, match="one by one"):
        fast_start.plan(found(pcm(1, b"sowt", plain)))
    older = struct.pack(">HHIHHHHIIIII", 1, 0, 0, 2, 16, 0, 0, 0, 1, 2, 4, 2)
    assert fast_start.plan(found(pcm(4, b"twos", older)))
    newer = struct.pack(">HHIHHHHIIdIIIIII", 2, 0, 0, 3, 16, 0, 0, 0, 72, 48e3, 2, 0, 16, 0, 4, 1)
    assert fast_start.plan(found(pcm(4, b"lpcm", newer)))
    with pytest.raises(IndexUnusable, match="packets"):
        fast_start.plan(found(pcm(4, b"ima4", plain)))


def test_sound_that_nothing_begins_with_is_not_alone() -> None:
    def late(made: Made) -> Made:
        return replace(made, edits=[(MOVIE_TICKS, -1), (800, 0)])

    assert sound_alone.of(found(one_film(late)))
    both = film([late(Made([[b"a" * 9]])), late(Made([[b"b" * 9]], b"soun", b"mp4a"))])
    with pytest.raises(IndexUnusable, match="at once"):
        sound_alone.of(found(both))


@pytest.mark.parametrize("chunks", [[], [[b""]], [[b"", b""], [b""]]])
def test_sound_without_bytes_is_none(chunks: list[list[bytes]]) -> None:
    data = film([Made([[b"a" * 9]]), Made(chunks, b"soun", b"mp4a")])
    assert fast_start.plan(found(data))
    with pytest.raises(IndexUnusable, match="no sound"):
        sound_alone.of(found(data), 0)


def test_sound_in_very_many_pieces_is_left_where_it_is() -> None:
    def sound(count: int) -> bytes:
        others = {
            b"stts": rows(b"stts", [(count, 1024)]),
            b"stsz": full(b"stsz", struct.pack(">II", 1, count)),
            b"stco": rows(b"stco", [((1 << 24) + at * 300,) for at in range(count)]),
        }
        made = Made([[b"s"]], b"soun", b"mp4a", others=others)
        size = 1 << 27
        return FTYP + index([trak(made, [0])]) + struct.pack(">I", size) + b"mdat" + bytes(size - 8)

    assert len(sound_alone.of(found(sound(sound_alone.RANGES_MAX))).ranges) == 70_000
    with pytest.raises(IndexUnusable, match="many pieces"):
        sound_alone.of(found(sound(sound_alone.RANGES_MAX + 1)))
