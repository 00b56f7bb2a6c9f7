"""MP3s through a pipe sound as they do from a file, to the last sample."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from gmapi.media import xing
from gmapi.media.binaries import Ffmpeg
from support.media.making import Maker

TONE = ["-f", "lavfi", "-i", "sine=d=1.234:r={}", "-c:a", "libmp3lame"]
STILL = ["-f", "lavfi", "-i", "testsrc2=s={}:d=0.04"]
COVER = ["-map", "0", "-map", "1", "-c:v", "png", "-id3v2_version", "3"]
SONGS: Mapping[str, list[str]] = {
    "steady.mp3": [w.format(44100) for w in TONE],
    "stereo.mp3": [*(w.format(48000) for w in TONE), "-ac", "2", "-b:a", "320k"],
    "varied.mp3": [*(w.format(44100) for w in TONE), "-q:a", "4"],
    "slow.mp3": [*(w.format(22050) for w in TONE), "-b:a", "32k"],
    "slow-stereo.mp3": [*(w.format(16000) for w in TONE), "-ac", "2", "-q:a", "4"],
    "slowest.mp3": [w.format(8000) for w in TONE],
    "titled.mp3": [*(w.format(44100) for w in TONE), "-metadata", "title=A song"],
    "covered.mp3": [
        *(w.format(44100) for w in TONE[:4]), *(w.format("300x200") for w in STILL), *TONE[4:],
        *COVER,
    ],
    "untagged.mp3": [*(w.format(44100) for w in TONE), "-write_xing", "0"],
}  # fmt: skip


def sums(program: Path, where: str, data: bytes = b"") -> bytes:
    return subprocess.run(
        [program, "-v", "error", "-i", where, "-map", "0:a", "-f", "framemd5", "pipe:1"],
        input=data, stdout=subprocess.PIPE, timeout=60, check=True,
    ).stdout  # fmt: skip


@pytest.fixture(scope="module", params=SONGS)
def song(request: pytest.FixtureRequest, make: Maker) -> Path:
    return make(request.param, *SONGS[request.param])


@pytest.mark.both_ffmpegs(song=("steady.mp3", "varied.mp3", "untagged.mp3"))
def test_a_song_through_a_pipe_ends_where_it_does_in_the_file(ffmpeg: Ffmpeg, song: Path) -> None:
    data = song.read_bytes()
    head = xing.unpromised(data[:65_536], len(data))
    assert (head is None) == (song.name == "untagged.mp3")
    fed = (head or b"") + data[len(head or b"") :]
    assert len(fed) == len(data)
    from_file = sums(ffmpeg.path, str(song))
    assert sums(ffmpeg.path, "pipe:0", fed) == from_file
    if head is not None:
        # What it is for.
        assert sums(ffmpeg.path, "pipe:0", data) != from_file
        assert xing.unpromised(fed, len(fed)) is None


@pytest.mark.parametrize("more", ["a little", "a part", "another song"])
def test_what_follows_a_song_is_heard_or_not_as_from_the_file(
    ffmpeg: Ffmpeg, make: Maker, tmp_path: Path, more: str
) -> None:
    first = make("steady.mp3", *SONGS["steady.mp3"]).read_bytes()
    other = make("slow.mp3", *SONGS["slow.mp3"]).read_bytes()
    rest = {"a little": bytes(200), "a part": bytes(len(first) // 9), "another song": other}[more]
    data = first + rest
    (tmp_path / "both.mp3").write_bytes(data)
    head = xing.unpromised(data[:65_536], len(data)) or b""
    fed = head + data[len(head) :]
    assert sums(ffmpeg.path, "pipe:0", fed) == sums(ffmpeg.path, str(tmp_path / "both.mp3"))


def test_behind_a_large_cover_more_of_the_head_is_asked_for(make: Maker) -> None:
    sound, still = TONE[:4], [w.format("300x300") for w in STILL]
    song = make("large.mp3", *(w.format(44100) for w in sound), *still, *TONE[4:], *COVER)
    data = song.read_bytes()
    tag = data.index(b"Info")
    length, asked = 100, 0
    while True:
        try:
            head = xing.unpromised(data[:length], len(data))
        except xing.HeadTooShort as error:
            assert error.needed > length
            length, asked = error.needed, asked + 1
        else:
            break
    assert asked <= 3
    assert tag < length < tag + 2000
    assert head is not None
    assert head + data[length:] == xing.unpromised(data, len(data))
