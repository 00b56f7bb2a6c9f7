"""What a source holds, as the header that `ffmpeg -i` prints tells it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gmapi.media.progress import parse_time


@dataclass(frozen=True)
class Stream:
    """One stream of a source.

    `width` and `height` are pixels as seen: turned as the source says and with square pixels;
    `coded_width` and `coded_height` are those of the decoded pictures, which `is_turned` when the
    container says so. `duration` and `start` are seconds and known only where the container, or
    this ffmpeg, says them for each stream. `ticks` are the steps of its clock in a second.
    `flags` are what ffmpeg calls dispositions, such as "default" or "attached pic"; `program` is
    that of a broadcast. `transfer`, `primaries` and `matrix` are colours by ffmpeg's names,
    and `is_full_range` where black is 0.
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
    pixels: str | None = None
    """The pixel format, by its name in libavutil."""
    has_alpha: bool = False
    duration: float | None = None
    start: float | None = None
    ticks: float | None = None
    language: str | None = None
    title: str | None = None
    flags: frozenset[str] = frozenset()
    program: int | None = None
    transfer: str | None = None
    primaries: str | None = None
    matrix: str | None = None
    is_full_range: bool = False
    is_turned: bool = False
    told_length: float | None = None
    """Seconds after which it ends, counted from the start of the source, where a tag of its own in
    a Matroska file tells it."""
    tile_group: int | None = None
    """The number of the stream group whose tiles are this one picture."""

    @property
    def attached_picture(self) -> bool:
        """Whether it is cover art."""
        return "attached pic" in self.flags


@dataclass(frozen=True)
class MediaInfo:
    """A source: its duration in seconds and when it starts, when it says them, its streams, and
    what ffmpeg calls its container, such as "mp3" or "png_pipe".

    `duration` is as printed: in some containers the time of the end, see `selection`.
    """

    duration: float | None
    streams: tuple[Stream, ...]
    container: str = ""
    start: float | None = None

    def first(self, kind: str) -> Stream | None:
        """The first stream of a kind ("video", "audio", ...) that is not cover art."""
        return next((s for s in self.streams if s.kind == kind and not s.attached_picture), None)


# Tags are a stranger's text, so numbers are bounded and nothing is looked for twice.
_CONTAINER = re.compile(r"^Input #0, (.*?), from ", re.MULTILINE)
_DURATION = re.compile(r"  Duration: (\S+?),(?: start: (-?\d{1,12}(?:\.\d{1,9})?))?")
_STREAM = re.compile(
    r"^ {2,40}+Stream #0:(\d{1,6})(?:\[0x[0-9a-f]+\])?(?:\((.{0,1000})\))?: "
    r"(Video|Audio|Subtitle|Data|Attachment|Unknown): (.*)"
)
# Whatever a stranger may have written for one (RFC 5646).
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}")
_GROUP = re.compile(r"^ {2,40}+Stream group #0:(\d{1,6})(?:\[0x[0-9a-f]+\])?: Tile Grid: (.*)")
_PROGRAM = re.compile(r"^ {2,40}+(?:Program (\d{1,9})|No Program)\b")
# What follows these lines, indented deeper, are names and values of strangers.
_TAGS = re.compile(r"^( {2,40}+)(?:Metadata|Side data):\s*+$", re.IGNORECASE)
_INDENTED = re.compile(r" {0,200}+")
_TAG_DURATION = re.compile(r"\s{6,}+DURATION(?:-\w+)?\s*+: (\d{1,6}:\d\d:\d\d(?:\.\d{1,12})?)")
_TAG_TITLE = re.compile(r"\s{6,}+(?i:title)\s*+: (.{1,200})")
_TAG_ALPHA = re.compile(r"\s{6,}+(?i:alpha_mode)\s*+: 1$")
_RGB = re.compile(r"pal8|[argb0x]{3,4}(?:\d|be|le|$)|[rgb]{3}_?\d|gbra?p|x2")
_ROTATION = re.compile(r"\s{6,}+[A-Za-z ]++: rotation of (-?\d{1,4}(?:\.\d{1,9})?|nan) degrees")
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})\b")
_SHAPE = re.compile(r"\bSAR (\d{1,9}):(\d{1,9}) DAR \d{1,9}:\d{1,9}")
# Pixel formats with transparency, and those of red, green and blue, by their names in libavutil.
_ALPHA = re.compile(r"pal8|ya\d|yuva|gbrap|rgba|bgra|argb|abgr|ayuv|vuya|uyva|yaf")
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([kM]?) (fps|tbr|tbn)")
_START = re.compile(r"start (-?\d{1,12}\.\d{1,9})")
_HERTZ = re.compile(r"\b(\d{1,9}) Hz")
_CHANNELS = re.compile(r"(\d{1,4}) channels\b")
_POINTS = re.compile(r"(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?(?:\([\w+]+\))?")
_COLOURS = re.compile(r"\b([a-z0-9-]{1,32})/([a-z0-9-]{1,32})/([a-z0-9-]{1,32})\b")

