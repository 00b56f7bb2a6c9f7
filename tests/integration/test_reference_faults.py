"""Faults of the reference program that the product does not have (formats document, section 9).

Each test shows what the product does; where there is an output of the reference with the fault, it
is shown beside it. Equality in all else is the matter of `test_goldens`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from gmapi.computercraft.converter import ExactConverter
from gmapi.computercraft.formats.vid32 import Vid32Writer
from gmapi.computercraft.formats.writer import Film, Tally
from gmapi.computercraft.monitor import Tile
from gmapi.computercraft.options import Compression, Options, PaletteSource, Quality
from gmapi.computercraft.screen import U8, Screen
from gmapi.media.binaries import inspect
from gmapi.sandbox.launcher import Launcher
from support.media.programs import make_media
from support.screens import decoders, vid32_decoder
from support.screens.golden_cases import reference_ffmpeg
from support.screens.kernel_choices import NUMPY, needs_native
from support.screens.reference_runs import (
    CASES,
    INPUTS,
    PLASMA,
    golden_file,
    picture_file,
    product,
    product_file,
    source_pixels,
)
from support.screens.studio import Studio
from support.screens.vid32_decoder import AUDIO, VIDEO, Picture

Media = Callable[[str], Path]

DEFLATED_NOTHING = bytes.fromhex("0300")
GREYS = ",".join(f"{level * 17:02x}" * 3 for level in range(16))


@pytest.fixture(scope="module")
def reference_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Conversions with the ffmpeg that the reference's outputs were made with."""
    found = reference_ffmpeg()
    if found is None:
        pytest.skip("needs ffmpeg 5.1, whose scaler made the goldens")
    with Launcher() as launcher:
        yield Studio(tmp_path_factory.mktemp("reference"), launcher, inspect(launcher, found))


def same_but_first_cell(one: Picture, other: Picture) -> bool:
    """Whether two pictures are equal; the colours of their first cells may differ."""
    differ = one.colors != other.colors
    differ[0, 0] = False
    return (
        np.array_equal(one.codes, other.codes)
        and not differ.any()
        and np.array_equal(one.palette, other.palette)
    )


def same(one: Picture, other: Picture) -> bool:
    return same_but_first_cell(one, other) and one.colors[0, 0] == other.colors[0, 0]


def stripes(path: Path, colors: Sequence[Sequence[int]]) -> Path:
    """A picture of these colours from left to right, two cells each."""
    row = np.array(colors, np.uint8).repeat(4, axis=0)
    return picture_file(path, np.broadcast_to(row, (6, *row.shape)))


def likeness(shown: U8, source: U8) -> float:
    """Decibels between pixels of one size."""
    error = ((shown.astype(np.float64) - source) ** 2).mean()
    return float(10 * np.log10(255**2 / error))


def shown_pixels(screen: Screen) -> U8:
    found: U8 = screen.palette[decoders.pixels(screen)]
    return found


def screen_of(picture: Picture) -> Screen:
    return Screen(picture.codes | 128, picture.colors, picture.palette)


# -- pictures and sound that were lost -------------------------------------------------------------

ALL_PICTURES = {
    "mandel_128x96_15fps.def.v3ans": (16, 18),
    "mandel_128x96_15fps.def.v3cus.dfpwm": (16, 18),
    "mandel_128x96_15fps.O.v3non": (16, 18),
    "static_64x48_5fps.def.v3ans": (8, 10),
}
"""Pictures in the reference's file and in the source."""


@pytest.mark.parametrize("name", ALL_PICTURES)
def test_the_last_pictures_are_kept(studio: Studio, name: str) -> None:
    lost, whole = ALL_PICTURES[name]
    assert len(golden_file(name).pictures()) == lost
    made = product(studio, CASES[name])
    assert made.result.frames == whole
    assert len(vid32_decoder.parse(made.data).pictures()) == whole


@pytest.mark.parametrize("name", ALL_PICTURES)
@needs_native
def test_the_pictures_before_the_last_are_those_of_the_reference(
    reference_studio: Studio, name: str
) -> None:
    golden = golden_file(name).pictures()
    ours = product_file(reference_studio, name).pictures()
    assert all(map(same_but_first_cell, ours, golden))
    assert len(ours) > len(golden)


