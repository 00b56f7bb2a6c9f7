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
from support.product.tools import Tools
from support.product.verdicts import verdict, ways

ODDITIES: list[Oddity] = [*FILMS, *LOOKING, *FILES]
SYSTEM_WAYS = ("32vid", "frames")
"""Of the system's ffmpeg, which makes a part: each third source."""

RUNS = [
    pytest.param(program.values[0], oddity, way, id=f"{program.id}-{way}-{oddity.name}")
    for program in PROGRAMS
    for number, oddity in enumerate(ODDITIES)
    for way in ways(oddity)
    if program.id == "bundled" or (number % 3 == 0 and way in SYSTEM_WAYS)
]


@pytest.fixture(scope="module")
def workshops(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tools]:
    """The tools with each ffmpeg, by its path."""
    folder = tmp_path_factory.mktemp("oddities")
    return {
        program.values[0]: Tools(folder, launcher, inspect(launcher, Path(program.values[0])))
        for program in PROGRAMS
    }


@pytest.mark.slow
@pytest.mark.parametrize(("program", "oddity", "way"), RUNS)
def test_an_odd_source(
    workshops: dict[str, Tools], make: Maker, program: str, oddity: Oddity, way: str
) -> None:
    wrong = verdict(workshops[program], make, oddity, way)
    assert not wrong, "; ".join(wrong)


def test_there_are_enough_of_them() -> None:
    names = [oddity.name for oddity in ODDITIES]
    assert len(set(names)) == len(names) > 300
