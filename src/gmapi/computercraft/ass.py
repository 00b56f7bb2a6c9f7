"""Subtitles in Advanced SubStation Alpha (ASS) and its forerunner SSA: texts, times and places.

Formats document, section 6. Styles give colour, place and margins; of the codes in a line's text
only a place (`\\an8`) is kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from gmapi.computercraft.options import Rgb
from gmapi.errors import LimitError

CUES_MAX = 20_000
STYLES_MAX = 10_000
CUE_CHARACTERS_MAX = 2_000
"""What is shown of one cue at most; more does not fit on a screen."""

WHITE: Rgb = (255, 255, 255)
LINE_BREAK = re.compile(r"\r\n|\r|\n")


class Across(Enum):
    """Where a text is from left to right."""

    LEFT = 0
    CENTER = 1
    RIGHT = 2


class Down(Enum):
    """Where a text is from top to bottom."""

    BOTTOM = 0
    MIDDLE = 1
    TOP = 2


@dataclass(frozen=True)
class Style:
    """How a text looks; margins are in pixels of the script."""

    color: Rgb = WHITE
    across: Across = Across.CENTER
    down: Down = Down.BOTTOM
    left: int = 10
    right: int = 10
    vertical: int = 10


@dataclass(frozen=True)
class Cue:
    """Lines of text, shown from `start` until `end`, milliseconds, `end` being later."""

    start: int
    end: int
    lines: tuple[str, ...]
    style: Style


@dataclass(frozen=True)
class Script:
    """All cues in order of their start. Margins are for a picture of `width` x `height` pixels.

    `numpad` says that places are numbered as on a number pad, which SSA does not do. `dropped` is
    how many cues there were beside, without times that make sense.
    """

    cues: tuple[Cue, ...]
    width: int = 384
    height: int = 288
    numpad: bool = True
    dropped: int = 0


def milliseconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> int:
    """A time whose parts were read as digits; the fraction is what follows the point."""
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return whole * 1000 + int((fraction or "0").ljust(3, "0")[:3])


def keep(cues: list[Cue], cue: Cue) -> None:
    """Take one more cue. Raises LimitError when there are too many."""
    if len(cues) >= CUES_MAX:
        raise _too_much(f"{CUES_MAX:,} lines of text")
    cues.append(cue)


def _too_much(what: str) -> LimitError:
    return LimitError(
        f"subtitle_url has more than {what}; give a shorter file", field="subtitle_url"
    )


def in_order(cues: list[Cue]) -> tuple[Cue, ...]:
    """The cues that take time, by their start."""
    return tuple(sorted((cue for cue in cues if cue.end > cue.start), key=lambda cue: cue.start))


def place_of(tags: str) -> tuple[Across, Down] | None:
    """The place that the codes of a text ask for with `\\an` and a digit."""
    found = _PLACE.search(tags)
    return _numpad_place(int(found[1])) if found else None


def looks_like_ass(text: str) -> bool:
    """Whether a text has a head or a line of an ASS or SSA script."""
    return _MARKS.search(text) is not None


def parse_ass(text: str) -> Script:
    """Read a script; what cannot be read in it is passed over.

    Raises LimitError for more than 20,000 cues or 10,000 styles.
    """
    reader = _Reader()
    for line in LINE_BREAK.split(text):
        reader.take(line)
    return reader.script()


_MARKS = re.compile(r"^[ \t]*(?:\[script info\]|dialogue[ \t]*:)", re.IGNORECASE | re.MULTILINE)
_PLACE = re.compile(r"\\an([1-9])")
_DRAWING = re.compile(r"\\p([0-9])")
_TIME = re.compile(r"\s*([0-9]{1,3}):([0-9]{1,2}):([0-9]{1,2})(?:[.:,]([0-9]{1,3}))?\s*")
_WHOLE = re.compile(r"\s*([+-]?[0-9]{1,10})(?:\.[0-9]*)?\s*")
_HEX_COLOR = re.compile(r"\s*&?[hH]([0-9a-fA-F]{1,8})&?\s*")

_STYLE_FIELDS = (
    "name, fontname, fontsize, primarycolour, secondarycolour, outlinecolour, backcolour, bold, "
    "italic, underline, strikeout, scalex, scaley, spacing, angle, borderstyle, outline, shadow, "
    "alignment, marginl, marginr, marginv, encoding"
)
_EVENT_FIELDS = "layer, start, end, style, name, marginl, marginr, marginv, effect, text"


def _names(data: str) -> list[str]:
    # The standard writes a space after each comma, some programs do not.
    return [name.strip().lower() for name in data.split(",")]


@dataclass
class _Reader:
    """A script so far."""

    width: int = 0
    height: int = 0
    numpad: bool = True
    style_fields: Sequence[str] = field(default_factory=lambda: _names(_STYLE_FIELDS))
    event_fields: Sequence[str] = field(default_factory=lambda: _names(_EVENT_FIELDS))
    styles: dict[str, Style] = field(default_factory=dict)
    cues: list[Cue] = field(default_factory=list)
    dropped: int = 0

    def take(self, line: str) -> None:
        """One line of the file."""
        key, colon, data = line.partition(":")
        key = key.strip().lower()
        if not colon:
            if key == "[v4 styles]":
                self.numpad = False
        elif key == "scripttype":
            self.numpad = data.strip().lower() != "v4.00"
        elif key == "playresx":
            self.width = _whole(data, 0)
        elif key == "playresy":
            self.height = _whole(data, 0)
        elif key == "format":
            names = _names(data)
            if "text" in names:
                self.event_fields = names
            else:
                self.style_fields = names
        elif key == "style":
            self._take_style(dict(zip(self.style_fields, data.split(","), strict=False)))
        elif key == "dialogue":
            # The text is the last field and may have commas of its own.
            values = data.split(",", len(self.event_fields) - 1)
            self._take_event(dict(zip(self.event_fields, values, strict=False)))

    def _take_style(self, values: dict[str, str]) -> None:
        across, down = self._place(_whole(values.get("alignment", ""), 2))
        usual = Style()
        if len(self.styles) >= STYLES_MAX:
            raise _too_much(f"{STYLES_MAX:,} styles")
        self.styles[_style_name(values.get("name", ""))] = Style(
            color=_color(values.get("primarycolour", "")),
            across=across,
            down=down,
            left=max(0, _whole(values.get("marginl", ""), usual.left)),
            right=max(0, _whole(values.get("marginr", ""), usual.right)),
            vertical=max(0, _whole(values.get("marginv", ""), usual.vertical)),
        )

    def _take_event(self, values: dict[str, str]) -> None:
        start, end = _time(values.get("start", "")), _time(values.get("end", ""))
        lines, tags = _plain(values.get("text", ""))
        if not any(lines):
            return
        if start is None or end is None:
            self.dropped += 1
            return
        style = self.styles.get(_style_name(values.get("style", "")))
        style = style or self.styles.get("default") or Style()
        place = place_of(tags)
        across, down = place or (style.across, style.down)
        keep(
            self.cues,
            Cue(
                start,
                end,
                lines,
                Style(
                    color=style.color,
                    across=across,
                    down=down,
                    left=max(0, _whole(values.get("marginl", ""), 0)) or style.left,
                    right=max(0, _whole(values.get("marginr", ""), 0)) or style.right,
                    vertical=max(0, _whole(values.get("marginv", ""), 0)) or style.vertical,
                ),
            ),
        )

    def _place(self, number: int) -> tuple[Across, Down]:
        if self.numpad:
            return _numpad_place(number if 1 <= number <= 9 else 2)
        # SSA: 1 to 3 at the bottom, 4 more at the top, 8 more in the middle.
        down = {0: Down.BOTTOM, 1: Down.TOP, 2: Down.MIDDLE}.get(number >> 2)
        if down is None or not number & 3:
            return Across.CENTER, Down.BOTTOM
        return Across((number & 3) - 1), down

    def script(self) -> Script:
        """All of it. A missing side of the picture follows from the other, as in players."""
        width = self.width if self.width > 0 else 0
        height = self.height if self.height > 0 else 0
        if not width and not height:
            width, height = 384, 288
        cues = in_order(self.cues)
        return Script(
            cues,
            width or max(1, height * 4 // 3),
            height or max(1, width * 3 // 4),
            self.numpad,
            self.dropped + len(self.cues) - len(cues),
        )


def _numpad_place(number: int) -> tuple[Across, Down]:
    return Across((number - 1) % 3), Down((number - 1) // 3)


def _style_name(text: str) -> str:
    return text.strip().lstrip("*").lower()


def _whole(text: str, default: int) -> int:
    number = _WHOLE.fullmatch(text)
    return int(number[1]) if number else default


def _time(text: str) -> int | None:
    found = _TIME.fullmatch(text)
    return milliseconds(*found.groups("0")) if found else None


def _color(text: str) -> Rgb:
    """`&HAABBGGRR` or a decimal number of the same bits; white when it is neither."""
    digits = _HEX_COLOR.fullmatch(text)
    value = int(digits[1], 16) if digits else _whole(text, 0xFFFFFF)
    return value & 255, value >> 8 & 255, value >> 16 & 255


def _plain(text: str) -> tuple[tuple[str, ...], str]:
    """The lines of a text without codes and drawings, and the codes."""
    first, *rest = text.split("{")
    shown, tags, drawing = [first], [], False
    for piece in rest:
        tag, brace, after = piece.partition("}")
        if not brace:
            tag, after = "", "{" + piece
        tags.append(tag)
        for mode in _DRAWING.findall(tag):
            drawing = mode != "0"
        if not drawing:
            shown.append(after)
    # A cut in the middle of a code would show half of it.
    plain = "".join(shown).replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    return tuple(plain[:CUE_CHARACTERS_MAX].split("\n")), "".join(tags)
