"""A reader of 32vid files, written from the formats document (section 5.7) alone: it shares nothing
with the writer but the names of compressions. It is strict, so that a file it takes is a good one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gmapi.computercraft.options import Compression
from gmapi.computercraft.screen import U8, Screen

VIDEO, AUDIO, TEXT, COMBINED, INDEX, MONITORS = 0, 1, 8, 12, 13, range(64, 128)
UNKNOWN = 0xFFFFFFFF
PALETTE_BYTES = 48

_COMPRESSIONS = (Compression.NONE, Compression.ANS, Compression.DEFLATE, Compression.CUSTOM)


class Malformed(Exception):
    """The data break a rule of the format."""


@dataclass(frozen=True, eq=False)
class Picture:
    """`codes`: (rows, columns) u8, characters & 31; `colors`: background * 16 + foreground;
    `palette`: (16, 3); `surplus`: cells that a run had too many at the end of a plane."""

    codes: U8
    colors: U8
    palette: U8
    surplus: int = 0

    def shows(self, screen: Screen) -> bool:
        """Whether this is what is left of a screen in a file."""
        unused = self.palette[len(screen.palette) :]
        return (
            np.array_equal(self.codes, screen.characters & 31)
            and np.array_equal(self.colors, screen.colors)
            and np.array_equal(self.palette[: len(screen.palette)], screen.palette)
            and not unused.any()
        )


@dataclass(frozen=True)
class Chunk:
    """A sub-chunk. `offset` is from the start of the file, `size` as stored; `columns` and `rows`
    are of the film, or what a monitor's chunk says."""

    kind: int
    offset: int
    size: int
    columns: int
    rows: int
    data: bytes


@dataclass(frozen=True)
class Event:
    start: int
    length: int
    x: int
    y: int
    colors: int
    flags: int
    text: bytes


@dataclass(frozen=True)
class Stream:
    """`size` and `count` as stored; `offset` and `data` are what comes after the header."""

    kind: int
    size: int
    count: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class File:
    columns: int
    rows: int
    fps: int
    flags: int
    streams: tuple[Stream, ...]

    @property
    def compression(self) -> Compression:
        return _COMPRESSIONS[self.flags & 3]

    @property
    def dfpwm(self) -> bool:
        return self.flags >> 2 & 3 == 1

    @property
    def wall(self) -> tuple[int, int] | None:
        """Columns and rows of monitors."""
        if not self.flags >> 5 & 1:
            return None
        return (self.flags >> 6 & 7) + 1, (self.flags >> 9 & 7) + 1

    @property
    def chunks(self) -> list[Chunk]:
        """Of the combined stream."""
        stream = self.streams[0]
        if stream.kind != COMBINED:
            raise Malformed(f"the first stream has type {stream.kind}")
        return list(self._chunks(stream))

    def _chunks(self, stream: Stream) -> Iterator[Chunk]:
        at = 0
        while at < len(stream.data):
            start = at
            size, kind = struct.unpack_from("<IB", stream.data, at)
            at += 5
            columns, rows = self.columns, self.rows
            if kind in MONITORS:
                columns, rows = struct.unpack_from("<HH", stream.data, at)
                at += 4
            data = stream.data[at : at + size]
            if len(data) < size:
                raise Malformed("a sub-chunk is cut off")
            at += size
            yield Chunk(kind, stream.offset + start, size, columns, rows, data)

    def pictures(self) -> list[Picture]:
        """All pictures of the combined stream in order."""
        return [
            picture(chunk.data, chunk.columns, chunk.rows, self.compression)
            for chunk in self.chunks
            if chunk.kind == VIDEO or chunk.kind in MONITORS
        ]

    def sound(self) -> bytes:
        return b"".join(chunk.data for chunk in self.chunks if chunk.kind == AUDIO)


def parse(data: bytes) -> File:
    """Headers and streams. A stream of unknown size goes to the end of the file."""
    magic, columns, rows, fps, count, flags = struct.unpack_from("<4sHHBBH", data)
    if magic != b"32VD" or not flags >> 4 & 1:
        raise Malformed("no 32vid file")
    streams, at = [], 12
    for _ in range(count):
        size, length, kind = struct.unpack_from("<IIB", data, at)
        at += 9
        body = data[at:] if size == UNKNOWN else data[at : at + size]
        if size not in (UNKNOWN, len(body)):
            raise Malformed("a stream is cut off")
        streams.append(Stream(kind, size, length, at, body))
        at += len(body)
    if at != len(data):
        raise Malformed(f"{len(data) - at} bytes after the last stream")
    return File(columns, rows, fps, flags, tuple(streams))


def events(data: bytes) -> list[Event]:
    """Subtitles, one after another."""
    found, at = [], 0
    while at < len(data):
        *numbers, length = struct.unpack_from("<IIHHBBH", data, at)
        text = data[at + 16 : at + 16 + length]
        if len(text) < length:
            raise Malformed("a subtitle is cut off")
        found.append(Event(*numbers, text))
        at += 16 + length
    return found


def picture(data: bytes, columns: int, rows: int, compression: Compression) -> Picture:
    """One frame."""
    if compression is Compression.DEFLATE:
        data = zlib.decompress(data, -15)
    decoded, end = _blocks(data, columns, rows, compression)
    if end != len(data):
        raise Malformed(f"{len(data) - end} bytes after the palette")
    return decoded


def row_of_pictures(
    data: bytes, columns: int, rows: int, compression: Compression
) -> list[Picture]:
    """The frames of a separate stream of video."""
    if compression is Compression.DEFLATE:
        data = zlib.decompress(data, -15)
    found = []
    while data:
        decoded, end = _blocks(data, columns, rows, compression)
        data = data[end:]
        found.append(decoded)
    return found


