"""Fixtures: generated media, a loopback origin that serves it, and a running server."""

from __future__ import annotations

import gc
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.http.origin import Origin, endless
from support.media.files import MEDIA, SCREEN_MEDIA, ffmpeg_program
from support.media.programs import make_media
from support.media.streams import make_stream
from support.product.server import GmapiServer
from support.screens.studio import Studio, open_studio

# Thousands of tests are there for good. To look through them for garbage again and again while they
# are collected takes a third of that time.
gc.disable()


ORDER = ("attacks", "integration", "fuzz", "acceptance", "unit")
"""Of the folders. Servers that all tests of acceptance share stay until the end, and cost time
even when nobody calls them; small files at the end keep both processes busy."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    places = {name: number for number, name in enumerate(ORDER)}
    items.sort(key=lambda item: places.get(item.path.relative_to(here).parts[0], 0))


def pytest_collection_finish() -> None:
    """Nobody looks through the tests for garbage again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    gc.enable()


@pytest.fixture(scope="session")
def media_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all files of `support.media.files.MEDIA`, made by real ffmpeg."""
    folder = tmp_path_factory.mktemp("media")
    for name, arguments in MEDIA.items():
        subprocess.run(
            [ffmpeg_program(), "-v", "error", "-y", *arguments, str(folder / name)], check=True
        )
    return folder


@pytest.fixture(scope="session")
def screen_media(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the path of one of `SCREEN_MEDIA`, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("screen-media")

    def path(name: str) -> Path:
        found = folder / name
        return found if found.exists() else make_media(found, *SCREEN_MEDIA[name])

    return path


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Runs of `sanjuuni` in this process, with the product's own ffmpeg."""
    with open_studio(tmp_path_factory.mktemp("studio")) as found:
        yield found


@pytest.fixture(scope="session")
def origin(media_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """A loopback media server with all generated media at `/<name>` and `clip.mp4` as an HLS
    stream at `/hls/index.m3u8`, and a radio station at `/listen.pls`; tests may add routes."""
    stream = tmp_path_factory.mktemp("stream") / "ts"
    make_stream("ts", media_dir / "clip.mp4", stream)
    with Origin() as found:
        found.add_folder("/hls", stream)
        for path in media_dir.iterdir():
            found.add(f"/{path.name}", path.read_bytes(), etag=f'"{path.name}"')
        radio = endless((media_dir / "song.mp3").read_bytes(), head=b"ICY 200 OK\r\n\r\n")
        found.add("/listen.pls", f"[playlist]\nFile1={found.add('/radio', radio)}\n".encode())
        yield found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GmapiServer]:
    """One server for all tests that leave it as they found it."""
    with GmapiServer(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., GmapiServer]]:
    """Makes servers (not started) with settings of their own; all are stopped afterwards."""
    made: list[GmapiServer] = []

    def make(**settings: Any) -> GmapiServer:
        server = GmapiServer(tmp_path / f"server{len(made)}", **settings)
        made.append(server)
        return server

    yield make
    for server in made:
        server.__exit__()
