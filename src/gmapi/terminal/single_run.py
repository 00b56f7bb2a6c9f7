"""One conversion in this process, without a server: the same tool, in folders that go away."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from gmapi.errors import SourceError
from gmapi.fetch.address import check_url
from gmapi.fetch.sniff import HEAD_BYTES, check_first_bytes
from gmapi.hosts import parse_allow
from gmapi.media.binaries import find_ffmpeg, inspect
from gmapi.sandbox.launcher import Launcher
from gmapi.sandbox.limits import Limits
from gmapi.settings import Settings
from gmapi.storage.base import new_file_id
from gmapi.storage.local import LocalStorage
from gmapi.tools.base import Wanted, Work
from gmapi.tools.fields import ToolRequest
from gmapi.tools.results import FileResult
from gmapi.tools.runs import Reporter
from gmapi.tools.tool import Tool

if TYPE_CHECKING:
    from gmapi.sandbox.fork_client import ForkServer
    from gmapi.tools.source_fetch import FetchedSources

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
        fork_server: ForkServer | None = None,
    ) -> None:
        """`tool` makes a file. `files` are read instead of what the fields of that name say. With
        `allow_private` sources may be at private addresses, whatever the settings say. The
        launcher uses `fork_server` if one is at hand.

        Raises RequestError or RefusedError for a request that no server would take either.
        """
        self._files = files or {}
        for field, url in request.sources():
            if field not in self._files:
                check_url(url, field)
        tool.check(request)
        self._allow_private = allow_private
        self._fork_server = fork_server
        self._settings = settings
        self._tool = tool
        self._request = request
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            launcher = Launcher(self._settings.sandbox, fork_server=self._fork_server)
            self._launcher = stack.enter_context(launcher)
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
            job_id=new_file_id(),
            file_id=file_id,
            folder=self._settings.attempts_dir / file_id,
            settings=self._settings,
            ffmpeg=self._ffmpeg,
            launcher=self._launcher,
            sources=_Sources(self._files, self._settings, allow_private=self._allow_private),
            storage=LocalStorage(files),
            reporter=reporter,
        )
        # The source is wanted once: a cached copy would only take space.
        request = self._request.model_copy(update={"no_cache": True})
        with closing(work):
            result = work.with_warnings(self._tool.run(work, request))
        assert isinstance(result, FileResult)
        return Converted(files / file_id / result.file_name, result)


class _Work(Work):
    """Work that nothing but its own converter waits for."""

    def limits(self) -> Limits:
        """As in a server, but for the low priority: ffmpeg is not to wait for its own converter,
        and there is no web process to be kept quick."""
        return replace(super().limits(), nice=None)


class _Sources:
    """Files that are there already; a source without a file is fetched."""

    def __init__(
        self, files: Mapping[str, Path], settings: Settings, *, allow_private: bool
    ) -> None:
        self._files = files
        self._settings = settings
        self._allow_private = allow_private

    def bring(self, work: Work, wanted: Wanted) -> Path:
        """The file, which is read where it is. Raises SourceError."""
        file = self._files.get(wanted.field)
        if file is None:
            return self._fetched().bring(work, wanted)
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
        work.reporter.report(progress=wanted.share[1])
        # Under a name without an extension: ffmpeg must judge by what is inside, as it does with
        # what was fetched. A picture's extension makes it look for a numbered series of files.
        link = work.inputs / wanted.name
        try:
            link.symlink_to(file.absolute())
        except OSError:  # not allowed to everybody on Windows
            return file.absolute()
        return link

    def _fetched(self) -> FetchedSources:
        # Loaded late: HTTP is a good part of the command's start, and files have no use for it.
        from gmapi.fetch.fetcher import FetchRules
        from gmapi.fetch.source_cache import SourceCache
        from gmapi.tools.source_fetch import FetchedSources

        rules = FetchRules.from_settings(self._settings)
        if self._allow_private:
            rules = replace(rules, allow=parse_allow(EVERYWHERE))
        return FetchedSources(SourceCache(self._settings.sources_dir, rules))
