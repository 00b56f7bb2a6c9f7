"""The converter's flags by letter and name (formats document, 1.1), and which of them a request
cannot have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Takes(Enum):
    """What follows a flag. An optional value is joined to it."""

    NOTHING = auto()
    VALUE = auto()
    OPTIONAL = auto()


@dataclass(frozen=True)
class Flag:
    """One flag: `letter` after one dash ("" when it has none), `name` after two.

    `refused` is empty for a flag that a request may have, else what to do instead of it.
    """

    letter: str
    name: str
    takes: Takes = Takes.NOTHING
    refused: str = ""


SUBTITLE = Flag(
    "S",
    "subtitle",
    Takes.VALUE,
    "a file name means nothing to this server; give the subtitles' address in the field "
    "subtitle_url",
)
SEPARATE_STREAMS = Flag("S", "separate-streams")

_NO_SERVER = "this server makes a file; fetch it from the answer's download_url"

FLAGS = (
    Flag("i", "input", Takes.VALUE, "give the source's address in the field input_url"),
    SUBTITLE,
    Flag(
        "f",
        "format",
        Takes.VALUE,
        "the source's format is recognised by itself, and the field output_format chooses what to "
        "convert to",
    ),
    Flag(
        "o",
        "output",
        Takes.VALUE,
        "the server names the file itself, and the field output_format chooses its format",
    ),
    Flag("l", "lua"),
    Flag("n", "nfp"),
    Flag("r", "raw"),
    Flag("b", "blit-image"),
    Flag("3", "32vid"),
    Flag("s", "http", Takes.VALUE, _NO_SERVER),
    Flag("w", "websocket", Takes.VALUE, _NO_SERVER),
    Flag("u", "websocket-client", Takes.VALUE, _NO_SERVER),
    Flag("T", "streamed", Takes.NOTHING, _NO_SERVER),
    Flag("p", "default-palette"),
    Flag("P", "palette", Takes.VALUE),
    Flag("t", "threshold"),
    Flag("O", "ordered"),
    Flag("L", "lab-color"),
    Flag("8", "octree"),
    Flag("k", "kmeans"),
    Flag("c", "compression", Takes.VALUE),
    Flag("B", "binary"),
    Flag("N", "nfpize"),
    SEPARATE_STREAMS,
    Flag("d", "dfpwm"),
    Flag("m", "mute"),
    Flag("W", "width", Takes.VALUE),
    Flag("H", "height", Takes.VALUE),
    Flag("M", "monitor-size", Takes.OPTIONAL),
    Flag("", "trim-borders"),
    Flag("", "disable-opencl"),
    Flag("h", "help"),
)

BY_NAME = {flag.name: flag for flag in FLAGS}
BY_LETTER = {flag.letter: flag for flag in FLAGS if flag.letter and flag.letter != "S"}
"""Without S, the letter of two flags: what follows it tells which is meant."""
