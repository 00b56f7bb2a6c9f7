"""What a source holds, read from the header that `ffmpeg -i` prints; no ffprobe is needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gmapi.errors import LimitError
from gmapi.media import command, failures
from gmapi.media.process import Watch, run
from gmapi.media.progress import parse_time
from gmapi.sandbox.launch import Grants
from gmapi.sandbox.limits import Limits

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg
    from gmapi.sandbox.launcher import Launcher

_PROBE_SECONDS = 60.0
# A header with long tags (lyrics, hundreds of streams) is cut here.
_MAX_HEADER_LINES = 5000
_MAX_SIZE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Stream:
    """One stream of a source.

    `width` and `height` are pixels as seen: turned as the source says and with square pixels;
    `coded_width` and `coded_height` are those of the decoded pictures.
    `duration` is seconds and known only where the container says it for each stream.
    `attached_picture` marks cover art, `has_alpha` pictures with transparency.
    """

    index: int
    kind: str
    codec: str
    width: int | None = None
    height: int | None = None
    coded_width: int | None = None
    coded_height: int | None = None
    fps: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    attached_picture: bool = False
    has_alpha: bool = False
    duration: float | None = None


@dataclass(frozen=True)
class MediaInfo:
    """A source: its duration in seconds when it says one, its streams, and what ffmpeg calls its
    container, such as "mp3" or "png_pipe"."""

    duration: float | None
    streams: tuple[Stream, ...]
    container: str = ""

    def first(self, kind: str) -> Stream | None:
        """The first stream of a kind ("video", "audio", ...) that is not cover art."""
        return next((s for s in self.streams if s.kind == kind and not s.attached_picture), None)


# Tags are indented deeper than these two lines, so that no tag can pass for one of them. Tags are a
# stranger's text, so numbers are bounded and nothing is looked for twice.
_CONTAINER = re.compile(r"^Input #0, (.*?), from ", re.MULTILINE)
_DURATION = re.compile(r"  Duration: (\S+?),")
_STREAM = re.compile(r"  Stream #0:(\d{1,6})(?:\[0x[0-9a-f]+\])?(?:\([^)]*\))?: (\w+): (.*)")
_TAG_DURATION = re.compile(r"\s{6,}+DURATION(?:-\w+)?\s*+: (\d{1,6}:\d\d:\d\d(?:\.\d{1,12})?)")
_ROTATION = re.compile(r"\s{6,}+[A-Za-z ]++: rotation of (-?\d{1,4}(?:\.\d{1,9})?) degrees")
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})\b")
_SHAPE = re.compile(r"\bSAR (\d{1,9}):(\d{1,9}) DAR \d{1,9}:\d{1,9}")
# Pixel formats with transparency, by their names in libavutil.
_ALPHA = re.compile(r"pal8|ya\d|yuva|gbrap|rgba|bgra|argb|abgr|ayuv|vuya|uyva|yaf")
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(k?) (fps|tbr)")
_HERTZ = re.compile(r"\b(\d{1,9}) Hz")
_CHANNELS = re.compile(r"(\d{1,4}) channels\b")
_POINTS = re.compile(r"(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?(?:\(\w+\))?")

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
    container = _CONTAINER.search(stderr_text)
    return MediaInfo(duration, tuple(streams), container[1] if container else "")


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
    coded = (int(size[1]), int(size[2])) if size else (None, None)
    width, height = coded
    shape = _SHAPE.search(text)
    if shape and width and int(shape[1]) and int(shape[2]):
        width = max(1, round(width * int(shape[1]) / int(shape[2])))
    rates = {}
    for field in fields[1:]:
        if match := _RATE.match(field):
            rates[match[3]] = float(match[1]) * (1000 if match[2] else 1)
    fps = rates.get("fps") or rates.get("tbr")
    return replace(
        stream,
        width=width or None,
        height=height or None,
        coded_width=coded[0] or None,
        coded_height=coded[1] or None,
        fps=fps or None,
        has_alpha=any(_ALPHA.match(field) for field in fields[1:3]),
    )


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
    limits: Limits | None = None,
    cancelled: Callable[[], None] = lambda: None,
) -> MediaInfo:
    """What the file holds. Raises MediaError when ffmpeg finds no media in it, and LimitError when
    its pictures are so large that ffmpeg was not let to look at them."""
    lines: list[str] = []

    def take(line: str) -> None:
        if len(lines) < _MAX_HEADER_LINES:
            lines.append(line)

    argv = [*command.head(ffmpeg, None), *command.guarded_input(path, max_pixels)]
    finished = run(
        launcher,
        argv,
        cwd=cwd,
        grants=Grants(read=(path.absolute(),)),
        limits=limits or Limits(),
        watch=Watch((), 0, 0, _PROBE_SECONDS),
        on_line=take,
        cancelled=cancelled,
        hide=(path.parent, cwd),
    )
    info = parse_header("\n".join(lines))
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
    path: Path,
    cwd: Path,
    *,
    max_pixels: int = 40_000_000,
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
        *command.guarded_input(path, max_pixels),
        "-map", "0:V:0", "-frames:v", "1", "-c:v", "rawvideo", "-f", "framecrc", "pipe:1",
    ]  # fmt: skip
    run(
        launcher,
        argv,
        cwd=cwd,
        grants=Grants(read=(path.absolute(),)),
        limits=limits or Limits(),
        watch=Watch((), 0, 0, _PROBE_SECONDS),
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
