"""The bytes our own converter is handed, with real ffmpeg programs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from gmapi.computercraft.pipeline import Pipeline
from gmapi.computercraft.screen import U8
from gmapi.media.binaries import Ffmpeg
from gmapi.media.raw_pictures import Look, decoded
from gmapi.media.shapes import PictureSize
from support.media.files import ffmpeg_program
from support.media.selected import selected

WIDTH, HEIGHT = 16, 6


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, U8]:
    """A video whose columns are red and green in turn, and blue from the fourth row on, stored with
    the full resolution of colour; and its pixels."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, ::2], pixels[:, 1::2], pixels[3:] = (200, 40, 40), (40, 200, 40), (40, 40, 200)
    path = tmp_path_factory.mktemp("media") / "stripes.mkv"
    subprocess.run(
        [
            ffmpeg_program(), "-v", "error",
            "-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{WIDTH}x{HEIGHT}",
            "-i", "-", "-c:v", "ffv1", "-pix_fmt", "yuv444p", str(path),
        ],
        input=pixels.tobytes(),
        check=True,
    )  # fmt: skip
    return path, pixels


def _decoded(ffmpeg: Ffmpeg, path: Path, look: Look) -> list[U8]:
    """The pictures as the converter gets them."""
    reading, writing = os.pipe()
    try:
        chosen = selected(ffmpeg.path, path)
        command = decoded(ffmpeg, chosen, look, max_pixels=10**6, progress_fd=writing)
        output = subprocess.run(
            command, stdout=subprocess.PIPE, pass_fds=[writing], check=True
        ).stdout
    finally:
        os.close(reading)
        os.close(writing)
    found: list[U8] = []
    with Pipeline(
        look.size.width, look.size.height, lambda _, pixels: pixels.copy(), found.append,
        threads=1, planar=not look.faithful,
    ) as pipeline:  # fmt: skip
        pipeline.feed(output)
        pipeline.finish()
    return found


@pytest.mark.both_ffmpegs
def test_each_pixel_has_its_own_colour(ffmpeg: Ffmpeg, stripes: tuple[Path, U8]) -> None:
    path, pixels = stripes
    (found,) = _decoded(ffmpeg, path, Look(PictureSize(WIDTH, HEIGHT, (WIDTH, HEIGHT))))
    assert np.abs(found.astype(int) - pixels).max() <= 4


@pytest.mark.both_ffmpegs
def test_bars_have_the_background(ffmpeg: Ffmpeg, stripes: tuple[Path, U8]) -> None:
    path, pixels = stripes
    size = PictureSize(WIDTH + 8, HEIGHT, (WIDTH, HEIGHT))
    (found,) = _decoded(ffmpeg, path, Look(size, background=(250, 20, 90)))
    assert np.abs(found[:, 4:-4].astype(int) - pixels).max() <= 4
    assert (found[:, :4] == (250, 20, 90)).all()
    assert (found[:, -4:] == (250, 20, 90)).all()


@pytest.mark.both_ffmpegs
def test_a_faithful_look_is_blue_green_red(ffmpeg: Ffmpeg, stripes: tuple[Path, U8]) -> None:
    path, pixels = stripes
    size = PictureSize(WIDTH, HEIGHT, (WIDTH, HEIGHT))
    (found,) = _decoded(ffmpeg, path, Look(size, faithful=True))
    # The reference's conversion shares colours between neighbours: only rows of one colour count.
    assert np.abs(found[4:, :, ::-1].astype(int) - pixels[4:]).max() <= 8
