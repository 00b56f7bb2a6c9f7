"""Asking ffmpeg what a source holds; no ffprobe is needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gmapi.errors import LimitError
from gmapi.media import command, failures
from gmapi.media.header import MediaInfo, new_mark, parse_header, separated_by
from gmapi.media.process import examine
from gmapi.sandbox.limits import Limits

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg
    from gmapi.media.selection import Selection
    from gmapi.sandbox.feeding import Feed
    from gmapi.sandbox.launcher import Launcher

_PROBE_SECONDS = 60.0
# A header with long tags (lyrics, hundreds of streams) is cut here.
_MAX_HEADER_LINES = 5000
_MAX_SIZE_BYTES = 64 * 1024


def probe(
    launcher: Launcher,
    ffmpeg: Ffmpeg,
    path: Path,
    cwd: Path,
    *,
    input_args: Sequence[str] = (),
    max_pixels: int = 70_000_000,
    limits: Limits | None = None,
    cancelled: Callable[[], None] = lambda: None,
    feeds: Mapping[Path, Feed] | None = None,
) -> MediaInfo:
    """What the file holds, read with `input_args`, which say what raw samples are.

    Raises MediaError when ffmpeg finds no media in it, and LimitError when its pictures are so
    large that ffmpeg was not let to look at them.
    """
    lines: list[str] = []

    def take(line: str) -> None:
        if len(lines) < _MAX_HEADER_LINES:
            lines.append(line)

    mark = new_mark()
    argv = [
        *command.head(ffmpeg, None),
        *input_args,
        *separated_by(mark),
        *command.guarded_input(path, max_pixels),
    ]
    finished = examine(
        launcher,
        argv,
        path,
        cwd=cwd,
        seconds=_PROBE_SECONDS,
        limits=limits,
        on_line=take,
        cancelled=cancelled,
        feeds=feeds,
        hide=(path.parent, cwd),
    )
    info = parse_header("\n".join(lines), mark)
    # Without an output ffmpeg always fails; it has failed to read when no stream is listed.
    video = info.first("video")
    if info.streams and (video is None or video.coded_width):
        return info
    context = failures.Context(max_pixels=max_pixels)
    error = failures.explain(finished.returncode, finished.tail, context=context)
    if info.streams and not isinstance(error, LimitError):
        return info
    raise error


_DIMENSIONS = re.compile(rb"^#dimensions 0: (\d{1,9})x(\d{1,9})$", re.MULTILINE)
_SAMPLE_SHAPE = re.compile(rb"^#sar 0: (\d{1,9})/(\d{1,9})$", re.MULTILINE)


def seen_size(
    launcher: Launcher,
    ffmpeg: Ffmpeg,
    chosen: Selection,
    cwd: Path,
    *,
    max_pixels: int = 70_000_000,
    limits: Limits | None = None,
    cancelled: Callable[[], None] = lambda: None,
) -> tuple[int, int] | None:
    """Width and height in pixels of the first picture as ffmpeg shows it, found by decoding it.

    Cameras write into the picture itself how it is to be turned, which no header tells. The
    pixels are square. None when there is no picture that can be decoded.
    """
    told = bytearray()

    def take(data: bytes) -> None:
        if len(told) < _MAX_SIZE_BYTES:
            told.extend(data)

    argv = [
        *command.head(ffmpeg, None, "error"),
        *chosen.input_words,
        *command.guarded_input(chosen.path, max_pixels),
        "-map", chosen.picture_map, "-frames:v", "1", "-c:v", "rawvideo",
        "-f", "framecrc", "pipe:1",
    ]  # fmt: skip
    examine(
        launcher,
        argv,
        chosen.path,
        cwd=cwd,
        seconds=_PROBE_SECONDS,
        limits=limits,
        cancelled=cancelled,
        stdout=take,
    )
    size, shape = _DIMENSIONS.search(told), _SAMPLE_SHAPE.search(told)
    if size is None or not int(size[1]) or not int(size[2]):
        return None
    width, height = int(size[1]), int(size[2])
    if shape and int(shape[1]) and int(shape[2]):
        width = max(1, round(width * int(shape[1]) / int(shape[2])))
    return width, height
