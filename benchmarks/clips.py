"""Pictures for the quality benchmark: the golden clips, made ones, and photographs if given."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from gmapi.computercraft.screen import U8

GOLDENS = Path(__file__).parent.parent / "tests" / "goldens" / "sanjuuni" / "in"
GOLDEN_CLIPS = {
    "test pattern (golden)": ("testsrc2_160x120_10fps.mp4", 160, 120),
    "fractal zoom (golden)": ("mandel_128x96_15fps.mkv", 128, 96),
    "motion JPEG (golden)": ("mjpeg_96x72_12fps.avi", 96, 72),
    "static (golden)": ("static_64x48_5fps.mp4", 64, 48),
    "still: plasma (golden)": ("plasma_160x120.jpg", 160, 120),
    "still: gradient (golden)": ("gradient_80x60.png", 80, 60),
    "still: text (golden)": ("text_120x45.png", 120, 45),
}
WIDTH, HEIGHT = 328, 243
"""Pixels of the largest monitor of ComputerCraft at the smallest text."""
FRAMES = 40


def decode(path: Path, width: int, height: int, frames: int | None = None) -> list[U8]:
    """Pictures of a file, scaled with the area filter."""
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path),
        "-vf", f"scale={width}:{height}:flags=area", "-fps_mode", "passthrough",
        *([] if frames is None else ["-frames:v", str(frames)]),
        "-pix_fmt", "rgb24", "-f", "rawvideo", "-",
    ]  # fmt: skip
    data = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return list(np.frombuffer(data, np.uint8).reshape(-1, height, width, 3))


def clips() -> Iterator[tuple[str, list[U8]]]:
    """Names and pictures of all clips that need no file but the goldens."""
    for name, (file, width, height) in GOLDEN_CLIPS.items():
        yield name, decode(GOLDENS / file, width, height)
    yield "textured zoom", textured_zoom()
    yield "test card", test_card()
    yield "dark gradient", dark_gradient()


def photo_clip(path: Path, frames: int = FRAMES) -> list[U8]:
    """A slow zoom into a photograph with the light noise of a camera."""
    source = decode(path, 2 * WIDTH, 2 * HEIGHT)[0]
    noise = np.random.default_rng(1)
    out = []
    for i in range(frames):
        zoom = 1.0 + 0.6 * i / frames
        ys = (np.arange(2 * HEIGHT) - HEIGHT) / zoom + HEIGHT
        xs = (np.arange(2 * WIDTH) - WIDTH) / zoom + WIDTH
        big = source[ys.astype(int)][:, xs.astype(int)].astype(np.float64)
        small = big.reshape(HEIGHT, 2, WIDTH, 2, 3).mean(axis=(1, 3))
        out.append(_bytes(small + noise.normal(0, 1.5, small.shape)))
    return out


def textured_zoom() -> list[U8]:
    """Coloured noise of several sizes under a zoom, half of it still."""
    rng = np.random.default_rng(7)
    height, width = 2 * HEIGHT, 2 * WIDTH
    texture = np.zeros((height, width, 3))
    for size, share in ((4, 20.0), (16, 30.0), (64, 60.0)):
        coarse = rng.normal(0, share, (height // size + 2, width // size + 2, 3))
        texture += _enlarge(coarse, size)[:height, :width]
    texture += (130, 110, 90)
    out = []
    for i in range(FRAMES):
        zoom = 1.0 + i / FRAMES
        ys = ((np.arange(HEIGHT) - HEIGHT / 2) / zoom + HEIGHT).astype(int)
        xs = ((np.arange(WIDTH) - WIDTH / 2) / zoom + WIDTH).astype(int)
        frame = texture[ys][:, xs]
        frame[:, : WIDTH // 3] = texture[:HEIGHT, : WIDTH // 3]
        out.append(_bytes(frame))
    return out


def test_card() -> list[U8]:
    """Bars, a grey ramp, lines and a moving block, flat colours with hard edges."""
    card = np.zeros((HEIGHT, WIDTH, 3))
    bars = [(235, 235, 235), (235, 235, 16), (16, 235, 235), (16, 235, 16), (235, 16, 235),
            (235, 16, 16), (16, 16, 235), (16, 16, 16)]  # fmt: skip
    for i, color in enumerate(bars):
        card[:120, i * WIDTH // 8 : (i + 1) * WIDTH // 8] = color
    card[120:170] = np.linspace(0, 255, WIDTH)[None, :, None]
    for x in range(0, WIDTH, 6):
        card[170:243, x : x + 1 + x // 100] = (255, 255, 255)
    out = []
    for i in range(FRAMES):
        frame = card.copy()
        frame[190:220, 4 * i : 4 * i + 40] = (220, 120, 30)
        out.append(_bytes(frame))
    return out


def dark_gradient() -> list[U8]:
    """A night sky: dark blue fading to black, a glow that grows slowly, film noise."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    out = []
    for i in range(FRAMES):
        sky = (y / HEIGHT)[..., None] * (14, 18, 40)
        far = (x - 240) ** 2 + (y - 190) ** 2
        glow = np.exp(-far / 5000)[..., None] * (60, 38, 12) * (0.7 + 0.3 * i / FRAMES)
        out.append(_bytes(sky + glow + rng.normal(0, 0.5, sky.shape)))
    return out


def _enlarge(coarse: np.ndarray, size: int) -> np.ndarray:
    for axis in (0, 1):
        count = coarse.shape[axis]
        at = np.arange((count - 1) * size) / size
        low = at.astype(int)
        shape = [1, 1, 1]
        shape[axis] = -1
        part = (at - low).reshape(shape)
        coarse = np.take(coarse, low, axis) * (1 - part) + np.take(coarse, low + 1, axis) * part
    return coarse


def _bytes(values: np.ndarray) -> U8:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)