# Names of libavutil's channel layouts that do not say their number.
_LAYOUTS = {
    "mono": 1, "stereo": 2, "downmix": 2, "binaural": 2, "quad": 4, "quad(side)": 4,
    "hexagonal": 6, "octagonal": 8, "cube": 8, "hexadecagonal": 16,
}  # fmt: skip
_FLAGS = (
    "default", "dub", "original", "comment", "lyrics", "karaoke", "forced", "hearing impaired",
    "visual impaired", "clean effects", "attached pic", "timed thumbnails", "non-diegetic",
    "captions", "descriptions", "metadata", "dependent", "still image", "multilayer",
)  # fmt: skip
# One word stands for all three where they are the same.
_ONE_COLOUR = frozenset({"bt709", "smpte170m", "smpte240m"})
# The header is printed to hundredths.
_ROUNDED_SECONDS = 0.1
# As many as ffmpeg opens at most (max_streams).
_STREAMS_MAX = 1000
_UNITS = {"": 1, "k": 1_000, "M": 1_000_000}


def has_transparency(pixels: str) -> bool:
    """Whether a pixel format has transparency."""
    return _ALPHA.match(pixels) is not None


def is_rgb(pixels: str) -> bool:
    """Whether a pixel format is made of red, green and blue."""
    return _RGB.match(pixels) is not None


def parse_header(stderr_text: str, mark: str = "") -> MediaInfo:
    """Read what ffmpeg says about its first input. Never raises; what is not said is None.

    With a `mark`, which no stranger knows and ffmpeg was told to put between the fields of a
    stream (`separated_by`), pictures and sound count only where it stands: the name of a tag may
    hold whole lines. Members of stream groups are indented deeper than other streams (ffmpeg 7
    and later).
    """
    duration = start = None
    streams: list[Stream] = []
    program: int | None = None
    for line, in_tags in _first_input(stderr_text):
        if in_tags:
            if streams:
                streams[-1] = _tagged(streams[-1], line)
        elif match := _DURATION.match(line):
            duration = _time(match[1])
            start = float(match[2]) if match[2] else None
        elif len(streams) == _STREAMS_MAX:
            continue
        elif match := _STREAM.match(line):
            kind, text = match[3].lower(), match[4]
            if mark in text or kind not in ("video", "audio"):
                found = _stream(int(match[1]), kind, text.replace(mark, ""))
                streams.append(replace(found, language=_language(match[2]), program=program))
        elif (match := _GROUP.match(line)) and mark in match[2]:
            found = _stream(-1, "video", match[2].replace(mark, ""))
            streams.append(replace(found, tile_group=int(match[1])))
        elif match := _PROGRAM.match(line):
            program = int(match[1]) if match[1] else None
    container = _CONTAINER.search(stderr_text)
    info = MediaInfo(duration, tuple(streams), container[1] if container else "", start)
    return replace(info, streams=tuple(_with_length(info, stream) for stream in streams))


def new_mark() -> str:
    """A mark for one run of ffmpeg."""
    return f"<{secrets.token_hex(8)}> "


