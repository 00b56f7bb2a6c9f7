"""When pictures are shown and when sound ends, by the index alone: as real ffmpegs list packets."""

from __future__ import annotations

import random
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from gmapi.media import timing
from gmapi.media.binaries import Ffmpeg
from gmapi.media.mp4 import boxes, packets, picture_tables, sound_tables
from gmapi.media.mp4.layout import Layout
from gmapi.media.timing import PictureTimes, picture_times
from gmapi.sandbox.launcher import Launcher
from support.media.making import Maker
from support.media.mp4_files import found
from support.media.mp4_films import NAMES, OWN_WAYS, TELLING, film_of
from support.media.odd_files import box
from support.media.selected import selected
from support.product.outcomes import daily

FILMS = [name for name in NAMES if name.endswith((".mp4", ".mov"))]
# Films that are cut at random here, each a few times.
CUT = [
    "mixed.mp4", "steady.mp4", "early-delays.mp4", "no-edits.mp4", "ntsc.mp4", "uneven.mp4",
    "vp9.mp4",
]  # fmt: skip
EACH = 2


def cut_anywhere(data: bytes, lots: random.Random) -> bytes:
    """The film with other edit lists: each track late, cut, or both."""
    seen = found(data)
    movie = packets.movie_ticks(seen)
    others: dict[int, bytes] = {}
    for track in seen.tracks:
        edits = []
        if lots.random() < 0.4:
            edits.append((lots.randrange(1, movie), -1))
        start = lots.choice([0, 512, 1024, lots.randrange(2 * track.ticks)])
        edits.append((lots.randrange(movie // 5, 2 * movie), start))
        rows = b"".join(struct.pack(">IiI", *edit, 1 << 16) for edit in edits)
        edts = box(b"edts", boxes.full(b"elst", struct.pack(">I", len(edits)) + rows))
        old, media = track.box.find(b"edts"), track.box.need(b"mdia")
        if old is not None:
            others[old.first] = edts
        else:
            others[media.first] = edts + seen.index[media.first : media.end]
    moov = boxes.rewritten(seen.index, seen.tree, others)
    return data[: seen.place.first] + moov + data[seen.place.end :]


def assert_same(told: PictureTimes, read: PictureTimes) -> None:
    assert list(told.starts) == pytest.approx(list(read.starts), abs=1e-6)
    assert told.end == pytest.approx(read.end, abs=1e-6)


@dataclass(frozen=True)
class Both:
    """The times of the pictures, and the end of the sound, by the index and by the packets."""

    told: PictureTimes | None
    read: PictureTimes
    told_end: float | None
    read_end: float


def both(ffmpeg: Ffmpeg, path: Path, seen: Layout) -> Both:
    exact = (ffmpeg.major or 0) >= 6
    return Both(
        picture_tables.times(seen, 0, exact_last=exact),
        packets_of(ffmpeg, path, 0, exact).times(),
        sound_tables.end(seen, 1, exact_last=exact),
        packets_of(ffmpeg, path, 1, True).covered,
    )


def packets_of(ffmpeg: Ffmpeg, path: Path, stream: int, exact_last: bool) -> timing._Lines:
    """The packets of a stream, read as `picture_times` does."""
    words = ["-v", "error", "-i", path, "-map", f"0:{stream}", "-c", "copy", "-f", "framecrc"]
    lines = timing._Lines(exact_last)
    made = subprocess.run([ffmpeg.path, *words, "pipe:1"], stdout=subprocess.PIPE, check=True)
    lines.feed(made.stdout)
    return lines


@pytest.mark.both_ffmpegs(name=OWN_WAYS)
@pytest.mark.parametrize("name", daily(FILMS, *TELLING))
def test_times_by_the_index_are_those_of_the_packets(
    ffmpeg: Ffmpeg, make: Maker, name: str
) -> None:
    film = film_of(name, make)
    seen = both(ffmpeg, film.path, film.layout)
    assert seen.told is not None
    assert_same(seen.told, seen.read)
    if seen.told_end is None:
        # What ffmpeg 5 takes the last packet of late ones for is its own affair.
        assert name == "two-cuts.mp4" or (ffmpeg.major, "late" in name) == (5, True)
    else:
        assert seen.told_end == pytest.approx(seen.read_end, abs=1e-6)


@pytest.mark.both_ffmpegs
def test_a_last_picture_is_held_as_long_as_the_sound(
    launcher: Launcher, ffmpeg: Ffmpeg, make: Maker, tmp_path: Path
) -> None:
    film = film_of("long-sound.mp4", make)
    read = picture_times(
        launcher, ffmpeg, selected(ffmpeg.path, film.path), cwd=tmp_path, with_sound=True
    )
    exact = ffmpeg.major is not None and ffmpeg.major >= 6
    told = picture_tables.times(film.layout, 0, exact_last=exact)
    heard = sound_tables.end(film.layout, 1, exact_last=exact)
    assert told is not None
    assert heard is not None
    held = timing.held(told, heard)
    assert (held.is_held, read.is_held) == (True, True)
    assert_same(held, read)


@pytest.mark.both_ffmpegs(name=OWN_WAYS)
@pytest.mark.parametrize(
    "name", daily(CUT, "mixed.mp4", "early-delays.mp4", "no-edits.mp4", "uneven.mp4")
)
def test_films_that_are_cut_anywhere(
    ffmpeg: Ffmpeg, make: Maker, tmp_path: Path, name: str
) -> None:
    lots = random.Random(name)
    known = 0
    for _ in range(EACH):
        data = cut_anywhere(film_of(name, make).data, lots)
        path = tmp_path / "cut.mp4"
        path.write_bytes(data)
        cut = both(ffmpeg, path, found(data))
        if cut.told is not None:
            known += 1
            assert_same(cut.told, cut.read)
        if cut.told_end is not None:
            known += 1
            assert cut.told_end == pytest.approx(cut.read_end, abs=1e-6)
    assert known >= EACH
