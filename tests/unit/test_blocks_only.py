"""One colour a cell (`-N`) in best quality."""

from __future__ import annotations

import numpy as np
import pytest

from gmapi.computercraft.converter import BestConverter
from gmapi.computercraft.kernels import Kernels
from gmapi.computercraft.monitor import Tile
from gmapi.computercraft.options import Dither, Options, PaletteSource
from gmapi.computercraft.palette import DEFAULT_PALETTE
from gmapi.computercraft.screen import BLANK, U8, Screen
from support.screens.kernel_choices import KERNELS

pytestmark = pytest.mark.parametrize("kernels", KERNELS)


def blocks(kernels: Kernels, pixels: U8, **choices: object) -> Screen:
    options = Options(blocks_only=True, **choices)  # type: ignore[arg-type]
    tile = Tile(0, 0, pixels.shape[1], pixels.shape[0])
    (screen,) = BestConverter(options, kernels, [tile], still=True).convert(pixels)
    return screen


def noise(height: int, width: int) -> U8:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("dither", list(Dither))
def test_no_cell_has_a_character(kernels: Kernels, dither: Dither) -> None:
    # A column and two rows are left over.
    screen = blocks(kernels, noise(20, 17), dither=dither)
    assert screen.characters.shape == screen.colors.shape == (6, 8)
    assert (screen.characters == BLANK).all()
    assert (screen.foreground == 0).all()
    assert len({*screen.background.flat}) > 8


def test_a_cell_has_the_colour_of_its_six_pixels_together(kernels: Kernels) -> None:
    # Half white and half dark, together a grey of the palette.
    pixels = np.full((6, 4, 3), 2 * 0x99 - 0xF0, np.uint8)
    pixels[:, ::2] = 0xF0
    pixels[3:, 2:] = 0xF0
    screen = blocks(kernels, pixels, palette=PaletteSource.DEFAULT, dither=Dither.NONE)
    grey, white = [0x99] * 3, [0xF0] * 3
    assert DEFAULT_PALETTE[screen.background].tolist() == [[grey, grey], [grey, white]]


def test_a_few_flat_cells_are_kept_exactly(kernels: Kernels) -> None:
    colors = noise(2, 5)
    screen = blocks(kernels, colors.repeat(3, 0).repeat(2, 1), dither=Dither.NONE)
    assert np.array_equal(screen.palette[screen.background], colors)


def test_a_picture_without_a_cell_has_none(kernels: Kernels) -> None:
    assert blocks(kernels, noise(2, 1)).characters.shape == (0, 0)
