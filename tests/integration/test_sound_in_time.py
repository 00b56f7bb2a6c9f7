"""Sound that starts late, has a hole or ends early stays in step with its film."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.media import sounds
from support.media.programs import PROGRAMS
from support.media.sounds import Heard
from support.screens.studio import Studio, open_studio
from support.screens.vid32_decoder import parse

CODECS = {"mp4": "aac", "mkv": "libvorbis", "ts": "mp2"}
PICTURES = ["-c:v", "mpeg4", "-g", "5"]
SECONDS = 4


@pytest.fixture(scope="module", params=PROGRAMS)
def studio(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("studio"), Path(request.param)) as opened:
        yield opened


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Films of four seconds with a tone where their name says."""
    folder = tmp_path_factory.mktemp("films")
    made = {}
    for container, codec in CODECS.items():
        made[f"late {container}"] = sounds.make(
            folder / f"late.{container}", *sounds.film(SECONDS), "-itsoffset", "2",
            *sounds.tone(440, 2), *PICTURES, "-c:a", codec,
        )  # fmt: skip
        made[f"short {container}"] = sounds.make(
            folder / f"short.{container}", *sounds.film(SECONDS), *sounds.tone(440, 1.5),
            *PICTURES, "-c:a", codec,
        )  # fmt: skip
    made["hole mkv"] = sounds.make(
        folder / "hole.mkv", *sounds.film(SECONDS), *sounds.tone(440, SECONDS),
        "-af", "asetnsamples=n=1024,aselect='lt(t,1)+gte(t,3)'", *PICTURES, "-c:a", "flac",
    )  # fmt: skip
    made["long mkv"] = sounds.make(
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


def assert_in_time(heard: Heard, name: str) -> None:
    assert heard.seconds == pytest.approx(SECONDS, abs=0.1)
    assert heard.tones(0.4, 1.7, 2.6, 3.4) == EXPECTED[name.split()[0]]


@pytest.mark.parametrize("name", NAMES)
def test_for_the_speakers(studio: Studio, films: dict[str, Path], name: str) -> None:
    made = studio.run(
        "ffmpeg", films[name], output_format="dfpwm", args=["-vn", "-ar", "48000", "-ac", "1"]
    )
    assert_in_time(Heard.dfpwm(made.files["output.dfpwm"]), name)
    assert made.result.duration == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("name", ["late ts", "short mp4", "hole mkv"])
def test_on_a_screen_and_as_frames(studio: Studio, films: dict[str, Path], name: str) -> None:
    screen = studio.run("sanjuuni", films[name], output_format="32vid", width=16)
    sound = parse(screen.files[screen.result.file_name]).sound()
    assert_in_time(Heard.u8(sound), name)
    frames = studio.run("video_frame", films[name], fps=10, w=16, h=12)
    for each in ("audio.dfpwm", "audio_left.dfpwm", "audio_right.dfpwm"):
        assert_in_time(Heard.dfpwm(frames.files[each]), name)


def test_silence_at_the_end_is_dfpwm_on_a_screen_too(
    studio: Studio, films: dict[str, Path]
) -> None:
    for fields in ({"audio": "dfpwm"}, {"audio": "dfpwm", "args": ["-S", "--width=16"]}):
        made = studio.run("sanjuuni", films["short mkv"], output_format="32vid", width=16, **fields)
        streams = parse(made.files[made.result.file_name])
        apart = len(streams.streams) > 1
        data = streams.streams[1].data if apart else streams.sound()
        assert_in_time(Heard.dfpwm(data), "short")


@pytest.mark.parametrize(("name", "kind"), [("late mp4", "mp3"), ("hole mkv", "wav")])
def test_in_other_formats(studio: Studio, films: dict[str, Path], name: str, kind: str) -> None:
    made = studio.run("ffmpeg", films[name], output_format=kind)
    assert_in_time(Heard.file(made.files[f"output.{kind}"]), name)
    assert made.result.duration == pytest.approx(SECONDS, abs=0.1)


def test_parts_and_filters_keep_their_meaning(studio: Studio, films: dict[str, Path]) -> None:
    def heard(name: str, args: list[str], input_args: list[str]) -> Heard:
        made = studio.run(
            "ffmpeg", films[name], output_format="dfpwm", args=args, input_args=input_args
        )
        return Heard.dfpwm(made.files["output.dfpwm"])

    part = heard("late mkv", ["-t", "2"], ["-ss", "1"])
    assert part.seconds == pytest.approx(2, abs=0.05)
    assert part.tones(0.5, 1.5) == [None, 440]
    # A part of a film whose sound has ended is as long as was asked for.
    part = heard("short mkv", ["-t", "2"], ["-ss", "1"])
    assert part.seconds == pytest.approx(2, abs=0.05)
    assert part.tones(0.1, 1.5) == [440, None]
    # What filters cut off is not given back.
    cut = heard("short mkv", ["-af", "atrim=0.5:1"], [])
    assert cut.seconds == pytest.approx(0.5, abs=0.05)
    fast = heard("late mkv", ["-af", "atempo=2"], [])
    assert fast.seconds == pytest.approx(2, abs=0.1)


def test_a_song_with_a_cover_is_no_film(studio: Studio, tmp_path: Path) -> None:
    song = sounds.make(
        tmp_path / "song.mp3", *sounds.tone(440, 1), *sounds.film(0.1), "-map", "0", "-map", "1",
        "-c:v", "mjpeg", "-disposition:v", "attached_pic",
    )  # fmt: skip
    made = studio.run("ffmpeg", song, output_format="dfpwm")
    assert made.result.duration == pytest.approx(1, abs=0.06)


def test_a_header_that_lies_adds_no_silence(studio: Studio, tmp_path: Path) -> None:
    """A film cut off in the middle, whose header still tells of the whole."""
    whole = sounds.make(
        tmp_path / "film.mkv", *sounds.film(8), *sounds.tone(440, 8), *PICTURES, "-c:a", "flac"
    )
    half = tmp_path / "half.mkv"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    made = studio.run("ffmpeg", half, output_format="dfpwm")
    assert 3 < made.result.duration < 5
