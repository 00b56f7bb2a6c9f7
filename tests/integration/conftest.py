"""Fixtures of tests that run real ffmpeg programs through the product's own launcher."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gmapi.media.binaries import Ffmpeg, inspect
from gmapi.sandbox.launcher import Launcher
from media_files import ffmpeg_program

PROGRAMS = {"bundled": Path(ffmpeg_program())}
if system := shutil.which("ffmpeg"):
    PROGRAMS["system"] = Path(system)


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as launcher:
        yield launcher


@pytest.fixture(scope="module", params=sorted(PROGRAMS))
def ffmpeg(request: pytest.FixtureRequest, launcher: Launcher) -> Ffmpeg:
    """The bundled ffmpeg and, where there is one, the system's."""
    return inspect(launcher, PROGRAMS[request.param])
