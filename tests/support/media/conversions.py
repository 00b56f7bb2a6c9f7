"""Runs of the `ffmpeg` tool in this process on files that are there, and what independent readers
(ffprobe, Pillow) say of its outputs."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.launcher import Launcher
from gmapi.settings import load_settings
from gmapi.storage.base import new_file_id
from gmapi.storage.local import LocalStorage
from gmapi.tools.base import FileResult, Wanted, Work
from gmapi.tools.ffmpeg import FfmpegRequest, check, run
from support.media.files import ffmpeg_program


class Notes:
    """A reporter that keeps the lines it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def report(self, **_: Any) -> None:
        pass

    def log(self, line: str) -> None:
        self.lines.append(line)

    def check(self) -> None:
        pass


class _Files:
    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)

    def bring(self, work: Work, wanted: Wanted) -> Path:
        return shutil.copy(self._paths.pop(0), work.inputs / wanted.name)


@dataclass(frozen=True)
class Made:
    """An output and what was told about it."""

    path: Path
    result: FileResult
    warnings: list[str]
    lines: list[str]

    @property
    def streams(self) -> list[dict[str, Any]]:
        """What ffprobe says of its streams; `nb_read_frames` is counted by decoding."""
        return probed(self.path)["streams"]

    def stream(self, kind: str) -> dict[str, Any]:
        """The only stream of a kind, "video" or "audio"."""
        (found,) = (s for s in self.streams if s["codec_type"] == kind)
        return found

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its pictures as they are shown: its pixels must be square."""
        video = self.stream("video")
        assert video.get("sample_aspect_ratio", "1:1") in ("1:1", "0:1"), video
        return video["width"], video["height"]

    @property
    def frames(self) -> int:
        """How many pictures it has."""
        return int(self.stream("video")["nb_read_frames"])

    def span(self, kind: str) -> tuple[float, float]:
        """When its first packet of a kind begins and its last one ends, seconds."""
        return span(self.path, kind)

    def pixels(self, at: float | None = None) -> np.ndarray:
        """The picture shown at `at` seconds (or the first) as rows of red, green and blue, as
        ffmpeg decodes it by the tags that there are."""
        return pixels(self.path, at)


class Conversions:
    """The tool with one launcher and one ffmpeg for all."""

    def __init__(self, launcher: Launcher, ffmpeg: Ffmpeg, folder: Path) -> None:
        self._launcher, self.ffmpeg, self._folder = launcher, ffmpeg, folder

    def convert(
        self,
        source: Path | Sequence[Path],
        output_format: str,
        args: str | Sequence[str] = (),
        input_args: str | Sequence[str] = (),
        **fields: Any,
    ) -> Made:
        """What the tool makes of the files; raises what it does."""
        paths = [source] if isinstance(source, Path) else list(source)
        request = FfmpegRequest.model_validate(
            {
                "input_urls": [f"http://127.0.0.1/{path.name}" for path in paths],
                "output_format": output_format,
                "args": args.split() if isinstance(args, str) else list(args),
                "input_args": input_args.split() if isinstance(input_args, str) else input_args,
                **fields,
            }
        )
        check(request)
        file_id, notes = new_file_id(), Notes()
        files = self._folder / "files"
        work = Work(
            job_id=new_file_id(),
            file_id=file_id,
            folder=self._folder / "work" / file_id,
            settings=load_settings({"data_dir": str(self._folder)}),
            ffmpeg=self.ffmpeg,
            launcher=self._launcher,
            sources=_Files(paths),
            storage=LocalStorage(files),
            reporter=notes,
        )
        result = run(work, request)
        return Made(files / file_id / result.file_name, result, work.warnings, notes.lines)


def probed(path: Path) -> dict[str, Any]:
    """What ffprobe says of a file, its pictures counted."""
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json",
         str(path)],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def span(path: Path, kind: str) -> tuple[float, float]:
    """When the first packet of the first stream of a kind begins and the last one ends."""
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", f"{kind[0]}:0", "-show_entries",
         "packet=pts_time,duration_time", "-of", "csv=p=0", str(path)],
        capture_output=True, check=True, text=True, timeout=60,
    )  # fmt: skip
    rows = [line.split(",") for line in done.stdout.split() if line[0] != "N"]
    starts = [float(row[0]) for row in rows]
    lengths = [float(row[1]) if row[1:] and row[1] not in ("N/A", "") else 0.0 for row in rows]
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    return min(starts), max(ends)


def pixels(path: Path, at: float | None = None) -> np.ndarray:
    """A picture of a file as an array of height, width, 3."""
    seek = [] if at is None else ["-ss", f"{at:g}"]
    shown = subprocess.run(
        [ffmpeg_program(), "-v", "error", "-nostdin", *seek, "-i", str(path), "-frames:v", "1",
         "-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "-"],
        capture_output=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    width, height = shown[:40].split(maxsplit=4)[1:3]
    size = int(width), int(height)
    raw = np.frombuffer(shown[-size[0] * size[1] * 3 :], np.uint8)
    return raw.reshape(size[1], size[0], 3)


def make(folder: Path, name: str, *words: str) -> Path:
    """A source, made with the product's ffmpeg."""
    path = folder / name
    subprocess.run(
        [ffmpeg_program(), "-v", "error", "-nostdin", "-y", *words, str(path)],
        check=True, timeout=60, stderr=subprocess.PIPE,
    )  # fmt: skip
    return path
