"""What real ffmpegs make of an MP4 that is fed by its index: the same as of the file."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from gmapi.media.binaries import Ffmpeg
from gmapi.media.mp4 import fast_start, layout, sound_alone
from gmapi.media.mp4.boxes import IndexUnusable
from gmapi.sandbox.feeding import WHOLE, Span
from support.media.making import Maker
from support.media.mp4_files import fed, found
from support.media.mp4_films import NAMES, OWN_WAYS, PLAIN, TELLING, Film, film_of
from support.product.outcomes import daily

SUMS = ["-map", "0:v?", "-map", "0:a?", "-c:v", "rawvideo", "-f", "framemd5"]
GAME = ["-af", "aresample=48000:async=1:first_pts=0,asetnsamples=n=6000:p=0"]
GAME += ["-ac", "1", "-f", "dfpwm"]


@pytest.fixture(scope="module", params=daily(NAMES, *TELLING))
def film(request: pytest.FixtureRequest, make: Maker) -> Film:
    return film_of(request.param, make)


def decoded(program: Path, *words: str, data: bytes = b"") -> bytes:
    """What this ffmpeg writes; `data` come by pipe:0."""
    return subprocess.run(
        [program, "-v", "error", *words, "pipe:1"],
        input=data, stdout=subprocess.PIPE, timeout=60, check=True,
    ).stdout  # fmt: skip


@pytest.mark.both_ffmpegs(film=OWN_WAYS)
def test_pictures_and_sound_are_the_same_through_a_pipe(ffmpeg: Ffmpeg, film: Film) -> None:
    plan = fast_start.plan(film.layout)
    assert (plan == WHOLE) == (film.path.name == "first.mp4")
    from_file = decoded(ffmpeg.path, "-i", str(film.path), *SUMS)
    assert from_file.count(b"\n") > 40
    data = fed(film.data, plan)
    assert decoded(ffmpeg.path, "-i", "pipe:0", *SUMS, data=data) == from_file


@pytest.mark.both_ffmpegs(film=OWN_WAYS)
def test_sound_alone_is_the_same_dfpwm(ffmpeg: Ffmpeg, film: Film) -> None:
    if film.path.name == "both-late.mp4":
        with pytest.raises(IndexUnusable, match="at once"):
            sound_alone.of(film.layout)
        return
    for number in range(2 if film.path.name == "two-sounds.mp4" else 1):
        sound = sound_alone.of(film.layout, number)
        parts = [film.data[first : first + length] for first, length in sound.ranges]
        data = b"".join([sound.head, *parts])
        assert len(data) == sound.size
        whole = decoded(ffmpeg.path, "-i", str(film.path), "-map", f"0:a:{number}", *GAME)
        assert len(whole) > 3000
        assert decoded(ffmpeg.path, "-copyts", "-i", "pipe:0", *GAME, data=data) == whole


def test_media_beyond_4_gib(ffmpeg: Ffmpeg, make: Maker, tmp_path: Path) -> None:
    """It ends right below, and beyond with the index in front: places get 64 bits."""
    small = film_of("steady.mp4", make).data
    seen = found(small)
    mdat = next(part for part in seen.parts if part.kind == b"mdat")
    hole = (1 << 32) - 100 - (mdat.end - mdat.first)
    by = hole - mdat.first
    index = bytearray(seen.index)
    for track in seen.tracks:
        (box,) = track.offset_tables
        moved = [offset + by for offset in track.offsets]
        struct.pack_into(f">{len(moved)}I", index, box.body + 8, *moved)
    path = tmp_path / "far.mp4"
    front = seen.begins + struct.pack(">I4sQ", 1, b"free", hole - len(seen.begins))
    with path.open("wb") as file:
        file.write(front)
        file.seek(hole)
        file.write(small[mdat.first : mdat.end] + index)
        total = file.tell()
    with path.open("rb") as file:

        def read(first: int, length: int) -> bytes:
            file.seek(first)
            return file.read(length)

        plan = fast_start.plan(layout.find(read(0, 65_536), total, read))
        begin, rest = plan
        assert isinstance(begin, bytes)
        assert isinstance(rest, Span)
        assert b"co64" in begin
        from_file = decoded(ffmpeg.path, "-i", str(path), *SUMS)
        assert from_file == decoded(ffmpeg.path, "-i", str(film_of("steady.mp4", make).path), *SUMS)
        # What is nothing is not fed for minutes: a file with the index in front, and a hole.
        there = tmp_path / "fed.mp4"
        with there.open("wb") as fed_file:
            fed_file.write(begin)
            fed_file.seek(len(begin) + hole - rest.first - 16)
            fed_file.write(read(hole - 16, total - len(index) - hole + 16))
            fed_file.seek(len(seen.begins) and len(begin))
            fed_file.write(front[len(seen.begins) :])
        assert decoded(ffmpeg.path, "-i", str(there), *SUMS) == from_file


@pytest.mark.both_ffmpegs
def test_fragments_come_as_they_are(ffmpeg: Ffmpeg, make: Maker) -> None:
    words = [*PLAIN["mixed.mp4"], "-movflags"]
    for flags in ("frag_keyframe+empty_moov", "frag_keyframe+empty_moov+dash+global_sidx"):
        path = make(f"{len(flags)}.mp4", *words, flags)
        seen = found(path.read_bytes())
        assert seen.is_fragmented
        assert fast_start.plan(seen) == WHOLE
        data = path.read_bytes()
        from_file = decoded(ffmpeg.path, "-i", str(path), *SUMS)
        assert decoded(ffmpeg.path, "-i", "pipe:0", *SUMS, data=data) == from_file
    # The first fragment is an index of its own here.
    path = make("first-of-many.mp4", *words, "frag_keyframe")
    seen = found(path.read_bytes())
    assert (seen.is_fragmented, fast_start.plan(seen)) == (True, WHOLE)
    from_file = decoded(ffmpeg.path, "-i", str(path), *SUMS)
    assert decoded(ffmpeg.path, "-i", "pipe:0", *SUMS, data=path.read_bytes()) == from_file
