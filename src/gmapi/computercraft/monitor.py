"""Sizes: of screens, of pictures, and of the parts of a picture on a wall of monitors.

Formats document, sections 2.2 and 5.8. A cell is 2 x 3 pixels.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmapi.computercraft.options import MonitorSplit
from gmapi.errors import RequestError

if TYPE_CHECKING:
    from gmapi.computercraft.screen import U8

CELL_WIDTH = 2
CELL_HEIGHT = 3
SIDE_MAX = 65535
PIXELS_MAX = 16_000_000
MONITOR_COLUMNS_MAX = 8
MONITOR_ROWS_MAX = 6
"""Blocks of one monitor, as the game is set by default."""
WALL_MAX = 8
"""Monitors side by side, and one above the other."""

_SCREENS = {"computer": (51, 19), "pocket": (26, 20), "turtle": (39, 13)}
_BLOCKS = re.compile(r"([0-9]{1,4}) ?[xX] ?([0-9]{1,4})(?: ?@ ?([0-9]{1,2}(?:\.[0-9]{1,4})?))?")


@dataclass(frozen=True)
class Wall:
    """A wall of monitors: how many side by side and one above the other, and their text scale.

    Its screens come row by row.
    """

    columns: int
    rows: int
    scale: float


@dataclass(frozen=True)
class Tile:
    """The part of the picture that one monitor shows, pixels."""

    x: int
    y: int
    width: int
    height: int

    def cut(self, pixels: U8) -> U8:
        """This part of (height, width, 3) pixels."""
        return pixels[self.y : self.y + self.height, self.x : self.x + self.width]


@dataclass(frozen=True)
class Layout:
    """How a picture is shown: on one screen (`wall` is None, one tile) or on a wall of monitors,
    with the part of the picture that each shows, row by row."""

    wall: Wall | None
    tiles: tuple[Tile, ...]


def screen_pixels(text: str) -> tuple[int, int]:
    """Width and height in pixels of a screen that a request's `monitor` names.

    It is computer, pocket, turtle, or a monitor's size in blocks with or without a text scale and
    the word in front (`monitor 3x2`, `8x6@1`). Raises RequestError.
    """
    words = text.strip().lower()
    if words in _SCREENS:
        columns, rows = _SCREENS[words]
        return columns * CELL_WIDTH, rows * CELL_HEIGHT
    size = words.removeprefix("monitor").strip()
    return _monitor_pixels(_monitor(size, "monitor"))


def parse_split(text: str) -> MonitorSplit:
    """The value of `-M`: the size of each monitor of a wall; 8x6@0.5 when empty.

    Raises RequestError that names `args`.
    """
    return _monitor(text.strip(), "args") if text else MonitorSplit()


def layout(width: int, height: int, split: MonitorSplit | None) -> Layout:
    """How a picture of `width` x `height` pixels is shown; on one screen if one monitor holds all
    its cells.

    The monitors at the right and at the bottom may have less of it. A rest that is smaller than a
    cell gets no monitor. Raises RequestError for more than 8 monitors in a row or column.
    """
    whole = Layout(None, (Tile(0, 0, width, height),))
    if split is None:
        return whole
    part_width, part_height = _monitor_pixels(split)
    if width < part_width + CELL_WIDTH and height < part_height + CELL_HEIGHT:
        return whole
    step_x, step_y = part_width, part_height
    if split.trim_borders:
        k = _scale_steps(split)
        step_x, step_y = split.columns * 128 // k // 3, split.rows * 128 // k // 3
    columns = _count(width, step_x, CELL_WIDTH)
    rows = _count(height, step_y, CELL_HEIGHT)
    if columns > WALL_MAX or rows > WALL_MAX:
        raise RequestError(
            f"args: a picture of {width} x {height} pixels needs {columns} x {rows} monitors of "
            f"{split.columns}x{split.rows}@{split.scale:g}, and a wall has at most {WALL_MAX} x "
            f"{WALL_MAX}; give a smaller width and height or a larger monitor to -M",
            field="args",
        )
    tiles = tuple(
        Tile(x, y, min(part_width, width - x), min(part_height, height - y))
        for y in range(0, rows * step_y, step_y)
        for x in range(0, columns * step_x, step_x)
    )
    return Layout(Wall(columns, rows, split.scale), tiles)


def fitted(
    width: int | None, height: int | None, source_width: int, source_height: int
) -> tuple[int, int]:
    """Width and height in pixels of the picture when some of it is asked for (section 2.2).

    A missing side follows from the source's shape, rounded down in double precision; both missing
    are those of the source, which are 1 or more. Raises RequestError when a side becomes 0 or the
    picture is too large.
    """
    if width is None and height is None:
        wide, high = source_width, source_height
    elif height is None:
        wide, high = width or 0, int((width or 0) * (source_height / source_width))
    elif width is None:
        wide, high = int(height * (source_width / source_height)), height
    else:
        wide, high = width, height
    if wide < 1 or high < 1:
        lost, given = ("width", "height") if wide < 1 else ("height", "width")
        raise RequestError(
            f"{lost} becomes 0 for a source of {source_width} x {source_height} pixels at this "
            f"{given}; give {lost} too, or a larger {given}",
            field=lost,
        )
    if wide > SIDE_MAX or high > SIDE_MAX or wide * high > PIXELS_MAX:
        raise RequestError(
            f"width and height come to {wide} x {high} pixels; at most {SIDE_MAX} a side and "
            f"{PIXELS_MAX:,} in all are possible, so give smaller ones",
            field="width",
        )
    return wide, high


def _monitor(text: str, field: str) -> MonitorSplit:
    """The size of one monitor, of which `field` speaks."""
    blocks = _BLOCKS.fullmatch(text)
    if blocks is None:
        flag = " --monitor-size:" if field == "args" else ""
        more = "" if flag else ", or computer, pocket or turtle"
        raise RequestError(
            f"{field}:{flag} {text[:40]!a} is not the size of a monitor; give its blocks with or "
            f"without a text scale, such as 3x2 or 8x6@0.5{more}",
            field=field,
        )
    columns, rows = int(blocks[1]), int(blocks[2])
    scale = float(blocks[3] or 0.5)
    if not (1 <= columns <= MONITOR_COLUMNS_MAX and 1 <= rows <= MONITOR_ROWS_MAX):
        raise RequestError(
            f"{field}: a single monitor has from 1x1 to {MONITOR_COLUMNS_MAX}x{MONITOR_ROWS_MAX} "
            f"blocks, not {columns}x{rows}; for a wall of several monitors give the size of one "
            "of them to the flag -M, and the picture's whole size as width and height",
            field=field,
        )
    if not 0.5 <= scale <= 5 or scale * 2 != int(scale * 2):
        raise RequestError(
            f"{field}: the text scale {blocks[3]} is not one of 0.5, 1, 1.5 and so on to 5",
            field=field,
        )
    return MonitorSplit(columns, rows, scale)


def _scale_steps(split: MonitorSplit) -> int:
    return round(2 * split.scale)


def _monitor_pixels(split: MonitorSplit) -> tuple[int, int]:
    """One cell at the least, as in the game."""
    k = _scale_steps(split)
    columns = _rounded(64 * split.columns - 20, 3 * k)
    rows = _rounded(2 * (64 * split.rows - 20), 9 * k)
    return max(columns, 1) * CELL_WIDTH, max(rows, 1) * CELL_HEIGHT


def _rounded(dividend: int, divisor: int) -> int:
    """A positive quotient to the nearest whole number, halves upwards."""
    return (2 * dividend + divisor) // (2 * divisor)


def _count(size: int, step: int, cell: int) -> int:
    whole = math.ceil(size / step)
    return whole if whole < 2 or size - (whole - 1) * step >= cell else whole - 1
