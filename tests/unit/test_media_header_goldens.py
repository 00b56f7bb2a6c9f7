"""Headers of files that people failed with, as two ffmpegs print them, and other shapes of headers
that versions 6 to 9 print. What is right was asked of ffprobe, Pillow and who made the files."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import pytest

from gmapi.media.header import MediaInfo, Stream, parse_header

HEADERS = Path(__file__).parent.parent / "goldens" / "headers"
MAJORS = (5, 9)


@functools.cache
def headers(major: int) -> dict[str, str]:
    """Name of the file to header, from a text with a line `=== name` before each."""
    text = (HEADERS / f"ffmpeg{major}.txt").read_text("utf-8")
    parts = [part.partition("\n") for part in text.split("=== ")[1:]]
    return {name: header for name, _, header in parts}


@dataclass(frozen=True)
class V:
    """What is right for pictures."""

    codec: str
    width: int
    height: int
    fps: float
    default: bool = False
    cover: bool = False
    start: float | None = None
    transfer: str | None = None
    has_alpha: bool = False

    def check(self, stream: Stream, tells_start: bool) -> None:
        assert (stream.kind, stream.codec) == ("video", self.codec)
        assert (stream.width, stream.height) == (self.width, self.height)
        assert (stream.coded_width, stream.coded_height) == (self.width, self.height)
        assert stream.fps == self.fps
        assert ("default" in stream.flags) is self.default
        assert stream.attached_picture is self.cover
        assert stream.start == (self.start if tells_start else None)
        assert stream.transfer == self.transfer
        assert stream.has_alpha is self.has_alpha
        assert stream.tile_group is None


@dataclass(frozen=True)
class A:
    """What is right for sound."""

    codec: str
    rate: int
    channels: int
    default: bool = False
    language: str | None = None
    title: str | None = None
    start: float | None = None

    def check(self, stream: Stream, tells_start: bool) -> None:
        assert (stream.kind, stream.codec) == ("audio", self.codec)
        assert (stream.sample_rate, stream.channels) == (self.rate, self.channels)
        assert ("default" in stream.flags) is self.default
        assert (stream.language, stream.title) == (self.language, self.title)
        assert stream.start == (self.start if tells_start else None)


@dataclass(frozen=True)
class Other:
    kind: str
    codec: str
    language: str | None = None

    def check(self, stream: Stream, tells_start: bool) -> None:
        assert (stream.kind, stream.codec) == (self.kind, self.codec)
        assert stream.language == self.language


Wanted = V | A | Other
RIGHT: dict[str, dict[int, Wanted]] = {
    "attach.mkv": {
        0: V("h264", 160, 120, 10, default=True, start=0.021),
        1: A("aac", 48_000, 2, default=True),
        2: Other("attachment", "ttf"),
    },
    "c51side.ac3": {0: A("ac3", 48_000, 6)},
    "c709.mp4": {0: V("h264", 160, 120, 5, default=True, transfer="bt709")},
    "chain_rate.ogg": {0: A("vorbis", 44_100, 2)},
    "cover.mp3": {
        0: A("mp3", 44_100, 2, start=0.025057),
        1: V("png", 300, 301, 90_000, cover=True, start=0.025056),
    },
    "exif6.jpg": {0: V("mjpeg", 120, 160, 25)},
    "f60.mp4": {0: V("h264", 80, 60, 60, default=True)},
    "gap.mkv": {0: V("h264", 160, 120, 10, start=0.021), 1: A("aac", 48_000, 1)},
    "h264.avi": {0: V("h264", 160, 120, 20), 1: A("aac", 48_000, 2)},
    "hdrpq.mp4": {0: V("hevc", 160, 120, 10, default=True, transfer="smpte2084")},
    "jpgin.tif": {0: V("tiff", 160, 120, 25)},
    "late3600.mkv": {
        0: V("h264", 160, 120, 10, start=3600.0),
        1: A("aac", 48_000, 1, start=3599.979),
    },
    "late_audio.mp4": {
        0: V("h264", 160, 120, 10, default=True),
        1: A("aac", 48_000, 1, default=True, start=1.978),
    },
    "late_video.mkv": {0: V("h264", 160, 120, 10, start=2.021), 1: A("aac", 48_000, 1)},
    "m.mjpeg": {0: V("mjpeg", 160, 120, 25)},
    "monohalf.wav": {0: A("pcm_s16le", 48_000, 1)},
    "multi.ico": {
        number: V("png", size, size, 90_000) for number, size in enumerate((16, 32, 48, 256))
    },
    "multi_default2.mkv": {
        0: V("h264", 160, 120, 10, start=0.021),
        1: A("aac", 48_000, 1, language="eng", title="Commentary"),
        2: A("aac", 48_000, 1, language="eng", default=True),
    },
    "odd.mkv": {0: V("ffv1", 301, 75, 10)},
    "reschange.ts": {
        0: V("h264", 160, 120, 10, start=1.405333),
        1: A("ac3", 48_000, 2, start=1.4),
    },
    "rgbahidden.png": {0: V("png", 160, 120, 25, has_alpha=True)},
    "s_1252.srt": {0: Other("subtitle", "subrip")},
    "tmcd.mov": {
        0: V("h264", 160, 120, 10, default=True),
        1: A("aac", 48_000, 2, default=True),
        2: Other("data", "none", language="eng"),
    },
    "tvrec.ts": {
        0: V("h264", 160, 120, 10, start=1.405333),
        1: A("ac3", 48_000, 2, start=1.4),
    },
    "ultrahdr.jpg": {0: V("mjpeg", 160, 120, 25)},
    "vp8alpha.webm": {0: V("vp8", 160, 120, 10, has_alpha=True)},
}
"""By the number of the stream; a `start` is what ffmpeg 9 tells of it, where that is not 0."""

LENGTHS = {
    "attach.mkv": (3.02, 0.0), "late3600.mkv": (3603.0, 3599.979), "late_audio.mp4": (4.0, 0.0),
    "tvrec.ts": (6.0, 1.4), "reschange.ts": (4.0, 1.4), "tmcd.mov": (3.0, 0.0),
    "m.mjpeg": (None, None), "grid.avif": (None, 0.0), "anim.avif": (2.0, 0.0),
    "monohalf.wav": (2.0, None), "multi.ico": (None, None),
}  # fmt: skip
"""Duration as told and start."""


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("name", sorted(RIGHT))
def test_each_stream_is_read(name: str, major: int) -> None:
    streams = {stream.index: stream for stream in parse_header(headers(major)[name]).streams}
    assert sorted(streams) == sorted(RIGHT[name])
    for number, right in RIGHT[name].items():
        right.check(streams[number], tells_start=major >= 9)


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("name", sorted(LENGTHS))
def test_length_and_start_are_read(name: str, major: int) -> None:
    info = parse_header(headers(major)[name])
    assert (info.duration, info.start) == LENGTHS[name]


def test_all_headers_are_judged() -> None:
    apart = {"anim.avif", "grid.avif"}
    for major in MAJORS:
        assert set(headers(major)) == set(RIGHT) | apart


def test_an_animation_and_its_still() -> None:
    (moving,) = parse_header(headers(5)["anim.avif"]).streams
    still, film = parse_header(headers(9)["anim.avif"]).streams
    assert [s.codec for s in (still, film, moving)] == ["av1"] * 3
    assert (still.fps, film.fps, moving.fps) == (1.0, 10.0, 10.0)
    assert (still.ticks, film.ticks, moving.ticks) == (1.0, 10_240.0, 10_240.0)
    assert film.transfer == moving.transfer == "iec61966-2-1"
    assert still.title == "Color"


def test_a_picture_of_tiles_is_a_group() -> None:
    (grid,) = parse_header(headers(9)["grid.avif"]).streams
    assert (grid.tile_group, grid.kind, grid.codec) == (0, "video", "av1")
    assert (grid.width, grid.height) == (512, 384)
    assert "default" in grid.flags
    (tile,) = parse_header(headers(5)["grid.avif"]).streams
    assert (tile.tile_group, tile.width) == (None, None)


# -- other shapes --------------------------------------------------------------------------------

HEAD = "Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'input':\n"


def read(text: str) -> MediaInfo:
    return parse_header(HEAD + text + "At least one output file must be specified\n")


def test_members_of_a_grid_are_told_below_it_or_beside_it() -> None:
    """As versions 7 and 8 print HEIC pictures of phones, the second when asked for more words."""
    group = (
        "  Stream group #0:0[0x31]: Tile Grid: hevc (Main Still Picture) (hvc1 / 0x31637668), "
        "yuvj420p(pc, smpte170m/smpte432/bt709), 4032x3024 [SAR 1:1 DAR 4:3] (default)\n"
        "    Side data:\n      Display Matrix: rotation of -90.00 degrees\n"
    )
    tiles = "".join(
        f"{{}}Stream #0:{number}[0x{number + 1:x}]: Video: hevc (Main Still Picture) "
        "(hvc1 / 0x31637668), yuvj420p(pc, smpte170m/smpte432/bt709), 512x512, 1 fps, 1 tbr, "
        "1 tbn (dependent)\n"
        for number in range(3)
    )
    for indent in ("    ", "  "):
        grid, *members = read(group + tiles.replace("{}", indent)).streams
        assert grid.tile_group == 0
        assert (grid.width, grid.height) == (3024, 4032)
        assert (grid.coded_width, grid.coded_height) == (4032, 3024)
        assert grid.is_turned
        assert grid.transfer == "bt709"
        assert [member.index for member in members] == [0, 1, 2]
        assert all("dependent" in member.flags for member in members)
        assert all(member.tile_group is None for member in members)


@pytest.mark.parametrize("indent", [2, 4, 6, 8])
def test_streams_may_be_indented_as_deep_as_they_like(indent: int) -> None:
    pad = " " * indent
    text = (
        "  Duration: 00:00:03.00, start: 0.000000, bitrate: 160 kb/s\n"
        f"  Stream group #0:0[0x3]: Track Reference:\n"
        f"{pad}Stream #0:0[0x1](ger): Video: h264 (High), yuv420p(tv, bt709), 64x48, 25 fps, "
        "25 tbr, 12800 tbn (default)\n"
        f"{pad}  Metadata:\n{pad}    title           : Stream #0:7: Video: vp8, 1x1\n"
        f"{pad}    timecode        : 01:00:00:0\n"
        f"{pad}Stream #0:2[0x3](eng): Data: none (tmcd / 0x64636D74), 0 kb/s\n"
        f"{pad}  Metadata:\n{pad}    Stream #0:9: Audio: mp3, 8000 Hz\n"
        "  Stream #0:1[0x2](fre): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, mono, fltp\n"
    )
    streams = read(text).streams
    assert [(s.index, s.kind, s.language) for s in streams] == [
        (0, "video", "ger"), (2, "data", "eng"), (1, "audio", "fre"),
    ]  # fmt: skip
    assert streams[0].title == "Stream #0:7: Video: vp8, 1x1"


def test_groups_of_immersive_sound() -> None:
    """Version 7 lists the sounds of an element below its layers."""
    text = (
        "  Duration: 00:00:01.00, start: 0.000000, bitrate: 141 kb/s\n"
        "  Stream group #0:0[0x12c]: IAMF Audio Element:\n"
        "    Layer 0: stereo\n"
        "      Stream #0:0[0x0]: Audio: opus (iamf / 0x666D6169), 48000 Hz, stereo, fltp "
        "(default)\n"
        "    Layer 1: 5.1\n"
        "      Stream #0:1[0x1]: Audio: opus (iamf / 0x666D6169), 48000 Hz, stereo, fltp "
        "(dependent)\n"
        "  Stream group #0:1[0x2a]: IAMF Mix Presentation:\n"
        "    Annotations:\n      en-us           : Stream #0:5: Audio: mp3, 8000 Hz, mono\n"
        "    Submix 0:\n      IAMF Audio Element #0:0[0x12c]\n"
        "        Annotations:\n          en-us           : Scalable\n"
        "      Layout #0: stereo\n"
    )
    streams = read(text).streams
    assert [stream.index for stream in streams] == [0, 1]
    assert [stream.channels for stream in streams] == [2, 2]


def test_programs_of_a_broadcast() -> None:
    """Version 6 prints the streams of a program below it, and those of none after that."""
    stream = "Audio: ac3 (AC-3 / 0x332D4341), 48000 Hz, 5.1(side), fltp, 448 kb/s"
    text = (
        "  Duration: 00:00:04.00, start: 1.400000, bitrate: 289 kb/s\n"
        "  Program 1 \n    Metadata:\n      service_name    : Program 7\n"
        "  Stream #0:0[0x100]: Video: h264 (High) ([27][0][0][0] / 0x001B), yuv420p(tv, "
        "smpte170m/bt470bg/smpte170m, top first), 720x576 [SAR 64:45 DAR 16:9], 25 fps, 50 tbr, "
        "90k tbn\n"
        f"  Stream #0:1[0x101](ger): {stream} (clean effects)\n"
        f"  Program 2 \n  Stream #0:2[0x201](eng): {stream} (visual impaired) (descriptions)\n"
        "  No Program\n"
        "  Stream #0:3[0x1fff]: Data: epg\n"
    )
    video, german, described, data = read(text).streams
    assert [s.program for s in (video, german, described, data)] == [1, 1, 2, None]
    assert (video.width, video.coded_width, video.fps) == (1024, 720, 25.0)
    assert video.ticks == 90_000
    assert (video.matrix, video.primaries, video.transfer) == ("smpte170m", "bt470bg", "smpte170m")
    assert described.flags == {"visual impaired", "descriptions"}
    assert german.channels == described.channels == 6
