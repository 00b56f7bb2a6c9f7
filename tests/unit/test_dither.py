"""Dithering: both implementations against a plain transcription of the formats document, 3.8."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmapi.computercraft import dither as in_numpy
from gmapi.computercraft import native
from gmapi.computercraft.options import Dither
from gmapi.computercraft.screen import U8

Function = Callable[[U8, U8, Dither], U8]

BAYER = [
    [0, 32, 8, 40, 2, 34, 10, 42],
    [48, 16, 56, 24, 50, 18, 58, 26],
    [12, 44, 4, 36, 14, 46, 6, 38],
    [60, 28, 52, 20, 62, 30, 54, 22],
    [3, 35, 11, 43, 1, 33, 9, 41],
    [51, 19, 59, 27, 49, 17, 57, 25],
    [15, 47, 7, 39, 13, 45, 5, 37],
    [63, 31, 55, 23, 61, 29, 53, 21],
]


@pytest.fixture(params=["native", "numpy"], scope="module")
def dither(request: pytest.FixtureRequest) -> Function:
    """One implementation."""
    if request.param == "numpy":
        return in_numpy.dither
    try:
        return native.load().dither
    except native.NotNative as error:
        pytest.skip(str(error))


def distance(a: list[float], b: list[float]) -> float:
    d0, d1, d2 = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return math.sqrt(d0 * d0 + d1 * d1 + d2 * d2)


def nearest(color: list[float], palette: list[list[float]]) -> int:
    best, least = 0, distance(color, palette[0])
    for index, other in enumerate(palette):
        found = distance(color, other)
        if found < least:
            best, least = index, found
    return best


def slowly(pixels: U8, palette: U8, method: Dither) -> U8:
    """Pixel by pixel."""
    height, width = pixels.shape[:2]
    colors = palette.astype(float).tolist()
    values = pixels.astype(float).tolist()
    out = np.zeros((height, width), np.uint8)
    strength = 0.0
    if method is Dither.ORDERED:
        for a in colors:
            for b in colors:
                strength += distance(a, b)
        strength /= len(colors) ** 2 * 6
    for y in range(height):
        for x in range(width):
            color = values[y][x]
            if method is Dither.ORDERED:
                color = [c + strength * (BAYER[y % 8][x % 8] / 64 - 0.5) for c in color]
            out[y, x] = chosen = nearest(color, colors)
            if method is not Dither.DIFFUSION:
                continue
            for dx, dy, share in ((1, 0, 5), (-1, 1, 2), (0, 1, 3), (1, 1, 1)):
                if 0 <= x + dx < width and y + dy < height:
                    for k in range(3):
                        error = color[k] - colors[chosen][k]
                        values[y + dy][x + dx][k] += error * share / 16
    # Of equal colours the first.
    for index in range(len(colors)):
        out[out == index] = colors.index(colors[index])
    return out


def picture(seed: int, kind: str, width: int, height: int, size: int) -> tuple[U8, U8]:
    """Pixels and a palette."""
    random = np.random.default_rng(seed)
    palette = random.integers(0, 256, (size, 3))
    pixels = random.integers(0, 256, (height, width, 3))
    if kind == "gray":
        palette[:] = palette[:, :1]
        pixels[:] = pixels[:, :, :1]
    elif kind == "close":
        palette = 100 + palette % 4
        pixels = 98 + pixels % 8
    elif kind == "exact":
        pixels = palette[random.integers(0, size, (height, width))]
    elif kind == "smooth":
        slope = (
            np.linspace(0, 255, width)[None, :, None] + np.linspace(0, 60, height)[:, None, None]
        )
        pixels = np.clip(slope * random.random(3) + random.integers(0, 9, pixels.shape), 0, 255)
    return pixels.astype(np.uint8), palette.astype(np.uint8)


@pytest.mark.parametrize("method", Dither)
@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["noise", "gray", "close", "exact", "smooth"]),
    width=st.integers(1, 70),
    height=st.integers(1, 40),
    size=st.integers(1, 16),
)
def test_every_pixel_gets_the_slot_of_the_plain_rules(
    dither: Function, method: Dither, seed: int, kind: str, width: int, height: int, size: int
) -> None:
    pixels, palette = picture(seed, kind, width, height, size)
    found = dither(pixels, palette, method)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, slowly(pixels, palette, method))


@pytest.mark.parametrize("method", Dither)
@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (90, 2), (50, 33), (17, 31)])
def test_narrow_pictures(dither: Function, method: Dither, shape: tuple[int, int]) -> None:
    pixels, palette = picture(7, "noise", shape[1], shape[0], 5)
    np.testing.assert_array_equal(dither(pixels, palette, method), slowly(pixels, palette, method))


@pytest.mark.parametrize("method", Dither)
def test_implementations_agree_on_a_whole_frame(dither: Function, method: Dither) -> None:
    for kind in ("noise", "smooth", "close"):
        pixels, palette = picture(3, kind, 328, 243, 16)
        np.testing.assert_array_equal(
            dither(pixels, palette, method), in_numpy.dither(pixels, palette, method)
        )


def test_equal_distances_and_equal_colors_go_to_the_first_slot(dither: Function) -> None:
    palette = np.array([[90, 0, 0], [20, 0, 0], [10, 0, 0], [20, 0, 0]], np.uint8)
    pixels = np.array([[[15, 0, 0], [20, 0, 0], [55, 0, 0]]], np.uint8)
    assert dither(pixels, palette, Dither.NONE).tolist() == [[1, 1, 0]]


def test_errors_are_not_clamped(dither: Function) -> None:
    """White pixels that are shown gray push the next value beyond 255 and a dark one to gray."""
    palette = np.array([[0, 0, 0], [128, 128, 128]], np.uint8)
    pixels = np.full((1, 6, 3), 255, np.uint8)
    pixels[0, 5] = 20
    # 127 * (5/16 + (5/16)^2 + ...) is about 57, and 20 + 57 is above the middle, 64.
    assert dither(pixels, palette, Dither.DIFFUSION).tolist() == [[1, 1, 1, 1, 1, 1]]
    pixels[0, 5] = 6
    assert dither(pixels, palette, Dither.DIFFUSION).tolist() == [[1, 1, 1, 1, 1, 0]]


def test_ordered_dithering_repeats_every_eight_pixels(dither: Function) -> None:
    palette = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    found = dither(np.full((16, 24, 3), 128, np.uint8), palette, Dither.ORDERED)
    np.testing.assert_array_equal(found, np.tile(found[:8, :8], (2, 3)))
    # Half of the matrix lies above its middle, and 128 is above the middle of the palette.
    assert found[:8, :8].sum() == 32


@pytest.mark.parametrize("size", [0, 17])
def test_a_palette_has_1_to_16_colors(size: int) -> None:
    with pytest.raises(ValueError, match="1 to 16"):
        in_numpy.dither(np.zeros((2, 2, 3), np.uint8), np.zeros((size, 3), np.uint8), Dither.NONE)
