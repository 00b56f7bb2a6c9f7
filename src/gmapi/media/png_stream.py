"""Cutting a stream of PNG files written one after another into whole files.

PNG (ISO/IEC 15948, section 5): an 8-byte signature, then chunks of u32 length (big-endian),
4-letter type, that many bytes, u32 CRC; the chunk IEND is the last one.
"""

from __future__ import annotations

import struct

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">I4s")
_CRC_BYTES = 4


class PngSplitter:
    """Gathers bytes and hands out each PNG file as soon as its last byte is there.

    `max_chunk` bounds one chunk and `max_file` one file, in bytes. After an error the splitter
    must not be used again.
    """

    def __init__(self, max_chunk: int = 64 << 20, max_file: int = 256 << 20) -> None:
        self._max_chunk = max_chunk
        self._max_file = max_file
        self._data = bytearray()
        self._at = 0  # where the next chunk of the unfinished file starts in _data
        self._last: bytes | None = None  # the type of the last chunk walked over

    @property
    def pending(self) -> int:
        """Bytes of an unfinished file; 0 when the stream may end here."""
        return len(self._data)

    def feed(self, data: bytes) -> list[bytes]:
        """The files that `data` completes, in order.

        Raises ValueError for what is not PNG and for a chunk or file beyond its bound.
        """
        self._data += data
        files = []
        start = 0
        while (end := self._file_end(start)) is not None:
            files.append(bytes(memoryview(self._data)[start:end]))
            start = end
            self._at = 0
            self._last = None
        if start:
            del self._data[:start]
        return files

    def _file_end(self, start: int) -> int | None:
        """Where the file that begins at `start` ends; None when it is not complete.

        What was walked over is remembered in `_at`, relative to the start of the file, so that
        no byte is looked at twice.
        """
        have = len(self._data) - start
        if self._at == 0:
            seen = min(have, len(SIGNATURE))
            if self._data[start : start + seen] != SIGNATURE[:seen]:
                raise ValueError("not a PNG file: the signature is missing")
            if seen < len(SIGNATURE):
                return None
            self._at = len(SIGNATURE)
        while have - self._at >= _HEAD.size:
            length: int
            kind: bytes
            length, kind = _HEAD.unpack_from(self._data, start + self._at)
            self._check(length, kind)
            following = self._at + _HEAD.size + length + _CRC_BYTES
            if following > self._max_file:
                raise ValueError(f"a PNG file of more than {self._max_file} bytes")
            if following > have:
                return None
            self._at = following
            self._last = kind
            if kind == b"IEND":
                return start + following
        return None

    def _check(self, length: int, kind: bytes) -> None:
        if not kind.isalpha():
            raise ValueError(f"not a PNG file: {kind!r} is no chunk type")
        if (self._last is None) != (kind == b"IHDR"):
            raise ValueError("not a PNG file: IHDR is not the first chunk, or not the only one")
        if kind == b"IEND" and length:
            raise ValueError("not a PNG file: the last chunk is not empty")
        if length > self._max_chunk:
            raise ValueError(f"a PNG chunk of {length} bytes, more than {self._max_chunk}")
