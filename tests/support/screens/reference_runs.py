"""The golden cases again, made by the product as it is: what it does instead of the faults."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from gmapi.computercraft.options import Format
from gmapi.computercraft.screen import U8
from support.media.files import ffmpeg_program
from support.media.programs import make_media
from support.screens import vid32_decoder
from support.screens.golden_cases import FOLDER, GOLDENS, Golden
from support.screens.studio import Made, Studio
from support.screens.vid32_decoder import File

CASES = {case.name: case for case in GOLDENS}
INPUTS = FOLDER / "in"
CLIP = INPUTS / "testsrc2_160x120_10fps.mp4"
PLASMA = INPUTS / "plasma_102x96.png"
GRADIENT = INPUTS / "gradient_80x60.png"


def product(studio: Studio, case: Golden, *more: str) -> Made:
    """What the product makes of the flags of a case."""
    kind = case.flags.format or Format.LUA
    words = [*case.words, *more]
    return studio.convert(case.input, output_format=kind.value, quality="exact", args=words)


def product_file(studio: Studio, name: str) -> File:
    return vid32_decoder.parse(product(studio, CASES[name]).data)


def golden_file(name: str) -> File:
    return vid32_decoder.parse(CASES[name].read())


def source_pixels(path: Path) -> U8:
    """(height, width, 3) red, green, blue of the first picture."""
    command = [ffmpeg_program(), "-v", "error", "-i", str(path), "-frames:v", "1"]
    command += ["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    magic, size, most, pixels = data.split(b"\n", 3)
    assert (magic, most) == (b"P6", b"255")
    width, height = map(int, size.split())
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def picture_file(path: Path, pixels: U8) -> Path:
    """A PNG of (height, width, 3) red, green, blue."""
    raw = path.with_suffix(".rgb")
    raw.write_bytes(pixels.tobytes())
    size = f"{pixels.shape[1]}x{pixels.shape[0]}"
    source = ["-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", size]
    return make_media(path, *source, "-i", str(raw), "-frames:v", "1")
