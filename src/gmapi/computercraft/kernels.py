"""The heavy work on pixels: what both implementations offer, native code and NumPy.

Pixel triples `c0, c1, c2` are blue, green, red, or the bytes of L, a, b made by `lab`; see the
formats document, section 3. All arrays are u8 and C-contiguous.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gmapi.computercraft.options import Compression, Dither, Rgb
from gmapi.computercraft.screen import U8, Screen


@dataclass(frozen=True)
class ComposerSettings:
    """How `best` pictures are made.

    `colors` is empty or has 16 entries, of which those that are not None are fixed. A `still` gets
    more palette steps and an exhaustive search. `thorough` asks for more palette steps on video.
    """

    width: int
    height: int
    dither: Dither = Dither.DIFFUSION
    colors: tuple[Rgb | None, ...] = ()
    still: bool = False
    thorough: bool = False


class Composer(Protocol):
    """Makes the pictures of one video in order: each starts from the palette and cells before."""

    def compose(self, pixels: U8) -> Screen:
        """(height, width, 3) red, green, blue to cells; surplus columns and rows are dropped.

        Fastest where the array is a view of three planes, one after another.
        """


class Kernels(Protocol):
    """One implementation. Calls are safe from several threads and release the interpreter's lock
    where they can."""

    name: str

    def lab(self, pixels: U8) -> U8:
        """(..., 3) blue, green, red to bytes of L, a, b of the same shape."""

    def median_cut(self, pixels: U8) -> U8:
        """(n, 3) to a palette of up to 16 entries, (k, 3)."""

    def kmeans(self, pixels: U8, colors: int) -> U8:
        """(n, 3) to a palette of up to `colors` entries, (k, 3)."""

    def octree(self, pixels: U8, colors: int) -> U8:
        """(n, 3) to a palette of `colors` entries, (colors, 3)."""

    def dither(self, pixels: U8, palette: U8, method: Dither) -> U8:
        """(height, width, 3) to palette indexes (height, width)."""

    def cells(self, indexes: U8, palette: U8, *, blocks_only: bool) -> tuple[U8, U8]:
        """Indexes (height, width) and palette (k, 3) in order c0, c1, c2 of blue, green, red to
        characters and colours, (height // 3, width // 2) each; see `Screen`."""

    def composer(self, settings: ComposerSettings) -> Composer:
        """Start a video in `best` quality."""

    def encode(
        self, characters: U8, colors: U8, compression: Compression, first: tuple[int, int] | None
    ) -> bytes:
        """Screen block and colour block of a 32vid frame (none, ans or custom).

        `first` is the foreground and background with which the run coder starts, None for those
        of the first cell.
        """
