"""How pictures look that `ffmpeg` makes for a caller who asks for a format only: shape, size,
transparency, brightness and rhythm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.media.made_files import MadeFile
from support.media.making import H264, Maker
from support.media.programs import make_media
from support.product.outcomes import daily, daily_rows
from support.product.tools import Tools


def colour(name: str, size: str, seconds: float = 1, rate: float = 10) -> tuple[str, ...]:
    return "-f", "lavfi", "-i", f"color={name}:s={size}:r={rate:g}:d={seconds:g}"


SHAPES = {
    # Stored size, shape of its pixels, size seen with even sides, the same with any sides.
    "odd": ("301x75", "1", (300, 74), (301, 75)),
    "odd in 4:2:0": ("65x47", "1", (64, 46), (65, 47)),
    "dv": ("144x96", "16/15", (154, 96), (154, 96)),
    "narrow": ("176x96", "10/11", (160, 96), (160, 96)),
    "one pixel high": ("40x1", "1", (40, 2), (40, 1)),
}


@pytest.mark.parametrize(
    ("name", "output_format"),
    daily_rows(
        [("odd", name) for name in ("webm", "avi", "mpg", "3gp", "png")]
        + [(name, kind) for name in SHAPES for kind in ("mp4", "gif")],
        ("odd", "mpg"),
        ("odd in 4:2:0", "mp4"),
        ("dv", "gif"),
        ("one pixel high", "mp4"),
    ),
)
def test_what_is_told_of_the_size_is_what_is_there(
    tools: Tools, make: Maker, name: str, output_format: str
) -> None:
    stored, shape, even, any_side = SHAPES[name]
    pixel_format = "yuv420p" if "4:2:0" in name else "bgr0"
    source = make(
        f"{name}.mkv", *colour("red", stored, 0.5), "-vf", f"setsar={shape}",
        "-c:v", "ffv1", "-pix_fmt", pixel_format,
    )  # fmt: skip
    made = tools.ffmpeg(source, output_format)
    expected = any_side if output_format in ("gif", "png") else even
    assert made.file.size == expected
    assert (made.result.width, made.result.height) == expected


def test_nothing_is_bent_or_blurred_where_a_side_is_odd(tools: Tools, make: Maker) -> None:
    lines = "nullsrc=s=65x47:r=5:d=0.4,format=gray,geq=lum='255*mod(X,2)'"
    source = make("lines.mkv", "-f", "lavfi", "-i", lines, "-c:v", "ffv1")
    row = tools.ffmpeg(source, "mkv", "-c:v ffv1").file.pixels()[20, :, 0]
    assert len(row) == 64
    assert set(row[::2]) == {0}
    assert set(row[1::2]) == {255}


@pytest.fixture(scope="module")
def changing(make: Maker) -> Path:
    """Two seconds of red 160x120, then two of blue 60x120, as broadcasts and HLS have it."""
    parts = [
        make(f"{name}.ts", *colour(name, size, 2), *H264)
        for name, size in (("red", "160x120"), ("blue", "60x120"))
    ]
    listed = "|".join(str(part) for part in parts)
    return make("changing.ts", "-i", f"concat:{listed}", "-c", "copy")


@pytest.mark.slow
@pytest.mark.parametrize("output_format", ["mp4", "webm", "gif"])
def test_a_part_of_another_shape_is_fitted_for_itself(
    tools: Tools, changing: Path, output_format: str
) -> None:
    made = tools.ffmpeg(changing, output_format)
    assert made.file.frames == 40
    begin, end = made.file.span("video")
    assert end - begin == pytest.approx(4.0, abs=0.15)
    assert made.file.size == (160, 120)
    assert made.file.pixels()[60, 5, 0] > 200
    later = made.file.pixels(3.0)
    assert later[60, 80, 2] > 200
    assert later[:, :45].max() < 40
    assert later[:, 115:].max() < 40


@pytest.mark.slow
@pytest.mark.parametrize("output_format", ["mp4", "gif"])
def test_turned_pictures_are_upright(tools: Tools, make: Maker, output_format: str) -> None:
    plain = make("plain.mp4", *colour("red", "64x48"), *H264)
    source = make("turned.mp4", "-display_rotation", "90", "-i", str(plain), "-c", "copy")
    made = tools.ffmpeg(source, output_format)
    assert made.file.size == (48, 64)
    assert made.file.frames == 10


@pytest.fixture(scope="module")
def half_hidden(make: Maker) -> dict[str, Path]:
    """Red on the left; on the right green that is not to be seen."""
    graph = "color=red:s=64x48:r=5:d=0.6,format=rgba,geq=r='255*lt(X,32)':g='255*gte(X,32)':b=0"
    hidden = f"{graph}:a='255*lt(X,32)'"
    source = ("-f", "lavfi", "-i", hidden)
    vpx = ("-auto-alt-ref", "0", "-b:v", "2M", "-pix_fmt", "yuva420p")
    return {
        "png": make("hidden.png", *source, "-frames:v", "1"),
        "vp8": make("hidden8.webm", *source, "-c:v", "libvpx", *vpx),
        "vp9": make("hidden9.webm", *source, "-c:v", "libvpx-vp9", *vpx),
        "mov": make("hidden.mov", *source, "-c:v", "qtrle", "-pix_fmt", "argb"),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "output_format"),
    [("png", "jpg"), ("png", "bmp"), ("vp8", "mp4"), ("vp9", "jpg"), ("mov", "avi"),
     ("vp8", "mkv"), ("png", "mp4")],
)  # fmt: skip
def test_what_is_not_to_be_seen_is_black_without_transparency(
    tools: Tools, half_hidden: dict[str, Path], kind: str, output_format: str
) -> None:
    picture = tools.ffmpeg(half_hidden[kind], output_format).file.pixels()
    assert picture[24, 8, 0] > 220
    assert picture[24, 56].max() < 40


@pytest.mark.parametrize(
    ("kind", "output_format"),
    daily_rows(
        [("png", "webp")]
        + [(kind, n) for kind in ("png", "vp9") for n in ("png", "apng", "gif", "tiff", "webm")],
        ("png", "webp"),
        ("vp9", "gif"),
        ("png", "webm"),
        ("png", "tiff"),
    ),
)
def test_transparency_is_kept_where_it_can_be(
    tools: Tools, half_hidden: dict[str, Path], kind: str, output_format: str
) -> None:
    made = tools.ffmpeg(half_hidden[kind], output_format)
    assert list(opacity(made.path, output_format)[24, [8, 56]] > 127) == [True, False]


def opacity(path: Path, output_format: str) -> np.ndarray:
    """How opaque each pixel is, by Pillow, or for WebM by the decoder that knows it."""
    if output_format == "webm":
        words = ["-c:v", "libvpx-vp9", "-i", str(path), "-vf", "alphaextract", "-frames:v", "1"]
        return MadeFile(make_media(path.with_suffix(".opacity.png"), *words)).pixels()[:, :, 0]
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGBA"))[:, :, 3]


HDR = {"pq": ("smpte2084", "0.58"), "hlg": ("arib-std-b67", "0.75")}


@pytest.fixture(scope="module", params=HDR)
def bright(request: pytest.FixtureRequest, make: Maker) -> Path:
    """A white sheet in HDR."""
    transfer, level = HDR[request.param]
    grey = f"nullsrc=s=64x48:r=5:d=0.6,format=gray10le,geq=lum='64+876*{level}'"
    return make(
        f"{request.param}.mp4", "-f", "lavfi", "-i", grey, "-c:v", "libx265",
        "-vf", f"format=yuv420p10le,setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020:"
        f"color_trc={transfer}", "-x265-params", "log-level=none", "-tag:v", "hvc1",
    )  # fmt: skip


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize("output_format", daily(["mp4", "webm", "gif", "jpg"], "mp4"))
def test_white_in_hdr_is_white_on_usual_screens(
    tools: Tools, bright: Path, output_format: str
) -> None:
    made = tools.ffmpeg(bright, output_format)
    assert 220 <= int(made.file.pixels()[24, 32].mean()) <= 255
    assert any("HDR" in warning for warning in made.warnings)
    if output_format in ("mp4", "webm"):
        video = made.file.stream("video")
        told = [video[f"color_{name}"] for name in ("space", "primaries", "transfer", "range")]
        assert told == ["bt709", "bt709", "bt709", "tv"]
        assert video["pix_fmt"] == "yuv420p"


@pytest.mark.parametrize("args", daily(["-c copy", "-c:v libx265 -pix_fmt yuv420p10le"], "-c copy"))
def test_hdr_stays_where_a_caller_asks_for_it(tools: Tools, bright: Path, args: str) -> None:
    made = tools.ffmpeg(bright, "mp4", args)
    assert made.file.stream("video")["color_transfer"] in ("smpte2084", "arib-std-b67")
    assert not made.warnings
