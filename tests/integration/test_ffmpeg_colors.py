"""Colours of what `ffmpeg` makes are those of the source, as the output's readers take them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.launcher import Launcher
from support.media.conversions import Conversions, Made, make

COLOURS = ("red", "lime", "blue", "gray")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="module")
def tool(
    launcher: Launcher, ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory
) -> Conversions:
    return Conversions(launcher, ffmpeg, tmp_path_factory.mktemp("data"))


SOURCES = {
    # Matrix and range of YUV, size.
    "BT.709": ("bt709", "tv", "64x48"),
    "BT.709, full": ("bt709", "pc", "64x48"),
    "BT.601": ("smpte170m", "tv", "64x48"),
    "BT.2020": ("bt2020nc", "tv", "64x48"),
    "HD": ("bt709", "tv", "1280x720"),
    "RGB": (None, "pc", "64x48"),
    "RGB in HD": (None, "pc", "1280x720"),
}


def striped(media: Path, kind: str) -> Path:
    """Four stripes."""
    matrix, full, size = SOURCES[kind]
    name = "".join(c for c in kind if c.isalnum())
    inputs = [
        word
        for colour in COLOURS
        for word in ("-f", "lavfi", "-i", f"color={colour}:s={size}:r=2:d=0.5,format=gbrp")
    ]
    whole = f"hstack=inputs={len(COLOURS)},scale={size.replace('x', ':')}:flags=neighbor"
    if matrix is None:
        return make(media, f"{name}.png", *inputs, "-filter_complex", whole, "-frames:v", "1")
    known = matrix.replace("smpte170m", "bt601").replace("bt2020nc", "bt2020")
    graph = (
        f"{whole},scale=out_color_matrix={known}:out_range={full},format=yuv444p,"
        f"setparams=colorspace={matrix}:range={full}"
    )
    return make(media, f"{name}.mp4", *inputs, "-filter_complex", graph, "-c:v", "libx264",
                "-qp", "2", "-preset", "ultrafast")  # fmt: skip


def stripes(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    return np.array([picture[height // 2, width * (2 * n + 1) // 8] for n in range(4)], int)


WANTED = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)])


def seen(made: Made) -> np.ndarray:
    """The picture by Pillow where it is there, an independent reader that knows no tags."""
    image = pytest.importorskip("PIL.Image")
    with image.open(made.path) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.mark.parametrize(
    ("kind", "output_format"),
    [(kind, "jpg") for kind in ("BT.709, full", "BT.601", "BT.2020", "RGB")]
    + [("BT.709", name) for name in ("jpg", "webp", "tiff", "jp2")],
)
def test_pictures_have_the_colours_of_the_source(
    tool: Conversions, media: Path, kind: str, output_format: str
) -> None:
    source = striped(media, kind)
    found = stripes(seen(tool.convert(source, output_format)))
    assert np.abs(found - WANTED).max() <= 12, found


@pytest.mark.parametrize(
    ("kind", "output_format"),
    [(kind, "mp4") for kind in SOURCES if kind not in ("HD", "BT.601")]
    + [("BT.709", name) for name in ("avi", "mjpeg")]
    + [("HD", "avi"), ("RGB in HD", "avi"), ("RGB", "webm")],
)
def test_films_have_them_by_their_tags_or_by_their_size(
    tool: Conversions, media: Path, kind: str, output_format: str
) -> None:
    made = tool.convert(striped(media, kind), output_format)
    video = made.stream("video")
    matrix = video.get("color_space")
    if output_format == "mjpeg":
        assert video["color_range"] == "pc"
    else:
        assert video.get("color_range", "tv") == "tv"
    if matrix is None:
        # As players guess.
        matrix = "bt709" if video["height"] > 576 or video["width"] >= 1280 else "smpte170m"
    known = {"bt2020nc": "bt2020", "smpte170m": "bt601", "bt470bg": "bt601"}.get(matrix, matrix)
    shown = make(
        media, "shown.png", "-i", str(made.path), "-frames:v", "1",
        "-vf", f"scale=in_color_matrix={known},format=rgb24",
    )  # fmt: skip
    picture = Made(shown, made.result, [], []).pixels()
    assert np.abs(stripes(picture) - WANTED).max() <= 12, (video, stripes(picture))
