"""Cutting a stream of JPEG files written one after another into whole files.

JPEG (ITU-T T.81, annex B), as ffmpeg writes it: the marker SOI, segments of a marker and a u16
length (big-endian) that counts itself, the last of which is SOS; then the picture in one scan,
where 0xFF is followed by 0, and the marker EOI.
"""

from __future__ import annotations

import struct

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_SEGMENT = struct.Struct(">BBH")
_SOS = 0xDA
_MARKER_BYTES = 2


class JpegSplitter:
    """Gathers bytes and hands out each JPEG file as soon as its last byte is there.

    `max_file` bounds one file, in bytes. After an error the splitter must not be used again.
    """

    def __init__(self, max_file: int = 256 << 20) -> None:
        self._max_file = max_file
        self._data = bytearray()
        # Relative to the start of the unfinished file, so that no byte is looked at twice.
        self._at = 0
        self._in_scan = False

    @property
    def pending(self) -> int:
        """Bytes of an unfinished file; 0 when the stream may end here."""
        return len(self._data)

    def feed(self, data: bytes) -> list[bytes]:
        """The files that `data` completes, in order.

        Raises ValueError for what is not JPEG and for a file beyond its bound.
        """
        self._data += data
        files = []
        start = 0
        while (end := self._file_end(start)) is not None:
            files.append(bytes(memoryview(self._data)[start:end]))
            start = end
            self._at, self._in_scan = 0, False
        if len(self._data) - start > self._max_file:
            raise ValueError(f"a JPEG file of more than {self._max_file} bytes")
        if start:
            del self._data[:start]
        return files

    def _file_end(self, start: int) -> int | None:
        """Where the file that begins at `start` ends; None when it is not complete."""
        have = len(self._data) - start
        if self._at == 0:
            if have < len(_SOI):
                return None
            if not self._data.startswith(_SOI, start):
                raise ValueError("not a JPEG file: it does not begin with SOI")
            self._at = len(_SOI)
        while not self._in_scan:
            if have - self._at < _SEGMENT.size:
                return None
            first, kind, length = _SEGMENT.unpack_from(self._data, start + self._at)
            if first != 0xFF or length < _SEGMENT.size - _MARKER_BYTES:
                raise ValueError(f"not a JPEG file: {first:02x}{kind:02x} is no segment")
            if have - self._at < _MARKER_BYTES + length:
                return None
            self._at += _MARKER_BYTES + length
            self._in_scan = kind == _SOS
        found = self._data.find(_EOI, start + self._at)
        if found < 0:
            # The first byte of the marker may be there.
            self._at = max(self._at, have - 1)
            return None
        return found + len(_EOI)
