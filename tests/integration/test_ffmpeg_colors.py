"""Colours of what `ffmpeg` makes are those of the source, as the output's readers take them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.media import readers
from support.media.made_files import MadeFile
from support.media.making import Maker
from support.product.outcomes import daily_rows
from support.product.tools import Tools

COLOURS = ("red", "lime", "blue", "gray")


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


def striped(make: Maker, kind: str) -> Path:
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
        return make(f"{name}.png", *inputs, "-filter_complex", whole, "-frames:v", "1")
    known = matrix.replace("smpte170m", "bt601").replace("bt2020nc", "bt2020")
    graph = (
        f"{whole},scale=out_color_matrix={known}:out_range={full},format=yuv444p,"
        f"setparams=colorspace={matrix}:range={full}"
    )
    return make(f"{name}.mp4", *inputs, "-filter_complex", graph, "-c:v", "libx264",
                "-qp", "2", "-preset", "ultrafast")  # fmt: skip


def stripes(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    return np.array([picture[height // 2, width * (2 * n + 1) // 8] for n in range(4)], int)


WANTED = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)])


@pytest.mark.parametrize(
    ("kind", "output_format"),
    daily_rows(
        [(kind, "jpg") for kind in ("BT.709, full", "BT.601", "BT.2020", "RGB")]
        + [("BT.709", name) for name in ("jpg", "webp", "tiff", "jp2")],
        ("BT.709, full", "jpg"),
        ("BT.2020", "jpg"),
        ("BT.709", "webp"),
        ("BT.709", "jp2"),
    ),
)
def test_pictures_have_the_colours_of_the_source(
    tools: Tools, make: Maker, kind: str, output_format: str
) -> None:
    source = striped(make, kind)
    found = stripes(readers.picture(tools.ffmpeg(source, output_format).path))
    assert np.abs(found - WANTED).max() <= 12, found


@pytest.mark.parametrize(
    ("kind", "output_format"),
    daily_rows(
        [(kind, "mp4") for kind in SOURCES if kind not in ("HD", "BT.601")]
        + [("BT.709", name) for name in ("avi", "mjpeg")]
        + [("HD", "avi"), ("RGB in HD", "avi"), ("RGB", "webm")],
        ("BT.709, full", "mp4"),
        ("BT.2020", "mp4"),
        ("BT.709", "mjpeg"),
        ("RGB in HD", "avi"),
        ("RGB", "webm"),
    ),
)
def test_films_have_them_by_their_tags_or_by_their_size(
    tools: Tools, make: Maker, kind: str, output_format: str
) -> None:
    made = tools.ffmpeg(striped(make, kind), output_format)
    video = made.file.stream("video")
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
        "shown.png", "-i", str(made.path), "-frames:v", "1",
        "-vf", f"scale=in_color_matrix={known},format=rgb24",
    )  # fmt: skip
    picture = MadeFile(shown).pixels()
    assert np.abs(stripes(picture) - WANTED).max() <= 12, (video, stripes(picture))
