"""Runs of any tool in this process: the source is served by a loopback origin, fetched by the
product's own rules and converted by a chosen ffmpeg."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.source_cache import SourceCache
from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.launcher import Launcher
from gmapi.settings import load_settings
from gmapi.storage.base import new_file_id
from gmapi.storage.local import LocalStorage
from gmapi.tools.base import Work
from gmapi.tools.registry import TOOLS
from gmapi.tools.results import ToolResult
from gmapi.tools.source_fetch import FetchedSources
from support.http.origin import Origin
from support.screens.studio import Notes


@dataclass(frozen=True)
class Done:
    """A result, and the folder of the files that were published for it."""

    result: ToolResult
    folder: Path
    notes: Notes = field(default_factory=Notes)

    def only_file(self) -> Path:
        """The one file that was made."""
        (found,) = (path for path in self.folder.iterdir() if path.is_file())
        return found


class ToolRuns:
    """What runs need, made once, in a folder of their own."""

    def __init__(self, folder: Path, launcher: Launcher, ffmpeg: Ffmpeg, origin: Origin) -> None:
        self._folder = folder
        self._launcher = launcher
        self._ffmpeg = ffmpeg
        self._origin = origin
        self._settings = load_settings(
            {"data_dir": str(folder / "data"), "fetch_allow": origin.authority}
        )

    def run(self, tool: str, source: bytes, **fields: Any) -> Done:
        """One conversion of these bytes; raises what the tool raises."""
        file_id = new_file_id()
        url = self._origin.add(f"/{file_id}", source)
        chosen = TOOLS[tool]
        name = "video_url" if tool == "video_frame" else "input_url"
        request = chosen.request.model_validate({name: url, **fields})
        chosen.accept(request)
        rules = FetchRules.from_settings(self._settings)
        notes = Notes()
        work = Work(
            job_id=file_id,
            file_id=file_id,
            folder=self._folder / "work" / file_id,
            settings=self._settings,
            ffmpeg=self._ffmpeg,
            launcher=self._launcher,
            sources=FetchedSources(SourceCache(self._folder / "sources", rules)),
            storage=LocalStorage(self._folder / "files"),
            reporter=notes,
        )
        result = chosen.run(work, request)
        return Done(result, self._folder / "files" / file_id, notes)
