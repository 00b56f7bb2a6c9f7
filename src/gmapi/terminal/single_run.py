"""One conversion in this process, without a server: the same tool, in folders that go away."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from gmapi.errors import SourceError
from gmapi.fetch.address import check_url
from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.sniff import HEAD_BYTES, check_first_bytes
from gmapi.fetch.source_cache import SourceCache
from gmapi.hosts import parse_allow
from gmapi.media.binaries import find_ffmpeg, inspect
from gmapi.sandbox.launcher import Launcher
from gmapi.sandbox.limits import Limits
from gmapi.settings import Settings
from gmapi.storage.base import new_file_id
from gmapi.storage.local import LocalStorage
from gmapi.tools.base import FileResult, Reporter, Tool, Work
from gmapi.tools.fields import ToolRequest

EVERYWHERE = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True)
class Converted:
    """The output, which lives as long as its SingleRun, and what it is."""

    path: Path
    result: FileResult


class SingleRun:
    """One request; inside `with` there are ffmpeg, its launcher and a temporary folder for it.

    Leaving kills what still runs and removes the folder with the output. Enter it before starting
    threads (see `Launcher`). Raises SettingsError when there is no usable ffmpeg.
    """

    def __init__(
        self,
        settings: Settings,
        tool: Tool,
        request: ToolRequest,
        *,
        files: Mapping[str, Path] | None = None,
        allow_private: bool = False,
    ) -> None:
        """`tool` makes a file. `files` are read instead of what the fields of that name say. With
        `allow_private` sources may be at private addresses, whatever the settings say.

        Raises RequestError or RefusedError for a request that no server would take either.
        """
        self._files = files or {}
        for field, url in request.sources():
            if field not in self._files:
                check_url(url, field)
        tool.check(request)
        rules = FetchRules.from_settings(settings)
        self._rules = replace(rules, allow=parse_allow(EVERYWHERE)) if allow_private else rules
        self._settings = settings
        self._tool = tool
        self._request = request
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._launcher = stack.enter_context(Launcher(self._settings.sandbox))
            self._ffmpeg = inspect(self._launcher, find_ffmpeg(self._settings.ffmpeg))
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gmapi-"))
            self._settings = self._settings.model_copy(update={"data_dir": Path(folder)})
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def convert(self, reporter: Reporter) -> Converted:
        """Do it. Raises SourceError, MediaError, LimitError, NoSpaceError, or RequestError when
        the installed ffmpeg cannot write the format."""
        file_id = new_file_id()
        files = self._settings.files_dir
        work = _Work(
            self._files,
            job_id=new_file_id(),
            file_id=file_id,
            folder=self._settings.attempts_dir / file_id,
            settings=self._settings,
            ffmpeg=self._ffmpeg,
            launcher=self._launcher,
            sources=SourceCache(self._settings.sources_dir, self._rules),
            storage=LocalStorage(files),
            reporter=reporter,
        )
        # The source is wanted once: a cached copy would only take space.
        request = self._request.model_copy(update={"no_cache": True})
        result = self._tool.run(work, request)
        assert isinstance(result, FileResult)
        return Converted(files / file_id / result.file_name, result)


class _Work(Work):
    """Work whose sources may be files that are there already."""

    def __init__(self, files: Mapping[str, Path], **options: Any) -> None:
        super().__init__(**options)
        self._files = files

    def limits(self) -> Limits:
        """As in a server, but for the low priority: ffmpeg is not to wait for its own converter,
        and there is no web process to be kept quick."""
        return replace(super().limits(), nice=None)

    def fetch(
        self,
        url: str,
        *,
        field: str,
        name: str = "input",
        headers: Mapping[str, str] | None = None,
        use_cache: bool = True,
        max_duration: float | None = None,
        share: tuple[float, float] = (0.0, 15.0),
    ) -> Path:
        """The file, which is read where it is; a source without a file is fetched."""
        file = self._files.get(field)
        if file is None:
            return super().fetch(
                url,
                field=field,
                name=name,
                headers=headers,
                use_cache=use_cache,
                max_duration=max_duration,
                share=share,
            )
        try:
            with open(file, "rb") as source:
                head = source.read(HEAD_BYTES)
        except OSError as error:
            raise SourceError(
                f"{file} cannot be read: {error.strerror or error}.",
                code="source_unreachable",
            ) from error
        if not head:
            raise SourceError(f"{file} is empty.", code="source_empty")
        check_first_bytes(head, None)
        self.reporter.report(progress=share[1])
        # Under a name without an extension: ffmpeg must judge by what is inside, as it does with
        # what was fetched. A picture's extension makes it look for a numbered series of files.
        link = self.inputs / name
        try:
            link.symlink_to(file.absolute())
        except OSError:  # not allowed to everybody on Windows
            return file.absolute()
        return link
