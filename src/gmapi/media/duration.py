"""How long an output will be, of what is known before ffmpeg runs."""

from __future__ import annotations

from collections.abc import Sequence

from gmapi.media.command import Options
from gmapi.media.header import MediaInfo
from gmapi.media.progress import number_or_none, time_or_none


def expected_duration(
    info: MediaInfo, input_args: Sequence[str], args: Sequence[str]
) -> float | None:
    """How many seconds the output will have; None when that cannot be known.

    Looks at the source's duration and at -ss, -sseof, -t, -to and -frames:v. Filters that change
    the speed are not looked at.
    """
    before, after = Options(input_args), Options(args)
    length = info.duration
    start = _time(before, "ss") or 0.0
    tail = _time(before, "sseof")
    if tail is not None and length is not None:
        start = max(0.0, length + tail)
    length = _cut(length, start, before)
    length = _cut(length, _time(after, "ss") or 0.0, after)
    frames = number_or_none(after.get("frames", "v"))
    rate = number_or_none(after.get("r", "v")) or next(
        (s.fps for s in info.streams if s.kind == "video" and s.fps), None
    )
    if frames and rate:
        length = frames / rate if length is None else min(length, frames / rate)
    return length if length is not None and length > 0 else None


def _cut(length: float | None, start: float, options: Options) -> float | None:
    """What is left of `length` seconds after -ss, -t and -to of one input or output."""
    rest = None if length is None else max(0.0, length - max(0.0, start))
    limit = _time(options, "t")
    stop = _time(options, "to")
    if limit is None and stop is not None:
        limit = max(0.0, stop - max(0.0, start))
    if limit is None:
        return rest
    return limit if rest is None else min(rest, limit)


def _time(options: Options, name: str) -> float | None:
    return time_or_none(options.get(name))
