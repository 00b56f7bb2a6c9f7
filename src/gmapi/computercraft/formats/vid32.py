"""32vid, a binary film with sound and subtitles (formats document, 5.7): a file header, then
streams, of which the usual file has one, combined of sub-chunks."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence

from gmapi.computercraft.formats.writer import Ending, Film, Tally, TextEvent
from gmapi.computercraft.kernels import Kernels
from gmapi.computercraft.options import PALETTE_SIZE, Compression
from gmapi.computercraft.screen import Screen

UNKNOWN = 0xFFFFFFFF
"""Size and count of a stream that is not complete, or has more than the format can say."""
WALL_MAX = 8
"""Monitors side by side, and one above the other."""

_COMPRESSIONS = {
    Compression.NONE: 0,
    Compression.ANS: 1,
    Compression.DEFLATE: 2,
    Compression.CUSTOM: 3,
}
_DFPWM = 1 << 2
_ALWAYS = 1 << 4
_WALL = 1 << 5
_WALL_COLUMNS_BIT = 6
_WALL_ROWS_BIT = 9

_VIDEO, _AUDIO, _TEXT, _COMBINED, _INDEX, _MONITOR = 0, 1, 8, 12, 13, 64

_FILE = struct.Struct("<4sHHBBH")
_STREAM = struct.Struct("<IIB")
_CHUNK = struct.Struct("<IB")
_MONITOR_SIZE = struct.Struct("<HH")
_EVENT = struct.Struct("<IIHHBBH")
_STREAMS_AT = 9
"""Offset of the number of streams."""

_RAW_DEFLATE = -15
_U16_MAX = 0xFFFF


class Vid32Writer:
    """See `writer.Writer`. Chunks are complete sub-chunks; a wall's frame has one per screen.

    Combined: `frame`, `sound` and `text` keep no state, may be called from several threads, and
    their results go into the file in any order. Separate: streams in a row; frames first and in
    order, then sound, and `text` gives nothing until the ending, so such a file has no parts.
    """

    def __init__(
        self,
        film: Film,
        *,
        kernels: Kernels,
        compression: Compression,
        dfpwm: bool,
        separate: bool = False,
        index: bool = False,
        first_cell_fault: bool = False,
        expected_chunks: int | None = None,
    ) -> None:
        """`index` adds a stream that says where frames are, for which the tally needs `offsets`.
        `first_cell_fault` codes as the reference does, whose first cell has wrong colours.
        `expected_chunks` is what players may read while the file grows.

        Raises ValueError for what the format cannot hold.
        """
        if max(film.columns, film.rows) > _U16_MAX:
            raise ValueError(f"32vid holds at most {_U16_MAX} columns and rows")
        if film.wall is not None:
            if max(film.wall.columns, film.wall.rows) > WALL_MAX:
                raise ValueError(f"32vid holds at most {WALL_MAX} x {WALL_MAX} monitors")
            if separate:
                raise ValueError("32vid holds a wall of monitors in a combined stream only")
        if separate and index:
            raise ValueError("32vid has an index for a combined stream only")
        self._film = film
        self._whole_fps = max(1, min(255, math.floor(film.fps + 0.5)))
        self._compression = compression
        self._dfpwm = dfpwm
        self._index = index
        self._expected_chunks = expected_chunks
        self._pictures = _Pictures(kernels, compression, first_cell_fault)
        self._separate = _SeparateStreams(compression, dfpwm) if separate else None

    @property
    def interleaved(self) -> bool:
        """Whether sound may come between frames; else it comes after all of them."""
        return self._separate is None

    @property
    def chunks_per_frame(self) -> int:
        """Sub-chunks that one call of `frame` makes; `sound` and `text` make one each."""
        wall = self._film.wall
        return wall.columns * wall.rows if wall else 1

    def header(self) -> bytes:
        """File header and header of the first stream."""
        start = _FILE.pack(
            b"32VD",
            self._film.columns,
            self._film.rows,
            self._whole_fps,
            1 + self._index,
            self._flags(),
        )
        if self._separate:
            return start + _stream_header(None, None, _VIDEO)
        return start + _stream_header(None, self._expected_chunks, _COMBINED)

    def _flags(self) -> int:
        flags = _COMPRESSIONS[self._compression] | _ALWAYS
        if self._dfpwm:
            flags |= _DFPWM
        wall = self._film.wall
        if wall:
            flags |= _WALL
            flags |= wall.columns - 1 << _WALL_COLUMNS_BIT
            flags |= wall.rows - 1 << _WALL_ROWS_BIT
        return flags

    def frame(self, screens: Sequence[Screen], seconds: float) -> bytes:
        """One sub-chunk of video, or one for each screen of a wall, row by row. All frames have
        the same duration, so `seconds` is not used. Raises ValueError when the screens are not
        the film's."""
        wall = self._film.wall
        if wall:
            if len(screens) != wall.columns * wall.rows:
                raise ValueError(f"{len(screens)} screens for {wall.columns * wall.rows} monitors")
            return b"".join(
                self._monitor(screen, *divmod(number, wall.columns))
                for number, screen in enumerate(screens)
            )
        (screen,) = screens
        if (screen.columns, screen.rows) != (self._film.columns, self._film.rows):
            raise ValueError(f"a screen of {screen.columns} x {screen.rows} in another film")
        if self._separate:
            return self._separate.frame(self._pictures.plain(screen))
        data = self._pictures.packed(screen)
        return _CHUNK.pack(len(data), _VIDEO) + data

    def _monitor(self, screen: Screen, row: int, column: int) -> bytes:
        # The stored size leaves out the four bytes of columns and rows.
        data = self._pictures.packed(screen)
        start = _CHUNK.pack(len(data), _MONITOR + 8 * column + row)
        return start + _MONITOR_SIZE.pack(screen.columns, screen.rows) + data

    def sound(self, data: bytes) -> bytes:
        """One sub-chunk of sound, 48 kHz mono: unsigned 8-bit samples or DFPWM."""
        if self._separate:
            return self._separate.sound(data)
        return _CHUNK.pack(len(data), _AUDIO) + data

    def text(self, event: TextEvent) -> bytes:
        """One sub-chunk of subtitle. What the format cannot hold is moved to its limits: a place
        outside 0 to 65535, a text of more than 65535 bytes."""
        text = event.text[:_U16_MAX]
        x, y = (max(0, min(place, _U16_MAX)) for place in (event.x, event.y))
        no_flags = 0
        data = _EVENT.pack(event.start, event.length, x, y, event.colors, no_flags, len(text))
        data += text
        if self._separate:
            return self._separate.text(data)
        return _CHUNK.pack(len(data), _TEXT) + data

    def finish(self, tally: Tally) -> Ending:
        """Sizes and counts, the index if there is one, and separate streams that are left. Raises
        ValueError for a part of a file with separate streams."""
        if self._separate:
            return self._separate.finish(tally)
        return Ending(
            self._index_stream(tally.offsets) if self._index else b"",
            ((_FILE.size, _stream_header(tally.size, tally.chunks, _COMBINED)),),
        )

    def _index_stream(self, offsets: Sequence[int]) -> bytes:
        """One entry for each second; none for what lies where no offset can point to."""
        entries = [offset for offset in offsets[:: self._whole_fps] if offset < UNKNOWN]
        data = struct.pack(f"<B{len(entries)}I", self._whole_fps, *entries)
        return _stream_header(len(data), len(entries), _INDEX) + data


