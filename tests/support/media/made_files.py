"""What ffprobe and plain decoding say of a media file: its streams, their times and pictures."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from support.media.programs import ffmpeg_output

U8 = npt.NDArray[np.uint8]


def ffprobe(path: Path, *words: str) -> dict[str, Any]:
    """Format and streams as ffprobe tells them; the test is skipped where there is none."""
    shown = words or ("-show_format", "-show_streams")
    found: dict[str, Any] = json.loads(_told(path, path.stat().st_mtime_ns, shown))
    return found


@functools.lru_cache(16)
def _told(path: Path, _changed: int, words: tuple[str, ...]) -> str:
    """Several facts of one file are asked for one by one, and ffprobe is slow to start."""
    program = shutil.which("ffprobe")
    if program is None:
        pytest.skip("there is no ffprobe on this machine")
    return subprocess.run(
        [program, "-v", "error", *words, "-of", "json", str(path)],
        check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip


def first_stream(path: Path, kind: str) -> dict[str, Any]:
    """What ffprobe says of the first stream of a kind, "video" or "audio"."""
    streams: list[dict[str, Any]] = ffprobe(path)["streams"]
    return next(stream for stream in streams if stream["codec_type"] == kind)


@dataclass(frozen=True)
class MadeFile:
    """A file with at most one stream of a kind that is asked about."""

    path: Path

    @property
    def streams(self) -> list[dict[str, Any]]:
        """What ffprobe says of its streams; `nb_read_frames` is counted by decoding."""
        found: list[dict[str, Any]] = ffprobe(self.path, "-count_frames", "-show_streams")[
            "streams"
        ]
        return found

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
        """When the first packet of the first stream of a kind begins and the last one ends."""
        words = [
            "-select_streams",
            f"{kind[0]}:0",
            "-show_entries",
            "packet=pts_time,duration_time",
        ]
        packets = [
            packet for packet in ffprobe(self.path, *words)["packets"] if "pts_time" in packet
        ]
        starts = [float(packet["pts_time"]) for packet in packets]
        ends = [float(p["pts_time"]) + float(p.get("duration_time", 0)) for p in packets]
        return min(starts), max(ends)

    def pixels(self, at: float | None = None) -> U8:
        """The picture shown at `at` seconds (or the first), (height, width, 3), as ffmpeg decodes
        it by the tags that there are."""
        seek = [] if at is None else ["-ss", f"{at:g}"]
        shown = ffmpeg_output(
            *seek, "-i", str(self.path), "-frames:v", "1",
            "-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "-",
        )  # fmt: skip
        width, height = map(int, shown[:40].split(maxsplit=4)[1:3])
        raw = np.frombuffer(shown[-width * height * 3 :], np.uint8)
        return raw.reshape(height, width, 3)