def separated_by(mark: str) -> list[str]:
    """The input options that make ffmpeg write `mark` between the fields of a stream."""
    return ["-dump_separator", f", {mark}"]


def _first_input(text: str) -> Iterator[tuple[str, bool]]:
    """The lines from "Input #0" to the next heading, each with whether it is a tag's."""
    inside = False
    tags: int | None = None
    for line in re.split(r"[\r\n]+", text):
        if line.startswith("Input #0,"):
            inside = True
        elif inside and line.startswith(("Input #", "Output #", "Stream mapping:", "At least")):
            return
        elif inside:
            indent = match.end() if (match := _INDENTED.match(line)) else 0
            if tags is not None and indent > tags:
                yield line, True
                continue
            heading = _TAGS.match(line)
            tags = len(heading[1]) if heading else None
            yield line, False


def _tagged(stream: Stream, line: str) -> Stream:
    """A stream with what one of its tags, or a line about its side data, says of it."""
    if match := _TAG_DURATION.match(line):
        return replace(stream, duration=_time(match[1]))
    if match := _TAG_TITLE.match(line):
        return replace(stream, title=match[1].strip() or None)
    if _TAG_ALPHA.match(line) and stream.kind == "video":
        return replace(stream, has_alpha=True)
    if match := _ROTATION.match(line):
        turns = 0 if match[1] == "nan" else round(float(match[1]) / 90)
        if turns % 2:
            stream = replace(stream, width=stream.height, height=stream.width)
        return replace(stream, is_turned=True)
    return stream


def _with_length(info: MediaInfo, stream: Stream) -> Stream:
    """A stream with the length that its own tag tells, unless that cannot be."""
    told, whole = stream.duration, info.duration
    if told is None or not info.container.startswith("matroska"):
        return stream
    if whole is not None and told > whole + _ROUNDED_SECONDS:
        return stream
    length = told - max(0.0, info.start or 0.0)
    return replace(stream, told_length=length) if length > 0 else stream


def _language(text: str | None) -> str | None:
    is_one = text is not None and text != "und" and _LANGUAGE.fullmatch(text)
    return text if is_one else None


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
    flags = frozenset(flag for flag in _FLAGS if f" ({flag})" in text)
    starts = next((m for f in fields[1:] if (m := _START.match(f))), None)
    stream = Stream(
        index, kind, codec, flags=flags, start=float(starts[1]) if starts else None
    )  # fmt: skip
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
            rates[match[3]] = float(match[1]) * _UNITS[match[2]]
    fps = rates.get("fps") or rates.get("tbr")
    matrix, primaries, transfer = _colours(fields[1:3])
    told = fields[1] if len(fields) > 1 else ""
    return replace(
        stream,
        width=width or None,
        height=height or None,
        coded_width=coded[0] or None,
        coded_height=coded[1] or None,
        fps=fps or None,
        ticks=rates.get("tbn"),
        pixels=told.partition("(")[0] or None,
        is_full_range=told.startswith("yuvj") or "(pc" in told,
        has_alpha=any(_ALPHA.match(field) for field in fields[1:3]),
        matrix=matrix,
        primaries=primaries,
        transfer=transfer,
    )


def _colours(fields: Sequence[str]) -> tuple[str | None, str | None, str | None]:
    """Matrix, primaries and transfer in "yuv420p(tv, bt2020nc/bt2020/smpte2084, progressive)"."""
    for field in fields:
        _, bracket, inside = field.partition("(")
        if not bracket:
            continue
        if match := _COLOURS.search(inside):
            named = [None if name in ("unknown", "reserved") else name for name in match.groups()]
            return named[0], named[1], named[2]
        for word in inside.rstrip(")").split(", "):
            if word in _ONE_COLOUR:
                return word, word, word
    return None, None, None


def _channel_count(field: str) -> int | None:
    field = field.partition(" (")[0]
    if field in _LAYOUTS:
        return _LAYOUTS[field]
    if match := _CHANNELS.match(field):
        return int(match[1])
    if match := _POINTS.fullmatch(field):
        return sum(int(part) for part in match.groups() if part)
    return None
