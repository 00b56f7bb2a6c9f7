"""How many pictures `ffmpeg` makes and when they are shown, for a caller who says nothing."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from support.media.making import H264, Maker
from support.product.outcomes import daily
from support.product.tools import Tools

FILM = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=3")
TONE = ("-f", "lavfi", "-i", "sine=440:r=48000:d=3")


@pytest.mark.parametrize("rate", daily([30, 60, 120], 120))
def test_browsers_keep_the_times_of_a_gif(tools: Tools, make: Maker, rate: int) -> None:
    source = make(f"{rate}.mp4", "-f", "lavfi", "-i", f"testsrc2=s=64x48:r={rate}:d=1", *H264)
    made = tools.ffmpeg(source, "gif")
    steps = gif_delays(made.path.read_bytes())
    assert min(steps) >= 2
    assert sum(steps) == pytest.approx(100, abs=4)
    assert len(steps) == min(rate, 50)


@pytest.mark.parametrize("fields", [{}, {"quality": "exact"}, {"fps": 90}])
def test_browsers_keep_the_times_of_a_preview(
    tools: Tools, make: Maker, fields: dict[str, Any]
) -> None:
    source = make("100.mkv", "-f", "lavfi", "-i", "testsrc=s=32x24:r=100:d=1", *H264)
    made = tools.sanjuuni(source, "gif", **fields)
    steps = gif_delays(made.path.read_bytes())
    assert set(steps) == {2}
    assert (len(steps), made.result.frames, made.result.fps) == (50, 50, 50)
    assert made.result.duration == pytest.approx(1.0)


def test_bursts_of_pictures_in_a_gif(tools: Tools, make: Maker) -> None:
    """Screen recordings have pictures whenever something happens."""
    burst = ("-vf", "setpts='if(lt(N,20),N*0.005,0.1+(N-20)*0.1)/TB'", "-fps_mode", "passthrough")
    source = make("burst.mkv", *FILM, *burst, *H264)
    assert min(gif_delays(tools.ffmpeg(source, "gif").path.read_bytes())) >= 2


def gif_delays(data: bytes) -> list[int]:
    """The delays in a GIF, hundredths of a second, by its bytes."""
    at, delays = 13 + 3 * (2 << (data[10] & 7)) * (data[10] >> 7), []
    while data[at] != 0x3B:
        if data[at] == 0x21 and data[at + 1] == 0xF9:
            delays.append(struct.unpack("<H", data[at + 4 : at + 6])[0])
        if data[at] == 0x21:
            at += 2
        else:
            flags = data[at + 9]
            at += 11 + 3 * (2 << (flags & 7)) * (flags >> 7)
        while data[at]:
            at += 1 + data[at]
        at += 1
    return delays


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "output_format"),
    [("avi", "mp4"), ("avi", "gif"), ("h264", "mp4"), ("hevc", "gif"), ("mjpeg", "mkv"),
     ("m4v", "mp4")],
)  # fmt: skip
def test_pictures_without_times(tools: Tools, make: Maker, kind: str, output_format: str) -> None:
    coded = {
        "avi": (*H264[:-2], "-preset", "medium", "-bf", "2", "-pix_fmt", "yuv420p"),
        "h264": (*H264, "-bf", "2", "-preset", "medium", "-f", "h264"),
        "hevc": ("-c:v", "libx265", "-x265-params", "log-level=none", "-f", "hevc"),
        "mjpeg": ("-c:v", "mjpeg", "-f", "mjpeg"),
        "m4v": ("-c:v", "mpeg4", "-bf", "2", "-f", "m4v"),
    }[kind]
    source = make(f"untimed.{kind}", *FILM, *coded)
    made = tools.ffmpeg(source, output_format)
    assert made.file.frames == 30
    begin, end = made.file.span("video")
    # Raw motion JPEG does not tell a rate, and is shown at 25 pictures a second.
    assert begin < 0.11
    assert end - begin == pytest.approx(1.2 if kind == "mjpeg" else 3.0, abs=0.11)


@pytest.mark.parametrize("output_format", daily(["mp4", "webm", "avi", "ts"], "mp4", "avi"))
@pytest.mark.parametrize("late", ["pictures", "sound"])
def test_pictures_and_sound_stay_in_step(
    tools: Tools, make: Maker, late: str, output_format: str
) -> None:
    """What starts a second late still does, or there are silence and a picture before it."""
    first, second = (TONE, FILM) if late == "pictures" else (FILM, TONE)
    source = make(
        f"late_{late}.mkv", *first, "-itsoffset", "1", *second, "-map", "0", "-map", "1",
        *H264, "-c:a", "aac",
    )  # fmt: skip
    file = tools.ffmpeg(source, output_format).file
    ends = {kind: file.span(kind)[1] for kind in ("video", "audio")}
    early = {"pictures": "audio", "sound": "video"}[late]
    other = {"pictures": "video", "sound": "audio"}[late]
    assert ends[other] - ends[early] == pytest.approx(1.0, abs=0.15)


def test_an_icon_is_shown_like_other_stills(tools: Tools, make: Maker) -> None:
    sizes = [("-f", "lavfi", "-i", f"color={c}:s={n}x{n}") for c, n in (("red", 16), ("lime", 48))]
    source = make(
        "two.ico", *sizes[0], *sizes[1], "-map", "0", "-map", "1", "-frames:v", "1",
        "-pix_fmt", "bgra",
    )  # fmt: skip
    made = tools.ffmpeg(source, "mp4")
    assert made.file.size == (48, 48)
    assert made.file.stream("video")["avg_frame_rate"] == "25/1"
    assert made.file.pixels()[24, 24, 1] > 200


@pytest.mark.parametrize(
    ("output_format", "args"), [("mp4", ""), ("gif", "-vf hflip"), ("webp", ""), ("jpg", "")]
)
def test_a_photo_is_alone_without_its_gain_map(
    tools: Tools, make: Maker, args: str, output_format: str
) -> None:
    photo, behind = (
        make(f"{name}.jpg", "-f", "lavfi", "-i", film, "-frames:v", "1")
        for name, film in (("photo", "testsrc2=s=320x240"), ("map", "color=gray:s=80x60"))
    )
    data = photo.read_bytes()
    mark, jfif = b"\xff\xe2\x00\x06MPF\0", 20
    whole = data[:jfif] + mark + data[jfif:] + behind.read_bytes()
    source = make.bytes("photo-with-map.jpg", whole)
    made = tools.ffmpeg(source, output_format, args)
    assert made.file.frames == 1
    assert made.file.size == (320, 240)
    assert made.file.pixels().std() > 50


def test_usual_sources_are_not_read_twice(tools: Tools, media_dir: Path) -> None:
    made = tools.ffmpeg(media_dir / "clip.mp4", "mp4")
    assert made.file.frames == 20
    assert made.result.duration == pytest.approx(2.0, abs=0.1)
    assert made.result.warnings is None or not made.result.warnings
