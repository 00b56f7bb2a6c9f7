"""Sound that starts late, has a hole or ends early stays in step with its film."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.media import readers, sounds
from support.media.programs import make_media
from support.media.readers import Sound
from support.product.outcomes import daily, sound_of
from support.product.tools import Tools
from support.screens.vid32_decoder import parse

CODECS = {"mp4": "aac", "mkv": "libvorbis", "ts": "mp2"}
PICTURES = ["-c:v", "mpeg4", "-g", "5"]
SECONDS = 4


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Films of four seconds with a tone where their name says."""
    folder = tmp_path_factory.mktemp("films")
    made = {}
    for container, codec in CODECS.items():
        made[f"late {container}"] = make_media(
            folder / f"late.{container}", *sounds.film(SECONDS), "-itsoffset", "2",
            *sounds.tone(440, 2), *PICTURES, "-c:a", codec,
        )  # fmt: skip
        made[f"short {container}"] = make_media(
            folder / f"short.{container}", *sounds.film(SECONDS), *sounds.tone(440, 1.5),
            *PICTURES, "-c:a", codec,
        )  # fmt: skip
    made["hole mkv"] = make_media(
        folder / "hole.mkv", *sounds.film(SECONDS), *sounds.tone(440, SECONDS),
        "-af", "asetnsamples=n=1024,aselect='lt(t,1)+gte(t,3)'", *PICTURES, "-c:a", "flac",
    )  # fmt: skip
    made["long mkv"] = make_media(
        folder / "long.mkv", *sounds.film(1), *sounds.tone(440, SECONDS), *PICTURES,
        "-c:a", "flac",
    )  # fmt: skip
    return made


NAMES = ["late mp4", "late ts", "short mkv", "short ts", "hole mkv", "long mkv"]
EXPECTED = {
    "late": [None, None, 440, 440],
    "short": [440, None, None, None],
    "hole": [440, None, None, 440],
    "long": [440, 440, 440, 440],
}


def assert_in_time(heard: Sound, name: str) -> None:
    assert heard.duration == pytest.approx(SECONDS, abs=0.1)
    assert heard.tones(0.4, 1.7, 2.6, 3.4) == EXPECTED[name.split()[0]]


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize("name", daily(NAMES, "late ts", "short mkv", "hole mkv"))
def test_for_the_speakers(tools: Tools, films: dict[str, Path], name: str) -> None:
    made = tools.ffmpeg(films[name], "dfpwm", args=["-vn", "-ar", "48000", "-ac", "1"])
    assert_in_time(sound_of(made), name)
    assert made.result.duration == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("name", daily(["late ts", "short mp4", "hole mkv"], "late ts"))
def test_on_a_screen_and_as_frames(tools: Tools, films: dict[str, Path], name: str) -> None:
    screen = tools.sanjuuni(films[name], "32vid", width=16)
    sound = parse(screen.data).sound()
    assert_in_time(readers.pcm8(sound), name)
    frames = tools.video_frame(films[name], fps=10, w=16, h=12)
    for each in ("audio.dfpwm", "audio_left.dfpwm", "audio_right.dfpwm"):
        assert_in_time(readers.sound(frames.files[each]), name)


def test_silence_at_the_end_is_dfpwm_on_a_screen_too(tools: Tools, films: dict[str, Path]) -> None:
    for fields in ({"audio": "dfpwm"}, {"audio": "dfpwm", "args": ["-S", "--width=16"]}):
        made = tools.sanjuuni(films["short mkv"], "32vid", width=16, **fields)
        streams = parse(made.data)
        apart = len(streams.streams) > 1
        data = streams.streams[1].data if apart else streams.sound()
        assert_in_time(readers.dfpwm(data), "short")


@pytest.mark.parametrize(("name", "kind"), [("late mp4", "mp3"), ("hole mkv", "wav")])
def test_in_other_formats(tools: Tools, films: dict[str, Path], name: str, kind: str) -> None:
    made = tools.ffmpeg(films[name], kind)
    assert_in_time(sound_of(made), name)
    assert made.result.duration == pytest.approx(SECONDS, abs=0.1)


def test_parts_and_filters_keep_their_meaning(tools: Tools, films: dict[str, Path]) -> None:
    def heard(name: str, args: list[str], input_args: list[str]) -> Sound:
        made = tools.ffmpeg(films[name], "dfpwm", args=args, input_args=input_args)
        return sound_of(made)

    part = heard("late mkv", ["-t", "2"], ["-ss", "1"])
    assert part.duration == pytest.approx(2, abs=0.05)
    assert part.tones(0.5, 1.5) == [None, 440]
    # A part of a film whose sound has ended is as long as was asked for.
    part = heard("short mkv", ["-t", "2"], ["-ss", "1"])
    assert part.duration == pytest.approx(2, abs=0.05)
    assert part.tones(0.1, 1.5) == [440, None]
    # What filters cut off is not given back.
    cut = heard("short mkv", ["-af", "atrim=0.5:1"], [])
    assert cut.duration == pytest.approx(0.5, abs=0.05)
    fast = heard("late mkv", ["-af", "atempo=2"], [])
    assert fast.duration == pytest.approx(2, abs=0.1)


def test_a_song_with_a_cover_is_no_film(tools: Tools, tmp_path: Path) -> None:
    song = make_media(
        tmp_path / "song.mp3", *sounds.tone(440, 1), *sounds.film(0.1), "-map", "0", "-map", "1",
        "-c:v", "mjpeg", "-disposition:v", "attached_pic",
    )  # fmt: skip
    made = tools.ffmpeg(song, "dfpwm")
    assert made.result.duration == pytest.approx(1, abs=0.06)


def test_a_header_that_lies_adds_no_silence(tools: Tools, tmp_path: Path) -> None:
    """A film cut off in the middle, whose header still tells of the whole."""
    whole = make_media(
        tmp_path / "film.mkv", *sounds.film(8), *sounds.tone(440, 8), *PICTURES, "-c:a", "flac"
    )
    half = tmp_path / "half.mkv"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    made = tools.ffmpeg(half, "dfpwm")
    assert 3 < made.result.duration < 5
