"""Children under some of the locks, and what they say."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gmapi.sandbox.launcher import Grants, Launch, Launcher
from gmapi.sandbox.limits import Limits
from gmapi.sandbox.protection import Lock

PATIENCE = 60.0
NO_LIMITS = Limits(None, None, None, None, None, None)


def needs(locks: set[Lock]) -> None:
    """Skips the test where this system lacks one of the locks."""
    with Launcher(locks=locks) as launcher:
        found = launcher.protection
    if "landlock" in locks and not found.landlock_abi:
        pytest.skip("this kernel has no Landlock")
    if "seccomp" in locks and not found.seccomp:
        pytest.skip("this kernel or machine has no filter of system calls")
    if "bubblewrap" in locks and not found.bubblewrap:
        pytest.skip("bubblewrap is not installed or does not start here")


def said_by(launcher: Launcher, argv: list[str], folder: Path, grants: Grants) -> tuple[int, str]:
    """The return code of a child and what it writes to its standard output and error."""
    reader, writer = os.pipe()
    with open(reader) as text:
        try:
            child = launcher.launch(
                Launch(tuple(argv), folder, {}, {1: writer, 2: writer}, NO_LIMITS, grants)
            )
        finally:
            os.close(writer)
        said = text.read()
    code = child.wait(PATIENCE)
    assert code is not None
    return code, said


def in_child(body: Callable[[], object]) -> str:
    """Runs `body` in a fork of this process; what it returns, as text, or its error."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            try:
                said = str(body())
            except BaseException as error:
                said = repr(error)
            os.write(writer, said.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as text:
        said = text.read()
    os.waitpid(pid, 0)
    return said
