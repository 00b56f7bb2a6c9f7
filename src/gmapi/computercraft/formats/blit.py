"""A screen as a Lua table: rows of characters, foreground digits and background digits, and the
palette; formats document, 5.1 and 5.2.

There is a spread form with line breaks and a compact form. Both come as two expressions, rows and
palette, for Lua programs, and as one table with a field `palette`, for BIMG.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmapi.computercraft.screen import U8, Screen

_COMPONENTS = tuple(b"%.6f" % (value / 255) for value in range(256))
DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
"""The digits of palette indexes."""

_SPREAD = (b'    {\n        "', b'",\n        "', b'"\n    },\n')
_COMPACT = (b'{"', b'","', b'"},')


class _Escapes:
    """What stands for each byte inside a quoted Lua string: up to four bytes."""

    def __init__(self, literal: frozenset[int], short: frozenset[int] = frozenset()) -> None:
        """`literal` bytes stand for themselves, `short` ones after a backslash, others as a
        backslash and three decimal digits."""
        self._written = np.zeros((256, 4), np.uint8)
        self._used = np.zeros((256, 4), np.bool_)
        for byte in range(256):
            if byte in literal:
                text = bytes([byte])
            elif byte in short:
                text = b"\\" + bytes([byte])
            else:
                text = b"\\%03d" % byte
            self._written[byte, : len(text)] = list(text)
            self._used[byte, : len(text)] = True

    def look_up(self, codes: U8) -> tuple[U8, npt.NDArray[np.bool_]]:
        """(rows, 4 * columns) bytes for (rows, columns) codes, and which of them count."""
        rows, columns = codes.shape
        written = self._written.take(codes, axis=0).reshape(rows, 4 * columns)
        return written, self._used.take(codes, axis=0).reshape(rows, 4 * columns)


_PRINTABLE = frozenset(range(32, 127)) - frozenset(b'"\\')
_TEXT = _Escapes(_PRINTABLE)
# The game's Lua takes any other byte as it is, NUL too, but no line ends inside quotes.
_RAW = _Escapes(frozenset(range(256)) - frozenset(b'"\\\n\r'), frozenset(b'"\\'))


def number(value: float) -> bytes:
    """Six significant digits at most."""
    return f"{value:g}".encode()


def escaped(text: str) -> bytes:
    """The inside of a quoted Lua string, either quote, in printable ASCII; other characters are
    their bytes in UTF-8."""
    codes = np.frombuffer(text.encode("utf-8", "replace"), np.uint8).reshape(1, -1)
    written, used = _TEXT.look_up(codes)
    return written[used].tobytes().replace(b"'", b"\\039")


def spread(screen: Screen) -> bytes:
    """Rows and palette, `{...}, {...}`, in printable ASCII and line breaks."""
    return b"{\n%b}, {\n%b}" % (_rows(screen, _SPREAD, _TEXT), _spread_palette(screen.palette))


def compact(screen: Screen) -> bytes:
    """Rows and palette, `{...},{...}`, in printable ASCII."""
    return b"{%b},{%b}" % (_rows(screen, _COMPACT, _TEXT), _compact_palette(screen.palette))


def spread_frame(screen: Screen, duration: float | None = None) -> bytes:
    """One table in printable ASCII and line breaks; `duration` is seconds."""
    field = b"" if duration is None else b"    duration = %b,\n" % number(duration)
    rows, palette = _rows(screen, _SPREAD, _TEXT), _spread_palette(screen.palette)
    return b"{\n%b%b    palette = {\n%b    }\n}" % (rows, field, palette)


def compact_frame(screen: Screen, duration: float | None = None) -> bytes:
    """One table in which characters stand as raw bytes as far as Lua allows; `duration` is
    seconds."""
    field = b"" if duration is None else b"duration=%b," % number(duration)
    rows, palette = _rows(screen, _COMPACT, _RAW), _compact_palette(screen.palette)
    return b"{%b%bpalette={%b}}" % (rows, field, palette)


def _rows(screen: Screen, form: tuple[bytes, bytes, bytes], escapes: _Escapes) -> bytes:
    """All rows at once: an array with room for the longest escapes, of which the unused bytes are
    then left out."""
    rows, columns = screen.characters.shape
    opening, between, closing = (np.frombuffer(text, np.uint8) for text in form)
    characters, used = escapes.look_up(screen.characters)
    parts = (
        opening,
        characters,
        between,
        DIGITS[screen.foreground],
        between,
        DIGITS[screen.background],
        closing,
    )
    lines = np.empty((rows, sum(part.shape[-1] for part in parts)), np.uint8)
    at = 0
    for part in parts:
        lines[:, at : at + part.shape[-1]] = part
        at += part.shape[-1]
    kept = np.ones(lines.shape, np.bool_)
    kept[:, opening.size : opening.size + 4 * columns] = used
    return lines[kept].tobytes()


def _spread_palette(palette: U8) -> bytes:
    lines = [b"{%b, %b, %b},\n" % tuple(_COMPONENTS[v] for v in color) for color in palette]
    return b"    [0] = " + b"    ".join(lines) if lines else b""


def _compact_palette(palette: U8) -> bytes:
    colors = [b"{%b,%b,%b}," % tuple(_COMPONENTS[v] for v in color) for color in palette]
    return b"[0]=" + b"".join(colors) if colors else b""
