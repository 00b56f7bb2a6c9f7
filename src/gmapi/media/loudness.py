"""How loud the loudest sample of a sound track is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gmapi.media import command, failures
from gmapi.media.process import examine
from gmapi.sandbox.limits import Limits

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg
    from gmapi.sandbox.feeding import Feed
    from gmapi.sandbox.launcher import Launcher

# Decoding a whole film's sound, from a slow disk.
_SECONDS = 600.0
_PEAK = re.compile(r"\bmax_volume: (-?\d{1,4}(?:\.\d{1,4})?) dB")


def peak(
    launcher: Launcher,
    ffmpeg: Ffmpeg,
    path: Path,
    *,
    cwd: Path,
    track: str = "0:a:0",
    input_args: Sequence[str] = (),
    max_pixels: int,
    limits: Limits | None = None,
    cancelled: Callable[[], None] = lambda: None,
    feeds: Mapping[Path, Feed] | None = None,
) -> float | None:
    """Decibels below the loudest sample that there can be, -91 for silence; None without sound
    that can be decoded. Decodes the whole track, or the part that `input_args` leave of it.
    Raises what `failures.explain` makes of it where one of `feeds` cannot be read."""
    found: list[float] = []

    def take(line: str) -> None:
        if match := _PEAK.search(line):
            found.append(float(match[1]))

    argv = [
        *command.head(ffmpeg, None),
        *input_args,
        *command.guarded_input(path, max_pixels),
        "-map", track, "-vn", "-sn", "-dn", "-af", "volumedetect", "-f", "null", "-",
    ]  # fmt: skip
    finished = examine(
        launcher,
        argv,
        path,
        cwd=cwd,
        seconds=_SECONDS,
        limits=limits,
        on_line=take,
        cancelled=cancelled,
        feeds=feeds,
    )
    if feeds and path in feeds and finished.returncode != 0:
        raise failures.explain(finished.returncode, finished.tail)
    return max(found, default=None)
