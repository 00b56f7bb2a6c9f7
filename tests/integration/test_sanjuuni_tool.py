"""The `sanjuuni` tool from a request to a file: sizes and looks of pictures, choices, walls,
previews, and what is refused; with the product's ffmpeg and the system's."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import screen_decoders
import vid32_decoder
from gmapi.computercraft.options import Quality
from gmapi.computercraft.screen import U8
from gmapi.errors import MediaError, RefusedError, RequestError
from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.launcher import Launcher
from golden_cases import FOLDER
from studio import Made, Studio, make_media

WHITE, RED, BLUE, BLACK = 0, 14, 11, 15
"""Slots of the default palette."""
GRADIENT = FOLDER / "in" / "gradient_80x60.png"
WALL = FOLDER / "in" / "plasma_102x96.png"

Media = Callable[[str], Path]


@pytest.fixture(scope="module")
def studio(launcher: Launcher, ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("studio"), launcher, ffmpeg)


def plane(studio: Studio, source: Path, **fields: Any) -> U8:
    """The source in the game's own colours, pixel by pixel."""
    made = studio.convert(source, output_format="nfp", dither="none", **fields)
    return screen_decoders.nfp(made.data)


def size_of(made: Made) -> tuple[int, int]:
    return made.result.width or 0, made.result.height or 0


# -- fit, sizes, orientation ---------------------------------------------------------------------


def test_contain_shows_all_with_bars(studio: Studio, screen_media: Media) -> None:
    shown = plane(studio, screen_media("halves.png"), width=24, height=24, fit="contain")
    assert shown.shape == (24, 24)
    assert (shown[:6] == BLACK).all()
    assert (shown[18:] == BLACK).all()
    assert (shown[6:18, :12] == WHITE).all()
    assert (shown[6:18, 12:] == BLACK).all()


@pytest.mark.parametrize("quality", ["best", "exact"])
def test_bars_have_the_colour_of_the_background(
    studio: Studio, screen_media: Media, quality: str
) -> None:
    fields = {"width": 24, "height": 24, "fit": "contain", "background": "#CC4C4C"}
    shown = plane(studio, screen_media("halves.png"), quality=quality, **fields)
    assert (shown[:6] == RED).all()
    assert (shown[18:] == RED).all()
    assert (shown[6:18, :12] == WHITE).all()


def test_cover_fills_everything_and_cuts_the_sides(studio: Studio, screen_media: Media) -> None:
    shown = plane(studio, screen_media("halves.png"), width=20, height=40, fit="cover")
    assert shown.shape == (40, 20)
    assert (shown[:, :9] == WHITE).all()
    assert (shown[:, 11:] == BLACK).all()


def test_width_and_height_stretch(studio: Studio, screen_media: Media) -> None:
    shown = plane(studio, screen_media("halves.png"), width=20, height=60)
    assert shown.shape == (60, 20)
    assert (shown[:, :10] == WHITE).all()
    assert (shown[:, 10:] == BLACK).all()


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, (80, 60)),
        ({"width": 41}, (41, 30)),
        ({"args": ["-H 45"]}, (60, 45)),
        ({"width": 33.0, "args": ["--height=7"]}, (33, 7)),
        ({"monitor": "computer"}, (102, 57)),
        ({"monitor": "pocket"}, (52, 60)),
        ({"monitor": "turtle"}, (78, 39)),
        ({"monitor": "8x6@0.5"}, (328, 243)),
        ({"monitor": "1x1@1"}, (14, 15)),
    ],
)
def test_sizes(studio: Studio, fields: dict[str, Any], size: tuple[int, int]) -> None:
    made = studio.convert(GRADIENT, output_format="bimg", **fields)
    assert size_of(made) == size
    (screen,) = screen_decoders.bimg(made.data).screens
    assert (screen.columns, screen.rows) == (size[0] // 2, size[1] // 3)
    assert (made.result.columns, made.result.rows) == (screen.columns, screen.rows)


def test_a_monitor_is_not_filled_by_distortion(studio: Studio, screen_media: Media) -> None:
    shown = plane(studio, screen_media("halves.png"), monitor="1x1@0.5")
    assert shown.shape == (30, 30)
    assert (shown[:7] == BLACK).all()
    assert (shown[8:22, :15] == WHITE).all()


def with_orientation(jpeg: bytes, value: int) -> bytes:
    """A JPEG file with the note of a camera how it was held (EXIF tag 274)."""
    entry = struct.pack(">HHHIHHI", 1, 274, 3, 1, value, 0, 0)
    note = b"Exif\0\0" + b"MM\0*" + struct.pack(">I", 8) + entry
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(note) + 2) + note + jpeg[2:]


