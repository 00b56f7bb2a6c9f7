from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from gmapi.computercraft import lab, native
from gmapi.computercraft.screen import U8

ToLab = Callable[[U8], U8]


@pytest.fixture(scope="module", params=["native", "numpy"])
def to_lab(request: pytest.FixtureRequest) -> ToLab:
    if request.param == "numpy":
        return lab.to_lab
    try:
        return native.load().lab
    except native.NotNative as reason:
        pytest.skip(str(reason))


def plain_lab(c0: int, c1: int, c2: int) -> list[np.float32]:
    """Section 3.7 of the formats document, step by step; numbers of NumPy are singles."""
    single = np.float32

    def linear(byte: int) -> float:
        v = float(single(byte / 255))
        light = single(math.pow((v + 0.055) / 1.055, 2.4) if v > 0.04045 else v / 12.92)
        return float(light * single(100))

    def f(value: float) -> np.float32:
        t = float(single(value))
        return single(math.cbrt(t) if t > 0.008856 else 7.787 * t + 16 / 116)

    r, g, b = linear(c0), linear(c1), linear(c2)
    x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 95.047)
    y = f((0.2126 * r + 0.7152 * g + 0.0722 * b) / 100)
    z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 108.883)
    return [
        single(116) * y - single(16),
        single(500) * (x - y) + single(128),
        single(200) * (y - z) + single(128),
    ]


def plain_lab_bytes(pixels: U8) -> list[list[int]]:
    return [[int(value) for value in plain_lab(*pixel)] for pixel in pixels.tolist()]


def test_colours_all_over_the_cube(to_lab: ToLab) -> None:
    levels = [0, 1, 7, 10, 11, 12, 63, 64, 128, 200, 254, 255]
    pixels = np.array([*itertools.product(levels, repeat=3)], np.uint8)
    assert to_lab(pixels).tolist() == plain_lab_bytes(pixels)


def test_random_colours(to_lab: ToLab) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5000, 3), dtype=np.uint8)
    assert to_lab(pixels).tolist() == plain_lab_bytes(pixels)


def test_greys_which_lie_on_the_edge_between_two_bytes(to_lab: ToLab) -> None:
    pixels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    assert to_lab(np.tile(pixels, (5, 1))).tolist() == plain_lab_bytes(pixels) * 5


# They differ from their neighbours in the rounding of one step each.
@pytest.mark.parametrize("color", [0xFD4A19, 0xFE8E26, 0xFFAAA8, 0xFF2B6A, 0x8988C8, 0x666678])
def test_colours_that_rounding_decides(to_lab: ToLab, color: int) -> None:
    pixels = np.array([[color >> 16, color >> 8 & 255, color & 255]], np.uint8)
    assert to_lab(pixels).tolist() == plain_lab_bytes(pixels)


def test_blue_takes_the_part_of_red(to_lab: ToLab) -> None:
    # Red of sRGB is L 53.2, a 80.1, b 67.2.
    assert to_lab(np.array([[255, 0, 0]], np.uint8)).tolist() == [[53, 208, 195]]


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (255, 3), (257, 3), (2, 300, 3)])
def test_shapes_are_kept(to_lab: ToLab, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    found = to_lab(pixels)
    assert found.shape == shape
    assert found.dtype == np.uint8
    assert found.reshape(-1, 3).tolist() == plain_lab_bytes(pixels.reshape(-1, 3))


def test_pixels_that_are_not_contiguous(to_lab: ToLab) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    assert to_lab(pixels[::2, ::3]).tolist() == to_lab(pixels)[::2, ::3].tolist()


def test_palettes_come_back_near_to_what_they_were() -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (3000, 3), dtype=np.uint8)
    back = lab.palette_to_rgb(lab.to_lab(pixels))
    error = np.abs(back.astype(int) - pixels)
    # Truncation costs one unit of L, a and b, which is much in the dark only.
    assert error.mean() < 3
    assert error[pixels.min(axis=1) > 100].max() <= 10


@pytest.mark.parametrize(
    ("color", "expected"), [([0, 128, 128], [0, 0, 0]), ([53, 208, 195], [254, 0, 0])]
)
def test_known_palette_entries(color: list[int], expected: list[int]) -> None:
    assert lab.palette_to_rgb(np.array([color], np.uint8)).tolist() == [expected]


def test_a_channel_above_one_is_cut_off_or_wraps_as_in_the_reference() -> None:
    white = np.array([[100, 128, 127]], np.uint8)
    assert lab.palette_to_rgb(white).tolist() == [[254, 255, 255]]
    assert lab.palette_to_rgb(white, wrap=True).tolist() == [[254, 255, 0]]


def test_an_empty_palette_stays_one() -> None:
    assert lab.palette_to_rgb(np.empty((0, 3), np.uint8)).shape == (0, 3)


def test_locked_colours_are_red_green_blue_and_are_rounded_to_nearest() -> None:
    for red, green, blue in [(255, 255, 255), (0, 255, 0), (17, 200, 90), (3, 0, 240)]:
        expected = tuple(math.floor(v + 0.5) for v in plain_lab(blue, green, red))
        assert lab.color_to_lab((red, green, blue)) == expected
    assert lab.color_to_lab((128, 128, 128)) == (54, 128, 128)
    assert lab.to_lab(np.array([[128, 128, 128]], np.uint8)).tolist() == [[53, 128, 127]]
