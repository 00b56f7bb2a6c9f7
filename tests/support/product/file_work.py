"""Work for a tool whose sources are files of this machine.

work = file_work(folder, launcher, ffmpeg, {"input_url": clip}, notes, settings)
result = FFMPEG.run(work, request)
made = folder / "files" / work.file_id / result.file_name
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.source_cache import SourceCache
from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.launcher import Launcher
from gmapi.settings import Settings
from gmapi.storage.base import new_file_id
from gmapi.storage.local import LocalStorage
from gmapi.tools.base import Reporter, Work
from gmapi.tools.source_fetch import FetchedSources


class _FileWork(Work):
    """Work whose sources are files."""

    def __init__(self, files: Mapping[str, Path], **options: Any) -> None:
        super().__init__(**options)
        self._files = files

    def fetch(self, url: str, *, field: str, name: str = "input", **options: Any) -> Path:
        # Without an extension, as what was fetched.
        link = self.inputs / name
        link.symlink_to(self._files[field].absolute())
        return link


def file_work(
    folder: Path,
    launcher: Launcher,
    ffmpeg: Ffmpeg,
    files: Mapping[str, Path],
    reporter: Reporter,
    settings: Settings,
) -> Work:
    """Work of its own in `folder`, where files published are below `files`. `files` are the
    sources by the field of the request."""
    for name in ("files", "work", "sources", "data"):
        (folder / name).mkdir(exist_ok=True)
    file_id = new_file_id()
    return _FileWork(
        files,
        job_id=file_id,
        file_id=file_id,
        folder=folder / "work" / file_id,
        settings=settings,
        ffmpeg=ffmpeg,
        launcher=launcher,
        sources=FetchedSources(SourceCache(folder / "sources", FetchRules.from_settings(settings))),
        storage=LocalStorage(folder / "files"),
        reporter=reporter,
    )
