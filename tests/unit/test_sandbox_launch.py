"""What a launch description and its limits refuse before any process is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gmapi.errors import SettingsError
from gmapi.sandbox.launcher import Grants, Launch, Launcher
from gmapi.sandbox.limits import Limits

FOLDER = Path("/")


@pytest.mark.parametrize("argv", [(), ("ffmpeg",), ("./ffmpeg", "-version")])
def test_the_program_must_be_an_absolute_path(argv: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="absolute path"):
        Launch(argv, FOLDER)


@pytest.mark.parametrize(
    ("argv", "cwd", "env"),
    [
        (("/bin/echo", "a\0b"), FOLDER, {}),
        (("/bin/echo",), Path("/a\0b"), {}),
        (("/bin/echo",), FOLDER, {"NAME": "a\0b"}),
        (("/bin/echo",), FOLDER, {"NA\0ME": "a"}),
    ],
)
def test_nul_characters_are_refused(argv: tuple[str, ...], cwd: Path, env: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="NUL"):
        Launch(argv, cwd, env)


@pytest.mark.parametrize("name", ["", "A=B"])
def test_impossible_environment_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="env"):
        Launch(("/bin/echo",), FOLDER, {name: "x"})


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="fds"):
        Launch(("/bin/echo",), FOLDER, fds={-1: 0})
    with pytest.raises(ValueError, match="file_size"):
        Limits(file_size=-1)


def test_a_launcher_that_was_not_started_starts_nothing() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        Launcher().launch(Launch(("/bin/true",), FOLDER))


def test_grants_must_be_absolute() -> None:
    with pytest.raises(ValueError, match="absolute"):
        Grants(read=(Path("in/input"),))
    with pytest.raises(ValueError, match="absolute"):
        Grants(write=(Path("out"),))
    with pytest.raises(ValueError, match="NUL"):
        Grants(write=(Path("/out\0"),))
    assert Launch(("/bin/true",), FOLDER).grants == Grants((), ())


def test_plain_says_all_that_is_missing() -> None:
    with Launcher(plain=True) as plain:
        assert plain.protection.state == "policy-only"
        assert {
            "Landlock file rules",
            "seccomp filter",
            "network rules",
            "no_new_privs",
            "the end of children whose worker is killed",
            "limits of memory, processor time, file size and open files",
        } <= set(plain.protection.missing)


def test_a_required_sandbox_that_is_not_there_stops_the_start() -> None:
    launcher = Launcher("require", plain=True)
    with pytest.raises(SettingsError, match=r"GMAPI_SANDBOX: .*seccomp filter.*container"):
        launcher.start()
    with pytest.raises(RuntimeError, match="closed"):
        launcher.launch(Launch(("/bin/true",), FOLDER))


def test_limits_grow_with_the_pictures_and_the_processors() -> None:
    def limits(pixels: int) -> Limits:
        return Limits.for_work(wall_seconds=10.5, file_size=7, picture_pixels=pixels)

    usual, large = limits(40_000_000), limits(80_000_000)
    assert usual == limits(1_000)
    assert usual.cpu_seconds is not None
    assert usual.cpu_seconds >= 10.5 * (os.cpu_count() or 1)
    assert usual.file_size == 7
    assert usual.address_space is not None
    assert large.address_space is not None
    assert usual.data is not None
    assert large.data is not None
    assert large.address_space - usual.address_space == 4 << 30
    assert large.data - usual.data == 2 << 30
