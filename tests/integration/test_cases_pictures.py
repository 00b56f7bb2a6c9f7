"""Pictures as cameras, phones and programs write them: tiles, gain maps, animations, icons, turned
photos, all kinds of TIFF. Each is shown whole and upright, or refused with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.media import photos, readers
from support.media.heif import Grid
from support.media.making import COLORS, Maker
from support.product.outcomes import FILMS, PICTURES, Refused, convert, daily, seen, tried
from support.product.tools import Ran, Tools

# -- tiles ---------------------------------------------------------------------------------------

GRIDS = {
    "two.avif": Grid("avif", 2, ["red", "lime", "blue", "yellow"], (128, 96), (256, 192)),
    "two.heic": Grid("heic", 2, ["red", "lime", "blue", "yellow"], (128, 96), (256, 192)),
    "cut.heic": Grid(
        "heic", 3, ["red", "red", "lime", "blue", "blue", "yellow"], (128, 96), (350, 170)
    ),
    "turned.heic": Grid(
        "heic", 2, ["blue", "red", "yellow", "lime"], (128, 96), (240, 192), turned=1
    ),
    "turned.avif": Grid(
        "avif", 2, ["yellow", "blue", "lime", "red"], (128, 96), (256, 192), turned=2
    ),
}
UPRIGHT = {"turned.heic": (192, 240)}


@pytest.mark.both_ffmpegs(way="frames")
@pytest.mark.parametrize("way", daily([*PICTURES, "jpg", "nfp", "mp4"], *PICTURES))
@pytest.mark.parametrize("grid", daily(sorted(GRIDS), "two.avif", "turned.heic"))
def test_a_picture_of_tiles_is_whole(tools: Tools, make: Maker, grid: str, way: str) -> None:
    source = make.by(f"grid-{grid}", GRIDS[grid].write)
    made = tried(tools, way, source)
    if isinstance(made, Refused):
        assert tools.ffmpeg_program.major == 5, made.message
        return
    size = UPRIGHT.get(grid, GRIDS[grid].size)
    assert (made.result.width, made.result.height) == size
    if way == "nfp":
        return
    found = seen(made)
    assert _within(found.size, size, way)
    assert_corners(found.pictures[0], 12)


def _within(found: tuple[int, int], size: tuple[int, int], way: str) -> bool:
    """Screens have cells of 2x3 pixels, and some codecs even sides."""
    steps = {"bimg": (2, 3), "mp4": (2, 2)}.get(way, (1, 1))
    return all(abs(one - two) < step for one, two, step in zip(found, size, steps, strict=True))


def assert_corners(picture: readers.U8, by: int) -> None:
    """Red, lime, blue and yellow, as they are read."""
    places = [(x, y) for y in (0.25, 0.75) for x in (0.2, 0.8)]
    found = [readers.color(picture, x, y) for x, y in places]
    for one, color in zip(found, ("red", "lime", "blue", "yellow"), strict=True):
        assert readers.near(one, COLORS[color], by), found


# -- gain maps -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("way", daily([*PICTURES, "jpg", "gif", "mp4", "32vid"], *PICTURES, "gif"))
@pytest.mark.parametrize("kind", daily(["mpf", "xmp", "plain"], "mpf"))
def test_a_photo_comes_without_its_gain_map(tools: Tools, make: Maker, kind: str, way: str) -> None:
    source = make.by(f"gain-{kind}.jpg", lambda path: photos.gain_mapped(path, kind=kind))
    found = seen(convert(tools, way, source))
    assert _within(found.size, (160, 120), "bimg")
    for picture in found.pictures:
        assert readers.near(readers.color(picture), COLORS["red"], 8)
    if way in ("frames", "gif", "bimg"):
        assert len(found.pictures) == 1


# -- animations ----------------------------------------------------------------------------------

FIVE = ["red", "lime", "blue", "yellow", "white"]
ANIMATIONS: dict[str, dict[str, Any]] = {
    "avif": {"subsampling": "4:4:4", "quality": 95},
    "webp": {"lossless": True},
    "gif": {},
    "png": {},
}


@pytest.mark.parametrize("way", daily([*FILMS, "bimg", "gif", "screen-gif"], *FILMS))
@pytest.mark.parametrize("kind", daily(sorted(ANIMATIONS), "avif"))
def test_an_animation_keeps_its_pictures_and_time(
    tools: Tools, make: Maker, kind: str, way: str
) -> None:
    """5 pictures of 0.4 s each."""
    source = make.by(f"five.{kind}", lambda path: photos.film(path, FIVE, 400, **ANIMATIONS[kind]))
    made = tried(tools, way, source)
    if isinstance(made, Refused):  # ffmpeg 5 does not read WebP that moves
        assert (tools.ffmpeg_program.major, kind) == (5, "webp"), made.message
        return
    found = seen(made)
    assert found.duration == pytest.approx(2.0, abs=0.11)
    if way in ("bimg", "gif"):
        assert len(found.pictures) == 5
    if way == "frames":
        assert len(found.pictures) == 20
    assert made.result.duration == pytest.approx(2.0, abs=0.11)
    changes = [readers.color(picture) for picture in found.pictures]
    distinct = [c for n, c in enumerate(changes) if n == 0 or not readers.near(c, changes[n - 1])]
    assert len(distinct) == 5
    for one, color in zip(distinct, FIVE, strict=True):
        assert readers.near(one, COLORS[color], 10)


ICON_SIZES = [(16, 32, 48, 256), (64, 16, 32, 48), (32, 128, 16)]

# -- icons ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", daily([*PICTURES, "jpg"], *PICTURES))
@pytest.mark.parametrize("sizes", daily(ICON_SIZES, (32, 128, 16)))
@pytest.mark.parametrize("kind", daily(["png", "bmp"], "png"))
def test_of_an_icon_the_largest_is_taken(
    tools: Tools, make: Maker, way: str, sizes: tuple[int, ...], kind: str
) -> None:
    colors = ["red" if size == max(sizes) else "blue" for size in sizes]
    name = f"icon-{kind}-{'-'.join(map(str, sizes))}.ico"
    source = make.by(name, lambda path: photos.icon(path, sizes, kind=kind, colors=colors))
    made = convert(tools, way, source)
    found = seen(made)
    assert _within(found.size, (max(sizes), max(sizes)), way)
    assert readers.near(readers.color(found.pictures[0]), COLORS["red"], 8)


@pytest.mark.parametrize("way", ["png", "frames"])
def test_a_cursor_is_an_icon(tools: Tools, make: Maker, way: str) -> None:
    def write(path: Path) -> None:
        photos.icon(path, (16, 32), kind="png", colors=["blue", "red"])
        data = path.read_bytes()
        path.write_bytes(data[:2] + b"\2" + data[3:])

    found = seen(convert(tools, way, make.by("pointer.cur", write)))
    assert found.size == (32, 32)
    assert readers.near(readers.color(found.pictures[0]), COLORS["red"], 8)


# -- turned photos -------------------------------------------------------------------------------


@pytest.mark.parametrize("way", PICTURES)
@pytest.mark.parametrize("orientation", daily(range(1, 9), 7))
def test_a_photo_is_upright(tools: Tools, make: Maker, orientation: int, way: str) -> None:
    assert_upright(tools, make, f"turned-{orientation}.jpg", orientation, way)


@pytest.mark.parametrize("way", PICTURES)
@pytest.mark.parametrize("ending", daily(["png", "webp", "tif", "avif"], "webp"))
@pytest.mark.parametrize("orientation", daily([3, 6], 6))
def test_pictures_of_other_kinds_are_upright(
    tools: Tools, make: Maker, orientation: int, ending: str, way: str
) -> None:
    if tools.ffmpeg_program.major == 5:
        pytest.skip("ffmpeg 5 knows of no orientation but that in JPEG")
    assert_upright(tools, make, f"turned-{orientation}.{ending}", orientation, way)


def assert_upright(tools: Tools, make: Maker, name: str, orientation: int, way: str) -> None:
    source = make.by(name, lambda path: photos.turned(path, orientation, 160, 120))
    made = convert(tools, way, source)
    assert (made.result.width, made.result.height) == (160, 120)
    found = seen(made)
    assert _within(found.size, (160, 120), way)
    assert_corners(found.pictures[0], 12)


# -- TIFF ----------------------------------------------------------------------------------------


def _tiff(mode: str, **options: Any) -> Any:
    def write(path: Path) -> None:
        photos.corners(160, 120, mode).save(path, "TIFF", **options)

    return write


def _deep(path: Path) -> None:
    """16 bits of gray: dark to the left, light to the right."""
    values = np.full((120, 160), 0x2000, np.uint16)
    values[:, 80:] = 0xE000
    Image.fromarray(values).save(path, "TIFF")


TIFFS: dict[str, Any] = {
    "plain": _tiff("RGB"),
    "lzw": _tiff("RGB", compression="tiff_lzw"),
    "deflate": _tiff("RGB", compression="tiff_adobe_deflate"),
    "packbits": _tiff("RGB", compression="packbits"),
    "jpeg": _tiff("RGB", compression="jpeg"),
    "cmyk": _tiff("CMYK"),
    "cmyk_lzw": _tiff("CMYK", compression="tiff_lzw"),
    "ycbcr": _tiff("YCbCr"),
    "lab": _tiff("LAB"),
    "palette": _tiff("P"),
    "gray": _tiff("L"),
    "float": _tiff("F"),
    "bits": _tiff("1"),
    "fax4": _tiff("1", compression="group4"),
    "fax3": _tiff("1", compression="group3"),
    "deep": _deep,
    "zstd": _tiff("RGB", compression="zstd"),
    "lzma": _tiff("RGB", compression="lzma"),
    "alpha": _tiff("RGBA"),
    "tiles": _tiff("RGB", tiffinfo={322: 64, 323: 64}),
}


@pytest.mark.both_ffmpegs(way="bimg")
@pytest.mark.parametrize("way", PICTURES)
@pytest.mark.parametrize("kind", daily(sorted(TIFFS), "jpeg", "lzw"))
def test_a_tiff_is_right_or_refused(tools: Tools, make: Maker, kind: str, way: str) -> None:
    source = make.by(f"tiff-{kind}.tif", TIFFS[kind])
    made = tried(tools, way, source)
    if isinstance(made, Ran):
        assert_same_picture(made, source)


def assert_same_picture(made: Ran, source: Path) -> None:
    """As Pillow sees the source, but for what colour management and 16 colours change."""
    with Image.open(source) as opened:
        if opened.mode == "I;16":
            values = np.asarray(opened).astype(np.uint32) >> 8
            wanted = np.repeat(values.astype(np.uint8)[..., None], 3, 2)
        elif opened.mode == "LAB":
            wanted = np.asarray(photos.corners(160, 120))
        elif opened.mode == "F":
            wanted = np.asarray(Image.fromarray(np.asarray(opened).astype(np.uint8)).convert("RGB"))
        else:
            wanted = np.asarray(opened.convert("RGBA").convert("RGB"))
    found = seen(made).pictures[0]
    for x, y in ((0.2, 0.25), (0.8, 0.25), (0.2, 0.75), (0.8, 0.75)):
        # Dithering of one bit leaves a mean; CMYK without a profile is a matter of taste.
        assert readers.near(readers.color(found, x, y), readers.color(wanted, x, y), 16), (x, y)
