"""Pictures to screens: the steps of the two quality modes, in order (formats document, 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from gmapi.computercraft import lab
from gmapi.computercraft.kernels import Composer, ComposerSettings, Kernels
from gmapi.computercraft.monitor import Tile
from gmapi.computercraft.options import PALETTE_SIZE, Options, PaletteSource
from gmapi.computercraft.palette import DEFAULT_PALETTE, merge_locked
from gmapi.computercraft.screen import BLANK, U8, Screen


class Converter(Protocol):
    """Makes the screens of one picture, one for each tile.

    One that is `sequential` must be given the pictures in order, from one thread at a time.
    """

    sequential: bool

    def convert(self, pixels: U8) -> list[Screen]:
        """(height, width, 3) u8 to screens."""


class ExactConverter:
    """The reference's algorithm. Pixels are blue, green, red."""

    sequential = False

    def __init__(
        self,
        options: Options,
        kernels: Kernels,
        tiles: Sequence[Tile],
        *,
        lab_wraps: bool = False,
        lab_takes_rgb: bool = False,
    ) -> None:
        """The last two reproduce faults of the reference, so that equality with it can be shown:
        colours outside sRGB wrap round, and a full palette is used in Lab as if it were Lab."""
        self._options = options
        self._kernels = kernels
        self._tiles = tiles
        self._lab = options.lab and options.palette is not PaletteSource.DEFAULT
        self._lab_wraps = lab_wraps
        self._lab_takes_rgb = lab_takes_rgb
        self._full = bool(options.colors) and None not in options.colors

    def convert(self, pixels: U8) -> list[Screen]:
        """(height, width, 3) blue, green, red."""
        return [self._screen(tile.cut(pixels)) for tile in self._tiles]

    def _screen(self, pixels: U8) -> Screen:
        kernels = self._kernels
        points = kernels.lab(pixels) if self._lab else pixels
        palette = self._palette(points.reshape(-1, 3))
        indexes = kernels.dither(points, palette, self._options.dither)
        if self._lab and self._full and not self._lab_takes_rgb:
            # As they were given: the way to Lab and back changes them a little.
            palette = np.array(self._options.colors, np.uint8)[:, ::-1].copy()
        elif self._lab:
            palette = lab.palette_to_rgb(palette, wrap=self._lab_wraps)
        characters, colors = kernels.cells(indexes, palette, blocks_only=self._options.blocks_only)
        return Screen(characters, colors, np.ascontiguousarray(palette[:, ::-1]))

    def _palette(self, points: U8) -> U8:
        """(k, 3) in the space of `points`."""
        source = self._options.palette
        locked = self._locked()
        free = locked.count(None) if locked else PALETTE_SIZE
        if free == 0:
            return np.array(locked, np.uint8)
        if source is PaletteSource.DEFAULT:
            made = np.ascontiguousarray(DEFAULT_PALETTE[:, ::-1])
        elif source is PaletteSource.OCTREE:
            made = self._kernels.octree(points, free)
        elif source is PaletteSource.KMEANS:
            made = self._kernels.kmeans(points, free)
        else:
            made = self._kernels.median_cut(points)
        return merge_locked(made, locked) if locked else made

    def _locked(self) -> list[tuple[int, int, int] | None]:
        """The caller's colours in the space of the pixels."""
        colors = self._options.colors
        found: list[tuple[int, int, int] | None] = []
        for color in colors:
            if color is None:
                found.append(None)
            elif self._lab and not (self._full and self._lab_takes_rgb):
                found.append(lab.color_to_lab(color))
            else:
                found.append((color[2], color[1], color[0]))
        return found


class BestConverter:
    """Our own algorithm. Pixels are red, green, blue."""

    sequential = True

    def __init__(
        self, options: Options, kernels: Kernels, tiles: Sequence[Tile], *, still: bool
    ) -> None:
        colors = options.colors
        if options.palette is PaletteSource.DEFAULT:
            own = colors or (None,) * PALETTE_SIZE
            fixed = [(int(r), int(g), int(b)) for r, g, b in DEFAULT_PALETTE]
            colors = tuple(a or b for a, b in zip(own, fixed, strict=True))
        self._kernels = kernels
        self._dither = options.dither
        self._blocks_only = options.blocks_only
        self._tiles = tiles
        self._composers = [
            kernels.composer(
                ComposerSettings(
                    width=tile.width,
                    height=tile.height,
                    dither=options.dither,
                    colors=colors,
                    still=still,
                    thorough=options.palette in (PaletteSource.KMEANS, PaletteSource.OCTREE),
                )
            )
            for tile in tiles
        ]

    def convert(self, pixels: U8) -> list[Screen]:
        """(height, width, 3) red, green, blue."""
        make = self._blocks if self._blocks_only else self._cells
        return [
            make(composer, tile.cut(pixels))
            for composer, tile in zip(self._composers, self._tiles, strict=True)
        ]

    def _cells(self, composer: Composer, pixels: U8) -> Screen:
        return composer.compose(pixels)

    def _blocks(self, composer: Composer, pixels: U8) -> Screen:
        """One colour a cell: each counts as one pixel that is the mean of its six."""
        height, width = pixels.shape[0] // 3 * 3, pixels.shape[1] // 2 * 2
        sums = (
            pixels[:height, :width]
            .reshape(height // 3, 3, width // 2, 2, 3)
            .sum(axis=(1, 3), dtype=np.uint16)
        )
        means = ((sums + 3) // 6).astype(np.uint8)
        flat = pixels.copy()
        flat[:height, :width] = means.repeat(3, axis=0).repeat(2, axis=1)
        palette = composer.compose(flat).palette
        background = self._kernels.dither(means, palette, self._dither)
        return Screen(
            np.full_like(background, BLANK), np.left_shift(background, np.uint8(4)), palette
        )


class PlaneConverter:
    """Pictures to palette indexes of single pixels, for paint files, whose cells are one colour."""

    def __init__(self, options: Options, kernels: Kernels) -> None:
        self._dither = options.dither
        self._kernels = kernels

    def convert(self, pixels: U8) -> U8:
        """(height, width, 3) red, green, blue to indexes of the default palette."""
        return self._kernels.dither(pixels, DEFAULT_PALETTE, self._dither)