@pytest.mark.parametrize("kind", ["raw", "bimg", "nfp", "lua"])
def test_the_last_pictures_are_kept_in_every_format(studio: Studio, kind: str) -> None:
    fields = {"output_format": kind, "args": ["-p -t -W20"]}
    made = studio.convert(INPUTS / "static_64x48_5fps.mp4", **fields)
    assert made.result.frames == 10
    counts = {
        "raw": lambda data: len(decoders.raw(data)[1]),
        "bimg": lambda data: len(decoders.bimg(data).screens),
        "nfp": lambda data: data.count(b"\n") // 15,
        "lua": lambda data: data.count(b"\nshow("),
    }
    assert counts[kind](made.data) == 10


SOUNDING = [
    "testsrc2_160x120_10fps.pt.v3ans",
    "testsrc2_160x120_10fps.pt.v3ans.dfpwm",
    "mandel_128x96_15fps.O.v3non",
    "mjpeg_96x72_12fps.p.v3non.dfpwm",
]


@pytest.mark.parametrize("name", SOUNDING)
def test_the_last_piece_of_sound_is_kept(studio: Studio, name: str) -> None:
    golden, ours = golden_file(name), product_file(studio, name)
    piece = 3_000 if golden.dfpwm else 24_000
    assert len(golden.sound()) % piece == 0
    assert 0 < len(ours.sound()) - len(golden.sound()) < piece


@pytest.mark.parametrize("name", SOUNDING)
def test_the_sound_before_the_last_piece_is_that_of_the_reference(
    reference_studio: Studio, name: str
) -> None:
    golden = golden_file(name).sound()
    assert golden
    assert product_file(reference_studio, name).sound().startswith(golden)


@pytest.mark.parametrize(
    ("name", "codec", "extension"),
    [("s16", "pcm_s16le", "mkv"), ("u8", "pcm_u8", "avi"), ("stereo", "pcm_s24le", "mov")],
)
def test_sound_that_is_not_compressed_is_kept(
    studio: Studio, tmp_path: Path, name: str, codec: str, extension: str
) -> None:
    channels = "2" if name == "stereo" else "1"
    source = make_media(
        tmp_path / f"{name}.{extension}", "-f", "lavfi", "-i", "testsrc2=s=32x24:r=10:d=1.3",
        "-f", "lavfi", "-i", "sine=440:r=48000:d=1.3", "-ac", channels, "-c:v", "mjpeg",
        "-c:a", codec,
    )  # fmt: skip
    sound = vid32_decoder.parse(studio.convert(source, output_format="32vid").data).sound()
    assert len(sound) == pytest.approx(1.3 * 48_000, abs=48)
    assert np.frombuffer(sound, np.uint8).std() > 5


@pytest.mark.parametrize("quality", ["best", "exact"])
def test_sound_that_begins_before_the_pictures_comes_after_the_header(
    studio: Studio, tmp_path: Path, quality: str
) -> None:
    source = make_media(
        tmp_path / "late.mkv", "-f", "lavfi", "-i", "sine=440:r=48000:d=3", "-itsoffset", "2",
        "-f", "lavfi", "-i", "testsrc2=s=32x24:r=10:d=1", "-map", "1:v", "-map", "0:a",
        "-c:v", "ffv1", "-c:a", "flac",
    )  # fmt: skip
    made = studio.convert(source, output_format="32vid", quality=quality)
    assert made.data.startswith(b"32VD")
    file = vid32_decoder.parse(made.data)
    assert file.chunks[0].kind == AUDIO
    assert len(file.sound()) == 3 * 48_000
    assert len(file.pictures()) == made.result.frames >= 10


def test_deflate_carries_the_pictures(studio: Studio) -> None:
    name = "testsrc2_160x120_10fps.pt.v3def"
    lost = [chunk.data for chunk in golden_file(name).chunks if chunk.kind == VIDEO]
    assert lost == [DEFLATED_NOTHING] * 16
    plain = product_file(studio, name.replace("v3def", "v3non")).pictures()
    file = product_file(studio, name)
    assert file.compression is Compression.DEFLATE
    assert len(plain) == 16
    assert all(map(same, file.pictures(), plain))


