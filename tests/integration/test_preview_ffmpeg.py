"""Preview pictures as ffmpeg sees them."""

from __future__ import annotations

import re
import subprocess

import numpy as np

from gmapi.computercraft import png, preview
from gmapi.computercraft.screen import Screen
from support.media.files import ffmpeg_program


def test_ffmpeg_reads_a_preview_with_its_palette() -> None:
    rng = np.random.default_rng(5)
    cells = rng.integers(0, 256, (2, 19, 51), np.uint8)
    screen = Screen(cells[0], cells[1], rng.integers(0, 256, (16, 3), np.uint8))
    indexes, palette = preview.render([screen])
    height, width = indexes.shape
    program = [ffmpeg_program(), "-v", "info", "-f", "png_pipe", "-i", "-"]
    done = subprocess.run(
        [*program, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        input=png.indexed(indexes, palette),
        capture_output=True,
        check=True,
    )
    assert re.search(rf"Video: png, pal8[^\n]*, {width}x{height}", done.stderr.decode())
    shown = np.frombuffer(done.stdout, np.uint8).reshape(height, width, 3)
    assert np.array_equal(shown, palette[indexes])
