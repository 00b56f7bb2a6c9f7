"""How far ffmpeg is: reading `-progress`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

# Far longer than any line ffmpeg writes; what is longer is garbage and is dropped.
_MAX_LINE = 4096
# ffmpeg writes the smallest number there is when it knows no time.
_OLDEST_SECONDS = -1e9


@dataclass(frozen=True)
class Progress:
    """One report of ffmpeg. `out_time` is seconds of output, `total_size` bytes of output,
    `speed` seconds of output per second; None where ffmpeg does not know."""

    out_time: float | None
    frame: int | None
    speed: float | None
    total_size: int | None
    finished: bool


class ProgressParser:
    """Reads the key=value lines of `-progress` (ffmpeg manual, main options), in any pieces.

    A report ends with the key `progress`. Lines that are no such pairs are passed over.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._overlong = False
        self._values: dict[str, str] = {}

    def feed(self, data: bytes) -> list[Progress]:
        """The reports that `data` completes, in order."""
        *lines, rest = (self._rest + data).split(b"\n")
        reports = []
        for line in lines:
            overlong, self._overlong = self._overlong or len(line) > _MAX_LINE, False
            if not overlong:
                reports += self._take(line)
        if len(rest) > _MAX_LINE:
            self._overlong = True
        # Of a line that is dropped anyway nothing needs to be kept.
        self._rest = b"" if self._overlong else rest
        return reports

    def _take(self, line: bytes) -> list[Progress]:
        key, equals, value = line.decode("ascii", "replace").partition("=")
        key, value = key.strip(), value.strip()
        if not equals:
            return []
        if key != "progress":
            if key in _KEYS:
                self._values[key] = value
            return []
        values, self._values = self._values, {}
        micros = number_or_none(values.get("out_time_us"))
        seconds = None if micros is None else micros / 1e6
        if seconds is None:
            seconds = time_or_none(values.get("out_time"))
        if seconds is not None:
            seconds = max(0.0, seconds) if seconds > _OLDEST_SECONDS else None
        return [
            Progress(
                out_time=seconds,
                frame=_count(values.get("frame")),
                speed=number_or_none(values.get("speed", "").removesuffix("x")),
                total_size=_count(values.get("total_size")),
                finished=value == "end",
            )
        ]


_KEYS = frozenset({"out_time_us", "out_time", "frame", "speed", "total_size"})


def number_or_none(text: str | None) -> float | None:
    """A finite number; None for anything else."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _count(text: str | None) -> int | None:
    value = number_or_none(text)
    return None if value is None or value < 0 else int(value)


def time_or_none(text: str | None) -> float | None:
    """Seconds of a time as ffmpeg spells it; None for anything else."""
    try:
        return parse_time(text or "")
    except ValueError:
        return None


_SEXAGESIMAL = re.compile(r"(-?)(?:(\d{1,12}):)?([0-5]?\d):([0-5]?\d(?:\.\d{0,30})?)", re.ASCII)
_SECONDS = re.compile(r"(-?)(\d{1,18}(?:\.\d{0,30})?)(s|ms|us)?", re.ASCII)
_UNITS = {None: 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}


def parse_time(text: str) -> float:
    """Seconds of a time as ffmpeg spells it (ffmpeg-utils manual, time duration).

    `[-][HH:]MM:SS[.m...]` or `[-]S+[.m...][s|ms|us]`. Raises ValueError for anything else.
    """
    if match := _SEXAGESIMAL.fullmatch(text):
        sign, hours, minutes, seconds = match.groups()
        value = int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
    elif match := _SECONDS.fullmatch(text):
        sign, number, unit = match.groups()
        value = float(number) * _UNITS[unit]
    else:
        raise ValueError(f"{text[:60]!r} is no time; write seconds (90.5) or 0:01:30.5")
    return -value if sign else value


def estimate(done: float, total: float | None, elapsed: float) -> tuple[float, int | None]:
    """Percent done (one decimal, at most 99.9: only the end itself is 100) and seconds to go.

    `done` and `total` are in the same unit, `elapsed` is seconds since the start.
    """
    if not total or total <= 0 or done <= 0:
        return 0.0, None
    share = min(done / total, 1.0)
    # Rounded down, so that it cannot fall back when the next report comes.
    percent = min(99.9, math.floor(share * 1000) / 10)
    # From the first few moments nothing can be concluded.
    seconds = None if percent < 0.1 else math.ceil(elapsed * (1 - share) / share)
    return percent, seconds
