"""Screens of the small game computer: its own and those of monitors.

Modelled after the `term` API and the monitor peripheral in the public documentation of
CC: Tweaked (tweaked.cc). All of it is `functions`, to be lent to Lua; what was drawn is read from
`screen`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gmapi.computercraft.screen import U8, Screen

NATIVE_PALETTE = (
    0xF0F0F0, 0xF2B233, 0xE57FD8, 0x99B2F2, 0xDEDE6C, 0x7FCC19, 0xF2B2CC, 0x4C4C4C,
    0x999999, 0x4C99B2, 0xB266E5, 0x3366CC, 0x7F664C, 0x57A64E, 0xCC4C4C, 0x111111,
)  # fmt: skip
WHITE, BLACK = 0, 15
NO_SLOT = 255

SLOTS = bytes(int(chr(byte), 16) if byte in b"0123456789abcdef" else NO_SLOT for byte in range(256))
"""The palette slot of each digit that `blit` takes."""


def native_colour(colour: float) -> tuple[float, float, float]:
    """What `term.nativePaletteColour` gives: red, green, blue, 0 to 1."""
    value = NATIVE_PALETTE[slot(colour)]
    return (value >> 16) / 255, (value >> 8 & 255) / 255, (value & 255) / 255


def slot(colour: float) -> int:
    """The palette slot of a colour, which is a power of two."""
    number = int(colour).bit_length() - 1
    if not 0 <= number < 16 or colour != 1 << number:
        raise ValueError(f"Invalid color (got {colour})")
    return number


class Terminal:
    """Cells, palette and cursor. A monitor also has a text scale; `size` gives its cells for a
    scale, and without it the size is fixed. `on_draw` is called for each text that is drawn."""

    def __init__(
        self, columns: int, rows: int, size: Callable[[float], tuple[int, int]] | None = None
    ) -> None:
        self._size = size
        self.on_draw: Callable[[], None] = lambda: None
        self.scale = 1.0
        self.cursor_blinks = True
        self.palette = [native_colour(1 << number) for number in range(16)]
        self._text, self._background = WHITE, BLACK
        self._x = self._y = 1
        self._resize(columns, rows)

    def _resize(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._characters = np.full((rows, columns), ord(" "), np.uint8)
        self._colors = np.full((rows, columns), WHITE | BLACK << 4, np.uint8)

    @property
    def screen(self) -> Screen:
        """What is shown now."""
        palette = [[round(255 * channel) for channel in color] for color in self.palette]
        return Screen(self._characters.copy(), self._colors.copy(), np.array(palette, np.uint8))

    @property
    def lines(self) -> list[str]:
        """The text shown now, without trailing spaces."""
        return [bytes(row).decode("latin-1").rstrip() for row in self._characters]

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The functions that programs see, in either spelling of colour."""
        found: dict[str, Callable[..., Any]] = {
            "write": self._write,
            "blit": self._blit,
            "clear": self._clear,
            "clearLine": self._clear_line,
            "getSize": lambda: (self.columns, self.rows),
            "getCursorPos": lambda: (self._x, self._y),
            "setCursorPos": self._set_cursor,
            "setCursorBlink": self._set_blink,
            "getCursorBlink": lambda: self.cursor_blinks,
            "isColour": lambda: True,
            "getTextColour": lambda: 1 << self._text,
            "getBackgroundColour": lambda: 1 << self._background,
            "setTextColour": self._set_text,
            "setBackgroundColour": self._set_background,
            "getPaletteColour": lambda colour: self.palette[slot(colour)],
            "setPaletteColour": self._set_palette,
        }
        if self._size is not None:
            found |= {"setTextScale": self._set_scale, "getTextScale": lambda: self.scale}
        american = {name.replace("Colour", "Color"): call for name, call in found.items()}
        return found | american

    def _put(self, text: bytes, colors: U8) -> None:
        """Cells from the cursor on, cut at the edges; the cursor moves behind them."""
        self.on_draw()
        if 1 <= self._y <= self.rows:
            first, last = max(0, 1 - self._x), min(len(text), self.columns - self._x + 1)
            if first < last:
                there = slice(self._x - 1 + first, self._x - 1 + last)
                self._characters[self._y - 1, there] = list(text[first:last])
                self._colors[self._y - 1, there] = colors[first:last]
        self._x += len(text)

    def _write(self, text: object) -> None:
        data = str(text).encode("latin-1")
        self._put(data, np.full(len(data), self._text | self._background << 4, np.uint8))

    def _blit(self, text: str, foreground: str, background: str) -> None:
        if not len(text) == len(foreground) == len(background):
            raise ValueError("Arguments must be the same length")
        front, back = (
            np.frombuffer(digits.encode("latin-1").translate(SLOTS), np.uint8)
            for digits in (foreground, background)
        )
        if max(front.max(initial=0), back.max(initial=0)) > BLACK:
            raise ValueError("colours are hexadecimal digits")
        self._put(text.encode("latin-1"), front | back << 4)

    def _clear(self) -> None:
        self._characters[:] = ord(" ")
        self._colors[:] = self._text | self._background << 4

    def _clear_line(self) -> None:
        if 1 <= self._y <= self.rows:
            self._characters[self._y - 1] = ord(" ")
            self._colors[self._y - 1] = self._text | self._background << 4

    def _set_cursor(self, x: float, y: float) -> None:
        self._x, self._y = int(x), int(y)

    def _set_blink(self, blinks: bool) -> None:
        self.cursor_blinks = blinks

    def _set_text(self, colour: float) -> None:
        self._text = slot(colour)

    def _set_background(self, colour: float) -> None:
        self._background = slot(colour)

    def _set_palette(
        self, colour: float, red: float, green: float | None = None, blue: float | None = None
    ) -> None:
        if green is None or blue is None:
            value = int(red)
            channels = tuple((value >> shift & 255) / 255 for shift in (16, 8, 0))
        else:
            channels = (red, green, blue)
        if not all(0 <= channel <= 1 for channel in channels):
            raise ValueError("a channel is not from 0 to 1")
        self.palette[slot(colour)] = (channels[0], channels[1], channels[2])

    def _set_scale(self, scale: float) -> None:
        if scale * 2 not in range(1, 11):
            raise ValueError("Expected number in range 0.5-5")
        assert self._size is not None
        self.scale = scale
        self._resize(*self._size(scale))


def monitor(wide: int, high: int) -> Terminal:
    """An advanced monitor of so many blocks."""

    def size(scale: float) -> tuple[int, int]:
        return (
            round((64 * wide - 20) / (6 * scale)),
            round((64 * high - 20) / (9 * scale)),
        )

    return Terminal(*size(1.0), size)
