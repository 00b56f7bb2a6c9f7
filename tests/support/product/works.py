"""Work as a tool is given it, which fetches from a loopback origin."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.source_cache import SourceCache
from gmapi.media.binaries import Ffmpeg, inspect
from gmapi.sandbox.launcher import Launcher
from gmapi.settings import load_settings
from gmapi.storage.base import new_file_id
from gmapi.storage.local import LocalStorage
from gmapi.tools.base import Work
from gmapi.tools.registry import TOOLS
from gmapi.tools.source_fetch import FetchedSources
from support.media.programs import BUNDLED
from support.screens.studio import Notes


@functools.cache
def inspected(launcher: Launcher, program: str) -> Ffmpeg:
    return inspect(launcher, Path(program))


def make_work(
    folder: Path, launcher: Launcher, authority: str, program: str = BUNDLED, **values: Any
) -> Work:
    """Work in `folder`, which may fetch from `authority`; `values` are settings."""
    settings = load_settings({"data_dir": str(folder / "data"), "fetch_allow": authority, **values})
    ident = new_file_id()
    return Work(
        job_id=ident,
        file_id=ident,
        folder=folder / ident,
        settings=settings,
        ffmpeg=inspected(launcher, program),
        launcher=launcher,
        sources=FetchedSources(SourceCache(folder / "sources", FetchRules.from_settings(settings))),
        storage=LocalStorage(folder / "files"),
        reporter=Notes(),
    )


def convert(work: Work, tool: str = "ffmpeg", **fields: Any) -> Any:
    """The result of a request to a tool."""
    request = TOOLS[tool].request.model_validate(fields)
    TOOLS[tool].accept(request)
    return TOOLS[tool].run(work, request)
