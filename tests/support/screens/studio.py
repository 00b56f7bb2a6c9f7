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
from gmapi.tools.base import Work
from gmapi.tools.registry import TOOLS
from gmapi.tools.sanjuuni import SANJUUNI
from gmapi.tools.screens.request import ScreenResult
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


@dataclass(frozen=True)
class Run:
    """What a run of any tool gave: its result, the files that can be fetched, what it warned of."""

    result: Any
    files: Mapping[str, bytes]
    warnings: list[str]
    notes: Notes


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
        request = SANJUUNI.request.model_validate(values)
        SANJUUNI.accept(request)
        notes = notes or Notes()
        files = {"input_url": source, "subtitle_url": subtitle_file or source}
        work = self._work(files, notes, settings)
        result = SANJUUNI.run(work, request)
        assert isinstance(result, ScreenResult)
        found = self._take(work)
        parts = [found[address.rpartition("/")[2]] for address in result.parts or []]
        assert len(found) == 1 + len(parts)
        return Made(found[result.file_name], result, notes, parts)

    def run(
        self,
        tool: str,
        source: Path,
        *,
        notes: Notes | None = None,
        settings: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Run:
        """One run of any tool on a file; raises what the tool raises."""
        field = "video_url" if tool == "video_frame" else "input_url"
        values = {field: f"http://127.0.0.1/{source.name}", **fields}
        request = TOOLS[tool].request.model_validate(values)
        TOOLS[tool].accept(request)
        notes = notes or Notes()
        work = self._work({field: source}, notes, settings)
        result = TOOLS[tool].run(work, request)
        left = sorted(path.name for path in work.outputs.iterdir())
        assert not left, left
        return Run(result, self._take(work), work.warnings, notes)

    def _work(
        self, files: Mapping[str, Path], notes: Notes, settings: Mapping[str, Any] | None
    ) -> Work:
        chosen = self.settings(**(settings or {}))
        return file_work(self.folder, self.launcher, self.ffmpeg, files, notes, chosen)

    def _take(self, work: Work) -> dict[str, bytes]:
        """What was published, by name; nothing of the run stays."""
        made = self.folder / "files" / work.file_id
        found = {path.name: path.read_bytes() for path in made.iterdir() if path.is_file()}
        shutil.rmtree(made)
        shutil.rmtree(work.folder)
        return found

    def left(self) -> list[str]:
        """Files that conversions which failed have left where callers could fetch them."""
        return sorted(path.name for path in (self.folder / "files").rglob("*") if path.is_file())


@contextmanager
def open_studio(folder: Path, program: Path | None = None) -> Iterator[Studio]:
    """A studio in an empty folder, with the product's own ffmpeg or another one."""
    with Launcher() as launcher:
        yield Studio(folder, launcher, inspect(launcher, program or Path(ffmpeg_program())))


def make_media(path: Path, *arguments: str) -> Path:
    """A file made by ffmpeg; returns its path."""
    command = [ffmpeg_program(), "-v", "error", "-y", *arguments, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path
