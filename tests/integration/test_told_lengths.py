"""The length of the pictures that a Matroska file tells in front is that of their packets."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmapi.media.binaries import Ffmpeg
from gmapi.media.timing import picture_times
from gmapi.sandbox.launcher import Launcher
from support.media.making import H264, Maker
from support.media.selected import selected

FILM = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2"]
TONE = ["-f", "lavfi", "-i", "sine=d={}"]
VP8 = ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libvorbis"]
FILMS = {
    "even.mkv": [*FILM, *(w.format(2) for w in TONE), *H264],
    "long-sound.mkv": [*FILM, *(w.format(4) for w in TONE), *H264],
    "long-sound.webm": [*FILM, *(w.format(4) for w in TONE), *VP8],
    "mixed.mkv": [*FILM, *(w.format(3) for w in TONE), "-c:v", "libx264", "-bf", "2"],
    "late.mkv": [
        *(w.format(2) for w in TONE), "-itsoffset", "0.7", *FILM, "-map", "0", "-map", "1", *H264,
    ],
    "all-late.mkv": [
        *(w.format(3) for w in TONE), *FILM, "-map", "0", "-map", "1", *H264,
        "-output_ts_offset", "1.5",
    ],
}  # fmt: skip


@pytest.mark.both_ffmpegs(name=("mixed.mkv", "late.mkv"))
@pytest.mark.parametrize("name", FILMS)
def test_a_tag_tells_when_the_pictures_end(
    launcher: Launcher, ffmpeg: Ffmpeg, make: Maker, tmp_path: Path, name: str
) -> None:
    chosen = selected(ffmpeg.path, make(name, *FILMS[name]))
    read = picture_times(launcher, ffmpeg, chosen, cwd=tmp_path)
    assert chosen.picture is not None
    # Matroska counts milliseconds.
    assert chosen.picture.told_length == pytest.approx(read.end, abs=0.01)
