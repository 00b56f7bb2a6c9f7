"""Subtitles in SubRip (SRT) and WebVTT: white text at the bottom unless a line says `{\\an8}`.

SRT has no standard document; WebVTT is that of the W3C (webvtt1). Both have a line with two times
and an arrow, lines of text, and an empty line.
"""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from itertools import chain

from gmapi.computercraft.ass import (
    CUE_CHARACTERS_MAX,
    LINE_BREAK,
    Cue,
    Script,
    Style,
    in_order,
    keep,
    milliseconds,
    place_of,
)

_CLOCK = r"(?:([0-9]{1,3}):)?([0-9]{1,2}):([0-9]{1,2})(?:[.,]([0-9]{1,3}))?"
_TIMES = re.compile(rf"[ \t]*{_CLOCK}[ \t]*-->[ \t]*{_CLOCK}(?:[ \t].*)?")
# An arrow, or something like one behind a time.
_ALMOST = re.compile(r"-->|[0-9][.,:][0-9]{1,3} {0,9}[-\u2010-\u2015=]{1,2}>")
_NO_CUES = ("NOTE", "STYLE", "REGION", "WEBVTT")
_TAG = re.compile(r"<(?:/?[a-zA-Z][^<>]*|[0-9:.]+)>")
_CODES = re.compile(r"\{\\([^{}]*)\}")


def is_webvtt(text: str) -> bool:
    """Whether a text begins as WebVTT does."""
    return re.match(r"WEBVTT(?:[ \t\r\n]|$)", text) is not None


def parse_captions(text: str) -> Script | None:
    """Read SRT or WebVTT; None when no line of the text has times.

    Raises LimitError for more than 20,000 cues.
    """
    webvtt = is_webvtt(text)
    cues: list[Cue] = []
    times: tuple[int, int] | None = None
    lines: list[str] = []
    recognised = webvtt
    dropped = 0
    for line in chain(LINE_BREAK.split(text), [""]):
        found = _TIMES.fullmatch(line)
        if found is None and line.strip():
            lines.append(line)
            continue
        if found and times and lines and lines[-1].strip().isdecimal():
            # The next cue's number, where the empty line before it is missing.
            lines.pop()
        if times and lines:
            keep(cues, _cue(*times, "\n".join(lines), webvtt))
        elif _is_timeless(lines, webvtt):
            dropped += 1
        times = None
        lines = []
        if found:
            recognised = True
            times = (milliseconds(*found.group(1, 2, 3, 4)), milliseconds(*found.group(5, 6, 7, 8)))
    if not recognised:
        return None
    shown = in_order(cues)
    return Script(shown, dropped=dropped + len(cues) - len(shown))


def _is_timeless(lines: list[str], webvtt: bool) -> bool:
    """Whether lines up to an empty one are a cue whose times cannot be read."""
    if not webvtt and len(lines) > 1 and lines[0].strip().isdecimal():
        return True
    return any(map(_ALMOST.search, lines)) and not lines[0].startswith(_NO_CUES)


def _cue(start: int, end: int, text: str, webvtt: bool) -> Cue:
    place = place_of("".join(f"\\{codes}" for codes in _CODES.findall(text)))
    style = Style() if place is None else replace(Style(), across=place[0], down=place[1])
    # Cut before as well as after: a number of thousands of digits is no character.
    shown = _TAG.sub("", _CODES.sub("", text))[:CUE_CHARACTERS_MAX]
    if webvtt:
        shown = unescape(shown)
    return Cue(start, end, tuple(shown[:CUE_CHARACTERS_MAX].split("\n")), style)
