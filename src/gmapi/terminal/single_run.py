"""One conversion in this process, without a server: the same tool, in folders that go away."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from gmapi.errors import SourceError
from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.sniff import HEAD_BYTES, check_first_bytes
from gmapi.fetch.source_cache import SourceCache
from gmapi.hosts import parse_allow
from gmapi.media.binaries import find_ffmpeg, inspect
from gmapi.sandbox.launcher import Launcher
from gmapi.settings import Settings
from gmapi.storage.base import new_file_id
from gmapi.storage.local import LocalStorage
from gmapi.tools.base import Reporter, Work
from gmapi.tools.ffmpeg import FFMPEG, FfmpegRequest, FfmpegResult

EVERYWHERE = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True)
class Converted:
    """The output, which lives as long as its SingleRun, and what it is."""

    path: Path
    result: FfmpegResult


class SingleRun:
    """One request; inside `with` there are ffmpeg, its launcher and a temporary folder for it.

    Leaving kills what still runs and removes the folder with the output. Enter it before starting
    threads (see `Launcher`). Raises SettingsError when there is no usable ffmpeg.
    """

    def __init__(
        self,
        settings: Settings,
        request: FfmpegRequest,
        *,
        file: Path | None = None,
        allow_private: bool = False,
    ) -> None:
        """With `file` that file is the source instead of `input_url`. With `allow_private` the
        source may be at a private address, whatever the settings say.

        Raises RequestError or RefusedError for a request that no server would take either.
        """
        if file is None:
            FFMPEG.accept(request)
        else:
            FFMPEG.check(request)
        rules = FetchRules.from_settings(settings)
        self._rules = replace(rules, allow=parse_allow(EVERYWHERE)) if allow_private else rules
        self._settings = settings
        self._request = request
        self._file = file
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._launcher = stack.enter_context(Launcher())
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
            self._file,
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
        result = FFMPEG.run(work, request)
        assert isinstance(result, FfmpegResult)
        return Converted(files / file_id / result.file_name, result)


class _Work(Work):
    """Work whose source may be a file that is there already."""

    def __init__(self, file: Path | None, **options: Any) -> None:
        super().__init__(**options)
        self._file = file

    def fetch(
        self,
        url: str,
        *,
        field: str,
        name: str = "input",
        headers: Mapping[str, str] | None = None,
        use_cache: bool = True,
        share: tuple[float, float] = (0.0, 15.0),
    ) -> Path:
        """The file, which is read where it is; a source without a file is fetched."""
        if self._file is None:
            return super().fetch(
                url, field=field, name=name, headers=headers, use_cache=use_cache, share=share
            )
        try:
            with open(self._file, "rb") as source:
                head = source.read(HEAD_BYTES)
        except OSError as error:
            raise SourceError(
                f"{self._file} cannot be read: {error.strerror or error}.",
                code="source_unreachable",
            ) from error
        if not head:
            raise SourceError(f"{self._file} is empty.", code="source_empty")
        check_first_bytes(head, None)
        self.reporter.report(progress=share[1])
        return self._file.absolute()
