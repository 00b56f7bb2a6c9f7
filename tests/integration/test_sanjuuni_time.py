"""The `sanjuuni` tool in time: rates, animations, sound and subtitles.

The films are of one colour a picture, a slot of the game's own palette, so that every picture can
be told from its neighbours in the output.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gmapi.computercraft.palette import DEFAULT_PALETTE
from gmapi.computercraft.preview_font import glyphs
from gmapi.computercraft.screen import Screen
from support.media.files import ffmpeg_program
from support.media.programs import make_media
from support.screens import decoders, vid32_decoder
from support.screens.studio import Made, Studio
from support.screens.vid32_decoder import AUDIO, TEXT, VIDEO, File

Media = Callable[[str], Path]

PLAIN = {"palette": "default", "dither": "none", "quality": "best"}
WIDTH, HEIGHT = 8, 6
NTSC = "30000/1001"


def film(path: Path, slots: Sequence[int], rate: str, *arguments: str) -> Path:
    """A lossless film of these colours; `arguments` are for the output."""
    raw = path.with_suffix(".raw")
    raw.write_bytes(b"".join(DEFAULT_PALETTE[slot].tobytes() * (WIDTH * HEIGHT) for slot in slots))
    size = f"{WIDTH}x{HEIGHT}"
    source = ["-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", size, "-framerate", rate]
    codec = [] if "-c:v" in arguments else ["-c:v", "ffv1", "-pix_fmt", "bgr0"]
    return make_media(path, *source, "-i", str(raw), *codec, *arguments)


def slots_of(made: Made) -> list[int]:
    """The colour of each picture of a 32vid file or a BIMG file."""
    if made.result.format == "bimg":
        planes = [screen.background for screen in decoders.bimg(made.data).screens]
    else:
        planes = [picture.colors >> 4 for picture in vid32_decoder.parse(made.data).pictures()]
    assert all((plane == plane[0, 0]).all() for plane in planes)
    return [int(plane[0, 0]) for plane in planes]


def without_repeats(slots: Sequence[int]) -> list[int]:
    return [slot for slot, _ in groupby(slots)]


def cycle(count: int) -> list[int]:
    return [number % 16 for number in range(count)]


def sound_by_ffmpeg(source: Path, kind: str) -> bytes:
    command = [ffmpeg_program(), "-v", "error", "-i", str(source), "-map", "0:a:0"]
    command += ["-ac", "1", "-ar", "48000", "-f", kind, "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


# -- rates ---------------------------------------------------------------------------------------


def test_ntsc_is_kept_in_bimg_and_raw(studio: Studio, tmp_path: Path) -> None:
    clip = film(tmp_path / "ntsc.mkv", cycle(120), NTSC)
    made = studio.convert(clip, output_format="bimg", **PLAIN)
    bimg = decoders.bimg(made.data)
    assert bimg.fields["secondsPerFrame"] == 0.0333667
    assert bimg.fields["animation"] is True
    assert set(bimg.durations) == {None}
    assert slots_of(made) == cycle(120)
    assert made.result.duration == 4.004
    fps, screens = decoders.raw(studio.convert(clip, output_format="raw", **PLAIN).data)
    assert (fps, len(screens)) == (b"29.97", 120)


def test_32vid_has_whole_rates_and_loses_no_picture(studio: Studio, tmp_path: Path) -> None:
    for rate, whole, count in ((NTSC, 30, 120), ("24000/1001", 24, 96), ("12.5", 13, 50)):
        clip = film(tmp_path / "rate.mkv", cycle(count), rate)
        made = studio.convert(clip, output_format="32vid", **PLAIN)
        assert vid32_decoder.parse(made.data).fps == whole
        assert made.result.fps == whole
        shown = slots_of(made)
        assert without_repeats(shown) == cycle(count)
        assert len(shown) == pytest.approx(count / eval(rate) * whole, abs=1)


def test_exact_plays_every_picture_once_at_the_rounded_rate(studio: Studio, tmp_path: Path) -> None:
    clip = film(tmp_path / "ntsc.mkv", cycle(100), NTSC)
    made = studio.convert(clip, output_format="32vid", args=["-p -t"])
    assert vid32_decoder.parse(made.data).fps == 30
    assert slots_of(made) == cycle(100)


@pytest.mark.parametrize("kind", ["32vid", "bimg"])
def test_an_irregular_film_is_shown_in_time(studio: Studio, tmp_path: Path, kind: str) -> None:
    choice = ["-vf", "select='lt(t,1)+not(mod(n,7))'", "-fps_mode", "vfr"]
    clip = film(tmp_path / "irregular.mkv", cycle(100), "25", *choice)
    kept = [number for number in range(100) if number < 25 or number % 7 == 0]
    made = studio.convert(clip, output_format=kind, **PLAIN)
    assert made.result.fps == 25
    expected = [max(k for k in kept if k <= number) % 16 for number in range(kept[-1] + 1)]
    assert slots_of(made) == expected
    exact = studio.convert(clip, output_format=kind, args=["-p -t"])
    assert slots_of(exact) == [number % 16 for number in kept]


def test_fps_drops_and_doubles_pictures(studio: Studio, tmp_path: Path) -> None:
    clip = film(tmp_path / "ten.mkv", cycle(20), "10")
    slower = studio.convert(clip, output_format="32vid", fps=5, **PLAIN)
    assert slots_of(slower) == cycle(20)[::2]
    faster = studio.convert(clip, output_format="bimg", fps=20, **PLAIN)
    assert slots_of(faster) == [slot for slot in cycle(20) for _ in range(2)]
    assert decoders.bimg(faster.data).fields["secondsPerFrame"] == 0.05


def test_a_film_that_begins_late_waits(studio: Studio, tmp_path: Path) -> None:
    early = film(tmp_path / "early.mkv", cycle(10), "10")
    late = make_media(
        tmp_path / "late.mkv", "-f", "lavfi", "-i", "sine=d=2", "-itsoffset", "0.5", "-i",
        str(early), "-map", "1:v", "-map", "0:a", "-c:v", "copy", "-c:a", "pcm_s16le",
    )  # fmt: skip
    made = studio.convert(late, output_format="32vid", **PLAIN)
    assert slots_of(made) == [0] * 5 + cycle(10)


@pytest.mark.parametrize("name", ["without_length.webm", "without_times.h264"])
def test_files_that_do_not_tell_their_length_or_times_are_films_all_the_same(
    studio: Studio, screen_media: Media, name: str
) -> None:
    made = studio.convert(screen_media(name), output_format="bimg", width=20)
    assert made.result.frames == {"without_length.webm": 20, "without_times.h264": 25}[name]


# -- animations ----------------------------------------------------------------------------------

DELAYS = [0.1, 0.3, 0.2, 0.5, 0.2]
STARTS = [0.0, *accumulate(DELAYS)]
"""The last one is the end."""

ANIMATIONS = {
    "gif": (
        ",split[a][b];[a]palettegen=reserve_transparent=0[p];[b][p]paletteuse=dither=none",
        ["-f", "gif", "-c:v", "gif", "-final_delay", "20"],
    ),
    "apng": ("", ["-f", "apng", "-c:v", "apng", "-plays", "0", "-final_delay", "1/5"]),
}
"""A filter that keeps the colours, and the output's arguments."""


