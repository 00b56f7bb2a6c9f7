"""Sound for the game of any layout, and never silence without a word."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.media import readers, sounds
from support.media.programs import make_media
from support.media.readers import Sound
from support.product.outcomes import convert, sound_of
from support.product.tools import Ran, Tools

ASKED = ["-vn", "-ar", "48000", "-filter_complex"]


def waves(path: Path, *hertz: float, inverted: bool = False, mask: int | None = None) -> Path:
    """A WAV file of half a second with a tone for each channel; `mask` says what is where."""
    t = np.arange(24_000) / 48_000
    tones = [0.4 * np.sin(2 * np.pi * h * t) * 32767 for h in hertz]
    if inverted:
        tones[1] = -tones[0]
    data = np.stack(tones, 1).astype("<i2").tobytes()
    count = len(hertz)
    form = struct.pack("<HIIHH", count, 48_000, 96_000 * count, 2 * count, 16)
    if mask is None:
        form = b"\1\0" + form
    else:
        sub = bytes.fromhex("0100000000001000800000aa00389b71")
        form = b"\xfe\xff" + form + struct.pack("<HHI", 22, 16, mask) + sub
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def dfpwm(tools: Tools, source: Path, *args: str, **fields: Any) -> tuple[Sound, Ran]:
    made = tools.ffmpeg(source, "dfpwm", args=list(args), **fields)
    return sound_of(made), made


@pytest.mark.parametrize("asked", ["FL", "c1"])
def test_a_side_of_one_channel_is_that_channel(tools: Tools, tmp_path: Path, asked: str) -> None:
    source = waves(tmp_path / "mono.wav", 440)
    plain, _ = dfpwm(tools, source)
    side, made = dfpwm(tools, source, *ASKED, f"pan=mono|c0={asked}")
    assert side.tones(0.1) == plain.tones(0.1) == [440]
    (warning,) = made.warnings
    assert asked in warning


def test_sides_are_what_they_were(tools: Tools, tmp_path: Path) -> None:
    two = waves(tmp_path / "two.wav", 440, 880)
    six = waves(tmp_path / "six.wav", 440, 880, 660, 100, 300, 300, mask=0x60F)  # 5.1(side)
    for source in (two, six):
        for asked, hertz in (("FL", 440), ("FR", 880)):
            heard, made = dfpwm(tools, source, *ASKED, f"pan=mono|c0={asked}")
            assert (heard.tones(0.1), made.warnings) == ([hertz], [])
    # There are two kinds of 5.1, and people do not know which one they have.
    for asked in ("BL", "SL"):
        heard, made = dfpwm(tools, six, *ASKED, f"pan=mono|c0={asked}")
        assert (heard.tones(0.1), made.warnings) == ([300], [])


@pytest.mark.parametrize("count", [9, 64])
def test_any_number_of_channels_without_a_layout(tools: Tools, tmp_path: Path, count: int) -> None:
    heard, made = dfpwm(tools, waves(tmp_path / "many.wav", *[440] * count))
    assert (heard.tones(0.1), made.warnings) == ([440], [])


def test_many_channels_of_a_film(tools: Tools, tmp_path: Path) -> None:
    waves(tmp_path / "many.wav", *[440] * 9)
    film = make_media(
        tmp_path / "film.mkv", *sounds.film(0.5), "-i", str(tmp_path / "many.wav"),
        "-map", "0", "-map", "1", "-c:v", "mpeg4", "-c:a", "copy",
    )  # fmt: skip
    frames = tools.video_frame(film, w=16, h=12)
    for name in ("audio.dfpwm", "audio_left.dfpwm", "audio_right.dfpwm"):
        assert readers.sound(frames.files[name]).tones(0.1) == [440]


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize("layout", ["5.1(side)", "22.2"])
def test_layouts_that_codecs_lack(tools: Tools, tmp_path: Path, layout: str) -> None:
    # What is not to be lost is speech, in the centre.
    source = make_media(
        tmp_path / "in.caf", *sounds.tone(440, 0.5, layout="mono"),
        "-af", f"aformat=channel_layouts={layout}", "-c:a", "pcm_s16le",
    )  # fmt: skip
    heard, made = dfpwm(tools, source)
    assert (heard.tones(0.1), made.warnings) == ([440], [])


def test_what_cancels_itself_out_is_told(tools: Tools, tmp_path: Path) -> None:
    source = waves(tmp_path / "phase.wav", 440, 440, inverted=True)
    heard, made = dfpwm(tools, source)
    assert heard.tones(0.1) == [None]
    assert ["silent" in warning for warning in made.warnings] == [True]
    film = make_media(
        tmp_path / "film.mkv", *sounds.film(0.5), "-i", str(source), "-map", "0", "-map", "1",
        "-c:v", "mpeg4", "-c:a", "flac",
    )  # fmt: skip
    for way, fields in (
        ("frames", {"w": 16, "h": 12}),
        ("32vid", {"width": 16, "audio": "dfpwm"}),
    ):
        made = convert(tools, way, film, **fields)
        assert ["silent" in warning for warning in made.warnings] == [True]


@pytest.mark.parametrize("kind", ["mp3", "ogg", "u8"])
def test_silence_is_told_in_other_formats(tools: Tools, tmp_path: Path, kind: str) -> None:
    source = waves(tmp_path / "phase.wav", 440, 440, inverted=True)
    made = tools.ffmpeg(source, kind, args=["-ac", "1"])
    assert ["silent" in warning for warning in made.warnings] == [True]
    made = tools.ffmpeg(source, kind, args=["-af", "pan=mono|c0=FL"])
    assert made.warnings == []


def test_a_silent_source_is_nobody_s_fault(tools: Tools, tmp_path: Path) -> None:
    source = waves(tmp_path / "silent.wav", 0)
    assert dfpwm(tools, source)[1].warnings == []
    # Nor is a part of a source that is silent there.
    late = make_media(
        tmp_path / "late.mka", *sounds.tone(440, 2), "-af", "volume=0:enable='lt(t,1)'",
        "-c:a", "flac",
    )  # fmt: skip
    _, made = dfpwm(tools, late, input_args=["-t", "0.8"])
    assert made.warnings == []
