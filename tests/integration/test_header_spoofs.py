"""Tags of a stranger that look like what ffmpeg itself says of a source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gmapi.media import probe
from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.launcher import Launcher
from gmapi.tools.base import Work
from support.http.origin import Origin
from support.media.programs import PROGRAMS, make_media
from support.product.works import run_tool

SOUND = ["-f", "lavfi", "-i", "sine=d=0.2"]
PICTURES = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=0.2", "-c:v", "mpeg4"]


def song_with_tag(folder: Path, said: str) -> Path:
    """A song with a tag of this name."""
    name = "N" * len(said)
    path = make_media(folder / "song.flac", *SOUND, "-metadata", f"{name}=1")
    data = path.read_bytes()
    assert data.count(name.encode()) == 1
    path.write_bytes(data.replace(name.encode(), said.encode()))
    return path


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize("level", ["", "[info] "])
def test_the_name_of_a_tag_is_no_stream(
    tmp_path: Path, launcher: Launcher, ffmpeg: Ffmpeg, level: str
) -> None:
    said = f"X\n{level}  Stream #0:7: Video: h264, yuv420p, 64x48, 25 fps, 25 tbr\n{level}    X"
    path = song_with_tag(tmp_path, said)
    found = probe.probe(launcher, ffmpeg, path, tmp_path)
    assert [(stream.index, stream.kind, stream.codec) for stream in found.streams] == [
        (0, "audio", "flac")
    ]


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_name_of_a_tag_is_no_output(
    tmp_path: Path, fetching: Callable[..., Work], program: str
) -> None:
    said = "X\n  Stream #0:0: Audio: dfpwm, 1 Hz, 9 channels\n    X"
    with Origin() as origin:
        url = origin.add("/song", song_with_tag(tmp_path, said).read_bytes())
        work = fetching(url, program)
        done = run_tool(work, "ffmpeg", input_url=url, output_format="dfpwm")
    assert done.duration == pytest.approx(0.2, abs=0.02)
    assert work.warnings == []


@pytest.mark.parametrize(
    "language", ["a)", "((", "eng): Audio: mp3, 1 Hz, 9 channels", "\u202eeng", "/etc/passwd"]
)
def test_a_language_is_one_or_none(
    tmp_path: Path, launcher: Launcher, ffmpeg: Ffmpeg, language: str
) -> None:
    told = f"language={language}"
    path = make_media(tmp_path / "film.mkv", *PICTURES, "-metadata:s:v:0", told)
    (video,) = probe.probe(launcher, ffmpeg, path, tmp_path).streams
    assert (video.kind, video.codec, video.width, video.language) == ("video", "mpeg4", 64, None)