def test_a_photo_is_turned_as_its_camera_says_but_not_in_exact(
    studio: Studio, screen_media: Media, tmp_path: Path
) -> None:
    photo = tmp_path / "photo"
    photo.write_bytes(with_orientation(screen_media("halves.jpg").read_bytes(), 6))
    turned = plane(studio, photo)
    assert turned.shape == (40, 20)
    assert (turned[:20] == WHITE).all()
    assert (turned[20:] == BLACK).all()
    assert plane(studio, photo, width=10).shape == (20, 10)
    stored = plane(studio, photo, quality="exact")
    assert stored.shape == (20 // 3 * 3, 40)
    assert (stored[:, :20] == WHITE).all()


def test_a_film_is_turned_as_its_container_says_but_not_in_exact(
    studio: Studio, media_dir: Path, tmp_path: Path
) -> None:
    clip = media_dir / "silent.mp4"
    turned = make_media(
        tmp_path / "turned.mp4", "-display_rotation", "90", "-i", str(clip), "-c", "copy"
    )
    fields = {"output_format": "bimg", "args": ["-H 60"], "fps": 1}
    assert size_of(studio.convert(turned, quality="best", **fields)) == (33, 60)
    assert size_of(studio.convert(turned, quality="exact", **fields)) == (106, 60)


def test_wide_pixels_are_shown_wide_but_not_in_exact(studio: Studio, screen_media: Media) -> None:
    clip = screen_media("wide_pixels.mkv")
    fields = {"output_format": "bimg", "fps": 1}
    assert size_of(studio.convert(clip, quality="best", **fields)) == (80, 20)
    assert size_of(studio.convert(clip, quality="exact", **fields)) == (40, 20)


@pytest.mark.parametrize("name", ["half_there.png", "half_there_palette.png"])
@pytest.mark.parametrize(
    ("fields", "behind"),
    [
        ({}, BLACK),
        ({"background": "#3366cc"}, BLUE),
        ({"background": "CC4C4C", "fit": "contain", "height": 40, "width": 40}, RED),
        ({"background": "#F0F0F0"}, WHITE),
    ],
)
def test_what_can_be_seen_through_is_over_the_background(
    studio: Studio, screen_media: Media, name: str, fields: dict[str, Any], behind: int
) -> None:
    shown = plane(studio, screen_media(name), **fields)
    middle = shown[len(shown) // 2]
    assert (middle[:19] == behind).all()
    assert (middle[21:] == WHITE).all()


def test_transparency_is_ignored_in_exact(studio: Studio, screen_media: Media) -> None:
    assert (plane(studio, screen_media("half_there.png"), quality="exact") == WHITE).all()


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
        (screen,) = screen_decoders.bimg(studio.convert(GRADIENT, **fields).data).screens
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


@pytest.mark.parametrize("name", ["song.mp3", "stereo.wav"])
def test_sound_alone_is_sent_to_the_other_tool(studio: Studio, media_dir: Path, name: str) -> None:
    with pytest.raises(MediaError, match="/api/ffmpeg") as caught:
        studio.convert(media_dir / name, output_format="32vid")
    assert caught.value.code == "no_video"
    assert studio.left() == []


def test_cover_art_is_no_film(studio: Studio, screen_media: Media) -> None:
    with pytest.raises(MediaError, match="/api/ffmpeg") as caught:
        studio.convert(screen_media("cover.mp3"), output_format="bimg")
    assert caught.value.code == "no_video"


# -- walls and previews --------------------------------------------------------------------------


def test_a_wall_in_all_formats_that_have_one(studio: Studio) -> None:
    fields = {"args": ["-M1x1@0.5", "-p -t"]}
    whole = studio.convert(WALL, output_format="bimg", args=["-p -t"])
    (picture,) = screen_decoders.bimg(whole.data).screens

    bimg = screen_decoders.bimg(studio.convert(WALL, output_format="bimg", **fields).data)
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
    (screen,) = screen_decoders.bimg(
        studio.convert(GRADIENT, output_format="bimg", **fields).data
    ).screens
    made = studio.convert(GRADIENT, output_format="png", **fields)
    indexes, palette = screen_decoders.png(made.data)
    expected = screen.palette[screen_decoders.pixels(screen)]
    assert palette[indexes].tolist() == expected.repeat(3, 0).repeat(3, 1).tolist()
    assert made.result.media_type == "image/png"
    assert not made.result.growing


def test_a_preview_of_a_wall_is_put_together(studio: Studio) -> None:
    made = studio.convert(WALL, output_format="png", args=["-M1x1@0.5", "-p -t"])
    whole = studio.convert(WALL, output_format="png", args=["-p -t"])
    one, two = screen_decoders.png(made.data), screen_decoders.png(whole.data)
    assert (one[1][one[0]] == two[1][two[0]]).all()


def test_a_preview_that_would_be_empty_is_refused(studio: Studio) -> None:
    for kind in ("gif", "png"):
        with pytest.raises(RequestError, match="2 x 3") as caught:
            studio.convert(FOLDER / "in" / "one_1x1.png", output_format=kind)
        assert caught.value.field == "width"
