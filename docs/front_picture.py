"""Makes docs/images/front.png: a made picture beside what the game shows of it.

`python docs/front_picture.py`. The right half is the product's own preview, by `gmapi convert`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import imageio_ffmpeg
import numpy as np

TARGET = Path(__file__).parent / "images" / "front.png"
MONITOR = "4x3"
HEIGHT, WIDTH = 342, 474
SUPERSAMPLING = 3


def scene() -> np.ndarray:
    """An evening at the sea: a low sun, hills, a lighthouse, a boat. Pixels as RGB bytes."""
    height, width = HEIGHT * SUPERSAMPLING, WIDTH * SUPERSAMPLING
    y, x = np.mgrid[0:height, 0:width] / SUPERSAMPLING
    high = np.clip(y / 215, 0, 1)[..., None]
    picture = (1 - high) * (38, 52, 120) + high * (250, 170, 90)
    picture += np.exp(-((x - 300) ** 2 + (y - 190) ** 2) / 9000)[..., None] * (90, 80, 10)
    picture[np.hypot(x - 300, y - 190) < 30] = (255, 240, 170)
    for at, wide, level in ((90, 55, 60), (135, 40, 70), (390, 70, 95), (440, 50, 85)):
        cloud = np.exp(-(((x - at) / wide) ** 2) - ((y - level) / 9) ** 2)[..., None]
        picture = picture * (1 - 0.6 * cloud) + 0.6 * cloud * np.array((255, 190, 160))
    for base, size, color in ((205, 20, (110, 95, 130)), (216, 13, (70, 75, 105))):
        ridge = base - size * np.abs(np.sin(x / 61 + base)) - 4 * np.sin(x / 17)
        picture[y > ridge] = color
    mirrored = picture[np.clip(2 * 225 * SUPERSAMPLING - np.arange(height), 0, height - 1)]
    ripple = (0.5 + 0.5 * np.sin(y * 0.9 + 3 * np.sin(x / 40)))[..., None]
    picture = np.where((y > 225)[..., None], 0.55 * mirrored + 25 * ripple + (0, 10, 35), picture)
    picture[y > 292 + 8 * np.sin(x / 40) + np.clip(x - 120, 0, None) ** 2 / 250] = (48, 60, 52)
    _lighthouse(picture, x, y)
    _boat(picture, x, y)
    shape = (HEIGHT, SUPERSAMPLING, WIDTH, SUPERSAMPLING, 3)
    return np.clip(picture.reshape(shape).mean(axis=(1, 3)), 0, 255).astype(np.uint8)


def _lighthouse(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    half = 10 + (y - 110) * 0.05
    tower = (np.abs(x - 92) < half) & (y > 110) & (y < 300)
    picture[tower] = (235, 230, 225)
    picture[tower & ((y.astype(int) - 110) // 32 % 2 == 1)] = (200, 55, 50)
    picture[tower & (x > 92 + half * 0.35)] *= 0.75
    picture[(np.abs(x - 92) < 8) & (y > 92) & (y <= 110)] = (255, 225, 120)
    picture[(np.abs(x - 92) < 13) & (y > 107) & (y <= 111)] = (40, 40, 50)
    picture[(np.abs(x - 92) < (y - 78) * 0.8) & (y > 78) & (y <= 92)] = (150, 40, 40)


def _boat(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    picture[(np.abs(x - 356) < 34 - (y - 262) * 0.9) & (y > 262) & (y < 276)] = (95, 55, 40)
    picture[(np.abs(x - 352) < 1.2) & (y > 190) & (y < 262)] = (60, 45, 40)
    picture[(x > 354) & (x < 354 + (y - 195) * 0.5) & (y > 195) & (y < 258)] = (250, 245, 235)
    picture[(x < 350) & (x > 350 - (y - 205) * 0.4) & (y > 205) & (y < 258)] = (235, 205, 190)


def main() -> None:
    """Make the picture with ffmpeg, the product and ffmpeg again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-i", "-"]
        subprocess.run([*ffmpeg, *raw, folder / "scene.png"], input=scene().tobytes(), check=True)
        subprocess.run(
            [sys.executable, "-m", "gmapi", "convert", folder / "scene.png", "--local",
             "--preview", "--format", "png", "--monitor", MONITOR,
             "--output", folder / "shown.png"],
            check=True,
        )  # fmt: skip
        join = f"[1]scale={WIDTH}:{HEIGHT}:flags=area[r];[0]pad=iw+12:ih:0:0:white[l];[l][r]hstack"
        subprocess.run(
            [*ffmpeg, "-i", folder / "scene.png", "-i", folder / "shown.png",
             "-filter_complex", join, "-compression_level", "9", "-pred", "mixed", TARGET],
            check=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
