"""Sound that changes its channels or its sample rate on the way, by broadcast or by glue: as long
as the source, each part in its place, whatever is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmapi.tools import sound
from support.media import readers, sounds
from support.media.programs import make_media
from support.media.readers import Sound
from support.media.sounds import TONES
from support.product.outcomes import daily, sound_of
from support.product.tools import Tools
from support.screens.vid32_decoder import parse

PLACES = (0.4, 1.4, 2.4)

BROADCASTS = {
    "ac3": [(48000, "stereo"), (48000, "5.1"), (48000, "stereo")],
    "aac": [(48000, "mono"), (48000, "stereo"), (48000, "mono")],
    "mp2": [(32000, "stereo"), (48000, "stereo"), (44100, "mono")],
}
STEREO, MONO, SLOW = (44100, "stereo"), (48000, "mono"), (32000, "stereo")
GLUED = {
    "mp3": ("mp3", [STEREO, MONO, SLOW], ()),
    "adts": ("aac", [STEREO, MONO, SLOW], ()),
    "flac": ("flac", [STEREO, MONO, SLOW], ()),
    "flac of one shape": ("flac", [STEREO] * 3, ()),
    "vorbis": ("ogg", [STEREO, MONO, SLOW], ("-c:a", "libvorbis")),
    "vorbis of one shape": ("ogg", [STEREO] * 3, ("-c:a", "libvorbis")),
    "opus": ("ogg", [(48000, "mono"), (48000, "stereo"), (48000, "mono")], ("-c:a", "libopus")),
    "flac in ogg": ("ogg", [STEREO, MONO, SLOW], ("-c:a", "flac")),
}


@pytest.fixture(scope="module")
def broadcasts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("broadcasts")
    return {codec: sounds.changing(folder, codec, shapes) for codec, shapes in BROADCASTS.items()}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("glued")
    return {
        name: sounds.glued(folder, kind, shapes, *codec)
        for name, (kind, shapes, codec) in GLUED.items()
    }


def assert_whole(heard: Sound) -> None:
    # The last picture of ten a second may be counted, and filled up with silence.
    assert heard.duration == pytest.approx(3, abs=0.11)
    assert heard.tones(*PLACES) == list(TONES)


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize("codec", BROADCASTS)
def test_broadcast_for_the_speakers(tools: Tools, broadcasts: dict[str, Path], codec: str) -> None:
    made = tools.ffmpeg(broadcasts[codec], "dfpwm")
    assert_whole(sound_of(made))
    assert made.result.duration == pytest.approx(3, abs=0.1)
    assert made.warnings == []


@pytest.mark.parametrize("codec", ["aac", "mp2"])
def test_broadcast_as_frames(tools: Tools, broadcasts: dict[str, Path], codec: str) -> None:
    made = tools.video_frame(broadcasts[codec], fps=10, w=16, h=12)
    assert made.result.total_frames == pytest.approx(30, abs=1)
    for name in ("audio.dfpwm", "audio_left.dfpwm", "audio_right.dfpwm"):
        assert_whole(readers.sound(made.files[name]))


@pytest.mark.parametrize("audio", ["pcm", "dfpwm"])
def test_broadcast_on_a_screen(tools: Tools, broadcasts: dict[str, Path], audio: str) -> None:
    made = tools.sanjuuni(broadcasts["ac3"], "32vid", width=16, audio=audio)
    data = parse(made.data).sound()
    assert_whole(readers.pcm8(data) if audio == "pcm" else readers.dfpwm(data))


def test_reading_goes_on_in_the_second_file(tools: Tools, tmp_path: Path) -> None:
    """Long after the first pieces have been handed on the sound changes."""
    source = tmp_path / "late_change.ts"
    parts = b""
    for number, layout in enumerate(("stereo", "mono")):
        part = make_media(
            tmp_path / "part.ts", *sounds.film(3),
            *sounds.tone(TONES[number], 3, layout=layout), "-map", "0:v", "-map", "1:a",
            "-c:v", "mpeg2video", "-c:a", "mp2", "-output_ts_offset", str(10 + 3 * number),
        )  # fmt: skip
        parts += part.read_bytes()
    source.write_bytes(parts)
    made = tools.sanjuuni(source, "32vid", width=16)
    heard = readers.pcm8(parse(made.data).sound())
    assert heard.duration == pytest.approx(6, abs=0.11)
    every = [0.2 + 0.5 * n for n in range(12)]
    assert heard.tones(*every) == [TONES[0]] * 6 + [TONES[1]] * 6


def test_broadcast_in_other_formats(tools: Tools, broadcasts: dict[str, Path]) -> None:
    made = tools.ffmpeg(broadcasts["ac3"], "wav")
    assert_whole(sound_of(made))
    assert made.result.duration == pytest.approx(3, abs=0.1)


def test_a_part_of_a_broadcast(tools: Tools, broadcasts: dict[str, Path]) -> None:
    made = tools.ffmpeg(
        broadcasts["ac3"], "dfpwm", input_args=["-ss", "0.5"],
        args=["-map", "0:a:0", "-t", "2"],
    )  # fmt: skip
    heard = sound_of(made)
    assert heard.duration == pytest.approx(2, abs=0.05)
    assert heard.tones(0.1, 0.9, 1.7) == list(TONES)


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize("name", daily(GLUED, "mp3", "vorbis", "flac in ogg"))
def test_glued_files(tools: Tools, rows: dict[str, Path], name: str) -> None:
    made = tools.ffmpeg(rows[name], "dfpwm")
    heard = sound_of(made)
    # Raw AAC and MP3 do not say that each part begins with some 25 ms of nothing.
    assert heard.duration == pytest.approx(3, abs=0.15)
    assert heard.tones(*PLACES) == list(TONES)


def test_a_chain_in_other_formats(tools: Tools, rows: dict[str, Path]) -> None:
    made = tools.ffmpeg(rows["vorbis"], "mp3")
    assert_whole(sound_of(made))
    assert made.result.duration == pytest.approx(3, abs=0.1)


def test_the_same_file_twice(tools: Tools, tmp_path: Path) -> None:
    """By `cat`: both have the same serial number."""
    source = sounds.glued(tmp_path, "ogg", [(48000, "stereo")] * 2, "-c:a", "libopus", same=True)
    made = tools.ffmpeg(source, "dfpwm")
    assert sound_of(made).tones(0.4, 1.4) == list(TONES[:2])
    assert made.result.duration == pytest.approx(2, abs=0.1)


def test_more_files_than_are_opened_at_once(
    tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound, "TOGETHER_MAX", 2)
    monkeypatch.setattr(sound, "LINKS_MAX", 5)
    source = sounds.glued(tmp_path, "ogg", [STEREO, MONO, SLOW], "-c:a", "libvorbis")
    source.write_bytes(source.read_bytes() * 2)
    made = tools.ffmpeg(source, "dfpwm")
    heard = sound_of(made)
    assert heard.duration == pytest.approx(5, abs=0.1)
    assert heard.tones(*[0.4 + n for n in range(5)]) == [*TONES, *TONES[:2]]
    (warning,) = made.warnings
    assert "6 files glued together, of which 5 were read" in warning


def test_a_part_that_cannot_be_read_is_told(tools: Tools, tmp_path: Path) -> None:
    source = sounds.glued(tmp_path, "ogg", [STEREO, MONO], "-c:a", "libvorbis")
    data = source.read_bytes()
    second = data.rindex(b"OggS\0\x02")
    source.write_bytes(data[: second + 100])
    made = tools.ffmpeg(source, "dfpwm")
    assert made.result.duration == pytest.approx(1, abs=0.1)
    (warning,) = made.warnings
    assert f"{second:,} of {second + 100:,} bytes" in warning


def test_what_is_copied_of_a_chain_is_told(tools: Tools, rows: dict[str, Path]) -> None:
    made = tools.ffmpeg(rows["vorbis"], "ogg", args=["-c", "copy"])
    assert any("glued together" in warning for warning in made.warnings)
