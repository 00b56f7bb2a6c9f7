"""The `sanjuuni` tool from a request to a file: choices, walls, previews, and what is refused; with
the product's ffmpeg."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gmapi.computercraft.options import Quality
from gmapi.errors import RefusedError, RequestError
from support.screens import decoders, vid32_decoder
from support.screens.golden_cases import FOLDER
from support.screens.studio import Made, Studio

GRADIENT = FOLDER / "in" / "gradient_80x60.png"
WALL = FOLDER / "in" / "plasma_102x96.png"


def size_of(made: Made) -> tuple[int, int]:
    return made.result.width or 0, made.result.height or 0


# -- choices -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "quality"),
    [
        ({}, Quality.BEST),
        ({"args": ["--width=20", "-b", "-N", "-B", "-cnone", "-d", "-m"]}, Quality.BEST),
        ({"palette": "default"}, Quality.BEST),
        ({"dither": "ordered", "colors": ["#ff0000"]}, Quality.BEST),
        *(({"args": [flag]}, Quality.EXACT) for flag in ("-p", "-t", "-O", "-L", "-8", "-k")),
        ({"args": ["-P X,ff0000"]}, Quality.EXACT),
        ({"palette": "octree"}, Quality.EXACT),
        ({"args": ["-8"], "quality": "best"}, Quality.BEST),
        ({"quality": "exact"}, Quality.EXACT),
    ],
)
def test_a_flag_that_chooses_the_algorithm_asks_for_the_exact_one(
    studio: Studio, fields: dict[str, Any], quality: Quality
) -> None:
    made = studio.convert(GRADIENT, output_format="bimg", **fields)
    assert made.result.quality is quality
    assert any(f"in {quality} quality" in line for line in made.notes.lines)


def test_own_colours_are_kept_and_the_rest_is_found(studio: Studio) -> None:
    for quality in ("best", "exact"):
        fields = {"colors": "X,#ff0000,,00FF00", "quality": quality, "output_format": "bimg"}
        (screen,) = decoders.bimg(studio.convert(GRADIENT, **fields).data).screens
        assert screen.palette[1].tolist() == [255, 0, 0]
        assert screen.palette[3].tolist() == [0, 255, 0]
        assert len({tuple(color) for color in screen.palette.tolist()}) > 8


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"output_format": None}, "output_format"),
        ({"output_format": "mp4"}, "output_format"),
        ({"args": ["-W 20"], "width": 21}, "width"),
        ({"args": ["--height=20"], "height": 21}, "height"),
        ({"args": ["-p"], "palette": "octree"}, "palette"),
        ({"args": ["-t"], "dither": "ordered"}, "dither"),
        ({"args": ["-d"], "audio": "pcm"}, "audio"),
        ({"args": ["-cnone"], "compression": "ans"}, "compression"),
        ({"args": ["-P ff0000"], "colors": ["#00ff00"]}, "colors"),
        ({"monitor": "computer", "width": 20}, "monitor"),
        ({"monitor": "9x9"}, "monitor"),
        ({"background": "black"}, "background"),
        ({"colors": ["red"]}, "colors"),
        ({"args": ["-M"], "output_format": "raw"}, "args"),
        ({"args": ["-M"], "output_format": "nfp"}, "args"),
        ({"args": ["-S"], "index": True}, "index"),
        ({"args": ["-S", "-M"]}, "args"),
        ({"subtitles": "events", "output_format": "bimg"}, "subtitles"),
        ({"args": ["-q"]}, "args"),
    ],
)
def test_contradictions_are_refused_before_anything_is_fetched(
    studio: Studio, tmp_path: Path, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(RequestError) as caught:
        studio.convert(tmp_path / "absent", **{"output_format": "32vid", **fields})
    assert caught.value.field == field
    assert field in caught.value.message


def test_flags_that_agree_with_the_fields_are_fine(studio: Studio) -> None:
    made = studio.convert(
        GRADIENT, output_format="32vid", args=["-W20 -p", "-H 30 -cnone", "-m"], width=20,
        height=30, palette="default", compression="none", audio="none",
    )  # fmt: skip
    assert size_of(made) == (20, 30)


@pytest.mark.parametrize("flag", ["-i x", "-o x", "-s 80", "-w 80", "-u ws://x", "-S x.ass"])
def test_flags_that_reach_outside_are_refused(studio: Studio, tmp_path: Path, flag: str) -> None:
    with pytest.raises(RefusedError):
        studio.convert(tmp_path / "absent", output_format="32vid", args=[flag])


# -- walls and previews --------------------------------------------------------------------------


def test_a_wall_in_all_formats_that_have_one(studio: Studio) -> None:
    fields = {"args": ["-M1x1@0.5", "-p -t"]}
    whole = studio.convert(WALL, output_format="bimg", args=["-p -t"])
    (picture,) = decoders.bimg(whole.data).screens

    bimg = decoders.bimg(studio.convert(WALL, output_format="bimg", **fields).data)
    assert bimg.fields["multiMonitor"] == {"width": 4, "height": 4, "scale": 0.5}
    assert bimg.fields["animation"] is False
    assert [(s.columns, s.rows) for s in bimg.screens] == [(15, 10)] * 3 + [(6, 10)] + (
        [(15, 10)] * 3 + [(6, 10)]
    ) * 2 + [(15, 2)] * 3 + [(6, 2)]

    file = vid32_decoder.parse(studio.convert(WALL, output_format="32vid", **fields).data)
    assert file.wall == (4, 4)
    assert [chunk.kind for chunk in file.chunks] == [
        64 + 8 * column + row for row in range(4) for column in range(4)
    ]
    for part, screen in zip(file.pictures(), bimg.screens, strict=True):
        assert part.shows(screen)
    # With a fixed palette and no dithering the parts are those of the whole picture.
    for number, screen in enumerate(bimg.screens):
        top, left = number // 4 * 10, number % 4 * 15
        rows, columns = slice(top, top + screen.rows), slice(left, left + screen.columns)
        assert np.array_equal(screen.characters, picture.characters[rows, columns])

    script = studio.convert(WALL, output_format="lua", **fields).data
    assert b"local COLUMNS, ROWS, SCALE = 4, 4, 0.5" in script
    assert script.count(b"paint(") == 1 + 16


@pytest.mark.parametrize("quality", ["best", "exact"])
def test_a_preview_shows_the_cells_with_three_dots_a_pixel(studio: Studio, quality: str) -> None:
    fields = {"width": 41, "height": 31, "quality": quality}
    (screen,) = decoders.bimg(studio.convert(GRADIENT, output_format="bimg", **fields).data).screens
    made = studio.convert(GRADIENT, output_format="png", **fields)
    indexes, palette = decoders.png(made.data)
    expected = screen.palette[decoders.pixels(screen)]
    assert palette[indexes].tolist() == expected.repeat(3, 0).repeat(3, 1).tolist()
    assert made.result.media_type == "image/png"
    assert not made.result.growing


def test_a_preview_of_a_wall_is_put_together(studio: Studio) -> None:
    made = studio.convert(WALL, output_format="png", args=["-M1x1@0.5", "-p -t"])
    whole = studio.convert(WALL, output_format="png", args=["-p -t"])
    one, two = decoders.png(made.data), decoders.png(whole.data)
    assert (one[1][one[0]] == two[1][two[0]]).all()


def test_a_preview_that_would_be_empty_is_refused(studio: Studio) -> None:
    for kind in ("gif", "png"):
        with pytest.raises(RequestError, match="2 x 3") as caught:
            studio.convert(FOLDER / "in" / "one_1x1.png", output_format=kind)
        assert caught.value.field == "width"
