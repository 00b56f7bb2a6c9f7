"""PNG files: what is in them is what other readers find."""

from __future__ import annotations

import sys
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from gmapi.computercraft import deflate, png
from gmapi.computercraft.film_files import FilmFiles
from gmapi.computercraft.screen import U8
from support.media import readers
from support.screens import decoders

LITTLE = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
SIDES = st.integers(1, 40)


@pytest.fixture(params=["isal", "zlib"])
def packer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both libraries, of which a machine may have one."""
    if request.param == "zlib":
        monkeypatch.setattr(deflate, "_library", zlib)
    elif deflate._library is zlib:
        pytest.skip("there is no ISA-L for this machine")
    return str(request.param)


@LITTLE
@given(arrays(np.uint8, st.tuples(SIDES, SIDES, st.sampled_from([1, 3]))))
def test_plain_pictures_are_read_back(packer: str, pixels: U8) -> None:
    image = Image.open(BytesIO(png.plain(pixels)))
    assert image.mode == ("RGB" if pixels.shape[2] == 3 else "L")
    assert np.array_equal(np.asarray(image).reshape(pixels.shape), pixels)


@LITTLE
@given(
    arrays(np.uint8, st.tuples(SIDES, SIDES), elements=st.integers(0, 5)),
    st.sampled_from([None, 0, 1, 2]),
)
def test_pictures_with_a_palette_are_read_back(
    packer: str, indexes: U8, kind: png.Filter | None
) -> None:
    palette = np.arange(18, dtype=np.uint8).reshape(6, 3)
    packed = None if kind is None else deflate.deflate(png.filtered(indexes, kind))
    read = readers.picture(png.indexed(indexes, palette, packed))
    assert np.array_equal(read, palette[indexes])


@pytest.mark.parametrize("count", [1, 255, 256])
def test_a_palette_has_up_to_256_colours(count: int) -> None:
    palette = np.random.default_rng(count).integers(0, 256, (count, 3), np.uint8)
    indexes = np.arange(count, dtype=np.uint8).reshape(1, -1)
    read, colors_read = decoders.png(png.indexed(indexes, palette))
    assert np.array_equal(read, indexes)
    assert np.array_equal(colors_read, palette)


def test_the_quick_library_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "linux":
        assert deflate._quickest().__name__ == "isal.isal_zlib"
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    assert deflate._quickest() is zlib


@pytest.mark.parametrize("kind", ["png", "png8", "gray"])
def test_an_equal_picture_is_the_same_file(kind: str) -> None:
    shape = (30, 40, 1 if kind == "gray" else 3)
    one = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    other = one.copy()
    other[-1, -1, -1] ^= 128
    files = FilmFiles(kind, 40, 30)  # type: ignore[arg-type]
    first, again, second, third = files.feed(b"".join(p.tobytes() for p in (one, one, other, one)))
    assert again is first
    assert second != first
    assert readers.picture(third).shape == (30, 40, 3)
    if kind != "png8":
        assert third == first


@given(st.lists(st.integers(1, 900), max_size=30))
def test_pictures_are_cut_whatever_the_pieces(sizes: list[int]) -> None:
    pictures = np.random.default_rng(2).integers(0, 256, (4, 6, 9, 3), np.uint8)
    stream, at = pictures.tobytes() + b"torn", 0
    files, found = FilmFiles("png", 9, 6), list[bytes]()
    for size in [*sizes, len(stream)]:
        found += files.feed(stream[at : at + size])
        at += size
    assert np.array_equal(np.stack([readers.picture(file) for file in found]), pictures)
