"""How long an output will be, of what is known before ffmpeg runs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gmapi.media.command import Options
from gmapi.media.header import MediaInfo
from gmapi.media.progress import number_or_none, time_or_none

# Filters after which a second of the output is not made of one of the source, or of a later one.
_TIME_FILTERS = re.compile(
    r"setpts|tempo|asetrate|rubberband|trim|select|loop|reverse|concat|framestep|decimate"
    r"|silenceremove|segment|settb|freezeframes|shuffleframes|setrate|thumbnail|tile"
)


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


def needed_seconds(input_args: Sequence[str], args: Sequence[str]) -> float | None:
    """How many seconds of an input, from its beginning, can reach the output; None when that
    cannot be known.

    `input_args` are those of this input.
    """
    before, after = Options(input_args), Options(args)
    if before.has("sseof"):
        return None
    start = max(0.0, _time(before, "ss") or 0.0)
    ends = [_end(before)]
    if not any(_changes_time(name, value) for name, _, value in after.items):
        end = _end(after)
        ends.append(None if end is None else start + end)
    known = [end for end in ends if end is not None and end > 0]
    return min(known, default=None)


def _end(options: Options) -> float | None:
    """Where -t or -to ends an input or output, seconds from its beginning."""
    limit = _time(options, "t")
    if limit is not None:
        return max(0.0, _time(options, "ss") or 0.0) + limit
    return _time(options, "to")


def _changes_time(name: str, value: str) -> bool:
    return name in ("filter", "filter_complex") and _TIME_FILTERS.search(value) is not None


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
