"""What a conversion is asked to do, in plain values; flags and fields of a request give this."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Rgb = tuple[int, int, int]
"""Red, green, blue, 0 to 255 each."""

PALETTE_SIZE = 16


class Format(StrEnum):
    """A file format for ComputerCraft."""

    LUA = "lua"
    NFP = "nfp"
    RAW = "raw"
    BIMG = "bimg"
    VID32 = "32vid"

    @property
    def extension(self) -> str:
        """How the name of a file of this format ends."""
        return "32v" if self is Format.VID32 else self.value


class PaletteSource(StrEnum):
    """Where the 16 colours come from."""

    MEDIAN_CUT = "median-cut"
    KMEANS = "kmeans"
    OCTREE = "octree"
    DEFAULT = "default"


class Dither(StrEnum):
    """How pixels between two palette colours are shown."""

    DIFFUSION = "diffusion"
    ORDERED = "ordered"
    NONE = "none"


class Compression(StrEnum):
    """Coding of the pictures in 32vid."""

    NONE = "none"
    ANS = "ans"
    DEFLATE = "deflate"
    CUSTOM = "custom"


class Audio(StrEnum):
    """Sound in 32vid: unsigned 8-bit samples, DFPWM, or none."""

    PCM = "pcm"
    DFPWM = "dfpwm"
    NONE = "none"


class Quality(StrEnum):
    """`exact` is the reference's algorithm, `best` our own."""

    EXACT = "exact"
    BEST = "best"


@dataclass(frozen=True)
class MonitorSplit:
    """A wall of equal monitors: blocks of one monitor, its text scale, and whether the pixels
    behind the bezels are skipped."""

    columns: int = 8
    rows: int = 6
    scale: float = 0.5
    trim_borders: bool = False


@dataclass(frozen=True)
class Options:
    """A whole conversion. `width` and `height` are pixels; a cell is 2 x 3 pixels.

    `colors` is empty or has 16 entries; an entry that is not None is locked to that colour.
    `blocks_only` gives one background colour per cell and no characters.
    """

    format: Format = Format.LUA
    quality: Quality = Quality.BEST
    width: int | None = None
    height: int | None = None
    palette: PaletteSource = PaletteSource.MEDIAN_CUT
    colors: tuple[Rgb | None, ...] = ()
    dither: Dither = Dither.DIFFUSION
    lab: bool = False
    blocks_only: bool = False
    binary: bool = False
    compression: Compression = Compression.ANS
    audio: Audio = Audio.PCM
    separate_streams: bool = False
    index: bool = False
    split: MonitorSplit | None = None
