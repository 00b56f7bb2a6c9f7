"""ffmpeg's log made fit for people: what is said again and again is told once, with its number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

SHOWN_MAX = 10
"""Lines that differ in nothing but numbers, before the rest of them is only counted."""

_SHAPES_MAX = 500
_NUMBER = re.compile(r"(?:0x[0-9a-f]++|[0-9]++)")
_REPEATED = re.compile(r"Last message repeated (\d{1,9}) times")
_CHANGES = re.compile(
    r"Changing (video|audio) frame properties on the fly is not supported by all filters|"
    r"filter context - .{0,200}incoming frame - "
)
_WORDS = {
    "video": "The picture's properties change on the way.",
    "audio": "The sound's properties change on the way.",
}


class FoldedLog:
    """Hands lines on to `on_line`; `close` tells what was left out. Indented lines, which are
    those of a header, are never left out."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._shapes: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self._told: set[str] = set()
        self._last: str | None = None

    def take(self, line: str) -> None:
        """One line."""
        if again := _REPEATED.fullmatch(line.strip()):
            if self._last is not None:
                self._shapes[self._last] += int(again[1])
            return
        self._last = None
        if change := _CHANGES.search(line):
            sentence = _WORDS.get(change[1] or "")
            if sentence is not None and sentence not in self._told:
                self._told.add(sentence)
                self._on_line(sentence)
            return
        if line.startswith(" "):
            self._on_line(line)
            return
        shape = _NUMBER.sub("#", line)
        if shape not in self._shapes and len(self._shapes) >= _SHAPES_MAX:
            return
        self._shapes[shape] += 1
        self._first.setdefault(shape, line)
        self._last = shape
        if self._shapes[shape] <= SHOWN_MAX:
            self._on_line(line)

    def close(self) -> None:
        """Tell how often lines came that were left out."""
        for shape, count in self._shapes.items():
            if count > SHOWN_MAX:
                self._on_line(f"{self._first[shape]} ({count} times in all)")
