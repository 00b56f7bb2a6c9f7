"""How far a source can be read: its packets against the length that its header promises.

Nothing is decoded, but the whole source is read: this is for sources that there are doubts about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmapi.media import command
from gmapi.media.header import MediaInfo, Stream, new_mark, parse_header, separated_by
from gmapi.media.process import examine
from gmapi.media.timing import LINE_BYTES, NO_TIME
from gmapi.sandbox.limits import Limits

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg
    from gmapi.sandbox.launcher import Launcher

_READ_SECONDS = 60.0
_LINES_MAX = 5000
_STREAMS_MAX = 256
_ESTIMATED = "Estimating duration from bitrate"
# Containers whose header has the length, which the others take from what is there: by the first
# of the names that ffmpeg calls them.
_PROMISING = (
    "mov", "matroska", "mp3", "flac", "tta", "wv", "ape", "mxf", "flv", "aiff", "au", "asf",
)  # fmt: skip


@dataclass
class Track:
    """What was read of one stream: number of packets, and when the last one ends, in seconds of
    the source's own clock (None without times)."""

    kind: str
    packets: int = 0
    end: float | None = None


@dataclass(frozen=True)
class Reading:
    """`tracks` by the stream's number in the source. `promised` is when the source ends by its
    header, seconds from its start; None when it does not say, or only a guess."""

    info: MediaInfo
    promised: float | None
    start: float
    tracks: dict[int, Track]

    @classmethod
    def unknown(cls) -> Reading:
        """That of a source which could not be read through."""
        return cls(MediaInfo(None, ()), None, 0.0, {})

    def end_of(self, *kinds: str) -> float | None:
        """When the last packet of these kinds of streams ends, seconds from the source's start."""
        ends = [t.end - self.start for t in self.tracks.values() if t.end and t.kind in kinds]
        return max(ends, default=None)


def read_through(
    launcher: Launcher,
    ffmpeg: Ffmpeg,
    path: Path,
    *,
    cwd: Path,
    demuxer: str | None = None,
    max_pixels: int,
    limits: Limits,
    cancelled: Callable[[], None],
) -> Reading:
    """Read the packets of all pictures, sound and subtitles; LimitError after a minute.

    `demuxer` is named where a file does not tell its format.
    """
    lines: list[str] = []

    def take(line: str) -> None:
        if len(lines) < _LINES_MAX:
            lines.append(line)

    packets = _Packets()
    mark = new_mark()
    argv = [
        *command.head(ffmpeg, None),
        "-copyts",
        *(["-f", demuxer] if demuxer else []),
        *separated_by(mark),
        *command.guarded_input(path, max_pixels),
        "-map", "0:v?", "-map", "0:a?", "-map", "0:s?",
        "-c", "copy", "-f", "framecrc", "pipe:1",
    ]  # fmt: skip
    examine(
        launcher,
        argv,
        path,
        cwd=cwd,
        seconds=_READ_SECONDS,
        limits=limits,
        on_line=take,
        cancelled=cancelled,
        stdout=packets.feed,
        hide=(path.parent, cwd),
    )
    info = parse_header("\n".join(lines), mark)
    firm = info.container.split(",")[0] in _PROMISING
    estimated = any(_ESTIMATED in line for line in lines)
    return Reading(
        info,
        info.duration if firm and not estimated else None,
        info.start or 0.0,
        dict(zip(_mapped(info.streams), packets.tracks(), strict=False)),
    )


def _mapped(streams: tuple[Stream, ...]) -> list[int]:
    """The numbers of the streams in the order in which they are written."""
    kinds = ("video", "audio", "subtitle")
    return [s.index for kind in kinds for s in streams if s.kind == kind]


class _Packets:
    """Reads the lines of the framecrc muxer in bounded memory, see `timing._Lines`."""

    def __init__(self) -> None:
        self._rest = b""
        self._tracks: dict[int, Track] = {}
        self._bases: dict[int, float] = {}

    def tracks(self) -> list[Track]:
        """What was read, by the number of the stream in the output."""
        return [track for _, track in sorted(self._tracks.items())]

    def feed(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:LINE_BYTES]
        for line in lines:
            if line.startswith(b"#"):
                self._heading(line)
            elif len(parts := line.split(b",", 6)) >= 6:
                self._packet(parts)

    def _heading(self, line: bytes) -> None:
        key, _, rest = line.partition(b" ")
        number, _, value = rest.partition(b":")
        if not number.isdigit() or int(number) >= _STREAMS_MAX:
            return
        if key == b"#tb":
            above, _, below = value.strip().partition(b"/")
            self._bases[int(number)] = int(above) / int(below)
        elif key == b"#media_type":
            self._tracks[int(number)] = Track(value.strip().decode("ascii", "replace"))

    def _packet(self, parts: list[bytes]) -> None:
        number, time, length = int(parts[0]), int(parts[2]), int(parts[3])
        track = self._tracks.get(number)
        if track is None:
            return
        track.packets += 1
        if time > NO_TIME:
            end = (time + max(0, length)) * self._bases.get(number, 0.0)
            track.end = end if track.end is None else max(track.end, end)
