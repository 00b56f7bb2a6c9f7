"""Sources that change on their way: other channels, sample rates, sizes and colours than at their
beginning. Length and step are those of the source, and each part is fitted for itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.media import readers
from support.media.making import COLORS, H264, Maker, stripes, tones
from support.product.outcomes import FILMS, SOUNDS, Refused, convert, daily, heard, seen, tried
from support.product.tools import Tools

# -- sound ---------------------------------------------------------------------------------------

SOUND_CHANGES: dict[str, tuple[str, list[tuple[str, int]]]] = {
    # Container, codec, and layout and rate of each 2 s.
    "channels.ts": ("ac3", [("stereo", 48_000), ("5.1", 48_000), ("stereo", 48_000)]),
    "mono.ts": ("mp2", [("stereo", 48_000), ("mono", 48_000), ("stereo", 48_000)]),
    "rate.ts": ("aac", [("stereo", 44_100), ("stereo", 48_000), ("stereo", 44_100)]),
    "channels.aac": ("aac", [("stereo", 48_000), ("mono", 48_000), ("stereo", 48_000)]),
    "channels.mkv": ("ac3", [("stereo", 48_000), ("5.1", 48_000), ("mono", 48_000)]),
}
TONES = (440, 660, 880)


@pytest.fixture(params=daily(sorted(SOUND_CHANGES), "channels.ts", "rate.ts"))
def changing_sound(request: pytest.FixtureRequest, make: Maker) -> Path:
    """6 s; the tone changes every 2 s, and so does the kind of sound."""
    codec, parts = SOUND_CHANGES[request.param]
    ending = request.param.partition(".")[2]
    made = []
    for number, (layout, rate) in enumerate(parts):
        words = tones([TONES[number]] * 2, rate=rate, channels=layout)
        if ending != "aac":
            color = ("red", "lime", "blue")[number]
            words = [*stripes([color] * 2), *words, "-map", "0", "-map", "1", *H264, "-g", "10"]
        if ending == "ts":
            words += ["-output_ts_offset", str(2 * number), "-muxdelay", "0"]
        # ADTS for AAC, for the header of each packet tells what it is.
        part = "ts" if ending == "mkv" else ending
        words += ["-c:a", codec, "-b:a", "192k"]
        made.append(make(f"part{number}-{request.param}.{part}", *words))
    if ending == "mkv":
        return make.joined(f"changing-{request.param}", *made)
    return make.together(f"changing-{request.param}", *made)


@pytest.mark.slow
@pytest.mark.parametrize("way", daily([*SOUNDS, "mp3", "mp4"], *SOUNDS))
def test_sound_that_changes_is_as_long_as_it_was(
    tools: Tools, changing_sound: Path, way: str
) -> None:
    if changing_sound.suffix == ".aac" and way in ("frames", "32vid"):
        way = "wav"
    made = tried(tools, way, changing_sound)
    if isinstance(made, Refused):
        # The graph of an older program does not take each change.
        assert tools.ffmpeg_program.major == 5
        return
    sound = heard(made)
    assert sound is not None
    # Each part of AAC begins with a packet that overlaps.
    assert sound.duration == pytest.approx(6.0, abs=0.15)
    for number, tone in enumerate(TONES):
        assert sound.tone(2 * number + 0.4, 2 * number + 1.6) == pytest.approx(tone, abs=5)
    if way not in ("frames", "32vid"):
        assert made.result.duration == pytest.approx(6.0, abs=0.15)


CHAINS = {
    "vorbis.ogg": ("libvorbis", [("stereo", 44_100), ("mono", 48_000)]),
    "same.ogg": ("libvorbis", [("stereo", 44_100), ("stereo", 44_100)]),
    "opus.opus": ("libopus", [("stereo", 48_000), ("mono", 48_000)]),
    "flac.oga": ("flac", [("mono", 22_050), ("stereo", 48_000)]),
    "rates.mp3": ("libmp3lame", [("stereo", 44_100), ("stereo", 48_000)]),
}


@pytest.mark.slow
@pytest.mark.parametrize("chain", daily(sorted(CHAINS), "vorbis.ogg"))
@pytest.mark.parametrize("way", daily(["mp3", "dfpwm", "flac"], "dfpwm"))
def test_a_chain_of_songs_is_whole_or_tells_where_it_ended(
    tools: Tools, make: Maker, chain: str, way: str
) -> None:
    codec, parts = CHAINS[chain]
    ending = chain.partition(".")[2]
    made = [
        make(
            f"link{number}-{chain}", *tones([tone] * 2, rate=rate, channels=layout),
            "-c:a", codec, "-f", ending,
        )
        for number, (tone, (layout, rate)) in enumerate(zip((440, 880), parts, strict=True))
    ]  # fmt: skip
    source = make.together(f"chain-{chain}", *made)
    ran = tried(tools, way, source)
    if isinstance(ran, Refused):
        assert "2" in ran.message, "it does not tell how much was read"
        return
    sound = readers.sound(ran.path)
    if sound.duration < 3.8:
        assert any("2" in warning for warning in ran.warnings), (sound.duration, ran.warnings)
        assert sound.tone(0.4, 1.6) == pytest.approx(440, abs=5)
        return
    assert sound.duration == pytest.approx(4.0, abs=0.2)
    assert sound.tone(0.4, 1.6) == pytest.approx(440, abs=5)
    assert sound.tone(2.4, 3.6) == pytest.approx(880, abs=5)


# -- pictures ------------------------------------------------------------------------------------

SIZE_CHANGES = {
    "h264.ts": H264,
    "h264.mkv": H264,
    "mpeg2.ts": ["-c:v", "mpeg2video", "-r", "25"],
    "vp8.webm": ["-c:v", "libvpx", "-deadline", "realtime"],
    "vp9.webm": ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
}


def _joined(make: Maker, name: str, codec: list[str], sizes: list[str]) -> Path:
    """2 s of red in the first size, 2 s of blue in the second, with a tone each."""
    ending = name.rpartition(".")[2]
    kind = "libopus" if ending == "webm" else "ac3"
    parts = []
    for number, (color, tone, size) in enumerate(
        zip(("red", "blue"), (440, 880), sizes, strict=True)
    ):
        words = [*stripes([color] * 2, size=size), *tones([tone] * 2), "-map", "0", "-map", "1"]
        words += [*codec, "-c:a", kind, "-t", "2"]
        if ending == "ts":
            words += ["-output_ts_offset", str(2 * number), "-muxdelay", "0"]
        parts.append(make(f"size{number}-{name}", *words))
    if ending == "ts":
        return make.together(f"sizes-{name}", *parts)
    return make.joined(f"sizes-{name}", *parts)


@pytest.mark.both_ffmpegs(way="frames")
@pytest.mark.parametrize("change", daily(sorted(SIZE_CHANGES), "h264.ts"))
@pytest.mark.parametrize("way", daily([*FILMS, "bimg", "gif"], *FILMS))
def test_pictures_of_another_shape_are_fitted_for_themselves(
    tools: Tools, make: Maker, change: str, way: str
) -> None:
    source = _joined(make, change, SIZE_CHANGES[change], ["160x120", "96x144"])
    fields = {"width": 80, "height": 60, "fit": "contain"} if way in ("32vid", "bimg") else {}
    if way == "frames":
        fields = {"w": 80, "h": 60, "pad_to_target": True}
    made = convert(tools, way, source, **fields)
    found = seen(made)
    rate = 2.5 if change.startswith("mpeg2") and way != "frames" else 1
    assert len(found.pictures) == pytest.approx(40 * rate, abs=1)
    assert found.duration == pytest.approx(4.0, abs=0.11)
    first, second = found.pictures[len(found.pictures) // 4], found.pictures[-2]
    assert readers.near(readers.color(first), COLORS["red"], 10)
    assert readers.near(readers.color(first, 0.03, 0.5), COLORS["red"], 10)
    assert readers.near(readers.color(second), COLORS["blue"], 10)
    assert readers.near(readers.color(second, 0.03, 0.5), COLORS["black"], 10)
    # 96:144 in a picture of 4:3 is half as wide as that.
    blue = second[second.shape[0] // 2, :, 2].astype(int)
    assert np.count_nonzero(blue > 128) / len(blue) == pytest.approx(0.5, abs=0.06)
    sound = None if way in ("bimg", "gif") else heard(made)
    if sound is not None:
        assert sound.duration == pytest.approx(4.0, abs=0.1)
        assert sound.tone(0.4, 1.6) == pytest.approx(440, abs=5)
        assert sound.tone(2.4, 3.6) == pytest.approx(880, abs=5)


@pytest.mark.parametrize("way", FILMS)
def test_frames_of_no_size_asked_for_have_one_size(tools: Tools, make: Maker, way: str) -> None:
    source = _joined(make, "h264.ts", H264, ["160x120", "96x144"])
    found = seen(convert(tools, way, source))
    assert found.size == (160, 120)
    assert readers.near(readers.color(found.pictures[-2], 0.03, 0.5), COLORS["black"], 10)


@pytest.mark.parametrize("way", daily([*FILMS, "bimg"], *FILMS))
def test_a_change_of_the_colours_tags_alone_changes_no_time(
    tools: Tools, make: Maker, way: str
) -> None:
    parts = []
    for number, (color, tags) in enumerate((("red", 1), ("lime", 6), ("blue", 1))):
        tagged = f"h264_metadata=colour_primaries={tags}:transfer_characteristics={tags}:"
        words = [*stripes([color]), *tones([440 + 220 * number]), "-map", "0", "-map", "1", *H264]
        words += ["-bsf:v", f"{tagged}matrix_coefficients={tags}", "-c:a", "mp2"]
        words += ["-output_ts_offset", str(number), "-muxdelay", "0", "-t", "1"]
        parts.append(make(f"tagged{number}.ts", *words))
    made = convert(tools, way, make.together("tags-change.ts", *parts))
    found = seen(made)
    assert (len(found.pictures), round(found.duration, 1)) == (30, 3.0)
    sound = None if way == "bimg" else heard(made)
    if sound is not None:
        assert sound.duration == pytest.approx(3.0, abs=0.1)


def test_an_insert_in_a_stream_of_another_size(tools: Tools, make: Maker) -> None:
    """As in HLS with advertisements: small, large, small, told by one clock that never jumps."""
    parts = []
    for number, (color, size) in enumerate(
        (("red", "160x120"), ("lime", "320x180"), ("red", "160x120"))
    ):
        words = [*stripes([color] * 2, size=size), *tones([440] * 2), "-map", "0", "-map", "1"]
        words += [*H264, "-c:a", "aac", "-t", "2"]
        words += ["-output_ts_offset", str(10 + 2 * number), "-muxdelay", "0"]
        parts.append(make(f"insert{number}.ts", *words))
    source = make.together("insert.ts", *parts)
    made = tools.video_frame(source, fps=10)
    assert len(made.frames) == pytest.approx(60, abs=1)
    assert made.result.duration == pytest.approx(6.0, abs=0.15)
    sound = heard(made)
    assert sound is not None
    assert sound.duration == pytest.approx(6.0, abs=0.15)
