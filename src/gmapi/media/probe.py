"""What a source holds, read from the header that `ffmpeg -i` prints; no ffprobe is needed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gmapi.media import command, failures
from gmapi.media.process import Watch, run
from gmapi.media.progress import parse_time
from gmapi.sandbox.limits import Limits

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg
    from gmapi.sandbox.launcher import Launcher

_PROBE_SECONDS = 60.0
# Reading a whole source without decoding it, from a slow disk.
_COUNT_SECONDS = 600.0
# A header with long tags (lyrics, hundreds of streams) is cut here.
_MAX_HEADER_LINES = 5000
# A last picture longer than this is believed only where ffmpeg shows it that long (see below).
_LAST_PICTURE_SECONDS = 0.5


@dataclass(frozen=True)
class Stream:
    """One stream of a source.

    `width` and `height` are pixels as seen: turned as the source says and with square pixels.
    `duration` is seconds and known only where the container says it for each stream.
    `attached_picture` marks cover art.
    """

    index: int
    kind: str
    codec: str
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    attached_picture: bool = False
    duration: float | None = None


@dataclass(frozen=True)
class MediaInfo:
    """A source: its duration in seconds when it says one, and its streams."""

    duration: float | None
    streams: tuple[Stream, ...]

    def first(self, kind: str) -> Stream | None:
        """The first stream of a kind ("video", "audio", ...) that is not cover art."""
        return next((s for s in self.streams if s.kind == kind and not s.attached_picture), None)


# Tags are indented deeper than these two lines, so that no tag can pass for one of them.
_DURATION = re.compile(r"  Duration: (\S+?),")
_STREAM = re.compile(r"  Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?(?:\([^)]*\))?: (\w+): (.*)")
_TAG_DURATION = re.compile(r"\s{6,}DURATION(?:-\w+)?\s*: (\d+:\d\d:\d\d(?:\.\d+)?)")
_ROTATION = re.compile(r"\s{6,}.*: rotation of (-?[\d.]+) degrees")
_SIZE = re.compile(r"(\d+)x(\d+)\b")
_SHAPE = re.compile(r"\bSAR (\d+):(\d+) DAR \d+:\d+")
_RATE = re.compile(r"([\d.]+)(k?) (fps|tbr)")
_HERTZ = re.compile(r"(\d+) Hz")
_CHANNELS = re.compile(r"(\d+) channels\b")
_POINTS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:\(\w+\))?")

# Names of libavutil's channel layouts that do not say their number.
_LAYOUTS = {
    "mono": 1, "stereo": 2, "downmix": 2, "binaural": 2, "quad": 4, "quad(side)": 4,
    "hexagonal": 6, "octagonal": 8, "cube": 8, "hexadecagonal": 16,
}  # fmt: skip


def parse_header(stderr_text: str) -> MediaInfo:
    """Read what ffmpeg says about its first input. Never raises; what is not said is None."""
    duration: float | None = None
    streams: list[Stream] = []
    for line in _first_input(stderr_text):
        if match := _DURATION.match(line):
            duration = _time(match[1])
        elif match := _STREAM.match(line):
            streams.append(_stream(int(match[1]), match[2].lower(), match[3]))
        elif streams and (match := _TAG_DURATION.match(line)):
            streams[-1] = replace(streams[-1], duration=_time(match[1]))
        elif streams and (match := _ROTATION.match(line)):
            turned = streams[-1]
            if round(float(match[1]) / 90) % 2:
                streams[-1] = replace(turned, width=turned.height, height=turned.width)
    return MediaInfo(duration, tuple(streams))


def _first_input(text: str) -> Iterator[str]:
    """The lines from "Input #0" to the next heading."""
    inside = False
    for line in re.split(r"[\r\n]+", text):
        if line.startswith("Input #0,"):
            inside = True
        elif inside and line.startswith(("Input #", "Output #", "Stream mapping:", "At least")):
            return
        elif inside:
            yield line


def _time(text: str) -> float | None:
    try:
        seconds = parse_time(text)
    except ValueError:
        return None
    return seconds if seconds > 0 else None


def _fields(text: str) -> list[str]:
    """Split at commas that are not inside brackets."""
    fields, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        if letter in "([":
            depth += 1
        elif letter in ")]":
            depth = max(0, depth - 1)
        elif letter == "," and depth == 0:
            fields.append(text[start:at].strip())
            start = at + 1
    return [*fields, text[start:].strip()]


def _stream(index: int, kind: str, text: str) -> Stream:
    fields = _fields(text)
    codec = fields[0].split(" ")[0].lower()
    stream = Stream(index, kind, codec, attached_picture="(attached pic)" in text)
    if kind == "video":
        return _video(stream, fields, text)
    if kind == "audio":
        rate = _HERTZ.search(text)
        return replace(
            stream,
            sample_rate=int(rate[1]) if rate else None,
            channels=next((n for f in fields[1:] if (n := _channel_count(f))), None),
        )
    return stream


def _video(stream: Stream, fields: Sequence[str], text: str) -> Stream:
    size = next((m for f in fields[1:] if (m := _SIZE.match(f))), None)
    width, height = (int(size[1]), int(size[2])) if size else (None, None)
    shape = _SHAPE.search(text)
    if shape and width and int(shape[1]) and int(shape[2]):
        width = max(1, round(width * int(shape[1]) / int(shape[2])))
    rates = {}
    for field in fields[1:]:
        if match := _RATE.match(field):
            rates[match[3]] = float(match[1]) * (1000 if match[2] else 1)
    fps = rates.get("fps") or rates.get("tbr")
    return replace(stream, width=width or None, height=height or None, fps=fps or None)


def _channel_count(field: str) -> int | None:
    if field in _LAYOUTS:
        return _LAYOUTS[field]
    if match := _CHANNELS.match(field):
        return int(match[1])
    if match := _POINTS.fullmatch(field):
        return sum(int(part) for part in match.groups() if part)
    return None


def probe(
    launcher: Launcher,
    ffmpeg: Ffmpeg,
    path: Path,
    cwd: Path,
    *,
    max_pixels: int = 40_000_000,
    input_args: Sequence[str] = (),
    limits: Limits | None = None,
    cancelled: Callable[[], None] = lambda: None,
) -> MediaInfo:
    """What the file holds. Raises MediaError when ffmpeg finds no media in it."""
    lines: list[str] = []

    def take(line: str) -> None:
        if len(lines) < _MAX_HEADER_LINES:
            lines.append(line)

    argv = [
        *command.head(ffmpeg, None),
        *input_args,
        *command.guarded_input(path, max_pixels),
    ]
    finished = run(
        launcher,
        argv,
        cwd=cwd,
        limits=limits or Limits(),
        watch=Watch((), 0, 0, _PROBE_SECONDS),
        on_line=take,
        cancelled=cancelled,
        hide=(path.parent, cwd),
    )
    info = parse_header("\n".join(lines))
    # Without an output ffmpeg always fails; it has failed to read when no stream is listed.
    if not info.streams:
        context = failures.Context(max_pixels=max_pixels)
        raise failures.explain(finished.returncode, finished.tail, context=context)
    return info


def video_frame_count(
    launcher: Launcher,
    ffmpeg: Ffmpeg,
    path: Path,
    fps: float,
    *,
    cwd: Path,
    start: float = 0.0,
    duration: float | None = None,
    max_pixels: int = 40_000_000,
    limits: Limits | None = None,
    wall_seconds: float = _COUNT_SECONDS,
    cancelled: Callable[[], None] = lambda: None,
) -> int | None:
    """How many pictures `command.frames` makes of this part of the video at `fps`.

    Reads the packets of the video without decoding them: the container's duration may be that of
    a longer sound track. Within a picture of the truth for most sources; with ffmpeg 5 up to 0.5 s
    of pictures too few, or too many, when the last picture stays long. None when there is no video;
    LimitError after `wall_seconds`.
    """
    counter = _PacketTimes(exact_last=(ffmpeg.major or 0) >= 6)
    argv = [
        *command.head(ffmpeg, None, "error"),
        *command.span(start, duration),
        *command.guarded_input(path, max_pixels),
        "-map", "0:V:0", "-c", "copy", "-f", "framecrc", "pipe:1",
    ]  # fmt: skip
    run(
        launcher,
        argv,
        cwd=cwd,
        limits=limits or Limits(),
        watch=Watch((), 0, 0, wall_seconds),
        cancelled=cancelled,
        stdout=counter.feed,
    )
    end = counter.end
    if end is None:
        return None
    # As the fps filter of `command.frames` rounds at the end; times are not exact, so that a
    # hair's breadth is no picture.
    if duration is None:
        return max(1, math.ceil(end * fps - 1e-3))
    return round(min(end, duration) * fps)


class _PacketTimes:
    """The end of the last picture, from the lines of the framecrc muxer.

    "#tb 0: 1/10240" gives the time base; each packet is one line of stream, dts, pts, duration,
    size and checksum.
    """

    # AV_NOPTS_VALUE and what ffmpeg's own arithmetic makes of it: no packet is that early.
    _NO_TIME = -(1 << 60)

    def __init__(self, exact_last: bool) -> None:
        # ffmpeg 5 shows the last picture as long as the frame rate says, later ones as long as
        # the packet says.
        self._exact_last = exact_last
        self._rest = b""
        self._base = 0.0
        self._end: float | None = None
        self._total = 0.0

    @property
    def end(self) -> float | None:
        """Seconds from the start of the output; None when nothing is known."""
        if self._end is not None:
            return self._end
        return self._total if self._total > 0 else None

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"#tb 0:"):
                above, _, below = line[6:].strip().partition(b"/")
                self._base = int(above) / int(below)
            elif not line.startswith(b"#") and (parts := line.split(b",")) and len(parts) >= 6:
                self._packet(int(parts[2]), int(parts[3]))

    def _packet(self, time: int, length: int) -> None:
        seconds = length * self._base
        self._total += seconds
        if time < self._NO_TIME:
            return
        if not self._exact_last:
            seconds = min(seconds, _LAST_PICTURE_SECONDS)
        end = time * self._base + seconds
        self._end = end if self._end is None else max(self._end, end)
