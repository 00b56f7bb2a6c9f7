"""More than 300 generated sources, odd in one way each, through each tool: what comes out is right
by independent readers, or is refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmapi.media.binaries import inspect
from gmapi.sandbox.launcher import Launcher
from support.media.making import Maker
from support.media.oddities import FILMS, Oddity
from support.media.oddities_files import FILES
from support.media.oddities_looks import LOOKING
from support.media.programs import PROGRAMS
from support.product.tool_runs import Tools
from support.product.verdicts import WAYS, verdict

ODDITIES: list[Oddity] = [*FILMS, *LOOKING, *FILES]
SYSTEM_WAYS = ("mp4", "32vid", "frames")
NEWER = ("webp", "jxl", "avif", "heic", "qoi")
"""What ffmpeg 5 does not read, or not all of it."""


@pytest.fixture(scope="module", params=PROGRAMS)
def workshop(
    request: pytest.FixtureRequest, launcher: Launcher, tmp_path_factory: pytest.TempPathFactory
) -> Tools:
    folder = tmp_path_factory.mktemp("oddities")
    return Tools(folder, launcher, inspect(launcher, Path(request.param)))


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("oddity", ODDITIES, ids=lambda oddity: oddity.name)
def test_an_odd_source(workshop: Tools, make: Maker, oddity: Oddity, way: str) -> None:
    if workshop.ffmpeg_program.major == 5 and way not in SYSTEM_WAYS:
        pytest.skip("the system's ffmpeg makes a part")
    wrong = verdict(workshop, make, oddity, way)
    assert not wrong, "; ".join(wrong)


def test_there_are_enough_of_them() -> None:
    names = [oddity.name for oddity in ODDITIES]
    assert len(set(names)) == len(names) > 300
