"""What every format's writer offers: a file is a header, chunks in order, and an ending.

A chunk does not depend on where in the file it lies, so that the chunks of one conversion can be
put into one file and, with headers and endings of their own, into parts of it as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gmapi.computercraft.monitor import Wall
from gmapi.computercraft.screen import Screen


@dataclass(frozen=True)
class Film:
    """What is known before the first picture.

    `columns` and `rows` are cells of the whole picture. `fps` is pictures a second, for a still
    25. `frames` is how many there will be, None when that is not known. `title` is the source's
    name as callers may see it.
    """

    columns: int
    rows: int
    fps: float
    frames: int | None = None
    still: bool = False
    title: str = ""
    wall: Wall | None = None


@dataclass(frozen=True)
class TextEvent:
    """One line of a subtitle, for players that draw it themselves.

    `start` and `length` are frames, `x` and `y` cells from the top left corner (0, 0), `colors`
    is background * 16 + foreground, `text` one byte per character.
    """

    start: int
    length: int
    x: int
    y: int
    colors: int
    text: bytes


@dataclass(frozen=True)
class Tally:
    """What a file or part holds in the end: `frames` pictures, `chunks` chunks as counted by the
    format (for 32vid the sub-chunks), `size` bytes between header and ending.

    `offsets` is where each picture's chunk begins, from the start of the file; only an index needs
    it.
    """

    frames: int
    chunks: int
    size: int
    offsets: Sequence[int] = ()


@dataclass(frozen=True)
class Ending:
    """What completes a file: bytes after the last chunk, then bytes written over earlier ones at
    given offsets from the start of the file."""

    trailer: bytes = b""
    patches: tuple[tuple[int, bytes], ...] = ()


class Writer(Protocol):
    """Makes the bytes of one format."""

    def header(self) -> bytes:
        """The beginning of a file."""

    def frame(self, screens: Sequence[Screen], seconds: float) -> bytes:
        """The chunk of one picture, shown for `seconds`; several screens for a wall."""

    def finish(self, tally: Tally) -> Ending:
        """The end of a file that has a header and the chunks that `tally` counts."""
