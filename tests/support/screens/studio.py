"""Runs of the `sanjuuni` tool in this process on files that are there, with one launcher for all.

with open_studio(folder) as studio:
    made = studio.convert(clip, output_format="bimg", width=40)
    assert made.result.frames == 20
    screens = screen_decoders.bimg(made.data).screens
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmapi.media.binaries import Ffmpeg, inspect
from gmapi.sandbox.launcher import Launcher
from gmapi.settings import Settings, load_settings
from gmapi.tools.sanjuuni import SANJUUNI
from gmapi.tools.screens.request import SanjuuniRequest, ScreenResult
from support.media.files import ffmpeg_program
from support.product.file_work import file_work


class Notes:
    """A reporter that keeps all it is told; `stop` is raised at the next check after `stop_after`
    reports of a result."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.percents: list[float] = []
        self.messages: list[str] = []
        self.results: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self._stop_after = stop_after

    def report(
        self,
        *,
        progress: float | None = None,
        message: str | None = None,
        eta: float | None = None,
        result: dict[str, Any] | None = None,
    ) -> None:
        if progress is not None:
            self.percents.append(progress)
        if message is not None:
            self.messages.append(message)
        if result is not None:
            self.results.append(result)

    def log(self, line: str) -> None:
        self.lines.append(line)

    def check(self) -> None:
        if self._stop_after is not None and len(self.results) > self._stop_after:
            raise Stopped


class Stopped(Exception):
    """What a reporter raises to stop the work."""


@dataclass(frozen=True)
class Made:
    """An output, its parts, and what was told."""

    data: bytes
    result: ScreenResult
    notes: Notes
    parts: list[bytes] = field(default_factory=list)


class Studio:
    """What conversions need, made once."""

    def __init__(self, folder: Path, launcher: Launcher, ffmpeg: Ffmpeg) -> None:
        self.folder = folder
        self.ffmpeg = ffmpeg
        self.launcher = launcher

    def settings(self, **values: Any) -> Settings:
        return load_settings({"data_dir": str(self.folder / "data"), **values})

    def convert(
        self,
        source: Path,
        *,
        subtitle_file: Path | None = None,
        notes: Notes | None = None,
        settings: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Made:
        """One conversion; raises what the tool raises. Nothing but the output stays."""
        if subtitle_file is not None:
            fields["subtitle_url"] = "http://127.0.0.1/subtitles"
        values = {"input_url": f"http://127.0.0.1/{source.name}", **fields}
        request = SanjuuniRequest.model_validate(values)
        SANJUUNI.accept(request)
        notes = notes or Notes()
        work = file_work(
            self.folder,
            self.launcher,
            self.ffmpeg,
            {"input_url": source, "subtitle_url": subtitle_file or source},
            notes,
            self.settings(**(settings or {})),
        )
        result = SANJUUNI.run(work, request)
        assert isinstance(result, ScreenResult)
        made = self.folder / "files" / work.file_id
        names = {path.name for path in made.iterdir()}
        data = (made / result.file_name).read_bytes()
        parts = [(made / address.rpartition("/")[2]).read_bytes() for address in result.parts or []]
        assert len(names) == 1 + len(parts)
        shutil.rmtree(made)
        shutil.rmtree(work.folder)
        return Made(data, result, notes, parts)

    def left(self) -> list[str]:
        """Files that conversions which failed have left where callers could fetch them."""
        return sorted(path.name for path in (self.folder / "files").rglob("*") if path.is_file())


@contextmanager
def open_studio(folder: Path) -> Iterator[Studio]:
    """A studio in an empty folder, with the product's own ffmpeg."""
    with Launcher() as launcher:
        yield Studio(folder, launcher, inspect(launcher, Path(ffmpeg_program())))


def make_media(path: Path, *arguments: str) -> Path:
    """A file made by ffmpeg; returns its path."""
    command = [ffmpeg_program(), "-v", "error", "-y", *arguments, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path