def test_the_deflated_picture_is_the_one_that_the_reference_stores_plainly(studio: Studio) -> None:
    (picture,) = product_file(studio, "example_8x6.pt.v3def").pictures()
    (stored,) = golden_file("example_8x6.pt.v3non").pictures()
    assert same(picture, stored)


# -- the first cell -------------------------------------------------------------------------------

CODED = [
    ("example_8x6.pt.v3ans", "example_8x6.pt.v3non"),
    ("example_8x6.pt.v3cus", "example_8x6.pt.v3non"),
    ("text_120x45.t.v3ans", "text_120x45.t.v3non"),
    ("text_120x45.t.v3cus", "text_120x45.t.v3non"),
]
"""Files of the same picture, the second one stored plainly."""


@pytest.mark.parametrize(("coded", "plain"), CODED)
@needs_native
def test_the_first_cell_has_its_colours(studio: Studio, coded: str, plain: str) -> None:
    (stored,) = golden_file(plain).pictures()
    (faulty,) = golden_file(coded).pictures()
    assert same_but_first_cell(faulty, stored)
    assert faulty.colors[0, 0] != stored.colors[0, 0]
    (picture,) = product_file(studio, coded).pictures()
    assert same(picture, stored)


@pytest.mark.parametrize(("coded", "plain"), CODED)
@needs_native
def test_but_for_the_first_cell_the_bytes_are_those_of_the_reference(
    studio: Studio, coded: str, plain: str
) -> None:
    data = product(studio, CASES[coded]).data
    file = vid32_decoder.parse(data)
    (picture,) = file.pictures()
    film = Film(file.columns, file.rows, file.fps)
    again = []
    for fault in (False, True):
        writer = Vid32Writer(
            film,
            kernels=NUMPY,
            compression=file.compression,
            dfpwm=False,
            first_cell_fault=fault,
        )
        chunk = writer.frame([screen_of(picture)], 0.04)
        ((offset, patch),) = writer.finish(Tally(1, 1, len(chunk))).patches
        header = writer.header()
        again.append(header[:offset] + patch + header[offset + len(patch) :] + chunk)
    assert again == [data, CASES[coded].read()]


# -- colours --------------------------------------------------------------------------------------


def test_lab_does_not_wrap_white_round_to_cyan(studio: Studio, tmp_path: Path) -> None:
    white, yellow, black = (255, 255, 255), (255, 255, 0), (0, 0, 0)
    source = stripes(tmp_path / "stripes.png", [white, yellow, black])
    pixels = source_pixels(source)
    blue_first = np.ascontiguousarray(pixels[:, :, ::-1])
    tile = Tile(0, 0, pixels.shape[1], pixels.shape[0])
    options = Options(quality=Quality.EXACT, lab=True)
    (faulty,) = ExactConverter(options, NUMPY, [tile], lab_wraps=True).convert(blue_first)
    assert shown_pixels(faulty)[0, [0, 4]].tolist() == [[0, 255, 254], [0, 255, 0]]

    made = studio.convert(source, output_format="bimg", args=["-L"])
    (screen,) = decoders.bimg(made.data).screens
    assert np.abs(shown_pixels(screen).astype(int) - pixels).max() <= 2


def test_a_full_palette_is_used_in_lab_as_it_was_given(studio: Studio) -> None:
    case = CASES["plasma_102x96.L.v3non.Pfull"]
    (faulty,) = golden_file(case.name).pictures()
    (picture,) = vid32_decoder.parse(product(studio, case).data).pictures()
    greys = [[17 * level] * 3 for level in range(16)]
    assert picture.palette.tolist() == greys
    assert faulty.palette.tolist() != greys
    source = source_pixels(PLASMA)
    ours, theirs = (likeness(shown_pixels(screen_of(one)), source) for one in (picture, faulty))
    assert ours > theirs + 5
    # Greys are as light as the picture, and all of them are used.
    assert len(set((picture.colors & 15).flat) | set((picture.colors >> 4).flat)) > 8


