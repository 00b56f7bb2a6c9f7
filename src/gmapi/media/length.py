"""How much media a file holds that need not be whole yet."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gmapi.errors import LimitError
from gmapi.media import command
from gmapi.media.process import PROGRESS_FD, examine
from gmapi.media.progress import Progress
from gmapi.sandbox.limits import Limits

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg
    from gmapi.sandbox.launcher import Launcher

_WALL_SECONDS = 20.0


def media_seconds(
    launcher: Launcher,
    ffmpeg: Ffmpeg,
    path: Path,
    most: float,
    *,
    cwd: Path,
    max_pixels: int,
    limits: Limits,
    cancelled: Callable[[], None],
) -> float | None:
    """Seconds of pictures and sound in the beginning of a file, of which no more than `most` are
    read; None when ffmpeg finds none, or not in time. Nothing is decoded."""
    reached: float | None = None

    def take(progress: Progress) -> None:
        nonlocal reached
        reached = progress.out_time if progress.out_time is not None else reached

    argv = [
        *command.head(ffmpeg, PROGRESS_FD, "fatal"),
        *(command.span(0.0, most) if math.isfinite(most) else ()),
        *command.guarded_input(path, max_pixels),
        "-map", "0:V?", "-map", "0:a?", "-c", "copy", "-f", "null", "-",
    ]  # fmt: skip
    try:
        examine(
            launcher,
            argv,
            path,
            cwd=cwd,
            seconds=_WALL_SECONDS,
            limits=limits,
            on_progress=take,
            cancelled=cancelled,
        )
    except LimitError:
        return None
    return reached
