"""The build of the native kernels at installation: with a compiler, and without one."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from gmapi.computercraft import native

ROOT = Path(__file__).parents[2]
SETUPTOOLS_LEAST = 77
"""Of this version on it knows the licence as pyproject.toml writes it."""


def setuptools_version() -> int:
    """The first number of it; 0 without setuptools."""
    try:
        return int(version("setuptools").partition(".")[0])
    except PackageNotFoundError:
        return 0


pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="the compiler is not chosen by CC and CXX here"),
    pytest.mark.skipif(
        setuptools_version() < SETUPTOOLS_LEAST,
        reason=f"there is no setuptools of version {SETUPTOOLS_LEAST} or later",
    ),
]


def compiler() -> str | None:
    """The C++ compiler that an installation would use, if there is one."""
    command = os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++"
    return shutil.which(shlex.split(command)[0])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of what an installation needs, without anything that was built."""
    copy = tmp_path / "source"
    copy.mkdir()
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    built = shutil.ignore_patterns("_kernels.*", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", copy / "src", ignore=built)
    return copy


def build(source: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=source,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | variables,
        capture_output=True,
        text=True,
        timeout=110,
    )


def libraries(source: Path) -> list[Path]:
    return [*(source / "src/gmapi/computercraft").glob("_kernels.*")]


def test_without_a_compiler_the_build_goes_on(source: Path) -> None:
    done = build(source, CC="/nonexistent/cc", CXX="/nonexistent/c++")
    assert done.returncode == 0, done.stderr
    (notice,) = (line for line in done.stderr.splitlines() if line.startswith("notice: "))
    assert "the native kernels were not built" in notice
    assert "NumPy, which is slower" in notice
    assert libraries(source) == []


def test_with_sources_that_do_not_compile_the_build_goes_on(source: Path) -> None:
    if compiler() is None:
        pytest.skip("there is no C++ compiler")
    broken = source / "src/gmapi/computercraft/native/kernels.cpp"
    broken.write_text("this is no C++\n")
    done = build(source)
    assert done.returncode == 0, done.stderr
    assert "notice: the native kernels were not built" in done.stderr
    assert libraries(source) == []


def test_with_a_compiler_there_is_a_library(source: Path) -> None:
    if compiler() is None:
        pytest.skip("there is no C++ compiler")
    done = build(source)
    assert done.returncode == 0, done.stderr
    assert "not built" not in done.stderr
    (library,) = libraries(source)
    assert ctypes.CDLL(str(library)).gm_version() == native.VERSION
    kernels = native.load(library)
    assert kernels.name == "native"
