"""Headers as ffmpeg 9 and 5.1 print them."""

import time

import pytest

from gmapi.media.header import MediaInfo, Stream, is_rgb, parse_header

DEFAULT = frozenset({"default"})

MP4_9 = """Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'input':
  Metadata:
    major_brand     : isom
    title           : Stream #0:7: Video: h264, yuv420p, 1x1
                    :   Duration: 99:00:00.00, start
  Duration: 00:01:03.04, start: 0.000000, bitrate: 83 kb/s
  Stream #0:0[0x1](und): Video: h264 (High 4:4:4 Predictive) (avc1 / 0x31637661), \
yuv444p(tv, bt709, progressive), 640x360 [SAR 1:1 DAR 16:9], 10 kb/s, 23.98 fps, 24 tbr, \
10240 tbn (default)
    Metadata:
      handler_name    : VideoHandler
  Stream #0:1[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, 5.1(side), fltp, \
69 kb/s (default)
At least one output file must be specified
"""

MKV_5 = """Input #0, matroska,webm, from 'input':
  Metadata:
    ENCODER         : Lavf59.27.100
  Duration: 00:00:12.02, start: 0.000000, bitrate: 32 kb/s
  Stream #0:0: Video: h264 (High), yuv420p(progressive), 720x576 [SAR 64:45 DAR 16:9], 25 fps, \
25 tbr, 1k tbn (default)
    Metadata:
      ENCODER         : Lavc59.37.100 libx264
      DURATION        : 00:00:05.000000000
  Stream #0:1(ger): Audio: vorbis, 48000 Hz, stereo, fltp (default)
    Metadata:
      DURATION        : 00:00:12.020000000
  Stream #0:2(eng): Subtitle: subrip
At least one output file must be specified
"""

TURNED = """Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'input':
  Duration: 00:00:05.00, start: 0.000000, bitrate: 21 kb/s
  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p, 64x48, 12 kb/s, \
SAR 4:3 DAR 16:9, 25 fps, 25 tbr, 12800 tbn (default)
    Side data:
      displaymatrix: rotation of -90.00 degrees
"""

COVER = """Input #0, mp3, from 'input':
  Metadata:
    encoder         : Lavf63.1.102
  Duration: 00:00:04.05, start: 0.025057, bitrate: 70 kb/s
  Stream #0:0: Audio: mp3 (mp3float), 44100 Hz, mono, fltp, 64 kb/s
  Stream #0:1: Video: mjpeg (Baseline), yuvj444p(pc, bt470bg/unknown/unknown), 64x48 \
[SAR 1:1 DAR 4:3], 90k tbr, 90k tbn (attached pic)
"""


def test_mp4_of_ffmpeg_9_with_tags_that_look_like_streams() -> None:
    assert parse_header(MP4_9) == MediaInfo(
        63.04,
        (
            Stream(
                0,
                "video",
                "h264",
                640,
                360,
                640,
                360,
                fps=23.98,
                pixels="yuv444p",
                ticks=10240,
                flags=DEFAULT,
                transfer="bt709",
                primaries="bt709",
                matrix="bt709",
            ),
            Stream(1, "audio", "aac", sample_rate=44100, channels=6, language="eng", flags=DEFAULT),
        ),
        "mov,mp4,m4a,3gp,3g2,mj2",
        0.0,
    )


def test_mkv_of_ffmpeg_5_with_durations_and_wide_pixels() -> None:
    info = parse_header(MKV_5)
    assert info.streams == (
        Stream(
            0,
            "video",
            "h264",
            1024,
            576,
            720,
            576,
            fps=25.0,
            pixels="yuv420p",
            duration=5.0,
            told_length=5.0,
            ticks=1000,
            flags=DEFAULT,
        ),
        Stream(
            1,
            "audio",
            "vorbis",
            sample_rate=48000,
            channels=2,
            duration=12.02,
            told_length=12.02,
            language="ger",
            flags=DEFAULT,
        ),
        Stream(2, "subtitle", "subrip", language="eng"),
    )
    assert info.duration == 12.02


def test_turned_picture_is_given_as_seen() -> None:
    (video,) = parse_header(TURNED).streams
    assert (video.width, video.height) == (48, 85)
    assert (video.coded_width, video.coded_height) == (64, 48)


@pytest.mark.parametrize(
    ("pixels", "has_alpha"),
    [
        ("yuv420p(tv, bt709)", False), ("rgb24(pc)", False), ("gray", False), ("none", False),
        ("gbrp(pc)", False), ("bgr0", False), ("rgba(pc, gbr/unknown/unknown)", True),
        ("pal8(pc)", True), ("ya8", True), ("yuva420p", True), ("bgra", True), ("gbrap12le", True),
    ],
)  # fmt: skip
def test_transparency(pixels: str, has_alpha: bool) -> None:
    header = f"Input #0, png_pipe, from 'x':\n  Stream #0:0: Video: png, {pixels}, 64x48, 25 fps\n"
    info = parse_header(header)
    assert info.streams[0].has_alpha is has_alpha
    assert info.container == "png_pipe"


