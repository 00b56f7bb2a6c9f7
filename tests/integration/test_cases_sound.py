"""Sound in layouts that a codec lacks, channels that are asked for and are not there, and what the
game can play."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.media import readers
from support.media.making import H264, Maker, stripes, tones
from support.product.outcomes import SOUNDS, Refused, convert, daily, heard, tried
from support.product.tools import Tools

FORMATS = ["opus", "weba", "webm", "ogg", "mp3", "m4a", "flac", "wav", "ac3", "dfpwm", "mp4", "mka"]
LAYOUTS = {
    "side.ac3": ("5.1(side)", ["-c:a", "ac3"]),
    "back.flac": ("5.1", ["-c:a", "flac"]),
    "seven.flac": ("7.1", ["-c:a", "flac"]),
    "six.flac": ("6.1", ["-c:a", "flac"]),
    "quad.wav": ("quad", ["-c:a", "pcm_s16le"]),
    "side.dts": ("5.1(side)", ["-c:a", "dca", "-strict", "-2"]),
    "side.mka": ("5.1(side)", ["-c:a", "eac3"]),
}


@pytest.fixture(params=daily(sorted(LAYOUTS), "side.ac3"))
def many_channels(request: pytest.FixtureRequest, make: Maker) -> Path:
    layout, codec = LAYOUTS[request.param]
    return make(f"channels-{request.param}", *tones([440] * 2, channels=layout), *codec)


@pytest.mark.slow
@pytest.mark.parametrize("way", daily(FORMATS, "opus", "weba", "webm", "ogg"))
def test_each_format_takes_each_layout(tools: Tools, many_channels: Path, way: str) -> None:
    made = tools.ffmpeg(many_channels, way)
    sound = readers.sound(made.path)
    assert sound.duration == pytest.approx(2.0, abs=0.1)
    assert sound.tone(0.3, 1.7) == pytest.approx(440, abs=3)
    assert sound.loudness(0.3, 1.7) > 0.05


def two_tones(make: Maker, ending: str) -> Path:
    """440 Hz to the left, 880 Hz to the right."""
    graph = "sine=440:r=48000:d=2,volume=4[a];sine=880:r=48000:d=2,volume=4[b];[a][b]amerge"
    return make(f"two-tones.{ending}", "-f", "lavfi", "-i", graph)


@pytest.mark.parametrize(("side", "tone"), [("FL", 440), ("FR", 880)])
@pytest.mark.parametrize("option", daily(["-filter_complex", "-af"], "-filter_complex"))
@pytest.mark.parametrize("ending", daily(["wav", "flac", "ogg"], "wav"))
def test_one_side_of_stereo(
    tools: Tools, make: Maker, side: str, tone: int, option: str, ending: str
) -> None:
    """As the game's programs ask for it."""
    args = ["-vn", "-ar", "48000", option, f"pan=mono|c0={side}"]
    made = tools.ffmpeg(two_tones(make, ending), "dfpwm", args=args)
    assert readers.sound(made.path).tone(0.3, 1.7) == pytest.approx(tone, abs=5)
    assert not made.warnings


@pytest.mark.parametrize("side", daily(["FL", "FR", "c0", "c1", "0.5*FL+0.5*FR"], "FL", "FR"))
@pytest.mark.parametrize("option", daily(["-filter_complex", "-af"], "-filter_complex"))
@pytest.mark.parametrize("ending", daily(["wav", "mp3", "m4a"], "wav"))
def test_a_side_of_mono_is_the_sound(
    tools: Tools, make: Maker, side: str, option: str, ending: str
) -> None:
    source = make(f"mono.{ending}", *tones([440] * 2))
    args = ["-vn", "-ar", "48000", option, f"pan=mono|c0={side}"]
    made = tools.ffmpeg(source, "dfpwm", args=args)
    sound = readers.sound(made.path)
    assert sound.duration == pytest.approx(2.0, abs=0.1)
    assert sound.tone(0.3, 1.7) == pytest.approx(440, abs=5)


@pytest.mark.parametrize("args", [["-af", "volume=0"], ["-af", "pan=mono|c0=0*FL"]])
def test_silence_made_of_sound_is_told_of(tools: Tools, make: Maker, args: list[str]) -> None:
    made = tools.ffmpeg(make("mono.wav", *tones([440] * 2)), "dfpwm", args=args)
    assert readers.sound(made.path).loudness(0.3, 1.7) < 0.02
    assert any("silen" in warning.lower() for warning in made.warnings), made.warnings


def test_silence_that_was_silence_needs_no_word(tools: Tools, make: Maker) -> None:
    source = make("silent.wav", "-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono", "-t", "1")
    assert not tools.ffmpeg(source, "dfpwm").warnings


@pytest.mark.parametrize("channels", [1, 2])
def test_the_length_of_dfpwm_is_true(tools: Tools, make: Maker, channels: int) -> None:
    made = tools.ffmpeg(two_tones(make, "wav"), "dfpwm", args=["-ac", str(channels)])
    assert made.result.duration == pytest.approx(2.0, abs=0.1)
    assert bool(made.warnings) is (channels == 2)


@pytest.mark.parametrize("way", SOUNDS)
@pytest.mark.parametrize("rate", daily([8_000, 11_025, 22_050, 44_100, 96_000], 22_050))
def test_each_rate_becomes_that_of_the_game(tools: Tools, make: Maker, rate: int, way: str) -> None:
    words = [*stripes(["red", "lime"]), *tones([440] * 2, rate=rate), "-map", "0", "-map", "1"]
    source = make(f"rate-{rate}.mkv", *words, *H264, "-c:a", "pcm_s16le")
    sound = heard(convert(tools, way, source))
    assert sound is not None
    assert sound.duration == pytest.approx(2.0, abs=0.1)
    assert sound.tone(0.3, 1.7) == pytest.approx(440, abs=5)


@pytest.mark.parametrize("way", SOUNDS)
def test_video_without_sound_has_none(tools: Tools, make: Maker, way: str) -> None:
    made = tried(tools, way, make("mute.mp4", *stripes(["red"]), *H264))
    if way == "dfpwm":
        assert isinstance(made, Refused)
        assert "no sound" in made.message
    else:
        assert not isinstance(made, Refused)
        assert heard(made) is None
