"""How near a character picture is to its source, in figures; used by `quality.py` and the tests.

Colour differences are Euclidean distances in OKLab (Bjorn Ottosson, "A perceptual color space for
image processing") times 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmapi.computercraft.screen import BLANK, U8, Screen

F64 = npt.NDArray[np.float64]

BLUR = 1.5
"""Standard deviation in pixels of the blur that stands for looking from afar."""
STATIC = 2
"""Levels by which a channel of the source may move in an area that counts as static."""

_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@dataclass(frozen=True)
class Figures:
    """Means over the pictures of a clip; all but `psnr` (dB) are better when smaller.

    `blurred` and `pixel` are colour differences to the source from afar and of single pixels,
    `flicker` is the change from picture to picture, from afar, where the source stands still.
    """

    psnr: float
    blurred: float
    pixel: float
    flicker: float


def render(screen: Screen) -> U8:
    """(3 * rows, 2 * columns, 3) red, green, blue."""
    bits = np.where(screen.characters == BLANK, 0, screen.characters & 31)
    front, back = screen.palette[screen.foreground], screen.palette[screen.background]
    out = np.empty((screen.rows, 3, screen.columns, 2, 3), np.uint8)
    for pixel in range(6):
        drawn = (bits >> pixel & 1)[..., None] == 1
        out[:, pixel // 2, :, pixel % 2] = np.where(drawn, front, back)
    return out.reshape(3 * screen.rows, 2 * screen.columns, 3)


def linear(pixels: U8) -> F64:
    """sRGB bytes to linear light, 0 to 1."""
    v = np.arange(256) / 255
    table: F64 = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    return table[pixels]


def oklab(light: F64) -> F64:
    """Linear light to OKLab; axes last."""
    return np.cbrt(np.maximum(light @ _TO_CONES.T, 0)) @ _TO_LAB.T


def blur(light: F64) -> F64:
    """A Gaussian of `BLUR` pixels over the first two axes, edges repeated."""
    radius = int(4 * BLUR)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / BLUR) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        size = light.shape[axis]
        pad = [(0, 0)] * light.ndim
        pad[axis] = (radius, radius)
        padded = np.pad(light, pad, mode="edge")
        light = sum(
            weight * np.take(padded, range(i, i + size), axis=axis)
            for i, weight in enumerate(kernel)
        )
    return light


def measure(sources: Sequence[U8], screens: Sequence[Screen]) -> Figures:
    """Figures of a clip; the sources may have surplus columns and rows."""
    psnr, blurred, pixel, flicker = [], [], [], []
    before: tuple[U8, F64] | None = None
    for source, screen in zip(sources, screens, strict=True):
        shown = render(screen)
        wanted = source[: shown.shape[0], : shown.shape[1]]
        light, shown_light = linear(wanted), linear(shown)
        error = np.mean((wanted.astype(float) - shown) ** 2)
        psnr.append(10 * np.log10(255**2 / max(float(error), 0.01)))
        pixel.append(_difference(oklab(light), oklab(shown_light)).mean())
        afar = oklab(blur(shown_light))
        blurred.append(_difference(oklab(blur(light)), afar).mean())
        if before is not None:
            moved = np.abs(wanted.astype(int) - before[0]).max(axis=2)
            static = moved <= STATIC
            change = _difference(afar, before[1])
            flicker.append(float(change[static].mean()) if static.any() else 0.0)
        before = wanted, afar
    return Figures(
        float(np.mean(psnr)),
        float(np.mean(blurred)),
        float(np.mean(pixel)),
        float(np.mean(flicker)) if flicker else 0.0,
    )


def _difference(one: F64, other: F64) -> F64:
    return 100 * np.sqrt(((one - other) ** 2).sum(axis=-1))
