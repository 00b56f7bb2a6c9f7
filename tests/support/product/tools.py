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
from urllib.parse import quote

from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.launcher import Launcher
from gmapi.tools.base import Work
from support.media.made_files import MadeFile
from support.product.works import Notes, make_work, run_tool

Source = Path | str
"""A file, or the address of what a loopback origin serves."""


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

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()

    @property
    def file(self) -> MadeFile:
        """The same file, as ffprobe and plain decoding see it."""
        return MadeFile(self.path)


class Tools:
    """All tools with one ffmpeg, their outputs in one folder."""

    def __init__(self, folder: Path, launcher: Launcher, ffmpeg: Ffmpeg) -> None:
        self.ffmpeg_program = ffmpeg
        self._folder = folder
        self._launcher = launcher

    def ffmpeg(
        self,
        source: Source | Sequence[Path],
        output_format: str,
        args: str | Sequence[str] = (),
        input_args: str | Sequence[str] = (),
        **fields: Any,
    ) -> Ran:
        """`args` and `input_args` are words; `fields` are the other ones of the request."""
        fields |= {
            "output_format": output_format,
            "args": args.split() if isinstance(args, str) else list(args),
            "input_args": input_args.split() if isinstance(input_args, str) else list(input_args),
        }
        if isinstance(source, Path | str):
            return self.run("ffmpeg", {"input_url": source}, **fields)
        fields["input_urls"] = [_url(path) for path in source]
        files = {f"input_urls[{number}]": path for number, path in enumerate(source, 1)}
        return self.run("ffmpeg", files, **fields)

    def sanjuuni(
        self,
        source: Source,
        output_format: str,
        *,
        subtitle_file: Path | None = None,
        **fields: Any,
    ) -> Ran:
        sources = {"input_url": source} | ({"subtitle_url": subtitle_file} if subtitle_file else {})
        return self.run("sanjuuni", sources, output_format=output_format, **fields)

    def video_frame(self, source: Source, **fields: Any) -> Ran:
        return self.run("video_frame", {"video_url": source}, **fields)

    def work(
        self,
        files: Mapping[str, Path] | None = None,
        notes: Notes | None = None,
        **settings: Any,
    ) -> Work:
        """Work with this ffmpeg, as `works.make_work` gives it."""
        return make_work(
            self._folder, self._launcher, self.ffmpeg_program, files=files, notes=notes, **settings
        )

    def run(
        self,
        tool: str,
        sources: Mapping[str, Source],
        *,
        notes: Notes | None = None,
        settings: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Ran:
        """One run of any tool on its sources by field; raises what the tool raises."""
        values, notes = dict(settings or {}), notes or Notes()
        files = {field: source for field, source in sources.items() if isinstance(source, Path)}
        for field, source in sources.items():
            if "[" not in field:
                fields[field] = _url(source) if isinstance(source, Path) else source
            if isinstance(source, str):
                values.setdefault("fetch_allow", source.split("/")[2])
        work = self.work(files or None, notes, **values)
        result = run_tool(work, tool, **fields)
        left = sorted(path.name for path in work.outputs.iterdir())
        assert not left, left
        frames: list[bytes] = []
        if tool == "video_frame":
            with work.storage.frame_reader(work.file_id) as reader:
                frames = [reader.frame(number).read() for number in range(1, reader.count() + 1)]
        made = self.published / work.file_id
        found = {path.name: path for path in made.iterdir() if path.is_file()}
        return Ran(result, notes, found, frames, list(work.warnings))

    @property
    def published(self) -> Path:
        """The folder of all files that can be fetched, each below its file id."""
        return self._folder / "files"

    def left(self) -> list[str]:
        """Files that can be fetched."""
        files = self.published.rglob("*")
        return sorted(path.name for path in files if path.is_file())


def _url(path: Path) -> str:
    return f"http://127.0.0.1/{quote(path.name)}"
