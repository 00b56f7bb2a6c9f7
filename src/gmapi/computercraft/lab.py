"""Colours as bytes of L, a, b; formats document, section 3.7.

As in the reference, blue takes the part of red on the way in, and the way back undoes that.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gmapi.computercraft.options import Rgb
from gmapi.computercraft.screen import U8

F32 = npt.NDArray[np.float32]


def _linear_light() -> F32:
    table = np.empty(256, np.float32)
    for byte in range(256):
        value = float(np.float32(byte / 255))
        table[byte] = ((value + 0.055) / 1.055) ** 2.4 if value > 0.04045 else value / 12.92
    return table * np.float32(100)


_LINEAR = _linear_light()
"""Linear light, 0 to 100, of each byte."""


def to_lab(pixels: U8) -> U8:
    """(..., 3) u8 blue, green, red to L (0 to 100), a + 128, b + 128, truncated; same shape."""
    return _lab(pixels).astype(np.uint8)


def color_to_lab(color: Rgb) -> tuple[int, int, int]:
    """A locked colour: L, a + 128, b + 128, rounded to nearest; formats document, section 3.6."""
    lightness, a, b = np.floor(_lab(np.array(color[::-1], np.uint8)) + np.float32(0.5)).tolist()
    return int(lightness), int(a), int(b)


def palette_to_rgb(lab_palette: U8, *, wrap: bool = False) -> U8:
    """(n, 3) u8 L, a + 128, b + 128 to blue, green, red; colours outside sRGB get its nearest
    channel values.

    `wrap` takes channels above 255 modulo 256 instead, a fault of the reference.
    """
    found = [_bgr(*color, wrap=wrap) for color in lab_palette.tolist()]
    return np.array(found, np.uint8).reshape(-1, 3)


def _lab(pixels: U8) -> F32:
    linear = _LINEAR[pixels].astype(np.float64)
    r, g, b = linear[..., 0], linear[..., 1], linear[..., 2]
    x = _f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 95.047)
    y = _f((0.2126 * r + 0.7152 * g + 0.0722 * b) / 100)
    z = _f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 108.883)
    return np.stack([116 * y - 16, 500 * (x - y) + 128, 200 * (y - z) + 128], -1)


def _f(value: npt.NDArray[np.float64]) -> F32:
    """The curve of Lab, with argument and result rounded to single precision."""
    t = value.astype(np.float32).astype(np.float64)
    curve = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return curve.astype(np.float32)


def _bgr(lightness: int, a: int, b: int, *, wrap: bool) -> list[int]:
    # Plain numbers: the bytes are truncated, and vectorised powers may differ in the last bit.
    y = (lightness + 16) / 116
    x = _inverse((a - 128) / 500 + y) * 0.95047
    z = _inverse(y - (b - 128) / 200) * 1.08883
    y = _inverse(y)
    return [
        _byte(3.2406 * x - 1.5372 * y - 0.4986 * z, wrap=wrap),
        _byte(-0.9689 * x + 1.8758 * y + 0.0415 * z, wrap=wrap),
        _byte(0.0557 * x - 0.2040 * y + 1.0570 * z, wrap=wrap),
    ]


def _inverse(value: float) -> float:
    cube = value * value * value
    return cube if cube > 0.008856 else (value - 16 / 116) / 7.787


def _byte(linear: float, *, wrap: bool) -> int:
    if linear > 0.0031308:
        value = 1.055 * math.pow(linear, 1 / 2.4) - 0.055
    else:
        value = 12.92 * linear
    if wrap:
        return int(255 * min(max(value, 0.0), 255.0)) % 256
    return int(255 * min(max(value, 0.0), 1.0))
