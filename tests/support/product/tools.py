"""Runs of each tool in this process, by the tool's own `run`, on files that are there or on what
an origin serves.

tools = Tools(folder, launcher, ffmpeg)
made = tools.ffmpeg(clip, "mp3")
assert made.result.duration == 2.0
sound = readers.sound(made.path)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from support.screens.studio import Notes


@dataclass(frozen=True)
class Ran:
    """What a tool answered, the files it made by name, its frames, and what was told."""

    result: Any
    notes: Notes
    files: Mapping[str, Path]
    frames: Sequence[bytes] = ()
    warnings: Sequence[str] = ()
    """What the work was warned of, which whoever runs it puts into the answer."""

    @property
    def path(self) -> Path:
        """The one file of a tool that makes one."""
        return self.files[self.result.file_name]


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


class Tools:
    """All tools with one ffmpeg, their outputs in one folder."""

    def __init__(self, folder: Path, launcher: Launcher, ffmpeg: Ffmpeg) -> None:
        self.ffmpeg_program = ffmpeg
        self._folder = folder
        self._launcher = launcher

    def ffmpeg(self, source: Path | Sequence[Path], output_format: str, **fields: Any) -> Ran:
        """`fields` are those of the request, and `settings`."""
        sources = [source] if isinstance(source, Path) else source
        files = {f"input_urls[{number}]": path for number, path in enumerate(sources, 1)}
        if isinstance(source, Path):
            files = {"input_url": source}
            fields["input_url"] = _url(source)
        else:
            fields["input_urls"] = [_url(path) for path in sources]
        return self._run("ffmpeg", files, {"output_format": output_format, **fields})

    def sanjuuni(
        self, source: Path, output_format: str, *, subtitles: Path | None = None, **fields: Any
    ) -> Ran:
        files = {"input_url": source}
        if subtitles is not None:
            files["subtitle_url"] = subtitles
            fields["subtitle_url"] = _url(subtitles)
        fields |= {"input_url": _url(source), "output_format": output_format}
        return self._run("sanjuuni", files, fields)

    def video_frame(self, source: Path, **fields: Any) -> Ran:
        return self._run(
            "video_frame", {"video_url": source}, {"video_url": _url(source), **fields}
        )

    def served(self, way: str, url: str, **fields: Any) -> Ran:
        """What a loopback origin serves; `way` is as in `outcomes.convert`."""
        fields["settings"] = {"fetch_allow": url.split("/")[2], **fields.pop("settings", {})}
        if way == "frames":
            return self._run("video_frame", {}, {"fps": 10, **fields, "video_url": url})
        tool = "sanjuuni" if way in ("32vid", "bimg", "lua", "raw", "nfp") else "ffmpeg"
        return self._run(tool, {}, {**fields, "input_url": url, "output_format": way})

    def _run(self, tool: str, files: Mapping[str, Path], fields: dict[str, Any]) -> Ran:
        data = self._folder / "data"
        settings = load_settings({"data_dir": str(data), **fields.pop("settings", {})})
        sources: Sources = _Files(files)
        if not files:
            cache = SourceCache(self._folder / "sources", FetchRules.from_settings(settings))
            sources = FetchedSources(cache)
        request = TOOLS[tool].request.model_validate(fields)
        TOOLS[tool].accept(request)
        ident, notes = new_file_id(), Notes()
        storage = LocalStorage(self._folder / "files")
        work = Work(
            job_id=ident,
            file_id=ident,
            folder=self._folder / "work" / ident,
            settings=settings,
            ffmpeg=self.ffmpeg_program,
            launcher=self._launcher,
            sources=sources,
            storage=storage,
            reporter=notes,
        )
        result = TOOLS[tool].run(work, request)
        frames: list[bytes] = []
        if tool == "video_frame":
            with storage.frame_reader(ident) as reader:
                frames = [reader.frame(number).read() for number in range(1, reader.count() + 1)]
        made = self._folder / "files" / ident
        found = {path.name: path for path in made.iterdir() if path.is_file()}
        return Ran(result, notes, found, frames, tuple(work.warnings))


def _url(path: Path) -> str:
    return f"http://127.0.0.1/{path.name}"
