"""What a run made of a damaged source, in sentences for its caller: how much of it was used.

Sources are usually whole. Only where ffmpeg complains, where a file's own bytes say that there
should be more, or where the output is shorter than the source, the source is looked at again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmapi.media.command import Options
from gmapi.media.completeness import Completeness, completeness
from gmapi.media.faults import Faults, Place
from gmapi.media.glued import second_at
from gmapi.media.progress import time_or_none
from gmapi.media.reading import Reading

# Containers round, encoders fill up the last frame, players are told of the longest stream.
_ROUNDING_SECONDS = 0.25
_ROUNDING_PART = 0.005
# A decoder holds some pictures back, and its first ones may be of no use.
_UNDECODED_SECONDS = 0.5
_UNDECODED_PART = 0.05
# An index at the end of a file is no media.
_INDEX_PART = 0.02
_NOUNS = {"audio": "sound", "subtitle": "subtitles"}
# A source that was cut to a length at a segment or a packet.
_CUT_SECONDS = 1.0
# As much goes with the last packet of a file that is cut.
_AT_THE_CUT = 3
_AT_THE_END = 2

_TAG = re.compile(rb"ID3[\x02-\x04][\x00-\x0a].[\x00-\x7f]{4}|APETAGEX..|TAG.{7}", re.DOTALL)
_TAG_BYTES = 10
_BLOCK_BYTES = 1 << 20

_CHANGES_TIME = re.compile(
    r"(?:^|[,;\]\s])(?:atempo|a?setpts|rubberband|a?loop|a?trim|apad|tpad|concat|a?reverse|"
    r"asetrate)(?:[@=,;\[\s]|$)"
)


@dataclass(frozen=True)
class Source:
    """One input of a command: its file, and the options before it."""

    path: Path
    options: Options


def sources(argv: Sequence[str]) -> tuple[list[Source], Options]:
    """The inputs of an ffmpeg command that are files, and the options of its outputs, but for one
    that keeps time (`Selection.beside`)."""
    if tuple(argv[-3:]) == ("-f", "null", "-"):
        argv = argv[: max(at for at, word in enumerate(argv) if word == "-map")]
    found: list[Source] = []
    begin = 1
    for at, word in enumerate(argv[:-1]):
        if word == "-i" and at >= begin:
            path = Path(argv[at + 1].removeprefix("file:"))
            found.append(Source(path, Options(argv[begin:at])))
            begin = at + 2
    return found, Options(argv[begin:])


def warnings(
    argv: Sequence[str],
    faults: Faults,
    *,
    made: float | None,
    lengths: Mapping[Path, float | None],
    longest: float | None,
    read: Callable[[Path], Reading],
) -> list[str]:
    """Sentences about the sources of a run that has ended well.

    `made` is how many seconds of output there are, `lengths` what the headers of sources promise
    (seconds; only these are looked at), and `longest` how much of a source was to be fetched.
    `read` reads one through; it is called for sources that there are doubts about.
    """
    inputs, after = sources(argv)
    told: list[str] = []
    for number, source in enumerate(inputs):
        if source.path not in lengths:
            continue
        try:
            whole = completeness(source.path)
        except OSError:
            continue
        wanted = _wanted_end(source.options, after, longest)
        if wanted is None and (second := second_at(source.path)) is not None:
            told.append(
                "The source is several files glued together, of which only the first was used: "
                f"{second:,} of {whole.size:,} bytes."
            )
            continue
        shaped = len(inputs) > 1 or _changes_time(after)
        length = lengths[source.path]
        short = shaped and whole.promised is None and length is not None
        if made is not None and length is not None and not shaped:
            start = _time(source.options, "ss") + _time(after, "ss")
            end = length if wanted is None else min(length, wanted)
            short = made < end - start - _slack(end)
        if faults or whole.missing or whole.is_cut or short:
            tags = _tags(source.path) if faults.has_tags_between else 1
            view = _View(number, faults, whole, read(source.path), wanted, tags)
            start = _time(source.options, "ss") + _time(after, "ss")
            told += view.sentences(None if shaped or made is None else start + made)
    return told


def wants_all(argv: Sequence[str], path: Path, longest: float | None) -> bool:
    """Whether a command is to use a source to its end; `longest` as for `warnings`."""
    inputs, after = sources(argv)
    return not after.has("shortest") and any(
        source.path == path and _wanted_end(source.options, after, longest) is None
        for source in inputs
    )


def _tags(path: Path) -> int:
    """How many tags are in a file of MP3, of which several songs in a row have many."""
    count = 0
    with open(path, "rb") as file:
        rest = b""
        while data := file.read(_BLOCK_BYTES):
            data = rest + data
            found = [match.end() for match in _TAG.finditer(data)]
            count += len(found)
            rest = data[max(len(data) - _TAG_BYTES + 1, found[-1] if found else 0) :]
    return count


def _slack(seconds: float) -> float:
    return max(_ROUNDING_SECONDS, _ROUNDING_PART * seconds)


def _time(options: Options, name: str) -> float:
    return max(0.0, time_or_none(options.get(name)) or 0.0)


def _wanted_end(before: Options, after: Options, longest: float | None) -> float | None:
    """Up to which second of a source a run wanted it; None for all of it."""
    if after.has("frames") or after.has("fs"):
        return 0.0
    first, second = _time(before, "ss"), _time(after, "ss")
    ends = [
        first + _time(before, "t") if before.has("t") else None,
        _time(before, "to") if before.has("to") else None,
        first + second + _time(after, "t") if after.has("t") else None,
        first + _time(after, "to") if after.has("to") else None,
        max(0.0, longest - _CUT_SECONDS) if longest is not None else None,
    ]
    return min((end for end in ends if end is not None), default=None)


def _changes_time(after: Options) -> bool:
    graphs = [value for name, _, value in after.items if name in ("filter", "filter_complex")]
    return any(_CHANGES_TIME.search(graph) for graph in graphs)


@dataclass(frozen=True)
class _View:
    """All that is known of one source after a run."""

    number: int
    faults: Faults
    whole: Completeness
    reading: Reading
    wanted: float | None
    tags: int

    def sentences(self, made: float | None) -> list[str]:
        """`made` is up to which second of the source its output goes, None where that says nothing
        about the source."""
        early = self._early()
        places = self._in_places(early)
        if places is not None:
            places = self._undecoded(made) or places
        return [sentence for sentence in (early, places) if sentence is not None]

    def _early(self) -> str | None:
        whole, reading = self.whole, self.reading
        end = reading.end_of("video", "audio", "subtitle")
        if self._has_enough(end):
            return None
        promised = reading.promised
        # Some containers count from 0 however late their first packet is.
        reached = None if end is None else max(end, end + reading.start)
        is_whole = whole.promised is not None and not whole.missing and not self.faults
        if promised and reached is not None and not is_whole and (
            reached < promised - _slack(promised)
        ):  # fmt: skip
            return f"The source ends early: {reached:.1f} s of its {promised:.1f} s could be read."
        if whole.promised and whole.missing > _INDEX_PART * whole.promised:
            seconds = "" if end is None or self._is_still else f"{end:.1f} s, "
            return (
                f"The source ends early: {seconds}{whole.size:,} of its {whole.promised:,} bytes "
                "could be read."
            )
        span = "" if end is None or self._is_still else f" after {end:.1f} s"
        if self.faults.stopped:
            return (
                f"The source could not be read to its end: what comes{span} is damaged, or of a "
                "kind that FFmpeg cannot read."
            )
        if whole.is_cut or (self._is_still and self.faults.undecoded_end):
            return f"The source has no proper end: it may have been cut off{span}."
        return None

    def _has_enough(self, end: float | None) -> bool:
        """Whether all that was wanted of the source lies before its `end`."""
        if self.wanted is None or self._is_still:
            return False
        return (end or 0.0) >= self.wanted - _slack(self.wanted)

    @property
    def _is_still(self) -> bool:
        container = self.reading.info.container
        return container.endswith("_pipe") or container == "image2"

    def _undecoded(self, made: float | None) -> str | None:
        """That a decoder has given up long before the end of what could be read."""
        ends = [self.reading.end_of(kind) for kind in ("video", "audio")]
        known = [end for end in ends if end is not None]
        if made is None or not known:
            return None
        end = min(known) if self.wanted is None else min(*known, self.wanted)
        if made >= end - max(_UNDECODED_SECONDS, _UNDECODED_PART * end):
            return None
        return f"The source could not be decoded to its end: {made:.1f} s of {end:.1f} s were used."

    def _in_places(self, early: str | None) -> str | None:
        faults = self.faults
        parts: list[str] = []
        count = faults.unreadable
        for place in self._places():
            lost, damaged = faults.lost_in(place, self.tags), faults.damaged[place]
            count += lost + damaged
            track = self.reading.tracks.get(place[1])
            of = f" of {track.packets}" if track and track.packets >= max(lost, damaged) else ""
            kind = track.kind if track else "video"
            is_sound = kind == "audio"
            if lost:
                parts.append(f"{lost}{of} packets of the {_NOUNS.get(kind, kind)}")
            if damaged:
                parts.append(f"{damaged}{of} {'pieces of the sound' if is_sound else 'pictures'}")
        if not count and faults.blotched:
            count, parts = 1, ["pictures"]
        if count <= (_AT_THE_CUT if early else _AT_THE_END if faults.ended else 0):
            return None
        told = ", ".join(parts or ["parts of it"])
        return f"The source could not be read in places. Lost or damaged: {told}."

    def _places(self) -> list[Place]:
        places = self.faults.lost.keys() | self.faults.damaged.keys()
        return sorted(place for place in places if place[0] == self.number)
