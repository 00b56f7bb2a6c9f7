"""Readers of the text formats and of preview pictures, written from the formats document alone:
they share nothing with the writers but `Screen`."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmapi.computercraft.screen import U8, Screen

Table = dict[Any, Any]


class Malformed(Exception):
    """The data break a rule of their format."""


# -- Lua tables ---------------------------------------------------------------------------------

_TOKEN = re.compile(
    rb"\s*(?:(?P<punctuation>[{}\[\]=,])|(?P<name>[A-Za-z_]\w*)|(?P<number>-?[\d.]+(?:e[+-]?\d+)?)"
    rb"|\"(?P<double>(?:[^\"\\\r\n]|\\.)*)\"|'(?P<single>(?:[^'\\\r\n]|\\.)*)')",
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(\d{1,3}|.)", re.DOTALL)


class LuaReader:
    """Reads literals of Lua one after another: tables become dicts with 1, 2, ... as keys of
    the fields without a key, strings become bytes."""

    def __init__(self, data: bytes) -> None:
        self._tokens = self._split(data)
        self._at = 0

    @staticmethod
    def _split(data: bytes) -> list[tuple[str, bytes]]:
        tokens, at, end = [], 0, len(data.rstrip())
        while at < end:
            match = _TOKEN.match(data, at)
            if match is None:
                raise Malformed(f"no Lua at byte {at}: {data[at : at + 20]!r}")
            assert match.lastgroup is not None
            tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        return tokens

    @property
    def ended(self) -> bool:
        return self._at == len(self._tokens)

    def skip(self, text: bytes) -> bool:
        """Whether `text` came next; then it is passed."""
        found = not self.ended and self._tokens[self._at] in (
            ("punctuation", text),
            ("name", text),
        )
        self._at += found
        return found

    def expect(self, text: bytes) -> None:
        if not self.skip(text):
            raise Malformed(f"{text!r} is missing")

    def value(self) -> Any:
        if self.skip(b"{"):
            return self._table()
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return float(text)
        if kind in ("double", "single"):
            return _ESCAPE.sub(self._escape, text)
        if text in (b"true", b"false"):
            return text == b"true"
        raise Malformed(f"{text!r} is no value")

    @staticmethod
    def _escape(match: re.Match[bytes]) -> bytes:
        if match[1].isdigit():
            return bytes([int(match[1])])
        if match[1] in (b"\\", b'"', b"'"):
            return match[1]
        raise Malformed(f"unknown escape {match[0]!r}")

    def _table(self) -> Table:
        table: Table = {}
        position = 1
        while not self.skip(b"}"):
            if self.skip(b"["):
                key: Any = int(self.value())
                self.expect(b"]")
                self.expect(b"=")
            elif (
                self._tokens[self._at][0] == "name"
                and self._tokens[self._at + 1][1] == b"="
                and self._tokens[self._at + 1][0] == "punctuation"
            ):
                key = self._tokens[self._at][1].decode()
                self._at += 2
            else:
                key, position = position, position + 1
            if key in table:
                raise Malformed(f"the key {key!r} comes twice")
            table[key] = self.value()
            if not self.skip(b","):
                self.expect(b"}")
                break
        return table


def screen_of(rows: Table, palette: Table) -> Screen:
    """A screen of a table of rows, {characters, foreground, background} each, and a palette."""
    lines = [rows[number] for number in range(1, 1 + sum(isinstance(key, int) for key in rows))]
    width = len(lines[0][1]) if lines else 0
    for line in lines:
        if set(line) != {1, 2, 3} or any(len(text) != width for text in line.values()):
            raise Malformed("a row is not three strings of one length")
    planes = []
    for part, base in ((1, 0), (2, 16), (3, 16)):
        text = b"".join(line[part] for line in lines)
        if base:
            if re.fullmatch(b"[0-9a-f]*", text) is None:
                raise Malformed("a colour is no lower-case hexadecimal digit")
            text = bytes(int(digit, 16) for digit in text.decode())
        planes.append(np.frombuffer(text, np.uint8).reshape(len(lines), width))
    if sorted(palette) != list(range(len(palette))) or not 1 <= len(palette) <= 16:
        raise Malformed("the palette's keys are not 0, 1, ...")
    colors = np.zeros((len(palette), 3), np.uint8)
    for index, color in palette.items():
        if set(color) != {1, 2, 3}:
            raise Malformed("a colour is not three numbers")
        for channel, value in color.items():
            colors[index, channel - 1] = round(value * 255)
            if abs(value - round(value * 255) / 255) > 6e-7:
                raise Malformed(f"{value} is no number of 255ths with six decimals")
    return Screen(planes[0], planes[1] | planes[2] << 4, colors)


def lua_tables(data: bytes) -> list[Screen]:
    """The screens of statements `return rows, palette`."""
    reader, screens = LuaReader(data), []
    while not reader.ended:
        reader.expect(b"return")
        rows = reader.value()
        reader.expect(b",")
        screens.append(screen_of(rows, reader.value()))
    return screens


# -- BIMG ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bimg:
    """The screens with their own durations, and the other fields."""

    screens: list[Screen]
    durations: list[float | None]
    fields: Table


def bimg(data: bytes) -> Bimg:
    reader = LuaReader(data)
    whole = reader.value()
    if not reader.ended:
        raise Malformed("text after the table")
    screens, durations = [], []
    number = 0
    while (frame := whole.pop(number + 1, None)) is not None:
        number += 1
        durations.append(frame.pop("duration", None))
        palette = frame.pop("palette")
        screens.append(screen_of(frame, palette))
    return Bimg(screens, durations, whole)


# -- raw ----------------------------------------------------------------------------------------


def raw(data: bytes) -> tuple[bytes, list[Screen]]:
    """Pictures a second as written, and the screens."""
    title, fps, *packets = data.split(b"\n")
    if title != b"32Vid 1.1" or packets.pop() != b"":
        raise Malformed("no raw file, or the last line has no end")
    return fps, [_raw_screen(packet) for packet in packets]


def _raw_screen(packet: bytes) -> Screen:
    digits = {b"!CPC": 4, b"!CPD": 12}[packet[:4]]
    length = packet[4 : 4 + digits]
    if re.fullmatch(b"[0-9A-F]*", length) is None or (digits == 12) != (int(length, 16) > 65535):
        raise Malformed(f"the length {length!r} is not as it should be")
    end = 4 + digits + int(length, 16)
    payload = base64.b64decode(packet[4 + digits : end], validate=True)
    if packet[end:] != b"%08x" % binascii.crc32(payload):
        raise Malformed("the checksum is wrong")
    if payload[:4] != bytes(4) or payload[8:16] != bytes(8):
        raise Malformed("the fields before the planes are not zero")
    width, height = (int.from_bytes(payload[at : at + 2], "little") for at in (4, 6))
    at, planes = 16, []
    for _ in range(2):
        plane = bytearray()
        while len(plane) < width * height:
            value, count = payload[at : at + 2]
            if count == 0:
                raise Malformed("a run of nothing")
            plane += bytes([value]) * count
            at += 2
        planes.append(np.frombuffer(bytes(plane), np.uint8).reshape(height, width))
    if len(payload) != at + 48:
        raise Malformed("the palette is not 16 colours")
    palette = np.frombuffer(payload[at:], np.uint8).reshape(16, 3)
    return Screen(planes[0], planes[1], palette)


# -- NFP ----------------------------------------------------------------------------------------


def nfp(data: bytes) -> U8:
    """(height, width) palette indexes."""
    *lines, last = data.split(b"\n")
    if last or len({len(line) for line in lines}) > 1:
        raise Malformed("lines of different lengths, or no line end at the end")
    if re.fullmatch(b"[0-9a-f\n]*", data) is None:
        raise Malformed("not only digits")
    values = [int(digit, 16) for line in lines for digit in line.decode()]
    return np.array(values, np.uint8).reshape(len(lines), len(lines[0]) if lines else 0)


# -- pixels -------------------------------------------------------------------------------------


def pixels(screen: Screen) -> U8:
    """(rows * 3, columns * 2) palette indexes of cells without text."""
    shown = np.zeros((screen.rows * 3, screen.columns * 2), np.uint8)
    codes = screen.characters
    blocks = (codes >= 128) & (codes < 160)
    for bit in range(6):
        drawn = blocks & (codes >> bit & 1 == 1) & (bit < 5)
        shown[bit // 2 :: 3, bit % 2 :: 2] = np.where(drawn, screen.colors & 15, screen.colors >> 4)
    return shown


def png(data: bytes) -> tuple[U8, U8]:
    """Indexes and palette of an 8-bit PNG with palette, not interlaced."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise Malformed("no PNG")
    at, chunks = 8, {}
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        checksum = int.from_bytes(data[at + 8 + length : at + 12 + length], "big")
        if checksum != binascii.crc32(kind + body):
            raise Malformed("a wrong checksum")
        chunks[kind] = body
        at += 12 + length
    if list(chunks) != [b"IHDR", b"PLTE", b"IDAT", b"IEND"]:
        raise Malformed(f"chunks {list(chunks)}")
    width, height = (int.from_bytes(chunks[b"IHDR"][at : at + 4], "big") for at in (0, 4))
    if chunks[b"IHDR"][8:] != bytes([8, 3, 0, 0, 0]):
        raise Malformed("not 8 bits with a palette")
    lines = zlib.decompress(chunks[b"IDAT"])
    if len(lines) != height * (width + 1):
        raise Malformed("too many or too few bytes")
    rows: list[bytes] = []
    above = bytes(width)
    for number in range(height):
        kind_of_filter, *line = lines[number * (width + 1) : (number + 1) * (width + 1)]
        if kind_of_filter not in (0, 2):
            raise Malformed("a filter other than none and up")
        added = above if kind_of_filter == 2 else bytes(width)
        above = bytes((one + two) & 255 for one, two in zip(line, added, strict=True))
        rows.append(above)
    indexes = np.frombuffer(b"".join(rows), np.uint8).reshape(height, width)
    return indexes, np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
