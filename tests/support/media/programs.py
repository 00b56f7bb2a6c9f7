"""The ffmpeg programs of this machine, as parameters of tests, and plain runs of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.media.files import ffmpeg_program

BUNDLED = ffmpeg_program()
SYSTEM = shutil.which("ffmpeg")
PROGRAMS = [pytest.param(BUNDLED, id="bundled")]
if SYSTEM is not None and Path(SYSTEM).resolve() != Path(BUNDLED).resolve():
    PROGRAMS.append(pytest.param(SYSTEM, id="system"))


def ffmpeg_output(*words: str) -> bytes:
    """What the product's ffmpeg writes to standard output; an error is one of the test."""
    return program_output(BUNDLED, *words)


def program_output(program: str, *words: str) -> bytes:
    """The same of another ffmpeg."""
    return subprocess.run(
        [program, "-v", "error", "-nostdin", "-y", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
    ).stdout


def make_media(path: Path, *words: str) -> Path:
    """A file made by the product's ffmpeg; returns its path."""
    ffmpeg_output(*words, str(path))
    return path


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A run of any ffmpeg, which may fail."""
    return subprocess.run(
        [program, "-hide_banner", "-nostdin", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )
