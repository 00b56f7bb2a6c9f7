"""`duration`, `width`, `height` and `frames` of each output format, against other readers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gmapi.media.formats import OUTPUT_FORMATS
from gmapi.tools.results import FileResult
from support.media.made_files import ffprobe
from support.media.making import Maker
from support.product.outcomes import daily
from support.product.tools import Tools

SECONDS, RATE, SIZE = 1.6, 10, (96, 64)
RAW = {"u8": 1, "s8": 1, "s16le": 2, "s16be": 2, "s24le": 3, "s32le": 4, "f32le": 4, "f64le": 8}
# One name for each kind of file; m2ts and mov are written as ts and mp4 are.
MADE = {(f.muxer, f.media_type): f for f in OUTPUT_FORMATS.values() if f.kind != "subtitle"}
NAMES = sorted(made.name for made in MADE.values())
READ_ANOTHER_WAY = ("apng", "avif", "gif", "jxl", "mjpeg", "mp3", "mp4", "opus", "webp")
# Encoders and containers round to their own steps: frames of sound, delays, ticks.
NEAR = 0.12


@pytest.fixture
def film(make: Maker) -> Path:
    words = ["-f", "lavfi", "-i", f"testsrc2=s=96x64:r={RATE}:d={SECONDS}", "-f", "lavfi", "-i"]
    words += [f"sine=440:d={SECONDS}:r=44100", "-c:v", "ffv1", "-c:a", "flac"]
    return make("facts.mkv", *words)


Convert = Callable[..., tuple[FileResult, Path]]


@pytest.fixture
def convert(tools: Tools) -> Convert:
    """Gives the answer of /api/ffmpeg for a file, and the file made."""

    def run(source: Path, kind: str, *args: str) -> tuple[FileResult, Path]:
        target, encoders = OUTPUT_FORMATS[kind], tools.ffmpeg_program.encoders
        encoder = dict(zip(target.default_args[::2], target.default_args[1::2], strict=True))
        for option in ("-c:a", "-c:v"):
            if encoder.get(option, next(iter(encoders))) not in encoders:
                pytest.skip(f"this ffmpeg has no {encoder[option]}")
        made = tools.ffmpeg(source, kind, args)
        return made.result, made.path

    return run


def probed(path: Path) -> dict[str, Any]:
    """What ffprobe finds by reading all packets: length, and of the pictures size and number."""
    entries = "format=duration:stream=codec_type,width,height,nb_read_packets:stream_disposition"
    try:
        told = ffprobe(path, "-count_packets", "-show_entries", entries)
    except subprocess.CalledProcessError:
        told = {}  # a format that it does not know
    pictures = [s for s in told.get("streams", []) if s["codec_type"] == "video"]
    return {
        "duration": float(told.get("format", {}).get("duration") or 0) or None,
        "pictures": [(s["width"], s["height"], int(s["nb_read_packets"])) for s in pictures],
    }


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_tells_of_the_file_that_was_made(convert: Convert, film: Path, name: str) -> None:
    target = OUTPUT_FORMATS[name]
    result, path = convert(film, name)
    told = probed(path)
    if target.kind == "audio":
        assert (result.width, result.height, result.frames) == (None, None, None)
    elif target.muxer == "image2":
        assert (result.width, result.height, result.frames) == (*SIZE, 1)
        assert told["pictures"] == [(*SIZE, 1)]
        assert result.duration is None
        return
    else:
        frames = result.frames
        if name != "webp":  # which ffprobe 5 cannot read
            assert told["pictures"] in ([(*SIZE, frames)], [(*SIZE, 1), (*SIZE, frames)])
        assert (result.width, result.height) == SIZE
        assert frames is not None
        # MPEG-1 and MPEG-2 have no 10 pictures a second.
        assert abs(frames - SECONDS * RATE) <= 1 or name in ("mpg", "mpeg", "ts", "m2ts")
    assert result.duration == pytest.approx(SECONDS, abs=NEAR)
    if told["duration"] and name not in RAW and target.muxer != "avif":
        assert result.duration == pytest.approx(told["duration"], abs=NEAR)


@pytest.mark.parametrize("name", daily(sorted(RAW), "u8", "s24le"))
def test_raw_sound_has_its_length_from_its_bytes(convert: Convert, film: Path, name: str) -> None:
    for rate, channels in ((8000, 1), (48000, 2)):
        result, path = convert(film, name, "-ar", str(rate), "-ac", str(channels))
        frames = path.stat().st_size / (RAW[name] * channels)
        assert result.duration == pytest.approx(frames / rate, abs=1e-3)
        assert result.duration == pytest.approx(SECONDS, abs=0.01)


@pytest.mark.parametrize("name", ["gif", "apng", "webp"])
def test_pillow_counts_the_same_pictures(convert: Convert, film: Path, name: str) -> None:
    for words in ((), ("-vf", "fps=4,scale=50:30"), ("-frames:v", "1")):
        result, path = convert(film, name, *words)
        with Image.open(path) as image:
            assert (result.width, result.height) == image.size
            assert result.frames == image.n_frames
            milliseconds = 0
            for number in range(image.n_frames):
                image.seek(number)
                image.load()
                milliseconds += image.info.get("duration", 0)
        if image.n_frames == 1:
            assert result.duration is None
        else:
            assert result.duration == pytest.approx(milliseconds / 1000, abs=0.02)


def test_a_cover_is_not_the_song_s_size(convert: Convert, film: Path, make: Maker) -> None:
    picture = make("cover.png", "-i", str(film), "-frames:v", "1")
    both = ["-i", str(film), "-i", str(picture), "-map", "0:a", "-map", "1:v"]
    song = make("cover.mp3", *both, "-c:v", "copy")
    result, path = convert(song, "mp3", "-map", "0", "-c", "copy")
    assert (result.width, result.height, result.frames) == (None, None, None)
    assert result.duration == pytest.approx(SECONDS, abs=NEAR)
    assert b"APIC" in path.read_bytes()


def test_filters_and_cuts_count(convert: Convert, film: Path) -> None:
    result, _ = convert(film, "mp4", "-vf", "scale=48:32,setpts=2*PTS", "-r", "5", "-an")
    assert (result.width, result.height, result.frames) == (48, 32, 16)
    assert result.duration == pytest.approx(2 * SECONDS, abs=0.01)
    result, _ = convert(film, "mkv", "-t", "0.5", "-output_ts_offset", "100")
    assert result.frames == 5
    assert result.duration == pytest.approx(0.5, abs=0.05)


def test_subtitles_last_until_their_last_cue(convert: Convert, tmp_path: Path) -> None:
    cues = tmp_path / "a.srt"
    cues.write_text("1\n00:00:01,000 --> 00:00:03,500\nHello\n", encoding="utf-8")
    for name in ("srt", "vtt", "ass"):
        result, _ = convert(cues, name)
        assert (result.duration, result.width, result.frames) == (3.5, None, None)
