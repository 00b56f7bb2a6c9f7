"""The `sanjuuni` tool from a request to a file: what hangs on the ffmpeg that reads the source, its
size, look and orientation; with the product's ffmpeg and the system's."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gmapi.computercraft.screen import U8
from gmapi.errors import MediaError
from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.launcher import Launcher
from support.media.programs import make_media
from support.screens import decoders
from support.screens.golden_cases import FOLDER
from support.screens.studio import Made, Studio

WHITE, RED, BLUE, BLACK = 0, 14, 11, 15
"""Slots of the default palette."""
GRADIENT = FOLDER / "in" / "gradient_80x60.png"

Media = Callable[[str], Path]


@pytest.fixture(scope="module")
def studio(launcher: Launcher, ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("studio"), launcher, ffmpeg)


def plane(studio: Studio, source: Path, **fields: Any) -> U8:
    """The source in the game's own colours, pixel by pixel."""
    made = studio.convert(source, output_format="nfp", dither="none", **fields)
    return decoders.nfp(made.data)


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


@pytest.mark.both_ffmpegs
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
    (screen,) = decoders.bimg(made.data).screens
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


@pytest.mark.both_ffmpegs
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


@pytest.mark.both_ffmpegs
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


@pytest.mark.both_ffmpegs
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


@pytest.mark.both_ffmpegs
def test_transparency_is_ignored_in_exact(studio: Studio, screen_media: Media) -> None:
    assert (plane(studio, screen_media("half_there.png"), quality="exact") == WHITE).all()


# -- what is no picture ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["song.mp3", "stereo.wav"])
def test_sound_alone_is_sent_to_the_other_tool(studio: Studio, media_dir: Path, name: str) -> None:
    with pytest.raises(MediaError, match="/api/ffmpeg") as caught:
        studio.convert(media_dir / name, output_format="32vid")
    assert caught.value.code == "no_video"
    assert studio.left() == []


@pytest.mark.both_ffmpegs
def test_cover_art_is_no_film(studio: Studio, screen_media: Media) -> None:
    with pytest.raises(MediaError, match="/api/ffmpeg") as caught:
        studio.convert(screen_media("cover.mp3"), output_format="bimg")
    assert caught.value.code == "no_video"