def _blocks(data: bytes, columns: int, rows: int, compression: Compression) -> tuple[Picture, int]:
    """A frame at the beginning of the data and its length."""
    cells = columns * rows
    surplus = 0
    if compression in (Compression.NONE, Compression.DEFLATE):
        bits = _Bits(data, 0)
        codes = [bits.read(5) for _ in range(cells)]
        if bits.read(-cells % 8 * 5):
            raise Malformed("the filling codes are not zero")
        at = bits.end()
        colors = np.frombuffer(data, np.uint8, cells, at)
        at += cells
    else:
        ans = compression is Compression.ANS
        open_block = _open_ans if ans else _open_custom
        next_code, close = open_block(data, 0, 32)
        codes = [next_code() for _ in range(cells)]
        next_symbol, close_colors = open_block(data, close(), 24)
        one, over_one = _plane(next_symbol, cells)
        two, over_two = _plane(next_symbol, cells)
        at = close_colors()
        surplus = max(over_one, over_two)
        foreground, background = (two, one) if ans else (one, two)
        colors = foreground | background << 4
    palette = np.frombuffer(data, np.uint8, PALETTE_BYTES, at).reshape(16, 3)
    shape = (rows, columns)
    found = Picture(
        np.array(codes, np.uint8).reshape(shape), colors.reshape(shape), palette, surplus
    )
    return found, at + PALETTE_BYTES


class _Bits:
    """Most significant bit first."""

    def __init__(self, data: bytes, at: int) -> None:
        rest = data[at:]
        self._text = f"{int.from_bytes(rest):0{8 * len(rest)}b}" if rest else ""
        self._start = at
        self._at = 0

    def read(self, count: int) -> int:
        if not count:
            return 0
        piece = self._text[self._at : self._at + count]
        if len(piece) < count:
            raise Malformed("the data end too early")
        self._at += count
        return int(piece, 2)

    def read_code(self, codes: dict[str, int]) -> int:
        """The symbol of the code that comes next; codes are texts of 0 and 1."""
        for end in range(self._at + 1, len(self._text) + 1):
            symbol = codes.get(self._text[self._at : end])
            if symbol is not None:
                self._at = end
                return symbol
        raise Malformed("the data end too early")

    def end(self) -> int:
        """The byte after the last one that was read; its rest must be zero."""
        if self.read(-self._at % 8):
            raise Malformed("the filling bits are not zero")
        return self._start + self._at // 8


Opened = tuple[Callable[[], int], Callable[[], int]]
"""What reads a symbol, and what closes the block and tells where it ends."""


def _nibbles(data: bytes, at: int, symbols: int) -> list[int]:
    found = [half for byte in data[at : at + symbols // 2] for half in (byte >> 4, byte & 15)]
    if len(found) < symbols:
        raise Malformed("a table is cut off")
    return found


def _single(data: bytes, at: int) -> Opened:
    symbol = data[at]
    return lambda: symbol, lambda: at + 1


def _open_custom(data: bytes, at: int, symbols: int) -> Opened:
    lengths = _nibbles(data, at, symbols)
    at += symbols // 2
    if not any(lengths):
        return _single(data, at)
    codes: dict[str, int] = {}
    code, before = 0, 0
    for length, symbol in sorted((own, symbol) for symbol, own in enumerate(lengths) if own):
        code = code + 1 << length - before if before else 0
        before = length
        codes[f"{code:0{length}b}"] = symbol
    if code + 1 != 1 << before:
        raise Malformed("the code has gaps")
    bits = _Bits(data, at)

    return lambda: bits.read_code(codes), bits.end


def _open_ans(data: bytes, at: int, symbols: int) -> Opened:
    log = data[at]
    nibbles = _nibbles(data, at + 1, symbols)
    at += 1 + symbols // 2
    if log == 0:
        if any(nibbles):
            raise Malformed("a table of one symbol has counts")
        return _single(data, at)
    size = 1 << log
    counts = [1 << nibble - 1 if nibble else 0 for nibble in nibbles]
    if sum(counts) != size:
        raise Malformed("the counts do not fill the table")
    slots: list[int | None] = [None] * size
    step, x = size * 5 // 8 + 3, 0
    for symbol, count in enumerate(counts):
        for _ in range(count):
            while slots[x] is not None:
                x = (x + 1) % size
            slots[x] = symbol
            x = (x + step) % size
    table: list[tuple[int, int, int]] = []
    seen = list(counts)
    for owner in slots:
        assert owner is not None
        take = log - seen[owner].bit_length() + 1
        table.append((owner, take, (seen[owner] << take) - size))
        seen[owner] += 1
    bits = _Bits(data, at)
    state = bits.read(log)

    def symbol_of_state() -> int:
        nonlocal state
        symbol, take, base = table[state]
        state = base + bits.read(take)
        return symbol

    def close() -> int:
        if state:
            raise Malformed("the coder did not start in state 0")
        return bits.end()

    return symbol_of_state, close


def _plane(next_symbol: Callable[[], int], cells: int) -> tuple[U8, int]:
    """Colours of one plane, and how many cells its last run had too many."""
    found: list[int] = []
    while len(found) < cells:
        symbol = next_symbol()
        if symbol < 16:
            found.append(symbol)
        elif not found:
            raise Malformed("a plane starts with a repetition")
        else:
            found += found[-1:] * (256 if symbol == 23 else 1 << symbol - 15)
    return np.array(found[:cells], np.uint8), len(found) - cells