@pytest.fixture(params=sorted(ANIMATIONS))
def animation(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Pictures of the slots 0, 1, ... shown as long as `DELAYS` says."""
    at = "+".join(f"eq(N,{number})*{start:g}" for number, start in enumerate(STARTS[:-1]))
    keep, output = ANIMATIONS[request.param]
    arguments = ["-vf", f"settb=1/100,setpts='({at})/TB'{keep}", "-fps_mode", "passthrough"]
    arguments += ["-enc_time_base", "1:100", *output]
    path = tmp_path / "animation"
    return film(path, cycle(len(DELAYS)), "10", *arguments)


def test_animations_keep_their_delays_where_the_format_has_them(
    studio: Studio, animation: Path
) -> None:
    made = studio.convert(animation, output_format="bimg", **PLAIN)
    assert slots_of(made) == cycle(len(DELAYS))
    bimg = decoders.bimg(made.data)
    usual = bimg.fields["secondsPerFrame"]
    assert usual == pytest.approx(STARTS[-1] / len(DELAYS), abs=1e-4)
    assert [duration or usual for duration in bimg.durations] == pytest.approx(DELAYS, abs=1e-4)
    assert made.result.duration == pytest.approx(STARTS[-1], abs=1e-3)
    script = studio.convert(animation, output_format="lua", **PLAIN).data
    shown = [line for line in script.splitlines() if line.startswith(b"show(")]
    assert [line.partition(b",")[0] for line in shown] == [b"show(%g" % each for each in DELAYS]


@pytest.mark.parametrize("kind", ["32vid", "raw"])
def test_animations_keep_their_time_where_the_rate_is_fixed(
    studio: Studio, animation: Path, kind: str
) -> None:
    made = studio.convert(animation, output_format=kind, **PLAIN)
    assert made.result.fps == 10
    expected = [number for number, seconds in enumerate(DELAYS) for _ in range(round(seconds * 10))]
    if kind == "32vid":
        assert slots_of(made) == expected
    else:
        _, screens = decoders.raw(made.data)
        assert [int(screen.background[0, 0]) for screen in screens] == expected


def test_a_preview_moves_in_time(studio: Studio, animation: Path, tmp_path: Path) -> None:
    made = studio.convert(animation, output_format="gif", **PLAIN)
    assert made.result.media_type == "image/gif"
    path = tmp_path / "preview.gif"
    path.write_bytes(made.data)
    command = [ffmpeg_program(), "-v", "error", "-i", str(path), "-vf", "fps=10", "-f", "rawvideo"]
    command += ["-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    pictures = np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT * 3, WIDTH * 3, 3)
    shown = [picture[0, 0].tolist() for picture in pictures]
    assert all((picture == picture[0, 0]).all() for picture in pictures)
    expected = [
        DEFAULT_PALETTE[number].tolist()
        for number, seconds in enumerate(DELAYS)
        for _ in range(round(seconds * 10))
    ]
    assert shown == expected


# -- sound ---------------------------------------------------------------------------------------


def sound_places(file: File) -> list[int]:
    """How many pictures come before each piece of sound."""
    places, pictures = [], 0
    for chunk in file.chunks:
        if chunk.kind == AUDIO:
            places.append(pictures)
        pictures += chunk.kind == VIDEO
    return places


@pytest.mark.parametrize(
    ("fields", "kind", "piece"),
    [({}, "u8", 24_000), ({"audio": "pcm"}, "u8", 24_000), ({"args": ["-d"]}, "dfpwm", 3_000)],
)
def test_sound_is_what_ffmpeg_makes_of_it(
    studio: Studio, media_dir: Path, screen_media: Media, fields: dict[str, Any], kind: str,
    piece: int,
) -> None:  # fmt: skip
    for source in (media_dir / "clip.mp4", screen_media("sounding.mkv")):
        made = studio.convert(source, output_format="32vid", **fields)
        file = vid32_decoder.parse(made.data)
        assert file.dfpwm is (kind == "dfpwm")
        assert file.sound() == sound_by_ffmpeg(source, kind)
        sizes = [chunk.size for chunk in file.chunks if chunk.kind == AUDIO]
        assert sizes[:-1] == [piece] * (len(sizes) - 1)
        assert 0 < sizes[-1] <= piece
        # 10 pictures a second: a piece of half a second before every fifth one.
        pictures = made.result.frames
        assert sound_places(file) == [min(5 * n, pictures) for n in range(len(sizes))]


@pytest.mark.parametrize("fields", [{"audio": "none"}, {"args": ["-m"]}])
def test_mute(studio: Studio, screen_media: Media, fields: dict[str, Any]) -> None:
    made = studio.convert(screen_media("sounding.mkv"), output_format="32vid", **fields)
    file = vid32_decoder.parse(made.data)
    assert {chunk.kind for chunk in file.chunks} == {VIDEO}
    assert len(file.pictures()) == 17


@pytest.mark.parametrize("compression", ["ans", "deflate", "none", "custom"])
def test_separate_streams(studio: Studio, screen_media: Media, compression: str) -> None:
    clip = screen_media("sounding.mkv")
    fields = {"output_format": "32vid", "compression": compression, "width": 20, "height": 15}
    combined = vid32_decoder.parse(studio.convert(clip, **fields).data)
    separate = vid32_decoder.parse(studio.convert(clip, args=["-S"], **fields).data)
    video, audio = separate.streams
    assert (video.kind, video.count) == (VIDEO, 17)
    assert (audio.kind, audio.count) == (AUDIO, len(audio.data))
    assert audio.data == combined.sound()
    pictures = vid32_decoder.row_of_pictures(video.data, 10, 5, separate.compression)
    for one, two in zip(pictures, combined.pictures(), strict=True):
        assert np.array_equal(one.colors, two.colors)
        assert np.array_equal(one.codes, two.codes)


def test_an_index_leads_to_the_pictures(studio: Studio, screen_media: Media) -> None:
    clip = screen_media("sounding.mkv")
    file = vid32_decoder.parse(studio.convert(clip, output_format="32vid", index=True).data)
    combined, index = file.streams
    assert (combined.kind, index.kind, index.data[0]) == (12, 13, 10)
    entries = np.frombuffer(index.data[1:], "<u4").tolist()
    videos = [chunk.offset for chunk in file.chunks if chunk.kind == VIDEO]
    assert entries == videos[::10]


def _song_with_one_picture(folder: Path) -> Path:
    early = film(folder / "early.mkv", [3], "10")
    return make_media(
        folder / "song.mkv", "-i", str(early), "-f", "lavfi", "-i", "sine=d=1.2",
        "-c:v", "copy", "-c:a", "pcm_s16le",
    )  # fmt: skip


def test_one_picture_with_a_song_stays_while_it_is_heard(studio: Studio, tmp_path: Path) -> None:
    clip = _song_with_one_picture(tmp_path)
    made = studio.convert(clip, output_format="32vid", **PLAIN)
    assert slots_of(made) == [3] * 12
    file = vid32_decoder.parse(made.data)
    assert len(file.sound()) == 1.2 * 48_000


def test_one_picture_with_a_song_is_a_still_with_sound_for_the_reference(
    studio: Studio, tmp_path: Path
) -> None:
    clip = _song_with_one_picture(tmp_path)
    made = studio.convert(clip, output_format="32vid", **{**PLAIN, "quality": "exact"})
    assert made.result.frames == 1
    file = vid32_decoder.parse(made.data)
    assert [chunk.kind for chunk in file.chunks] == [AUDIO, VIDEO, AUDIO, AUDIO]
    assert len(file.sound()) == 1.2 * 48_000


# -- subtitles -----------------------------------------------------------------------------------

SRT = """1
00:00:00,500 --> 00:00:01,000
Hi there

2
00:00:01,200 --> 00:00:01,400
<i>Bye</i>
"""
ASS = """[Script Info]
PlayResX: 96
PlayResY: 72
ScriptType: v4.00+

[V4+ Styles]
Format: Name, PrimaryColour, Alignment, MarginL, MarginR, MarginV
Style: Default,&H00FFFFFF,2,0,0,3

[Events]
Format: Layer, Start, End, Style, Text
Dialogue: 0,0:00:00.50,0:00:01.00,Default,Hi there
Dialogue: 0,0:00:01.20,0:00:01.40,Default,{\\i1}Bye
"""
TEXT_ROW = 22
"""The usual margin leaves a row of 24 free."""

SHOWN = [b""] * 5 + [b"Hi there"] * 5 + [b""] * 2 + [b"Bye"] * 2 + [b""] * 6


@pytest.fixture(params=[SRT, ASS], ids=["srt", "ass"])
def subtitle_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "subtitles"
    path.write_text(request.param)
    return path


def test_32vid_leaves_subtitles_to_the_player(
    studio: Studio, tmp_path: Path, subtitle_file: Path
) -> None:
    clip = film(tmp_path / "black.mkv", [15] * 20, "10")
    fields = {"output_format": "32vid", "width": 96, "height": 72}
    made = studio.convert(clip, subtitle_file=subtitle_file, **fields)
    file = vid32_decoder.parse(made.data)
    texts = [chunk for chunk in file.chunks if chunk.kind == TEXT]
    events = [event for chunk in texts for event in vid32_decoder.events(chunk.data)]
    assert [(e.start, e.length, e.text) for e in events] == [
        (5, 5, b"Hi there"),
        (12, 2, b"Bye"),
    ]
    assert all(e.y == TEXT_ROW for e in events)
    kinds = [chunk.kind for chunk in file.chunks]
    assert [kinds[:at].count(VIDEO) for at, kind in enumerate(kinds) if kind == TEXT] == [6, 13]
    plain = vid32_decoder.parse(studio.convert(clip, **fields).data)
    for one, two in zip(file.pictures(), plain.pictures(), strict=True):
        assert np.array_equal(one.codes, two.codes)


@pytest.mark.parametrize("args", [[], ["-p -t"]], ids=["best", "exact"])
def test_subtitles_are_letters_where_there_are_no_events(
    studio: Studio, tmp_path: Path, subtitle_file: Path, args: list[str]
) -> None:
    clip = film(tmp_path / "black.mkv", [15] * 20, "10")
    fields = {"output_format": "bimg", "args": args, "width": 96, "height": 72}
    made = studio.convert(clip, subtitle_file=subtitle_file, **fields)
    screens = decoders.bimg(made.data).screens
    assert [bytes(screen.characters[TEXT_ROW]).strip() for screen in screens] == SHOWN


def read_letters(ink: npt.NDArray[np.bool_]) -> bytes:
    """The text of a line of letters, each 5 x 8 dots in 6 x 9."""
    letters = {shape.tobytes(): code for code, shape in glyphs().items()}
    letters[bytes(40)] = ord(" ")
    boxes = [ink[1:, left : left + 5] for left in range(0, ink.shape[1], 6)]
    return bytes(letters[box.astype(np.uint8).tobytes()] for box in boxes).strip()


@pytest.mark.parametrize("args", [[], ["-p -t"]], ids=["best", "exact"])
def test_subtitles_are_drawn_dot_by_dot_into_32vid(
    studio: Studio, tmp_path: Path, subtitle_file: Path, args: list[str]
) -> None:
    subtitle_file.write_text(
        subtitle_file.read_text().replace("&H00FFFFFF", "&H000000FF"), encoding="utf-8"
    )
    ink = [240, 240, 240] if subtitle_file.read_text().startswith("1") else [204, 76, 76]
    clip = film(tmp_path / "black.mkv", [15] * 20, "10")
    fields = {"output_format": "32vid", "subtitles": "burn", "width": 96, "height": 72}
    fields |= {"args": args, "palette": "default", "dither": "none"}
    file = vid32_decoder.parse(studio.convert(clip, subtitle_file=subtitle_file, **fields).data)
    assert {chunk.kind for chunk in file.chunks} == {VIDEO}
    texts = []
    for picture in file.pictures():
        screen = Screen(picture.codes | 128, picture.colors, picture.palette)
        dots = screen.palette[decoders.pixels(screen)] == ink
        assert not dots[:-9].all(-1).any()
        texts.append(read_letters(dots[-9:].all(-1)))
    assert texts == SHOWN
