"""Runs of the `sanjuuni` tool in this process on files that are there, with one launcher for all.

with open_studio(folder) as studio:
    made = studio.convert(clip, output_format="bimg", width=40)
    assert made.result.frames == 20
    screens = screen_decoders.bimg(made.data).screens
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmapi.media.binaries import inspect
from gmapi.sandbox.launcher import Launcher
from gmapi.tools.screens.request import ScreenResult
from support.media.programs import ffmpeg_program
from support.product.tools import Tools
from support.product.works import Notes


@dataclass(frozen=True)
class Made:
    """An output, its parts, and what was told."""

    data: bytes
    result: ScreenResult
    notes: Notes
    parts: list[bytes] = field(default_factory=list)


class Studio(Tools):
    """Tools whose screens are looked at byte by byte."""

    def convert(self, source: Path, *, subtitle_file: Path | None = None, **fields: Any) -> Made:
        """One conversion; raises what the tool raises. Nothing but the output stays."""
        subtitles = {"subtitle_url": subtitle_file} if subtitle_file else {}
        ran = self.run("sanjuuni", {"input_url": source, **subtitles}, **fields)
        found = {name: path.read_bytes() for name, path in ran.files.items()}
        parts = [found[address.rpartition("/")[2]] for address in ran.result.parts or []]
        assert len(found) == 1 + len(parts)
        shutil.rmtree(ran.path.parent)
        return Made(found[ran.result.file_name], ran.result, ran.notes, parts)


@contextmanager
def open_studio(folder: Path) -> Iterator[Studio]:
    """A studio in an empty folder, with the product's own ffmpeg."""
    with Launcher() as launcher:
        yield Studio(folder, launcher, inspect(launcher, Path(ffmpeg_program())))
