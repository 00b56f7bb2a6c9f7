"""Fixtures of the contract's tests: more media, and jobs that many tests look at."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import BACKENDS, LEASE, Bench, SqliteBackend, adopting
from support.http.origin import Origin
from support.http.refusals import SMALL_FETCH
from support.media.files import CONTRACT_MEDIA, ffmpeg_program
from support.product.command import Command
from support.product.frame_tasks import MANY, begin, ready_frames
from support.product.server import GmapiServer, wait_for


@pytest.fixture(scope="session")
def contract_media(
    origin: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """Gives the address of one of `CONTRACT_MEDIA`, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("contract-media")
    known: dict[str, str] = {}

    def address(name: str) -> str:
        if name not in known:
            path: Path = folder / name
            subprocess.run(
                [ffmpeg_program(), "-v", "error", *CONTRACT_MEDIA[name], str(path)], check=True
            )
            known[name] = origin.add(f"/{name}", path.read_bytes(), etag=f'"{name}"')
        return known[name]

    return address


@pytest.fixture(scope="session")
def film(server: GmapiServer, origin: Origin) -> dict[str, Any]:
    """The finished task of a 280 frame film with sound, asked for as the player does."""
    values = {
        "video_url": origin.url("/film.mp4"),
        "w": 96,
        "h": 64,
        "force_resolution": False,
        "pad_to_target": True,
        "fps": 20,
    }
    accepted = server.post("/api/video_frame/async", values).json()
    task = server.wait_for_task(accepted["task_id"])
    assert task["status"] == "completed", task
    return task


@pytest.fixture(scope="module")
def song(server: GmapiServer, origin: Origin) -> dict[str, Any]:
    """The answer to a song that was converted to DFPWM as the speaker programs do, just now: who
    asks for it again is given the same."""
    values = {
        "input_url": origin.url("/song.mp3"),
        "args": ["-vn", "-ar", "48000", "-ac", "1"],
        "output_format": "dfpwm",
        "no_cache": True,
    }
    answer: dict[str, Any] = server.post("/api/ffmpeg", values).json()
    assert answer["status"] == "success", answer
    return answer


@pytest.fixture
def working(server: GmapiServer, contract_media: Callable[[str], str]) -> Iterator[str]:
    """A task of 480 frames that has cut some and has many to go."""
    task_id = begin(server, contract_media("many_frames.mp4"), w=400, h=225, no_cache=True)
    # So many that on a slow machine too the next ones are expected within seconds.
    wait_for(lambda: ready_frames(server, task_id) >= MANY, what="many frames")
    yield task_id
    server.post(f"/api/task/{task_id}/cancel")
    wait_for(lambda: not server.ffmpegs(), what="the end of all conversions")


@pytest.fixture(scope="session", params=BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> SqliteBackend:
    """The database the servers of a test use."""
    found: SqliteBackend = request.param
    return found


@pytest.fixture(scope="session")
def bench(backend: SqliteBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A running server with two workers, for tests that leave it working and nothing to do."""
    folder = tmp_path_factory.mktemp("durability")
    server = GmapiServer(folder, workers=2, lease_seconds=LEASE, **backend.settings())
    with adopting(server):
        yield Bench(backend, server)


@pytest.fixture
def make_bench(
    backend: SqliteBackend, make_server: Callable[..., GmapiServer]
) -> Callable[..., Bench]:
    """Starts servers with settings of their own."""

    def make(**settings: Any) -> Bench:
        server = make_server(**{"lease_seconds": LEASE, **backend.settings(), **settings})
        return Bench(backend, server.start())

    return make


@pytest.fixture
def song_file(media_dir: Path) -> Path:
    return media_dir / "song.mp3"


@pytest.fixture
def film_file(media_dir: Path) -> Path:
    return media_dir / "film.mp4"


@pytest.fixture
def gmapi(tmp_path: Path) -> Command:
    """The command, which runs in an empty folder."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "here").mkdir()
    return Command(tmp_path / "here")


@pytest.fixture
def here(gmapi: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command to be run by `here`, in this process: for what does not hang on the process."""
    monkeypatch.chdir(gmapi.folder)
    monkeypatch.setattr(tempfile, "tempdir", str(gmapi.temporary))
    return gmapi


@pytest.fixture(scope="session")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GmapiServer]:
    """A server that gives up early on slow and large sources, and takes small bodies only;
    nothing succeeds on it."""
    folder = tmp_path_factory.mktemp("strict")
    limits = {
        "fetch_max_bytes": SMALL_FETCH,
        "fetch_deadline": 3,
        "fetch_stall": 1.5,
        "body_max_bytes": 20_000,
        "picture_max_pixels": 1_000_000,
    }
    with GmapiServer(folder, **limits) as server:
        yield server