@pytest.mark.parametrize(
    "pixels",
    ["rgb24", "bgr0", "0rgb", "gbrp", "gbrap12le", "pal8", "rgba64be", "rgb565le", "x2rgb10le"],
)
def test_red_green_and_blue(pixels: str) -> None:
    assert is_rgb(pixels)
    assert not any(is_rgb(other) for other in ("gray", "ya8", "yuva420p", "yuvj420p", "nv12"))


def test_cover_art_is_no_video() -> None:
    info = parse_header(COVER)
    assert info.first("video") is None
    assert info.first("audio") == Stream(0, "audio", "mp3", sample_rate=44100, channels=1)
    assert info.streams[1].attached_picture
    assert info.streams[1].fps == 90_000


@pytest.mark.parametrize(
    ("layout", "count"),
    [
        ("mono", 1), ("stereo", 2), ("2.1", 3), ("quad", 4), ("5.1", 6), ("7.1(wide)", 8),
        ("5.1.4", 10), ("22.2", 24), ("3 channels", 3), ("1 channels (FL)", 1), ("unknown", None),
    ],
)  # fmt: skip
def test_channel_layouts(layout: str, count: int | None) -> None:
    header = f"Input #0, wav, from 'x':\n  Stream #0:0: Audio: flac, 8000 Hz, {layout}, s16\n"
    (stream,) = parse_header(header).streams
    assert (stream.sample_rate, stream.channels) == (8000, count)


@pytest.mark.parametrize(
    "line",
    [
        "Video: none, none, 12 tbr",
        "Video: rawvideo (RGB[24] / 0x18424752), rgb24",
        "Audio: none",
        "Data: bin_data (text / 0x74786574)",
        "Video: h264, yuv420p(",
        "Unknown: none",
    ],
)
def test_odd_streams_do_not_raise(line: str) -> None:
    header = f"Input #0, mov, from 'x':\n  Duration: N/A, bitrate: N/A\n  Stream #0:3: {line}\n"
    info = parse_header(header)
    assert info.duration is None
    assert [stream.index for stream in info.streams] == [3]
    assert info.streams[0].width is None


def test_only_the_first_input_counts() -> None:
    text = MKV_5.replace("At least one output file must be specified", "Output #0, null, to 'x':")
    assert parse_header(text + "  Stream #0:0: Audio: pcm_s16le, 8000 Hz, mono\n") == parse_header(
        MKV_5
    )
    assert parse_header("nothing at all") == MediaInfo(None, ())


HOSTILE_TAGS = [
    "      " + " " * 980 + "x",
    "      x: rotation of ... degrees",
    "      displaymatrix: rotation of " + "9" * 400 + " degrees",
    "      displaymatrix: rotation of 1.2.3 degrees",
    "      DURATION : " + "9" * 400 + ":00:00",
    "  Stream #0:" + "9" * 400 + ": Video: h264",
    "  Stream #0:1: Video: h264, " + "9" * 400 + "x1 [SAR " + "9" * 100 + ":1 DAR 1:1], 1.2.3 fps",
    "  Stream #0:1: Video: h264, 1x1 [SAR 1:" + "9" * 400 + " DAR 1:1], " + "9" * 400 + " fps",
    "  Stream #0:1: Audio: aac, " + "9" * 900 + " Hz, " + "9" * 900 + " channels",
    "  Stream #0:1: Video: " + "h264, (" * 130,
]


@pytest.mark.parametrize("line", HOSTILE_TAGS, ids=range(len(HOSTILE_TAGS)))
def test_five_thousand_hostile_lines_are_read_in_seconds(line: str) -> None:
    """The search for a rotation took a minute for the first of these."""
    first = "  Stream #0:0: Video: h264, yuv420p, 64x48, 25 fps"
    text = "\n".join(["Input #0, matroska, from 'x':", first, *[line] * 5000])
    began = time.process_time()
    info = parse_header(text)
    assert time.process_time() - began < 10
    video = info.first("video")
    assert video is not None
    assert video.width == 64


def told(header: str) -> list[float | None]:
    return [stream.told_length for stream in parse_header(header).streams]


def test_only_matroska_tells_lengths_that_can_be() -> None:
    """A tag is a stranger's: one that says more than the whole file has is not believed."""
    assert told(MKV_5) == [5.0, 12.02, None]
    assert told(MKV_5.replace("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2")) == [None] * 3
    assert told(MKV_5.replace("00:00:05.0", "00:00:13.0")) == [None, 12.02, None]
    assert told(MKV_5.replace("Duration: 00:00:12.02", "Duration: N/A")) == [5.0, 12.02, None]
    # It counts from 0, and all else from the start of the source.
    late = MKV_5.replace("start: 0.000000", "start: 1.500000")
    assert told(late) == [3.5, pytest.approx(10.52), None]
    assert told(MKV_5.replace("start: 0.000000", "start: -0.007000")) == [5.0, 12.02, None]
    assert told(MKV_5.replace("start: 0.000000", "start: 6.000000"))[0] is None
