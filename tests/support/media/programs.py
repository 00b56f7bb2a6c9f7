"""The ffmpeg programs of this machine, as parameters of tests, and plain runs of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest

BUNDLED = imageio_ffmpeg.get_ffmpeg_exe()
SYSTEM = shutil.which("ffmpeg")
PROGRAMS = [pytest.param(BUNDLED, id="bundled")]
if SYSTEM is not None and Path(SYSTEM).resolve() != Path(BUNDLED).resolve():
    PROGRAMS.append(pytest.param(SYSTEM, id="system"))


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, "-hide_banner", "-nostdin", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )
