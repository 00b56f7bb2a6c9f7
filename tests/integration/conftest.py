"""Fixtures of tests that run real ffmpeg programs through the product's own launcher, and of tests
that are the worker of a web process."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gmapi.jobs.database import connect
from gmapi.jobs.service import JobService
from gmapi.jobs.store import JobStore
from gmapi.media.binaries import Ffmpeg, inspect
from gmapi.sandbox.launcher import Launcher
from gmapi.settings import Settings
from gmapi.tools.base import Work
from support.http.origin import Origin
from support.media.broadcasts import broadcast
from support.media.making import Maker
from support.media.programs import BUNDLED, PROGRAMS, SYSTEM
from support.product.growing_jobs import Attempt, Bench, claim, submit
from support.product.server import GmapiServer
from support.product.tools import Tools
from support.product.works import make_work


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs with the system's ffmpeg are slow tests, but for the most telling ones: those marked
    `both_ffmpegs`, of which `both_ffmpegs(way="frames")` are only the ones with this parameter, or
    with one of several in a tuple.

    So it is with runs of all tools, and in files where some are marked; elsewhere all are telling.
    """
    chosen = {item.path for item in items if item.get_closest_marker("both_ffmpegs") is not None}
    for item in items:
        call = getattr(item, "callspec", None)
        if call is None or SYSTEM not in (call.params.get("ffmpeg"), call.params.get("program")):
            continue
        if "tools" not in item.fixturenames and item.path not in chosen:
            continue
        both = item.get_closest_marker("both_ffmpegs")
        if both is None or any(
            call.params.get(k) not in (v if isinstance(v, tuple) else (v,))
            for k, v in both.kwargs.items()
        ):
            item.add_marker(pytest.mark.slow)


@functools.cache
def _inspected(launcher: Launcher, program: str) -> Ffmpeg:
    return inspect(launcher, Path(program))


@pytest.fixture
def own_origin() -> Iterator[Origin]:
    """A server to fetch from, of one test alone, with nothing on it yet."""
    with Origin() as started:
        yield started


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """One thread beside that of the test, for work that is to be looked at on its way."""
    with ThreadPoolExecutor(1) as running:
        yield running


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as launcher:
        yield launcher


@pytest.fixture(scope="module", params=PROGRAMS)
def ffmpeg(request: pytest.FixtureRequest, launcher: Launcher) -> Ffmpeg:
    """The bundled ffmpeg and, where there is one, the system's."""
    return _inspected(launcher, request.param)


@pytest.fixture(scope="module")
def tools(launcher: Launcher, ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """All tools, with each of both ffmpegs."""
    return Tools(tmp_path_factory.mktemp("tools"), launcher, ffmpeg)


@pytest.fixture(scope="session")
def song() -> bytes:
    """Twelve seconds of MP3 without a header, to be sent over and over."""
    return broadcast("mp3", 12)


@pytest.fixture
def fetching(tmp_path: Path, launcher: Launcher) -> Callable[..., Work]:
    """Makes work that fetches from the origin of an address, by a program and with settings."""

    def work(url: str, program: str = BUNDLED, **values: Any) -> Work:
        ffmpeg = _inspected(launcher, program)
        values = {"fetch_allow": url.split("/")[2], **values}
        return make_work(tmp_path, launcher, ffmpeg, **values)

    return work


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Makes media, each file once."""
    return Maker(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="session")
def growing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GmapiServer]:
    """A server of its own: jobs that no worker knows of appear in it."""
    with GmapiServer(tmp_path_factory.mktemp("growing"), workers=1) as running:
        yield running


@pytest.fixture
def bench(growing_server: GmapiServer) -> Iterator[Bench]:
    found = Bench(growing_server)
    yield found
    found.store.engine.dispose()


@pytest.fixture
def attempt(bench: Bench) -> Iterator[Attempt]:
    """A running attempt; whatever is left of it is taken back at the end."""
    found = bench.claim(bench.submit())
    yield found
    bench.store.cancel(found.job.id)
    bench.storage.delete(found.file_id)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[JobService]:
    """What a web process has."""
    found = JobService(Settings(data_dir=tmp_path))
    found.start()
    yield found
    if not found.events.stopped:
        found.stop()


@pytest.fixture
def attempt_of_service(service: JobService) -> Iterator[Attempt]:
    """A running attempt that `service` sees."""
    store = JobStore(connect(service.settings.database_path))
    yield claim(store, submit(store))
    store.engine.dispose()