class _Pictures:
    """Data of single pictures: screen block, colour block, palette block."""

    def __init__(self, kernels: Kernels, compression: Compression, first_cell_fault: bool) -> None:
        self._kernels = kernels
        self._compression = compression
        self._first_cell_fault = first_cell_fault

    def plain(self, screen: Screen) -> bytes:
        """Compressed alone, but not deflated."""
        deflate = self._compression is Compression.DEFLATE
        coder = Compression.NONE if deflate else self._compression
        blocks = self._kernels.encode(screen.characters, screen.colors, coder, self._first(screen))
        return blocks + screen.palette.tobytes().ljust(3 * PALETTE_SIZE, b"\0")

    def packed(self, screen: Screen) -> bytes:
        """Compressed alone."""
        data = self.plain(screen)
        if self._compression is Compression.DEFLATE:
            deflater = zlib.compressobj(wbits=_RAW_DEFLATE)
            return deflater.compress(data) + deflater.flush()
        return data

    def _first(self, screen: Screen) -> tuple[int, int] | None:
        if not self._first_cell_fault or not screen.colors.size:
            return None
        if self._compression is Compression.ANS:
            return int(screen.background[0, 0]), int(screen.foreground[0, 0])
        return 0, 0


class _SeparateStreams:
    """Video, sound and subtitles one after the other."""

    def __init__(self, compression: Compression, dfpwm: bool) -> None:
        deflate = compression is Compression.DEFLATE
        self._deflater = zlib.compressobj(wbits=_RAW_DEFLATE) if deflate else None
        self._samples_per_byte = 8 if dfpwm else 1
        self._frames = 0
        self._video_size = 0
        self._video_ended = False
        self._sound_size: int | None = None
        self._events: list[bytes] = []

    def frame(self, data: bytes) -> bytes:
        if self._video_ended:
            raise ValueError("a frame after the sound of a file with separate streams")
        self._frames += 1
        return self._count_video(self._deflater.compress(data) if self._deflater else data)

    def _count_video(self, data: bytes) -> bytes:
        self._video_size += len(data)
        return data

    def _end_video(self) -> bytes:
        if self._video_ended:
            return b""
        self._video_ended = True
        return self._count_video(self._deflater.flush()) if self._deflater else b""

    def sound(self, data: bytes) -> bytes:
        start = self._end_video()
        if self._sound_size is None:
            self._sound_size = 0
            start += _stream_header(None, None, _AUDIO)
        self._sound_size += len(data)
        return start + data

    def text(self, event: bytes) -> bytes:
        self._events.append(event)
        return b""

    def finish(self, tally: Tally) -> Ending:
        if tally.frames != self._frames:
            raise ValueError("a part of a file with separate streams")
        trailer = self._end_video()
        patches = [(_FILE.size, _stream_header(self._video_size, self._frames, _VIDEO))]
        streams = 1
        if self._sound_size is not None:
            streams += 1
            at = _FILE.size + _STREAM.size + self._video_size
            samples = self._sound_size * self._samples_per_byte
            patches.append((at, _stream_header(self._sound_size, samples, _AUDIO)))
        if self._events:
            streams += 1
            data = b"".join(self._events)
            trailer += _stream_header(len(data), len(self._events), _TEXT) + data
        patches.append((_STREAMS_AT, bytes([streams])))
        return Ending(trailer, tuple(patches))


def _stream_header(size: int | None, count: int | None, kind: int) -> bytes:
    """None for what is not known yet."""
    return _STREAM.pack(*(UNKNOWN if n is None else min(n, UNKNOWN) for n in (size, count)), kind)