@pytest.mark.parametrize("name", ["gradient_80x60.def.nfp.fmt", "text_120x45.t.nfp"])
def test_nfp_is_in_the_palette_that_everybody_has(studio: Studio, name: str) -> None:
    case = CASES[name]
    source = source_pixels(case.input)
    ours, golden = product(studio, case).data, case.read()
    assert ours == product(studio, case, "-p").data != golden
    seen = [default_pixels(decoders.nfp(data)) for data in (ours, golden)]
    better, worse = (likeness(one, source[: len(one), : one.shape[1]]) for one in seen)
    assert better > worse + 3


def default_pixels(indexes: U8) -> U8:
    """What a program shows of a paint file."""
    (golden,) = golden_file("example_8x6.pt.v3non").pictures()
    found: U8 = golden.palette[indexes]
    return found


@pytest.mark.parametrize("quality", ["best", "exact"])
def test_no_choice_of_colours_makes_nfp_unreadable(
    studio: Studio, tmp_path: Path, quality: str
) -> None:
    (golden,) = golden_file("example_8x6.pt.v3non").pictures()
    source = stripes(tmp_path / "sixteen.png", golden.palette.tolist())
    for words in ("", "-8", "-k", "-L", "-P 000000,ffffff", f"-P {GREYS}", "-p"):
        fields = {"output_format": "nfp", "quality": quality, "args": [words], "dither": "none"}
        shown = decoders.nfp(studio.convert(source, **fields).data)
        assert shown.tolist() == [[slot for slot in range(16) for _ in range(4)]] * 6, words


def test_colours_of_equal_sums_make_no_palette_of_17(studio: Studio, tmp_path: Path) -> None:
    red = np.tile(np.arange(0, 200, 5, dtype=np.uint8), (6, 1))
    source = picture_file(
        tmp_path / "sums.png", np.stack([red, 200 - red, np.full_like(red, 50)], -1)
    )
    (screen,) = decoders.bimg(
        studio.convert(source, output_format="bimg", args=["-k -t"]).data
    ).screens
    assert len(screen.palette) == 16
    assert likeness(shown_pixels(screen), source_pixels(source)) > 25


@pytest.mark.parametrize("source", [PaletteSource.OCTREE, PaletteSource.KMEANS])
@pytest.mark.parametrize("name", ["flat_36x27.png", "plasma_102x96.png", "one_1x1.png"])
def test_locked_colours_and_few_colours_do_not_corrupt_the_palette(
    studio: Studio, source: PaletteSource, name: str
) -> None:
    for count in (1, 8, 15):
        colors = ["#123456"] * count + ["X"] * (16 - count)
        fields = {"palette": source.value, "colors": colors, "quality": "exact"}
        made = studio.convert(INPUTS / name, output_format="bimg", **fields)
        (screen,) = decoders.bimg(made.data).screens
        assert screen.palette[:count].tolist() == [[0x12, 0x34, 0x56]] * count
        assert len(screen.palette) <= 16


# -- monitors --------------------------------------------------------------------------------------


def test_bimg_counts_the_monitors_that_there_are(studio: Studio) -> None:
    case = CASES["plasma_102x96.t.bimgB.M1x1trim"]
    faulty, ours = (decoders.bimg(data) for data in (case.read(), product(studio, case).data))
    walls = [(bimg.fields["multiMonitor"], len(bimg.screens)) for bimg in (faulty, ours)]
    (wrong, parts), (right, screens) = walls
    assert wrong["width"] * wrong["height"] != parts
    assert right["width"] * right["height"] == screens == parts


def test_32vid_counts_the_monitors_that_there_are(studio: Studio) -> None:
    name = "plasma_102x96.t.v3non.M1x1exact"
    faulty, ours = golden_file(name), product_file(studio, name)
    assert (faulty.wall, len(faulty.chunks)) == ((3, 3), 4)
    assert (ours.wall, len(ours.chunks)) == ((2, 2), 4)
    assert [chunk.kind for chunk in ours.chunks] == [chunk.kind for chunk in faulty.chunks]
