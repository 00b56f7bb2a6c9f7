"""Photos of usual phones, 48 to 64 megapixels, within the limits that a server has by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gmapi.errors import LimitError
from support.media.making import Maker
from support.product.outcomes import convert, daily
from support.product.tools import Tools

SHAPES = {
    "48.jpg": ["-i", "color=c=0xC86432:s=8064x6048", "-pix_fmt", "yuvj420p"],
    "50.jpg": ["-i", "color=c=0xC86432:s=8160x6120", "-pix_fmt", "yuvj444p"],
    "64.png": ["-i", "color=c=0xC86432@0.5:s=9248x6936,format=rgba", "-compression_level", "1"],
    "78.jpg": ["-i", "color=c=0xC86432:s=10200x7650", "-pix_fmt", "yuvj420p"],
}


@pytest.fixture
def photo(make: Maker) -> Callable[[str], Path]:
    return lambda name: make(name, "-f", "lavfi", *SHAPES[name], "-frames:v", "1")


@pytest.mark.parametrize("name", daily(["48.jpg", "50.jpg", "64.png"], "50.jpg"))
def test_they_are_shown_in_the_game(tools: Tools, photo: Callable[[str], Path], name: str) -> None:
    cut = tools.video_frame(photo(name), w=160).result
    assert (cut.total_frames, cut.width, cut.height) == (1, 160, 120)


@pytest.mark.slow
def test_a_screen_shows_one_with_transparency(tools: Tools, photo: Callable[[str], Path]) -> None:
    assert tools.sanjuuni(photo("64.png"), "bimg", width=80).result.frames == 1


def test_they_are_converted_as_they_are(tools: Tools, photo: Callable[[str], Path]) -> None:
    made = tools.ffmpeg(photo("48.jpg"), "jpg").result
    assert (made.width, made.height, made.frames) == (8064, 6048, 1)


def test_what_is_too_large_is_told_with_the_remedy(
    tools: Tools, photo: Callable[[str], Path]
) -> None:
    for way in ("png", "bimg", "frames"):
        with pytest.raises(LimitError, match=r"10200x7650 pixels .* GMAPI_PICTURE_MAX_PIXELS"):
            convert(tools, way, photo("78.jpg"))
