"""What a launch description and its limits refuse before any process is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmapi.sandbox.launcher import Launch, Launcher
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


def test_plain_says_all_that_is_missing() -> None:
    plain = Launcher(plain=True)
    assert plain.state() == "plain"
    assert set(Launcher().missing()) < set(plain.missing())
