"""Times by the tables of an MP4, where they are for sure, and no times where they are not."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from gmapi.media.mp4 import packets, picture_tables, sound_tables
from gmapi.media.mp4.boxes import IndexUnusable
from gmapi.media.timing import PICTURES_MAX, PictureTimes
from support.cost import cpu_below, memory_below
from support.media.mp4_files import Made, film, found, full, rows

# Shown in the order 0 2 1 3 5 4, a tenth of a second each, and two tenths after they are decoded.
MIXED = Made(
    [[b"I", b"P", b"B"], [b"I", b"P", b"B"]],
    delays=[(1, 200), (1, 300), (1, 100), (1, 200), (1, 300), (1, 100)],
    keys=[0, 3],
    edits=[(600, 200)],
)
SOUND = Made([[b"s"] * 5, [b"t"] * 5], b"soun", b"mp4a", step=100)


def times(*tracks: Made, exact_last: bool = True) -> PictureTimes | None:
    return picture_tables.times(found(film(tracks)), 0, exact_last=exact_last)


def told(*tracks: Made, exact_last: bool = True) -> tuple[list[float], float]:
    seen = times(*tracks, exact_last=exact_last)
    assert seen is not None
    return [round(start, 6) for start in seen.starts], round(seen.end, 6)


TENTHS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


def test_pictures_in_the_order_in_which_they_are_shown() -> None:
    for exact_last in (False, True):
        assert told(MIXED, SOUND, exact_last=exact_last) == (TENTHS, 0.6)
        assert told(replace(MIXED, edits=[(600, 0)]), exact_last=exact_last) == (TENTHS, 0.6)
        late = [round(start + 0.25, 6) for start in TENTHS]
        gap = replace(MIXED, edits=[(250, -1), (600, 200)])
        assert told(gap, SOUND, exact_last=exact_last) == (late, 0.85)
    # All that there is begins late: then nothing does.
    assert told(gap) == (TENTHS, 0.6)
    assert told(replace(MIXED, edits=[]), SOUND) == ([round(s + 0.2, 6) for s in TENTHS], 0.8)


def test_what_is_cut_keeps_the_pictures_around_it() -> None:
    """They are decoded though not shown: as ffmpeg lists them."""
    assert told(replace(MIXED, edits=[(200, 500)])) == ([0.0, 0.1, 0.2], 0.3)
    steady = Made([[b"x"] * 10], keys=[0, 4, 8])
    assert told(replace(steady, edits=[(200, 500)])) == ([-0.1, 0.0, 0.1, 0.2, 0.3], 0.4)
    assert told(replace(steady, edits=[(9000, 0)])) == ([n / 10 for n in range(10)], 1.0)


def test_a_last_picture_is_as_long_as_this_ffmpeg_shows_it() -> None:
    slow = Made([[b"x"] * 3], steps=[(2, 100), (1, 3000)])
    assert told(slow) == ([0.0, 0.1, 0.2], 3.2)
    assert told(slow, exact_last=False) == ([0.0, 0.1, 0.2], 0.7)


UNSURE = {
    "pieces": replace(MIXED, edits=[(100, 200), (100, 500)]),
    "only a gap": replace(MIXED, edits=[(100, -1)]),
    "no length": replace(MIXED, edits=[(0, 200)]),
    "before the beginning": replace(MIXED, edits=[(100, -5)]),
    "behind the end": replace(MIXED, edits=[(100, 60_000)]),
    "time stands still": replace(MIXED, steps=[(5, 100), (1, 0)]),
    "time runs wild": replace(MIXED, steps=[(5, 100), (1, (1 << 31) - 1 + 5)]),
    "no key": replace(MIXED, keys=[]),
    "a later key": replace(MIXED, keys=[3]),
    "text": replace(MIXED, kind=b"text"),
    "another form": replace(MIXED, form=b"SVQ3"),
    "nothing": Made([]),
}


@pytest.mark.parametrize("name", UNSURE)
def test_what_is_not_sure_is_not_told(name: str) -> None:
    assert times(UNSURE[name], SOUND) is None


def test_other_speeds_are_not_told() -> None:
    data = film([MIXED])
    at = data.index(b"elst") + 20
    assert data[at : at + 4] == b"\0\1\0\0"
    slow = data[:at] + b"\0\0\x80\0" + data[at + 4 :]
    assert picture_tables.times(found(slow), 0, exact_last=True) is None


def test_rows_that_ffmpeg_5_guesses_are_not_told_to_it() -> None:
    uneven = replace(MIXED, steps=[(2, 100), (3, 200), (1, 100)])
    assert times(uneven, exact_last=False) is None
    assert times(uneven) is not None
    # Nor to later ones, where other rows count of what is cut.
    assert times(replace(uneven, edits=[(300, 700)])) is None


@pytest.mark.parametrize("number", [-1, 1, 2])
def test_only_pictures_have_times(number: int) -> None:
    seen = found(film([MIXED, SOUND]))
    assert picture_tables.times(seen, number, exact_last=True) is None


BROKEN = {
    "delays": rows(b"ctts", [(5, 0)]),
    "keys": rows(b"stss", [(7,)]),
    "keys backwards": rows(b"stss", [(3,), (2,)]),
    "steps": rows(b"stts", [(7, 1)]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_tables_that_cannot_be(name: str) -> None:
    box = BROKEN[name]
    with pytest.raises(IndexUnusable):
        times(replace(MIXED, others={box[4:8]: box}))


def test_the_most_pictures_that_a_table_can_claim() -> None:
    """In a few bytes, and in 4 MB."""
    few = {
        b"stsz": full(b"stsz", struct.pack(">II", 1, (1 << 32) - 1)),
        b"stsc": rows(b"stsc", [(1, (1 << 32) - 1, 1)]),
        b"stts": rows(b"stts", [((1 << 32) - 1, 1)]),
    }
    with cpu_below(1), memory_below(20):
        assert times(Made([[b"x"]], others=few)) is None
    most = PICTURES_MAX
    many = {
        b"stsz": full(b"stsz", struct.pack(">II", 0, most), bytes(4 * most)),
        b"stsc": rows(b"stsc", [(1, most, 1)]),
        b"stts": rows(b"stts", [(most, 40)]),
    }
    with cpu_below(6), memory_below(200):
        seen = times(Made([[b""]], others=many))
    assert seen is not None
    assert (seen.count, seen.end) == (most, pytest.approx(most * 0.04))


def test_sound_ends_where_its_packets_do() -> None:
    def end(made: Made, exact_last: bool = True) -> float | None:
        return sound_tables.end(found(film([MIXED, made])), 1, exact_last=exact_last)

    assert end(SOUND) == pytest.approx(1.0)
    assert end(replace(SOUND, edits=[(900, 100)])) == pytest.approx(0.9)
    assert end(replace(SOUND, edits=[(420, 0)])) == pytest.approx(0.5)
    assert end(replace(SOUND, edits=[(500, -1), (1000, 0)])) == pytest.approx(1.5)
    short = replace(SOUND, steps=[(9, 100), (1, 30)])
    assert end(short) == pytest.approx(0.93)
    assert end(replace(short, form=b"ac-3")) == pytest.approx(1.0)
    for unsure in (
        replace(SOUND, edits=[(100, 0), (100, 500)]),
        replace(SOUND, edits=[(100, 5000)]),
        replace(SOUND, delays=[(10, 5)]),
        replace(SOUND, form=b"QDM2"),
        replace(SOUND, kind=b"vide"),
        replace(SOUND, step=1152),
        replace(SOUND, steps=[(10, 0)]),
    ):
        assert end(unsure) is None


def test_the_clock_starts_with_the_first_track() -> None:
    def start(*tracks: Made) -> float | None:
        found_start = packets.clock_start(found(film(tracks)))
        return None if found_start is None else float(found_start)

    late = replace(SOUND, edits=[(300, -1), (1000, 0)])
    assert start(MIXED, SOUND) == 0
    assert start(late) == 0.3
    assert start(late, replace(MIXED, edits=[])) == 0.2
    assert start(late, replace(SOUND, edits=[(300, -1), (100, 0), (100, 500)])) == 0.3
    # Text counts only where ffmpeg finds it soon enough.
    text = replace(SOUND, kind=b"text", form=b"tx3g")
    assert start(late, text) is None
    assert start(SOUND, text) == 0
    assert start(replace(SOUND, edits=[(300, -1)])) is None
