"""Photos of usual phones, 48 to 64 megapixels, within the limits that a server has by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import LimitError
from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.launcher import Launcher
from gmapi.settings import load_settings
from gmapi.tools.base import Tool, ToolResult
from gmapi.tools.ffmpeg import FFMPEG
from gmapi.tools.sanjuuni import SANJUUNI
from gmapi.tools.video_frame import VIDEO_FRAME
from support.media.programs import BUNDLED
from support.media.programs import run as ffmpeg_run
from support.product.file_work import file_work
from support.screens.studio import Notes

SHAPES = {
    "48.jpg": ["-i", "color=c=0xC86432:s=8064x6048", "-pix_fmt", "yuvj420p"],
    "50.jpg": ["-i", "color=c=0xC86432:s=8160x6120", "-pix_fmt", "yuvj444p"],
    "64.png": ["-i", "color=c=0xC86432@0.5:s=9248x6936,format=rgba", "-compression_level", "1"],
    "78.jpg": ["-i", "color=c=0xC86432:s=10200x7650", "-pix_fmt", "yuvj420p"],
}


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("photos")

    def path(name: str) -> Path:
        made = folder / name
        if not made.exists():
            words = ["-v", "error", "-f", "lavfi", *SHAPES[name], "-frames:v", "1", str(made)]
            assert ffmpeg_run(BUNDLED, *words).returncode == 0
        return made

    return path


@pytest.fixture
def convert(launcher: Launcher, ffmpeg: Ffmpeg, tmp_path: Path) -> Callable[..., Any]:
    settings = load_settings({"data_dir": str(tmp_path / "data")})

    def run(tool: Tool, photo: Path, **values: Any) -> ToolResult:
        field = "video_url" if tool is VIDEO_FRAME else "input_url"
        request = tool.request.model_validate({field: "http://127.0.0.1/photo", **values})
        work = file_work(tmp_path, launcher, ffmpeg, {field: photo}, Notes(), settings)
        return tool.run(work, request)

    return run


@pytest.mark.parametrize(
    "name", ["48.jpg", "50.jpg", pytest.param("64.png", marks=pytest.mark.slow)]
)
def test_they_are_shown_in_the_game(
    convert: Callable[..., Any], photo: Callable[[str], Path], name: str
) -> None:
    cut = convert(VIDEO_FRAME, photo(name), w=160)
    assert (cut.total_frames, cut.width, cut.height) == (1, 160, 120)


@pytest.mark.slow
def test_a_screen_shows_one_with_transparency(
    convert: Callable[..., Any], photo: Callable[[str], Path]
) -> None:
    assert convert(SANJUUNI, photo("64.png"), output_format="bimg", width=80).frames == 1


def test_they_are_converted_as_they_are(
    convert: Callable[..., Any], photo: Callable[[str], Path]
) -> None:
    made = convert(FFMPEG, photo("48.jpg"), output_format="jpg")
    assert (made.width, made.height, made.frames) == (8064, 6048, 1)


def test_what_is_too_large_is_told_with_the_remedy(
    convert: Callable[..., Any], photo: Callable[[str], Path]
) -> None:
    for tool, values in (
        (FFMPEG, {"output_format": "png"}),
        (SANJUUNI, {"output_format": "bimg"}),
        (VIDEO_FRAME, {}),
    ):
        with pytest.raises(LimitError, match=r"10200x7650 pixels .* GMAPI_PICTURE_MAX_PIXELS"):
            convert(tool, photo("78.jpg"), **values)
