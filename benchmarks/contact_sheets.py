"""Contact sheets for judging by eye: `python benchmarks/contact_sheets.py PHOTOS OUTPUT`.

PHOTOS is a folder with astronaut.png, rocket.jpg, coffee.png, grass.png and text.png of
scikit-image. Each sheet shows, at twice the size: source, exact median cut (top), exact k-means,
`best` (bottom).
"""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import numpy as np

from clips import dark_gradient, decode, test_card
from gmapi.computercraft.native import load
from gmapi.computercraft.screen import U8
from quality import best, exact
from quality_metrics import render

SCALE = 2


def pictures(photos: Path) -> dict[str, U8]:
    """Names and sources of the sheets."""
    return {
        "portrait": decode(photos / "astronaut.png", 246, 246)[0],
        "sky": _landscape(),
        "night": decode(photos / "rocket.jpg", 300, 201)[0],
        "gradient": dark_gradient()[0],
        "cartoon": _cartoon(),
        "card": test_card()[0],
        "text": decode(photos / "text.png", 300, 114)[0],
        "food": decode(photos / "coffee.png", 300, 201)[0],
        "texture": decode(photos / "grass.png", 180, 180)[0],
    }


def main() -> None:
    """Write all sheets."""
    photos, output = Path(sys.argv[1]), Path(sys.argv[2])
    kernels = load()
    modes = [exact(kernels, kmeans=False), exact(kernels, kmeans=True), best(kernels)]
    for name, source in pictures(photos).items():
        shown = [render(mode([source])[0]) for mode in modes]
        height, width = shown[0].shape[:2]
        tiles = [source[:height, :width], *shown]
        sheet = np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])
        _write_png(output / f"quality-{name}.png", sheet.repeat(SCALE, 0).repeat(SCALE, 1))


def _landscape() -> U8:
    """A summer sky over hills and water."""
    height, width = 201, 300
    y, x = np.mgrid[0:height, 0:width].astype(float)
    depth = (y / 130)[..., None]
    picture = (1 - depth) * (40, 95, 190) + depth * (190, 215, 240)
    sun = np.exp(-((x - 220) ** 2 + (y - 60) ** 2) / 900)[..., None]
    picture += sun * (215, 140, 20)
    for base, size, color in ((125, 14, (95, 120, 150)), (140, 18, (55, 95, 70))):
        ridge = base + size * np.sin(x / 31 + base) + size / 3 * np.sin(x / 7)
        picture = np.where((y > ridge)[..., None], color, picture)
    water = 0.6 * picture[::-1] + (0, 12, 30) + 8 * np.sin(y * 1.1 + x / 9)[..., None]
    picture = np.where((y > 160)[..., None], water, picture)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _cartoon() -> U8:
    """Flat colours with dark outlines."""
    height, width = 201, 300
    y, x = np.mgrid[0:height, 0:width].astype(float)
    picture = np.full((height, width, 3), (120, 200, 250), np.uint8)
    picture[y > 150] = (110, 190, 70)
    shapes = [
        (90, 90, 55, (255, 205, 160)),
        (70, 80, 11, (255, 255, 255)),
        (110, 80, 11, (255, 255, 255)),
        (72, 82, 5, (40, 70, 150)),
        (112, 82, 5, (40, 70, 150)),
        (90, 112, 14, (200, 40, 60)),
        (215, 60, 28, (255, 225, 60)),
        (215, 150, 34, (230, 60, 50)),
        (215, 150, 18, (250, 250, 250)),
        (265, 170, 14, (150, 80, 200)),
    ]
    for center_x, center_y, radius, color in shapes:
        far = np.hypot(x - center_x, y - center_y)
        picture[far < radius + 2] = (25, 20, 35)
        picture[far < radius] = color
    return picture


def _write_png(path: Path, pixels: U8) -> None:
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 3 * width + 1), np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9))
        + chunk(b"IEND", b"")
    )


if __name__ == "__main__":
    main()
