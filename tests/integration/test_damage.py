"""Damaged sources through the tools: what is lost is told, and healthy sources are not accused."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.media.making import Maker
from support.product.outcomes import convert, daily
from support.product.tools import Tools

_PICTURES = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=6"]
_TONE = ["-f", "lavfi", "-i", "sine=440:d=6:r=44100"]
_FILM = [*_PICTURES, *_TONE, "-c:v", "mpeg4", "-g", "20"]
_LAST_2_S = ["-f", "lavfi", "-i", "anoisesrc=d=2", "-f", "lavfi", "-i", "anullsrc=d=10"]

SOURCES: dict[str, list[str]] = {
    "film.mp4": [*_FILM, "-c:a", "aac", "-movflags", "+faststart"],
    "pieces.mp4": [*_FILM, "-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov"],
    "film.mkv": [*_FILM, "-c:a", "aac"],
    "film.webm": [*_PICTURES, *_TONE, "-c:v", "libvpx", "-c:a", "libopus", "-deadline", "realtime"],
    "film.avi": [*_FILM, "-c:a", "mp3"],
    "film.ts": [*_PICTURES, *_TONE, "-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2"],
    "film.flv": [*_PICTURES, *_TONE, "-c:v", "flv", "-c:a", "mp3"],
    "film.wmv": [*_PICTURES, *_TONE, "-c:v", "wmv2", "-c:a", "wmav2", "-f", "asf"],
    "film.gif": _PICTURES,
    "film.h264": [*_PICTURES, "-c:v", "libx264", "-g", "20"],
    "tone.mp3": _TONE,
    "tone.wav": _TONE,
    "tone.ogg": [*_TONE, "-c:a", "libvorbis"],
    "tone.opus": [*_TONE, "-c:a", "libopus"],
    "tone.flac": _TONE,
    "tone.aiff": _TONE,
    "tone.caf": _TONE,
    "tone.aac": _TONE,
    "photo.jpg": [*_PICTURES, "-frames:v", "1"],
    # Its length is guessed from the noise in the beginning.
    "guessed.mp3": [
        *_LAST_2_S, "-filter_complex", "[0][1]concat=v=0:a=1", "-q:a", "5", "-write_xing", "0",
    ],
    "long_sound.mp4": [
        *_PICTURES, "-f", "lavfi", "-i", "sine=d=9", "-c:v", "mpeg4", "-c:a", "aac",
    ],
    "short_sound.mkv": [*_PICTURES, "-f", "lavfi", "-i", "sine=d=2", "-c:v", "mpeg4"],
    "late.mkv": [*_FILM, "-output_ts_offset", "3600"],
    "ntsc.mp4": [*_PICTURES, "-c:v", "mpeg4", "-r", "30000/1001"],
    "h264.ts": [
        *_PICTURES, *_TONE, "-c:v", "libx264", "-x264-params", "open-gop=1:keyint=20:bframes=2",
        "-c:a", "aac",
    ],
}  # fmt: skip

EARLY = re.compile(
    r"The source ends early: ([\d.]+) s of its ([\d.]+) s could be read\.|"
    r"The source ends early: ([\d.]+) s, ([\d,]+) of its ([\d,]+) bytes could be read\."
)
CUT = {
    "film.mp4", "pieces.mp4", "film.mkv", "film.webm", "film.avi", "film.flv", "film.wmv",
    "tone.mp3", "tone.wav", "tone.flac", "tone.aiff", "tone.caf",
}  # fmt: skip
NO_END = {"film.ts", "film.gif", "tone.ogg", "tone.opus"}
HURT = [
    "film.mp4", "film.mkv", "film.avi", "film.ts", "film.gif", "film.h264", "tone.mp3", "tone.ogg",
    "tone.flac", "tone.aac",
]  # fmt: skip


DAILY = (
    "film.mp4", "film.mkv", "film.avi", "film.ts", "film.gif", "h264.ts", "late.mkv",
    "long_sound.mp4", "tone.mp3", "guessed.mp3", "tone.wav", "tone.ogg",
)  # fmt: skip


@pytest.fixture
def source(make: Maker) -> Callable[[str], Path]:
    """Gives the path of one of SOURCES, made when it is asked for."""
    return lambda name: make(name, *SOURCES[name])


Tell = Callable[..., Sequence[str]]


@pytest.fixture
def tell(tools: Tools) -> Tell:
    """Runs a tool on a file and gives its warnings, which the log must have as well."""

    def run(path: Path, way: str = "dfpwm", *args: str, **fields: Any) -> Sequence[str]:
        if way == "frames":
            fields |= {"w": 32, "h": 20, "fps": 5}
        elif way == "32vid":
            fields["width"] = 20
        elif args:
            fields["args"] = args
        ran = convert(tools, way, path, **fields)
        lines = ran.notes.lines
        told = [line.removeprefix("warning: ") for line in lines if "warning: " in line]
        assert told == ran.warnings
        return ran.warnings

    return run


def cut(path: Path, folder: Path, part: float = 0.7) -> Path:
    data = path.read_bytes()
    made = folder / f"cut_{path.name}"
    made.write_bytes(data[: int(len(data) * part) | 1])
    return made


def hurt(path: Path, folder: Path) -> Path:
    """Eight holes in the second half."""
    data, noise = bytearray(path.read_bytes()), random.Random(path.name)
    for hole in range(8):
        at = len(data) // 2 + hole * len(data) // 20
        data[at : at + 30] = noise.randbytes(30)
    made = folder / f"hurt_{path.name}"
    made.write_bytes(data)
    return made


@pytest.mark.parametrize("name", daily(sorted(CUT), *DAILY))
def test_a_source_that_ends_early_is_told_with_how_much_was_read(
    tell: Tell, source: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    told = tell(cut(source(name), tmp_path))
    assert len(told) == 1, told
    found = EARLY.fullmatch(told[0])
    assert found, told
    assert 2.0 < float(found[1] or found[3]) < 5.2
    if found[2]:
        assert float(found[2]) == pytest.approx(6.0, abs=0.3)
    else:
        whole = source(name).stat().st_size
        assert int(found[5].replace(",", "")) == pytest.approx(whole, abs=16)


@pytest.mark.parametrize("name", daily(sorted(NO_END), *DAILY))
def test_a_source_without_an_end_is_told(
    tell: Tell, source: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    told = tell(cut(source(name), tmp_path), "gif" if name.endswith("gif") else "dfpwm")
    assert len(told) == 1, told
    assert re.fullmatch(
        r"The source has no proper end: it may have been cut off after [345]\.\d s\.", told[0]
    )


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize("name", daily(HURT, "film.mp4", "film.ts", "tone.flac"))
def test_a_source_with_holes_is_told(
    tell: Tell, source: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    told = tell(hurt(source(name), tmp_path), "mkv")
    assert told
    for line in told:
        assert re.match(
            r"The source could not be read in places\. Lost or damaged: |"
            r"The source could not be decoded to its end: [\d.]+ s of 6\.0 s were used\.|"
            r"The source ends early: [45]\.\d s of its 6\.0 s",
            line,
        )


@pytest.mark.parametrize("name", daily(sorted(SOURCES), *DAILY))
def test_a_healthy_source_is_not_accused(
    tell: Tell, source: Callable[[str], Path], name: str
) -> None:
    kind = name.rpartition(".")[2]
    path = source(name)
    if kind in ("gif", "h264", "jpg") or name == "ntsc.mp4":
        assert tell(path, "mkv" if kind != "jpg" else "png") == []
    else:
        assert tell(path) == []
    if name in ("film.mp4", "film.ts", "late.mkv", "long_sound.mp4"):
        assert tell(path, "32vid") == []


def test_parts_of_healthy_sources_are_not_accused(
    tell: Tell, source: Callable[[str], Path]
) -> None:
    tone, film = source("tone.mp3"), source("film.mp4")
    assert tell(tone, "wav", "-t", "2") == []
    assert tell(tone, "wav", "-ss", "5") == []
    assert tell(tone, "wav", "-af", "atempo=2") == []
    assert tell(film, "mp4", "-an", "-frames:v", "5") == []
    assert tell(film, "dfpwm", input_args=["-ss", "1", "-to", "3"]) == []


def test_recordings_that_begin_in_the_middle_are_not_accused(
    tell: Tell, source: Callable[[str], Path], tmp_path: Path
) -> None:
    for name in ("film.ts", "h264.ts"):
        data = source(name).read_bytes()
        begin = len(data) // 188 // 7 * 188
        recording = tmp_path / f"middle_{name}"
        recording.write_bytes(data[begin + 77 :])
        assert tell(recording, "mkv") == []


def test_what_was_not_wanted_is_not_missed(
    tell: Tell, source: Callable[[str], Path], tmp_path: Path
) -> None:
    half = cut(source("film.mp4"), tmp_path)
    assert tell(half, "mkv", "-t", "2") == []
    assert tell(half, "png") == []
    assert len(tell(half, "mkv", "-t", "5")) == 1


@pytest.mark.parametrize("kind", daily(["frames", "32vid"], "32vid"))
def test_the_tools_for_the_game_tell_it_too(
    tell: Tell, source: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    assert any(map(EARLY.fullmatch, tell(cut(source("film.mp4"), tmp_path), kind)))
    told = tell(hurt(source("film.avi"), tmp_path), kind)
    assert any("could not be read in places" in line for line in told)


def test_half_a_photo_is_told(tell: Tell, source: Callable[[str], Path], tmp_path: Path) -> None:
    told = tell(cut(source("photo.jpg"), tmp_path, 0.5), "png")
    assert told == ["The source has no proper end: it may have been cut off."]


def test_a_song_that_ends_with_tags_is_whole(
    tell: Tell, source: Callable[[str], Path], tmp_path: Path
) -> None:
    song = tmp_path / "tags.mp3"
    items = b"".join(b"%c\0\0\0\0\0\0\0Key%03d\0" % (30, n) + b"x" * 30 for n in range(60))
    foot = b"APETAGEX" + b"".join(n.to_bytes(4, "little") for n in (2000, len(items) + 32, 60, 0))
    song.write_bytes(source("tone.mp3").read_bytes() + items + foot + bytes(8) + b"TAG".ljust(128))
    assert tell(song) == []
