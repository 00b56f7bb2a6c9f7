"""Colours, light and transparency of a source are those of what comes out, and the output says
truly how it is to be seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.media import photos, readers
from support.media.made_files import first_stream
from support.media.making import COLORS, H264, H265, Maker, stripes
from support.product.outcomes import FILMS, PICTURES, convert, daily, seen
from support.product.tools import Tools

INTO_601 = ("jpg", "webp", "tiff")
SDR = {"bt709", "unknown", None, "smpte170m", "bt470bg", "iec61966-2-1"}

# -- matrices ------------------------------------------------------------------------------------

MATRICES: dict[str, tuple[str, list[str]]] = {
    "bt709": (
        "bt709",
        ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"],
    ),
    "bt601": (
        "smpte170m",
        ["-colorspace", "smpte170m", "-color_primaries", "smpte170m", "-color_trc", "smpte170m"],
    ),
    "bt2020": (
        "bt2020nc",
        ["-colorspace", "bt2020nc", "-color_primaries", "bt709", "-color_trc", "bt709"],
    ),
}


def coded(make: Maker, matrix: str, full: bool, color: str) -> Path:
    """One colour in this matrix, in full range or that of television."""
    name, tags = MATRICES[matrix]
    span = "pc" if full else "tv"
    words = [*stripes([color], rate=5), "-vf"]
    words += [f"scale=out_color_matrix={name.removesuffix('nc')}:out_range={span},format=yuv444p"]
    words += ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", *tags, "-color_range", span]
    return make(f"matrix-{matrix}-{span}-{color}.mp4", *words)


@pytest.mark.parametrize("way", daily([*PICTURES, *INTO_601, "bmp", "gif"], "png", *INTO_601))
@pytest.mark.parametrize("full", daily([False, True], False))
@pytest.mark.parametrize("matrix", daily(sorted(MATRICES), "bt709"))
@pytest.mark.parametrize("color", daily(["red", "lime"], "red"))
def test_colours_are_right_in_each_kind_of_picture(
    tools: Tools, make: Maker, matrix: str, full: bool, color: str, way: str
) -> None:
    found = seen(convert(tools, way, coded(make, matrix, full, color)))
    assert readers.near(readers.color(found.pictures[0]), COLORS[color], 6)


@pytest.mark.parametrize("way", daily(["mp4", "webm", "mkv", "avi", "32vid"], "mp4"))
@pytest.mark.parametrize("matrix", daily(sorted(MATRICES), "bt709"))
def test_colours_are_right_in_films(tools: Tools, make: Maker, matrix: str, way: str) -> None:
    found = seen(convert(tools, way, coded(make, matrix, False, "red")))
    assert readers.near(readers.color(found.pictures[0]), COLORS["red"], 8)


# -- high dynamic range --------------------------------------------------------------------------


def bright(make: Maker, transfer: str, ending: str) -> Path:
    """A picture of reference white: 58 % of the signal in PQ (203 cd/m2), 75 % in HLG."""
    level = 64 + round({"smpte2084": 0.58, "arib-std-b67": 0.75}[transfer] * 876)
    graph = f"color=black:s=160x120:r=10:d=1,format=yuv420p10,geq=lum={level}:cb=512:cr=512"
    tags = ["-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", transfer]
    codec = {
        "mp4": ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
                f"log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"],
        "mkv": ["-c:v", "ffv1"],
        "webm": ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
    }[ending]  # fmt: skip
    # The filter's own colours are those of the tags: nothing is converted.
    graph += f",setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc={transfer}:range=tv"
    words = ["-f", "lavfi", "-i", graph, *codec, "-pix_fmt", "yuv420p10le", *tags]
    return make(f"bright-{transfer}.{ending}", *words, "-color_range", "tv")


@pytest.mark.parametrize(
    "way", daily([*FILMS, "jpg", "png", "bimg", "gif", "webm", "webp"], "frames", "32vid", "jpg")
)
@pytest.mark.parametrize("ending", daily(["mp4", "mkv", "webm"], "mp4"))
@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_high_dynamic_range_is_shown_on_usual_screens(
    tools: Tools, make: Maker, transfer: str, ending: str, way: str
) -> None:
    made = convert(tools, way, bright(make, transfer, ending))
    found = readers.color(seen(made).pictures[0])
    assert all(230 <= value <= 255 for value in found), found
    assert max(found) - min(found) <= 8
    assert any("HDR" in warning for warning in made.warnings), made.warnings
    if way in ("mp4", "webm"):
        told = first_stream(made.path, "video")
        assert told.get("color_transfer") in SDR
        assert told.get("color_primaries") in SDR
        assert told.get("color_space") in SDR


def test_a_copy_of_it_stays_what_it_was(tools: Tools, make: Maker) -> None:
    made = tools.ffmpeg(bright(make, "smpte2084", "mp4"), "mp4", args=["-c", "copy"])
    assert first_stream(made.path, "video")["color_transfer"] == "smpte2084"


# -- transparency --------------------------------------------------------------------------------

_HIDDEN = (
    "color=red:s=160x120:r=10:d=1,format=rgba,"
    "geq=r='255*lt(X,80)':g='255*gte(X,80)':b=0:a='255*lt(X,80)'"
)
_PALETTE = ",split[a][b];[a]palettegen=reserve_transparent=1[p];[b][p]paletteuse"
HIDDEN: dict[str, Any] = {
    "vp8.webm": ["-c:v", "libvpx", "-auto-alt-ref", "0", "-pix_fmt", "yuva420p"],
    "vp9.webm": ["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-cpu-used", "8"],
    "vp9.mkv": ["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-cpu-used", "8"],
    "prores.mov": ["-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"],
    "qtrle.mov": ["-c:v", "qtrle", "-pix_fmt", "argb"],
    "ffv1.mkv": ["-c:v", "ffv1", "-pix_fmt", "yuva444p"],
    "picture.png": lambda path: photos.half_hidden(path),
    "picture.webp": lambda path: photos.half_hidden(path, lossless=True, exact=True),
    "picture.tif": lambda path: photos.half_hidden(path),
    "picture.avif": lambda path: photos.half_hidden(path, subsampling="4:4:4"),
    "film.png": lambda path: photos.half_hidden_film(path, 10, 100),
    "film.gif": lambda path: photos.half_hidden_film(path, 10, 100, disposal=2),
    "film.webp": lambda path: photos.half_hidden_film(path, 10, 100, lossless=True, exact=True),
}


@pytest.fixture(params=daily(sorted(HIDDEN), "vp8.webm", "picture.png"))
def half_hidden(request: pytest.FixtureRequest, make: Maker) -> Path:
    """Red to the left; to the right, green that is not to be seen."""
    how = HIDDEN[request.param]
    if callable(how):
        return make.by(f"hidden-{request.param}", how)
    return make(f"hidden-{request.param}", "-f", "lavfi", "-i", _HIDDEN, *how)


@pytest.mark.parametrize("way", daily([*FILMS, "jpg", "bmp", "bimg", "nfp"], *FILMS, "jpg"))
def test_what_is_not_to_be_seen_is_black(tools: Tools, half_hidden: Path, way: str) -> None:
    if (tools.ffmpeg_program.major, half_hidden.name) == (5, "hidden-film.webp"):
        pytest.skip("ffmpeg 5 does not read WebP that moves")
    if way == "nfp":
        fields = {"palette": "default", "dither": "none"}
        made = convert(tools, way, half_hidden, **fields)
        line = made.path.read_bytes().split(b"\n")[60]
        assert (line[20:21], line[140:141]) == (b"e", b"f")
        return
    found = seen(convert(tools, way, half_hidden)).pictures[0]
    assert readers.near(readers.color(found, 0.25, 0.5), COLORS["red"], 10)
    assert readers.near(readers.color(found, 0.75, 0.5), COLORS["black"], 10)


@pytest.mark.parametrize("way", daily(["bimg", "32vid"], "bimg"))
def test_the_background_shines_through(tools: Tools, half_hidden: Path, way: str) -> None:
    if (tools.ffmpeg_program.major, half_hidden.name) == (5, "hidden-film.webp"):
        pytest.skip("ffmpeg 5 does not read WebP that moves")
    made = convert(tools, way, half_hidden, background="#0000FF")
    found = seen(made).pictures[0]
    assert readers.near(readers.color(found, 0.25, 0.5), COLORS["red"], 10)
    assert readers.near(readers.color(found, 0.75, 0.5), COLORS["blue"], 10)


@pytest.mark.parametrize("way", ["png", "webp", "gif"])
def test_formats_that_can_be_transparent_show_nothing_hidden(
    tools: Tools, make: Maker, way: str
) -> None:
    """They stay transparent, or are flattened; PNG stays as it is."""
    source = make.by("hidden-picture.png", lambda path: photos.half_hidden(path))
    made = tools.ffmpeg(source, way)
    ((found, _),) = readers.pillow(made.path, background="blue")
    assert readers.near(readers.color(found, 0.25, 0.5), COLORS["red"], 6)
    right = readers.color(found, 0.75, 0.5)
    kept = readers.near(right, COLORS["blue"], 6)
    assert kept or (way != "png" and readers.near(right, COLORS["black"], 6)), right


# -- sizes and shapes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", daily(["301x75", "75x301", "161x91", "3x5", "1x1", "320x1"], "301x75")
)
@pytest.mark.parametrize("way", daily(["mp4", "webm", "mov", "mkv", "gif"], "mp4", "webm"))
def test_odd_sizes_are_told_as_they_are(tools: Tools, make: Maker, size: str, way: str) -> None:
    width, height = map(int, size.split("x"))
    words = [*stripes(["red"], size=size), "-c:v", "ffv1", "-pix_fmt", "bgr0"]
    made = tools.ffmpeg(make(f"odd-{size}.mkv", *words), way)
    told = first_stream(made.path, "video")
    assert (made.result.width, made.result.height) == (told["width"], told["height"])
    assert told.get("sample_aspect_ratio", "1:1") in ("1:1", "0:1", "N/A")
    assert abs(told["width"] - max(width, 2)) <= 1
    assert abs(told["height"] - max(height, 2)) <= 1
    if min(width, height) > 8:  # else the edges are in what is measured
        assert readers.near(readers.color(readers.film(made.path).pictures[0]), COLORS["red"], 10)


SHAPES = {"64:45": (1024 / 576 * 120, 120), "1:2": (80, 120), "3:2": (240, 120)}


@pytest.mark.parametrize("shape", daily(sorted(SHAPES), "64:45"))
@pytest.mark.parametrize("way", daily([*FILMS, "png", "jpg", "gif", "bimg"], *FILMS, "png"))
def test_pixels_come_out_square(tools: Tools, make: Maker, shape: str, way: str) -> None:
    """A square of 60 lines in the middle stays a square, whatever pixels the source has."""
    across, down = map(int, shape.split(":"))
    side = round(60 * down / across / 2) * 2
    box = f"drawbox=x=(iw-{side})/2:y=(ih-60)/2:w={side}:h=60:c=white:t=fill"
    words = [*stripes(["black"]), "-vf", f"{box},setsar={across}/{down}", *H264]
    made = convert(tools, way, make(f"shape-{across}-{down}.mp4", *words))
    picture = seen(made).pictures[0]
    if way in ("mp4", "mov"):
        told = first_stream(made.path, "video").get("sample_aspect_ratio", "1:1")
        one, two = map(int, told.split(":"))
        stretch = one / two if one and two else 1.0
        assert made.result.width == picture.shape[1]
    else:
        stretch = 1.0
    middle = picture.shape[0] // 2
    wide = np.count_nonzero(picture[middle, :, 0] > 128) * stretch
    high = np.count_nonzero(picture[:, picture.shape[1] // 2, 0] > 128)
    assert wide / high == pytest.approx(1.0, abs=0.12)


@pytest.mark.both_ffmpegs(way="mp4")
@pytest.mark.parametrize("way", FILMS)
@pytest.mark.parametrize("turn", daily([90, 180, 270], 90))
@pytest.mark.parametrize("ending", daily(["mp4", "mov"], "mp4"))
def test_turned_films_are_upright(
    tools: Tools, make: Maker, turn: int, ending: str, way: str
) -> None:
    """Red above, blue below, as they are seen."""
    stored = {
        90: ("120x160", "drawbox=x=0:y=0:w=iw/2:h=ih:c=red:t=fill"),
        180: ("160x120", "drawbox=x=0:y=ih/2:w=iw:h=ih/2:c=red:t=fill"),
        270: ("120x160", "drawbox=x=iw/2:y=0:w=iw/2:h=ih:c=red:t=fill"),
    }
    size, box = stored[turn]
    plain = make(
        f"upright-{turn}.mp4", *stripes(["blue"], size=size), "-vf", box, *H264, "-qp", "10"
    )
    source = make(
        f"turned-{turn}.{ending}", "-display_rotation", str(-turn), "-i", str(plain), "-c", "copy"
    )
    made = convert(tools, way, source)
    found = seen(made)
    assert (made.result.width, made.result.height) == (160, 120)
    assert readers.near(readers.color(found.pictures[0], 0.5, 0.2), COLORS["red"], 14)
    assert readers.near(readers.color(found.pictures[0], 0.5, 0.8), COLORS["blue"], 14)


@pytest.mark.slow
@pytest.mark.parametrize("way", [*FILMS, "png", "jpg"])
@pytest.mark.parametrize(
    "words",
    [
        pytest.param([*H265, "-pix_fmt", "yuv420p10le"], id="hevc10"),
        pytest.param(["-c:v", "ffv1", "-pix_fmt", "gbrp12le"], id="rgb12"),
        pytest.param(["-c:v", "ffv1", "-pix_fmt", "yuv422p16le"], id="422p16"),
        pytest.param(["-c:v", "libvpx-vp9", "-pix_fmt", "yuv444p12le", "-cpu-used", "8"], id="vp9"),
    ],
)
def test_deep_pictures(tools: Tools, make: Maker, words: list[str], way: str) -> None:
    name = f"deep-{words[1]}-{words[words.index('-pix_fmt') + 1]}.mkv"
    found = seen(convert(tools, way, make(name, *stripes(["red"]), *words)))
    assert readers.near(readers.color(found.pictures[0]), COLORS["red"], 8)
