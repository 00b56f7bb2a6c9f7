"""Sources whose clock is odd: no times at all, late starts, holes, many pictures a second, ends
that come too early. What comes out has the length of the source and keeps its step."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.media import readers
from support.media.making import COLORS, H264, H265, Maker, stripes, tones
from support.product.outcomes import (
    FILMS,
    SOUNDS,
    colors_in_time,
    convert,
    daily,
    heard,
    seen,
)
from support.product.tools import Tools

THREE = ["red", "lime", "blue"]
WANTED = [COLORS[color] for color in THREE]


def assert_in_time(found: readers.Film, seconds: float = 3.0, by: int = 10) -> None:
    """Three colours, each for a third of the time. The odd hundredth is for a last picture that
    is shown for a tenth."""
    assert found.duration == pytest.approx(seconds, abs=0.11)
    for one, two in zip(colors_in_time(found, 3, seconds / 3), WANTED, strict=True):
        assert readers.near(one, two, by)


# -- no times ------------------------------------------------------------------------------------

TIMELESS: dict[str, tuple[list[str], float]] = {
    # What ffmpeg is told, and the seconds of 30 pictures.
    "b.h264": ([*H264, "-bf", "2", "-preset", "fast"], 3.0),
    "plain.h264": (H264, 3.0),
    "b.h265": ([*H265, "-pix_fmt", "yuv420p"], 3.0),
    "plain.m4v": (["-c:v", "mpeg4"], 3.0),
    "plain.mjpeg": (["-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"], 1.2),
    "plain.obu": (["-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime"], 1.2),
}


@pytest.fixture(params=daily(sorted(TIMELESS), "b.h264", "plain.mjpeg"))
def timeless(request: pytest.FixtureRequest, make: Maker) -> tuple[Path, float]:
    words, seconds = TIMELESS[request.param]
    return make(f"timeless-{request.param}", *stripes(THREE), *words), seconds


@pytest.mark.both_ffmpegs(way="frames")
@pytest.mark.parametrize("way", daily([*FILMS, "bimg", "lua", "gif", "screen-gif"], *FILMS))
def test_pictures_without_times_play_at_their_rate(
    tools: Tools, timeless: tuple[Path, float], way: str
) -> None:
    source, seconds = timeless
    fields = {"fps": 30 / seconds} if way == "frames" else {}
    found = seen(convert(tools, way, source, **fields))
    assert len(found.pictures) == pytest.approx(30, abs=1)
    assert_in_time(found, seconds)


@pytest.mark.parametrize("way", daily([*FILMS, "bimg", "gif"], *FILMS))
@pytest.mark.parametrize("b_frames", daily([0, 2], 2))
def test_avi_holds_h264_without_times(tools: Tools, make: Maker, way: str, b_frames: int) -> None:
    coded = [*H264, "-bf", str(b_frames), "-preset", "fast", "-c:a", "pcm_s16le"]
    words = [*stripes(THREE), *tones([440] * 3), "-map", "0", "-map", "1"]
    whole = make(f"for-avi-{b_frames}.mov", *words, *coded)
    source = make(f"timeless-{b_frames}.avi", "-i", str(whole), "-c", "copy")
    made = convert(tools, way, source)
    found = seen(made)
    assert len(found.pictures) == pytest.approx(30, abs=2)
    assert_in_time(found)
    sound = None if way in ("bimg", "gif") else heard(made)
    if sound is not None:
        assert sound.duration == pytest.approx(3.0, abs=0.15)


def test_the_caller_may_say_how_fast_raw_pictures_are(tools: Tools, make: Maker) -> None:
    words = ["-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"]
    source = make("timeless-plain.mjpeg", *stripes(THREE), *words)
    made = tools.ffmpeg(source, "mp4", input_args=["-r", "10"])
    found = readers.film(made.path)
    assert len(found.pictures) == 30
    assert_in_time(found)


# -- late starts ---------------------------------------------------------------------------------


@pytest.fixture(params=daily(["mkv", "ts", "mp4", "webm"], "mkv"))
def late_by_an_hour(request: pytest.FixtureRequest, make: Maker) -> Path:
    words = [*stripes(THREE), *tones([440] * 3), "-map", "0", "-map", "1", "-copyts"]
    coded = ["-c:v", "libvpx", "-c:a", "libopus"] if request.param == "webm" else [*H264]
    late = ["-output_ts_offset", "3600", "-avoid_negative_ts", "disabled"]
    return make(f"hour.{request.param}", *words, *coded, *late)


@pytest.mark.parametrize("way", daily([*FILMS, "bimg", "gif"], *FILMS))
def test_a_late_start_is_no_part_of_the_length(
    tools: Tools, late_by_an_hour: Path, way: str
) -> None:
    made = convert(tools, way, late_by_an_hour)
    assert made.result.duration == pytest.approx(3.0, abs=0.11)
    found = seen(made)
    assert found.starts[0] == pytest.approx(0.0, abs=0.1)
    assert_in_time(found)


LATE_ENDINGS = {"mkv": "aac", "mp4": "aac", "mov": "pcm_s16le", "ts": "mp2"}


@pytest.fixture(params=daily(sorted(LATE_ENDINGS), "mp4", "ts"))
def late_sound(request: pytest.FixtureRequest, make: Maker) -> Path:
    """4 s of pictures; the sound comes after 2 s."""
    words = [*stripes([*THREE, "yellow"]), "-itsoffset", "2", *tones([440] * 2)]
    words += ["-map", "0", "-map", "1", *H264, "-c:a", LATE_ENDINGS[request.param]]
    return make(f"late-sound.{request.param}", *words)


@pytest.mark.slow
@pytest.mark.parametrize("way", daily([*SOUNDS, "mp3", "wav"], *SOUNDS))
def test_sound_that_comes_late_comes_late(tools: Tools, late_sound: Path, way: str) -> None:
    sound = heard(convert(tools, way, late_sound))
    assert sound is not None
    assert sound.duration == pytest.approx(4.0, abs=0.1)
    assert sound.begins() == pytest.approx(2.0, abs=0.1)
    assert sound.tone(2.3, 3.7) == pytest.approx(440, abs=5)


@pytest.mark.slow
@pytest.mark.parametrize("ending", daily(["mkv", "ts", "mov"], "mkv"))
@pytest.mark.parametrize("way", daily([*SOUNDS, "mp3"], *SOUNDS))
def test_a_hole_in_the_sound_is_silent_and_as_long(
    tools: Tools, make: Maker, ending: str, way: str
) -> None:
    """2 s of sound, 2 s of nothing, 2 s of sound."""
    codec = {"mkv": "aac", "ts": "mp2", "mov": "aac"}[ending]
    words = [*stripes([*THREE, "yellow", "white", "gray"]), *tones([440] * 6)]
    words += ["-map", "0", "-map", "1", "-af", "aselect='not(between(t,2,4))'", *H264]
    source = make(f"hole.{ending}", *words, "-c:a", codec)
    sound = heard(convert(tools, way, source))
    assert sound is not None
    assert sound.duration == pytest.approx(6.0, abs=0.1)
    assert sound.tone(0.3, 1.7) == pytest.approx(440, abs=5)
    assert sound.loudness(2.3, 3.7) < readers.QUIET * 3
    assert sound.tone(4.3, 5.7) == pytest.approx(440, abs=5)


@pytest.mark.parametrize("ending", daily(["mkv", "mp4", "ts"], "mkv"))
@pytest.mark.parametrize(
    ("way", "exact"), [*((way, False) for way in FILMS), ("32vid", True)]
)  # fmt: skip
def test_pictures_that_come_late_keep_step(
    tools: Tools, make: Maker, ending: str, way: str, exact: bool
) -> None:
    """4 s of sound whose tone changes after 3 s; pictures from 2 s on, of another colour then."""
    words = [*tones([440, 440, 440, 880]), "-itsoffset", "2", *stripes(["red", "blue"])]
    words += ["-map", "1", "-map", "0", *H264, "-c:a", "mp2" if ending == "ts" else "aac"]
    source = make(f"late-pictures.{ending}", *words)
    fields = {"args": ["-t"], "width": 20, "height": 15} if exact else {}
    made = convert(tools, way, source, **fields)
    found, sound = seen(made), heard(made)
    assert sound is not None
    assert sound.duration == pytest.approx(4.0, abs=0.1)
    assert sound.tone(3.2, 3.9) == pytest.approx(880, abs=8)
    turn = next(
        start
        for start, picture in zip(found.starts, found.pictures, strict=True)
        if readers.near(readers.color(picture), COLORS["blue"], 10)
    )
    assert turn == pytest.approx(3.0, abs=0.11)
    assert found.end == pytest.approx(4.0, abs=0.11)


# -- rates ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("rate", daily([30, 60, 100, 120], 60))
@pytest.mark.parametrize("way", ["gif", "screen-gif"])
def test_a_gif_is_never_quicker_than_browsers_are(
    tools: Tools, make: Maker, rate: int, way: str
) -> None:
    source = make(f"quick-{rate}.mp4", *stripes(THREE, size="80x60", rate=rate, each=2 / 3), *H264)
    made = convert(tools, way, source)
    delays = [seconds for _, seconds in readers.pillow(made.path)]
    assert min(delays) >= 0.02
    assert sum(delays) == pytest.approx(2.0, abs=0.1)
    assert_in_time(seen(made), 2.0)


# -- ends ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("way", daily([*FILMS, "bimg"], *FILMS))
def test_a_source_that_was_cut_is_told_of(tools: Tools, make: Maker, way: str) -> None:
    words = [*stripes(THREE), *H264, "-g", "5", "-movflags", "+faststart", "-b:v", "400k"]
    noise = ["-vf", "noise=alls=40:allf=t", *words]
    whole = make("whole.mp4", *words[:4], *noise[:2], *words[4:]).read_bytes()
    source = make.bytes("cut.mp4", whole[: len(whole) * 3 // 4])
    made = convert(tools, way, source)
    found = seen(made)
    assert 1.5 < found.duration < 2.9
    assert any("3" in warning for warning in made.warnings), made.warnings


@pytest.mark.slow
@pytest.mark.parametrize("way", daily([*SOUNDS, "mp3", "mp4"], *SOUNDS))
def test_a_whole_source_has_no_warnings(tools: Tools, make: Maker, way: str) -> None:
    words = [*stripes(THREE), *tones([440] * 3), "-map", "0", "-map", "1", *H264, "-c:a", "aac"]
    made = convert(tools, way, make("whole-film.mp4", *words))
    assert not made.warnings
