"""The kernels in NumPy, for installations without a C++ compiler."""

from __future__ import annotations

from gmapi.computercraft import cells, dither, lab, palette, palette_clusters
from gmapi.computercraft.compose import NumpyComposer
from gmapi.computercraft.formats import ans, huffman, packed
from gmapi.computercraft.kernels import ComposerSettings
from gmapi.computercraft.options import Compression, Dither
from gmapi.computercraft.screen import U8


class NumpyKernels:
    """See `kernels.Kernels`."""

    name = "numpy"

    def lab(self, pixels: U8) -> U8:
        """Blue, green, red to L, a, b."""
        return lab.to_lab(pixels)

    def median_cut(self, pixels: U8) -> U8:
        """Up to 16 colours."""
        return palette.median_cut(pixels)

    def kmeans(self, pixels: U8, colors: int) -> U8:
        """Up to `colors` colours."""
        return palette_clusters.kmeans(pixels, colors)

    def octree(self, pixels: U8, colors: int) -> U8:
        """`colors` colours."""
        return palette_clusters.octree(pixels, colors)

    def dither(self, pixels: U8, palette: U8, method: Dither) -> U8:
        """Palette indexes of all pixels."""
        return dither.dither(pixels, palette, method)

    def cells(self, indexes: U8, palette: U8, *, blocks_only: bool) -> tuple[U8, U8]:
        """Characters and colours."""
        return cells.blocks(indexes) if blocks_only else cells.cells(indexes, palette)

    def composer(self, settings: ComposerSettings) -> NumpyComposer:
        """Start a video in `best` quality."""
        return NumpyComposer(settings)

    def encode(
        self, characters: U8, colors: U8, compression: Compression, first: tuple[int, int] | None
    ) -> bytes:
        """Screen block and colour block of a 32vid frame."""
        if compression is Compression.NONE:
            return packed.encode(characters, colors)
        if compression is Compression.ANS:
            return ans.encode(characters, colors, first)
        return huffman.encode(characters, colors, first)
