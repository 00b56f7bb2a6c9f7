"""Work as a tool is given it: its sources are files of this machine, or are fetched from a
loopback origin.

work = make_work(folder, launcher, ffmpeg, files={"input_url": clip})
result = run_tool(work, "ffmpeg", input_url="http://127.0.0.1/clip", output_format="mp3")
made = folder / "files" / work.file_id / result.file_name
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.sniff import HEAD_BYTES, check_first_bytes
from gmapi.fetch.source_cache import SourceCache
from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.launcher import Launcher
from gmapi.settings import load_settings
from gmapi.storage.base import new_file_id
from gmapi.storage.local import LocalStorage
from gmapi.tools.base import Sources, Wanted, Work
from gmapi.tools.registry import TOOLS
from gmapi.tools.source_fetch import FetchedSources


class Stopped(Exception):
    """What a reporter raises to stop the work."""


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


class _Files:
    """Sources that are files, looked at as fetched ones are and named without an extension."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files

    def bring(self, work: Work, wanted: Wanted) -> Path:
        file = self._files[wanted.field]
        with open(file, "rb") as source:
            check_first_bytes(source.read(HEAD_BYTES), None)
        link = work.inputs / wanted.name
        link.symlink_to(file.absolute())
        return link


class _Awaited(FetchedSources):
    """Sources from the network of which nothing is converted before all of it is there."""

    def bring(self, work: Work, wanted: Wanted) -> Path:
        return super().bring(work, replace(wanted, arriving=None))


def make_work(
    folder: Path,
    launcher: Launcher,
    ffmpeg: Ffmpeg,
    *,
    files: Mapping[str, Path] | None = None,
    notes: Notes | None = None,
    arriving: bool = True,
    **values: Any,
) -> Work:
    """Work of its own in `folder`, where files published are below `files`. `files` are the
    sources by the field of the request; without them, sources are fetched, and converted while
    they are `arriving`. `values` are settings, of which `fetch_allow` names the origin."""
    settings = load_settings({"data_dir": str(folder / "data"), **values})
    sources: Sources
    if files is None:
        cache = SourceCache(folder / "sources", FetchRules.from_settings(settings))
        sources = FetchedSources(cache) if arriving else _Awaited(cache)
    else:
        sources = _Files(files)
    ident = new_file_id()
    return Work(
        job_id=ident,
        file_id=ident,
        folder=folder / "work" / ident,
        settings=settings,
        ffmpeg=ffmpeg,
        launcher=launcher,
        sources=sources,
        storage=LocalStorage(folder / "files"),
        reporter=notes or Notes(),
    )


def run_tool(work: Work, tool: str, **fields: Any) -> Any:
    """The result of a request to a tool; raises what the tool raises."""
    request = TOOLS[tool].request.model_validate(fields)
    TOOLS[tool].accept(request)
    with closing(work):
        return TOOLS[tool].run(work, request)


def taken(work: Work) -> str:
    """What the result will say of how much of an endless source was taken."""
    return next((warning for warning in work.warnings if "were taken" in warning), "")
