"""What a run of a tool made, seen and heard the same way whichever tool it was."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gmapi.errors import JobError, RequestError
from support.media import readers
from support.media.readers import Film, Sound
from support.product.tools import Ran, Source, Tools
from support.screens.outputs import read_output

SCREENS = ("32vid", "bimg", "lua", "raw", "nfp")
FILMS = ("mp4", "frames", "32vid")
"""One way through each tool, for films."""

PICTURES = ("png", "frames", "bimg")
"""The same for pictures."""

SOUNDS = ("dfpwm", "frames", "32vid")
"""The same for sound."""

_PILLOW = (".png", ".jpg", ".webp", ".tiff", ".bmp", ".gif", ".apng", ".avif", ".ico", ".tga")


def convert(tools: Tools, way: str, source: Source, **fields: Any) -> Ran:
    """One conversion of a file or of an address: `way` is a format of `sanjuuni` or of `ffmpeg`,
    or "frames" for `video_frame` at 10 pictures a second; "screen-gif" is the preview of
    `sanjuuni`."""
    if way == "frames":
        return tools.video_frame(source, **{"fps": 10, **fields})
    if way in SCREENS or way.startswith("screen-"):
        return tools.sanjuuni(source, way.removeprefix("screen-"), **fields)
    return tools.ffmpeg(source, way, **fields)


def seen(ran: Ran) -> Film:
    """The pictures of an output and their times. They begin at 0."""
    if hasattr(ran.result, "frame_pattern"):
        pictures = [readers.picture(png) for png in ran.frames]
        return _film(pictures, [1 / ran.result.fps] * len(pictures))
    if hasattr(ran.result, "columns") and ran.path.suffix not in (".gif", ".png"):
        return _screens(ran)
    if ran.path.suffix in _PILLOW:
        found = readers.pillow(ran.path)
        return _film([picture for picture, _ in found], [seconds for _, seconds in found])
    return readers.film(ran.path)


def _screens(ran: Ran) -> Film:
    kind, data = ran.result.format, ran.path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        output = read_output(data, kind, pictures=ran.result.frames, path=Path(folder) / "x")
    seconds = output.seconds or [1 / output.fps if output.fps else 0.0] * output.pictures
    return _film(readers.screens(output), list(seconds))


def _film(pictures: list[readers.U8], lengths: list[float]) -> Film:
    assert pictures, "there is no picture"
    assert len({picture.shape for picture in pictures}) == 1, "the size changes"
    starts = [float(start) for start in np.cumsum([0.0, *lengths[:-1]])]
    return Film(np.stack(pictures), starts, lengths)


def heard(ran: Ran) -> Sound | None:
    """The sound of an output, None without any."""
    if hasattr(ran.result, "frame_pattern"):
        if not ran.result.audio_urls:
            return None
        return readers.sound(ran.files["audio.dfpwm"])
    if hasattr(ran.result, "columns"):
        output = read_output(
            ran.path.read_bytes(), ran.result.format, pictures=ran.result.frames, path=ran.path
        )
        return None if output.sound is None else readers.pcm8(output.sound)
    return readers.sound(ran.path)


def sound_of(ran: Ran) -> Sound:
    """The sound of an output that must have some."""
    found = heard(ran)
    assert found is not None, "there is no sound"
    return found


def colors_in_time(found: Film, count: int, each: float = 1.0) -> list[tuple[int, ...]]:
    """The colour in the middle of the picture in the middle of each `each` seconds."""
    middles = [(number + 0.5) * each + found.starts[0] for number in range(count)]
    return [readers.color(found.pictures[_at(found, second)]) for second in middles]


def _at(found: Film, second: float) -> int:
    return max(n for n, start in enumerate(found.starts) if start <= second + 1e-6)


@dataclass(frozen=True)
class Refused:
    """An error that a caller can do something with."""

    message: str


def tried(tools: Tools, way: str, source: Path, **fields: Any) -> Ran | Refused:
    """What came of a conversion that may be refused; the reason must be a clear one."""
    try:
        return convert(tools, way, source, **fields)
    except (JobError, RequestError) as error:
        assert is_clear(error.message), error.message
        return Refused(error.message)


def is_clear(message: str) -> bool:
    """Whether a sentence says more than that something failed."""
    vague = ("did not say why", "ffmpeg could not convert", "nothing was written", "crashed")
    return len(message) > 20 and message.endswith(".") and not any(v in message for v in vague)


def daily(choices: Iterable[Any], *chosen: Any) -> list[Any]:
    """Parameters of a test: the `chosen` ones run each time, the others by `make test-slow`."""
    return [
        choice if choice in chosen else pytest.param(choice, marks=pytest.mark.slow)
        for choice in choices
    ]


def daily_rows(rows: Iterable[tuple[Any, ...]], *chosen: tuple[Any, ...]) -> list[Any]:
    """The same for rows of several parameters."""
    return [pytest.param(*row, marks=[] if row in chosen else [pytest.mark.slow]) for row in rows]
