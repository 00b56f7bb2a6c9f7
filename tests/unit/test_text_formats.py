"""BIMG, raw and NFP: what the writers make is read back by decoders of the tests' own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmapi import __version__
from gmapi.computercraft.formats import nfp
from gmapi.computercraft.formats.bimg import BimgWriter
from gmapi.computercraft.formats.nfp import NfpWriter
from gmapi.computercraft.formats.raw import RawWriter
from gmapi.computercraft.formats.writer import Film, Tally, Writer
from gmapi.computercraft.monitor import Wall
from gmapi.computercraft.screen import Screen
from support.screens import decoders
from support.screens.strategies import PATTERNS, planes, screens, sizes

SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LITTLE = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def file_of(writer: Writer, pictures: list[list[Screen]], seconds: list[float]) -> bytes:
    """A whole file; its chunks are made last to first, since none may depend on another."""
    chunks = [
        writer.frame(parts, time)
        for parts, time in reversed(list(zip(pictures, seconds, strict=True)))
    ]
    body = b"".join(reversed(chunks))
    ending = writer.finish(Tally(len(pictures), len(chunks), len(body)))
    return writer.header() + body + ending.trailer


def film(screen: Screen, fps: float = 20.0, title: str = "", wall: Wall | None = None) -> Film:
    return Film(screen.columns, screen.rows, fps, title=title, wall=wall)


def assert_same(read: Screen, given_: Screen, padding: int | None = None) -> None:
    assert np.array_equal(read.characters, given_.characters)
    assert np.array_equal(read.colors, given_.colors)
    palette = given_.palette
    if padding is not None:
        palette = np.vstack([palette, np.zeros((padding - len(palette), 3), np.uint8)])
    assert np.array_equal(read.palette, palette)


# -- BIMG ---------------------------------------------------------------------------------------


@SLOW
@given(st.lists(screens(), min_size=1, max_size=3), st.booleans(), st.text(max_size=20))
def test_bimg_holds_screens_and_title(pictures: list[Screen], binary: bool, title: str) -> None:
    writer = BimgWriter(film(pictures[0], title=title), binary=binary)
    data = file_of(writer, [[screen] for screen in pictures], [0.05] * len(pictures))
    read = decoders.bimg(data)
    assert len(read.screens) == len(pictures)
    for one, two in zip(read.screens, pictures, strict=True):
        assert_same(one, two)
    assert read.durations == [None] * len(pictures)
    assert read.fields == {
        "creator": b"GMapiServer",
        "version": __version__.encode(),
        "secondsPerFrame": 0.05,
        "animation": len(pictures) > 1,
        "title": title.encode("utf-8", "replace"),
    }
    if not binary:
        assert set(data) <= {10, *range(32, 127)}


@pytest.mark.parametrize("binary", [False, True])
def test_bimg_has_durations_only_where_they_differ(binary: bool) -> None:
    screen = grey(2, 3)
    writer = BimgWriter(film(screen, fps=30000 / 1001), binary=binary)
    seconds = [0.0333667, 1001 / 30000, 0.04, 0.5]
    read = decoders.bimg(file_of(writer, [[screen]] * 4, seconds))
    assert read.durations == [None, None, 0.04, 0.5]
    assert read.fields["secondsPerFrame"] == 0.0333667


@pytest.mark.parametrize("binary", [False, True])
def test_bimg_of_a_wall_lists_its_parts(binary: bool) -> None:
    wall = Wall(columns=3, rows=2, scale=0.5)
    parts = [grey(2, 3, shade=number) for number in range(6)]
    writer = BimgWriter(film(parts[0], wall=wall), binary=binary)
    read = decoders.bimg(file_of(writer, [parts], [0.05]))
    assert read.fields["multiMonitor"] == {"width": 3.0, "height": 2.0, "scale": 0.5}
    assert read.fields["animation"] is False
    assert [int(screen.palette[0, 0]) for screen in read.screens] == list(range(6))
    two = decoders.bimg(file_of(writer, [parts, parts], [0.05, 1.0]))
    assert two.durations == [None] * 6 + [1.0] * 6
    assert two.fields["animation"] is True


# -- raw ----------------------------------------------------------------------------------------


@SLOW
@given(st.lists(screens(), min_size=1, max_size=3))
def test_raw_holds_screens(pictures: list[Screen]) -> None:
    chosen = [[screen] for screen in pictures]
    data = file_of(RawWriter(film(pictures[0])), chosen, [0.05] * len(pictures))
    fps, read = decoders.raw(data)
    assert fps == b"20"
    for one, two in zip(read, pictures, strict=True):
        assert_same(one, two, padding=16)


@pytest.mark.parametrize(
    ("fps", "still", "line"),
    [
        (25.0, True, b"0"),
        (25.0, False, b"25"),
        (30000 / 1001, False, b"29.97"),
        (1 / 3, False, b"0.333333"),
        (14.9999999, False, b"15"),
        (1200000.0, False, b"1.2e+06"),
    ],
)
def test_raw_says_pictures_a_second(fps: float, still: bool, line: bytes) -> None:
    header = RawWriter(Film(1, 1, fps, still=still)).header()
    assert header == b"32Vid 1.1\n%b\n" % line
    assert math.isclose(float(line), 0 if still else fps, rel_tol=1e-5)


@LITTLE
@given(st.integers(0, 2**32 - 1), st.sampled_from([(64, 189), (64, 190), (100, 200), (130, 189)]))
def test_raw_of_noise_needs_the_long_form(seed: int, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (2, *size), np.uint8)
    screen = Screen(noise[0], noise[1], np.full((16, 3), seed & 255, np.uint8))
    data = RawWriter(film(screen)).frame([screen], 0.05)
    assert data[:4] == (b"!CPD" if len(data) > 65535 + 17 else b"!CPC")
    assert_same(decoders.raw(b"32Vid 1.1\n20\n" + data)[1][0], screen)


def test_raw_changes_form_at_its_limit() -> None:
    """A pair of bytes for each cell and plane, and 64 bytes around them; base64 makes 4 of 3."""
    forms = {}
    for columns in (12271, 12272):
        plane = (np.arange(columns) % 2).astype(np.uint8).reshape(1, -1)
        screen = Screen(plane, plane, np.zeros((1, 3), np.uint8))
        data = RawWriter(film(screen)).frame([screen], 0.05)
        forms[columns] = data[:4]
        assert_same(decoders.raw(b"32Vid 1.1\n0\n" + data)[1][0], screen, padding=16)
    assert forms == {12271: b"!CPC", 12272: b"!CPD"}


# -- NFP ----------------------------------------------------------------------------------------


@SLOW
@given(screens(characters=PATTERNS))
def test_nfp_shows_every_pixel(screen: Screen) -> None:
    data = file_of(NfpWriter(film(screen)), [[screen]], [0.05])
    assert np.array_equal(decoders.nfp(data), decoders.pixels(screen))


@LITTLE
@given(screens())
def test_nfp_of_blocks_has_one_digit_for_each_cell(screen: Screen) -> None:
    data = file_of(NfpWriter(film(screen), blocks_only=True), [[screen]], [0.05])
    assert np.array_equal(decoders.nfp(data), screen.colors >> 4)


@LITTLE
@given(sizes().flatmap(lambda size: planes(size, st.integers(0, 15))))
def test_nfp_takes_indexes_of_pixels(indexes: np.ndarray) -> None:
    assert np.array_equal(decoders.nfp(nfp.lines(indexes)), indexes)


def test_frames_of_nfp_follow_each_other() -> None:
    data = file_of(NfpWriter(Film(1, 1, 20.0)), [[grey(1, 1)], [grey(1, 1)]], [0.05] * 2)
    assert data == b"00\n" * 6


# -- all ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [RawWriter, NfpWriter])
def test_formats_without_walls_refuse_them(kind: type[RawWriter | NfpWriter]) -> None:
    with pytest.raises(ValueError, match="wall"):
        kind(Film(1, 1, 20.0, wall=Wall(2, 1, 0.5)))


@pytest.mark.parametrize("size", [(0, 0), (0, 3), (2, 0)])
def test_pictures_smaller_than_a_cell_are_empty(size: tuple[int, int]) -> None:
    screen = grey(*size)
    for binary in (False, True):
        read = decoders.bimg(file_of(BimgWriter(film(screen), binary=binary), [[screen]], [1.0]))
        assert read.screens[0].characters.size == 0
        assert read.screens[0].rows == size[0]
    _, read_raw = decoders.raw(file_of(RawWriter(film(screen)), [[screen]], [1.0]))
    assert_same(read_raw[0], screen, padding=16)
    assert decoders.nfp(file_of(NfpWriter(film(screen)), [[screen]], [1.0])).size == 0


def grey(rows: int, columns: int, shade: int = 0) -> Screen:
    plane = np.full((rows, columns), 32, np.uint8)
    return Screen(plane, np.zeros_like(plane), np.full((1, 3), shade, np.uint8))
