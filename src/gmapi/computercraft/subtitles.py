"""Subtitles on character screens: drawn into the cells, or as 32vid's events.

Formats document, section 6. Text lies on whole cells, one character each, in the game's Latin-1
characters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Self

import numpy as np
import numpy.typing as npt

from gmapi.computercraft.ass import Across, Cue, Down, Script, looks_like_ass, parse_ass
from gmapi.computercraft.captions import parse_captions
from gmapi.computercraft.formats.writer import TextEvent
from gmapi.computercraft.options import PALETTE_SIZE, Rgb
from gmapi.computercraft.screen import U8, Screen
from gmapi.errors import LimitError, SourceError

TEXT_CHARACTERS_MAX = 2 << 20
LINES_MAX = 100_000
"""Lines as they are broken on the screen, of all cues together; each may become an event."""

_BLACK: Rgb = (0, 0, 0)
_EVENT_BACKGROUND = 15
_NEAR = 64.0
"""Two colours closer than this, Euclid in RGB, may stand for each other where a slot is free."""
_AT_ONCE_MAX = 32
_STACKED_MAX = 8
_U32 = 2**32 - 1
_MARKS_MAX = 4
"""Marks on one letter; the time to bring them into order grows with their square."""
_ASCII_FOR = str.maketrans(
    {
        "‘": "'", "’": "'", "‚": ",", "“": '"', "”": '"', "„": '"', "…": "...", "•": "·",
        "‐": "-", "‑": "-", "–": "-", "—": "-", "―": "-", "−": "-", "♪": "*", "♫": "*",
        "Œ": "OE", "œ": "oe", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "€": "EUR",
        "™": "TM", "\t": " ", "\u00ad": None, "\u200b": None, "\u200e": None, "\u200f": None,
        "\u2028": " ", "\u2029": " ", "\u202f": " ", "\ufeff": None,
    }
)  # fmt: skip


@dataclass(frozen=True)
class SubtitleFaults:
    """Faults of the reference, all left out unless equality with it is to be shown.

    `placement`: top and middle of ASS scripts are swapped, text in the middle is centred as if its
    lines were one pixel high, text at the right begins half its width too late, and nothing is
    wrapped, moved into the screen or stacked. `colors`: red and blue are swapped and slot 15 is
    always behind the text. `timing`: pictures are counted from 1, and lengths are cut to whole
    pictures instead of ends.
    """

    placement: bool = False
    colors: bool = False
    timing: bool = False


@dataclass(frozen=True)
class _Line:
    """A line on the screen: its first cell and its characters."""

    x: int
    y: int
    text: bytes


@dataclass(frozen=True)
class Hidden:
    """Of `cues` how many are `timeless`, without times that make sense, and how many begin `after`
    the last picture."""

    cues: int
    timeless: int
    after: int


class Subtitles:
    """The subtitles of one picture size and rate. Never changes, so threads may share it."""

    def __init__(
        self, script: Script, fps: float, width: int, height: int, faults: SubtitleFaults
    ) -> None:
        """`fps` is above 0; `width` and `height` are pixels of the picture. Raises LimitError."""
        self._script = script
        self._width, self._height = width, height
        self._columns, self._rows = width // 2, height // 3
        self._faults = faults
        spans = [self._span(cue, fps) for cue in script.cues]
        self._starts = np.array([start for start, _ in spans], np.int64)
        self._ends = np.array([end for _, end in spans], np.int64)
        # Once, and not for each picture.
        self._texts: list[list[bytes]] = []
        lines = 0
        for cue in script.cues:
            self._texts.append(self._texts_of(cue))
            lines += len(self._texts[-1])
            if lines > LINES_MAX:
                raise LimitError(
                    f"subtitle_url has more than {LINES_MAX:,} lines of text on a screen of this "
                    "width; give a shorter file or a wider screen",
                    field="subtitle_url",
                )
        self._tops = self._stack()

    @classmethod
    def from_text(
        cls,
        text: str,
        fps: float,
        width: int,
        height: int,
        faults: SubtitleFaults = SubtitleFaults(),
    ) -> Self:
        """Read ASS, SSA, SRT or WebVTT for pictures of `width` x `height` pixels at `fps`.

        Raises SourceError when the text is none of these and LimitError when it is longer than
        2 Mi characters or has more than 20,000 cues, 10,000 styles or 100,000 lines as they are
        shown; both name `subtitle_url`.
        """
        if len(text) > TEXT_CHARACTERS_MAX:
            raise LimitError(
                "subtitle_url gives more than 2 MiB of text; give a shorter file",
                field="subtitle_url",
            )
        text = text.removeprefix("\ufeff")
        script = parse_ass(text) if looks_like_ass(text) else parse_captions(text)
        if script is None:
            raise SourceError(
                "subtitle_url does not give subtitles that can be read; give an ASS, SSA, SRT or "
                "WebVTT file",
                field="subtitle_url",
            )
        return cls(script, fps, width, height, faults)

    def hidden(self, frames: int) -> Hidden:
        """What is not to be seen in a film of so many pictures."""
        after = int(np.count_nonzero(self._starts >= frames))
        return Hidden(len(self._starts) + self._script.dropped, self._script.dropped, after)

    def events(self, frame: int, palette: U8) -> list[TextEvent]:
        """The lines that begin with picture `frame`, from 0, with colours of its palette (n, 3)."""
        number = frame + 1 if self._faults.timing else frame
        found: list[TextEvent] = []
        first = int(np.searchsorted(self._starts, number))
        after = int(np.searchsorted(self._starts, number, "right"))
        for at in range(first, min(after, first + _AT_ONCE_MAX)):
            cue = self._script.cues[at]
            # The file has 16 entries; those that a palette lacks are black there.
            slots = np.zeros((PALETTE_SIZE, 3), np.uint8)
            slots[: len(palette)] = palette
            ink = _nearest(slots, self._color(cue))
            for line in self._lines(at):
                found.append(
                    TextEvent(
                        start=min(int(self._starts[at]), _U32),
                        length=min(int(self._ends[at] - self._starts[at]), _U32),
                        x=line.x,
                        y=line.y,
                        colors=_EVENT_BACKGROUND << 4 | ink,
                        text=line.text,
                    )
                )
        return found

    def burn(self, screen: Screen, frame: int, *, recolor: bool = False) -> Screen:
        """`screen` with the text of picture `frame`, from 0, in its cells.

        A palette of fewer than 16 entries may get the text's colours as further ones. With
        `recolor`, slots that no cell uses may be given these colours too; a palette that a caller
        has fixed does not want that.
        """
        number = frame + 1 if self._faults.timing else frame
        shown = np.flatnonzero((self._starts <= number) & (number < self._ends))[-_AT_ONCE_MAX:]
        if not len(shown):
            return screen
        inks = _Inks(screen, self._faults.colors, recolor)
        characters, colors = screen.characters.copy(), screen.colors.copy()
        for at in shown:
            cue = self._script.cues[at]
            pair = inks.pair(self._color(cue))
            for line in self._lines(at):
                cells = slice(line.x, line.x + len(line.text))
                characters[line.y, cells] = np.frombuffer(line.text, np.uint8)
                colors[line.y, cells] = pair
        return Screen(characters, colors, inks.palette)

    def _span(self, cue: Cue, fps: float) -> tuple[int, int]:
        """First picture of a cue, and the one after its last."""
        start = int(cue.start * fps / 1000)
        if self._faults.timing:
            return start, start + int((cue.end - cue.start) * fps / 1000)
        # Cues that follow each other without a gap in time have none in pictures either.
        return start, max(start + 1, int(cue.end * fps / 1000))

    def _color(self, cue: Cue) -> Rgb:
        red, green, blue = cue.style.color
        return (blue, green, red) if self._faults.colors else (red, green, blue)

    # -- places -----------------------------------------------------------------------------

    def _texts_of(self, cue: Cue) -> list[bytes]:
        """The lines of a cue in the game's characters, as they are broken on this screen."""
        if self._faults.placement:
            return [_encoded(line) for line in cue.lines]
        style = cue.style
        margins = (style.left + style.right) / self._script.width * self._columns
        room = max(1, int(self._columns - margins), self._columns // 2)
        parts = (part for line in cue.lines for part in _wrapped(_encoded(line), room))
        return list(islice(parts, max(1, self._rows)))

    def _top(self, cue: Cue, count: int) -> int:
        """The cell row of the first of `count` lines, by the formulas of section 6."""
        margin = cue.style.vertical / self._script.height * self._height
        down = cue.style.down
        faulty = self._faults.placement
        if faulty and self._script.numpad and down is not Down.BOTTOM:
            down = Down.MIDDLE if down is Down.TOP else Down.TOP
        if down is Down.BOTTOM:
            y = self._height - margin - 3 * (count - 1) - 1
        elif down is Down.TOP:
            y = margin
        else:
            y = (self._height - (count if faulty else 3 * count)) / 2
        row = int(y // 3)
        return row if faulty else max(0, min(row, self._rows - count))

    def _left(self, cue: Cue, count: int) -> int:
        """The cell column of the first of `count` characters."""
        style = cue.style
        scale = self._width / self._script.width
        if style.across is Across.LEFT:
            x = style.left * scale
        elif style.across is Across.CENTER:
            x = self._width / 2 - count
        elif self._faults.placement:
            x = self._width - style.right * scale - count - 1
        else:
            x = self._width - style.right * scale - 2 * count
        column = int(x // 2)
        return column if self._faults.placement else max(0, min(column, self._columns - count))

    def _lines(self, at: int) -> Iterator[_Line]:
        """The lines of cue number `at`, cut to the screen; blank ones are left out."""
        cue = self._script.cues[at]
        for y, text in enumerate(self._texts[at], self._tops[at]):
            x = self._left(cue, len(text))
            text = text[max(0, -x) :][: self._columns - max(0, x)]
            if text and 0 <= y < self._rows and x < self._columns:
                yield _Line(max(0, x), y, text)

    def _stack(self) -> list[int]:
        """The first row of each cue; one that would lie on an earlier cue goes next to it."""
        tops: list[int] = []
        current: list[tuple[int, range, range]] = []
        for at, cue in enumerate(self._script.cues):
            texts = self._texts[at]
            usual = top = self._top(cue, len(texts))
            tops.append(top)
            if self._faults.placement:
                continue
            longest = max((len(text) for text in texts), default=0)
            left = self._left(cue, longest)
            across = range(left, left + longest)
            current = [other for other in current if other[0] > self._starts[at]]
            for _ in current:
                taken = next(
                    (
                        down
                        for _end, down, wide in current
                        if _meet(down, range(top, top + len(texts))) and _meet(wide, across)
                    ),
                    None,
                )
                if taken is None:
                    break
                bottom = cue.style.down is Down.BOTTOM
                top = taken.start - len(texts) if bottom else taken.stop
            tops[at] = top if 0 <= top <= self._rows - len(texts) else usual
            down = range(tops[at], tops[at] + len(texts))
            current = [*current, (int(self._ends[at]), down, across)][-_STACKED_MAX:]
        return tops


class _Inks:
    """The colours of text on one screen, and its palette with those that it lacked."""

    def __init__(self, screen: Screen, faulty: bool, recolor: bool) -> None:
        self.palette = screen.palette
        self._faulty = faulty
        self._free = list(range(len(screen.palette), PALETTE_SIZE))
        if recolor:
            used = np.union1d(screen.foreground, screen.background)
            self._free += [slot for slot in range(len(screen.palette)) if slot not in used]
        self._paper = _EVENT_BACKGROUND if faulty else self._slot(_BLACK, None)

    def pair(self, color: Rgb) -> int:
        """Background * 16 + foreground for text of a colour."""
        ink = _nearest(self.palette, color) if self._faulty else self._slot(color, self._paper)
        return self._paper << 4 | ink

    def _slot(self, color: Rgb, paper: int | None) -> int:
        """The entry for a colour, another than `paper`, with a free slot set to it if needed."""
        slot = _nearest(self.palette, color)
        far = _distances(self.palette, color)[slot] > _NEAR
        if self._free and (far or slot == paper):
            slot = self._free[0]
            self._set(slot, color)
        elif slot == paper:
            slot = int(np.argmax(_distances(self.palette, self.palette[paper])))
        if slot in self._free:
            self._free.remove(slot)
        return slot

    def _set(self, slot: int, color: Rgb) -> None:
        palette = np.zeros((max(slot + 1, len(self.palette)), 3), np.uint8)
        palette[: len(self.palette)] = self.palette
        palette[slot] = color
        self.palette = palette


def _distances(palette: U8, color: Rgb | U8) -> npt.NDArray[np.float64]:
    """Euclidean distances in RGB of a colour from all entries."""
    difference = palette.astype(np.float64) - np.asarray(color, np.float64)
    found: npt.NDArray[np.float64] = np.linalg.norm(difference, axis=1)
    return found


def _nearest(palette: U8, color: Rgb) -> int:
    """The nearest entry, the lower of two that are equally near."""
    return int(np.argmin(_distances(palette, color)))


def _meet(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


def _encoded(text: str) -> bytes:
    """Latin-1 without control codes and without the codes of pixel patterns.

    Letters with marks that Latin-1 lacks lose the marks; what is left becomes a question mark.
    """
    composed = unicodedata.normalize("NFC", _few_marks(text)).translate(_ASCII_FOR)
    kept = (c for c in composed if " " <= c <= "~" or c > "\x9f")
    return "".join(c if c <= "\xff" else _plainer(c) for c in kept).encode("latin-1")


def _few_marks(text: str) -> str:
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MARKS_MAX:
            kept.append(character)
    return "".join(kept)


@lru_cache(maxsize=4096)
def _plainer(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character)
    letters = "".join(c for c in parts if not unicodedata.combining(c))
    return letters if letters and letters.isascii() and letters.isprintable() else "?"


def _wrapped(text: bytes, room: int) -> list[bytes]:
    """A line broken at spaces into lines of at most `room` characters; longer words are cut."""
    text = text.strip()
    if len(text) <= room:
        return [text]
    lines: list[bytes] = []
    line = b""
    for word in text.split():
        if line and len(line) + 1 + len(word) <= room:
            line += b" " + word
            continue
        if line:
            lines.append(line)
        *full, line = (word[at : at + room] for at in range(0, len(word), room))
        lines += full
    return [*lines, line]
