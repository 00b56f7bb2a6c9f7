"""Media that name other files and addresses, and small files that grow when they are read.

Each function gives the maker of a file's bytes; the maker is given a function that fills in the
places of the traps.
"""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

Fill = Callable[[str], str]
Maker = Callable[[Fill], bytes]


def hls(segment: str, *, mark: str = "#") -> Maker:
    """A playlist of one segment; `mark` is its second line."""
    text = (
        f"#EXTM3U\n{mark}\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{segment}\n"
        "#EXT-X-ENDLIST\n"
    )
    return lambda fill: fill(text).encode()


def dash(media: str) -> Maker:
    """A manifest of one representation."""
    text = (
        '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
        '<Period duration="PT1S"><AdaptationSet mimeType="video/mp4" contentType="video">'
        '<Representation id="1" bandwidth="1000" codecs="avc1.42c00a" width="64" height="48">'
        f'<BaseURL>{media}</BaseURL><SegmentBase indexRange="0-0"/>'
        "</Representation></AdaptationSet></Period></MPD>\n"
    )
    return lambda fill: fill(text).encode()


def concat(file: str) -> Maker:
    """A list of one file."""
    return lambda fill: fill(f"ffconcat version 1.0\nfile '{file}'\n").encode()


def sdp(place: str) -> Maker:
    """The description of a session that would be received at a port."""

    def make(fill: Fill) -> bytes:
        host, _, port = fill(place).rpartition(":")
        return (
            f"v=0\r\no=- 0 0 IN IP4 {host}\r\ns=x\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\n"
        ).encode()

    return make


def svg(picture: str) -> Maker:
    """A drawing that shows another picture."""
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="64" height="48"><image xlink:href="{picture}" width="64" height="48"/></svg>'
    )
    return lambda fill: fill(text).encode()


def nothing(fill: Fill) -> bytes:
    """An empty file, for what is no file."""
    return b""


def library(fill: Fill) -> bytes:
    """A shared object; empty where none could be made."""
    path = Path(fill("@so@"))
    return path.read_bytes() if path.exists() else b"\x7fELF"


_MEGABYTE = 1 << 20


@functools.cache
def _zeros(megabytes: int, byte: bytes = b"\0") -> bytes:
    """A zlib stream of one byte repeated: one compressed block, many times over."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = compressor.compress(byte * _MEGABYTE) + compressor.flush(zlib.Z_FULL_FLUSH)
    total = megabytes * _MEGABYTE
    # Adler-32 of n bytes b: 1 + n b, and the sum of these sums.
    low = (1 + total * byte[0]) % 65521
    high = (total + byte[0] * total * (total + 1) // 2) % 65521
    return b"\x78\xda" + block * megabytes + b"\x03\x00" + struct.pack(">HH", high, low)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, *chunks: bytes) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + _chunk(b"IEND", b"")


def huge_png(fill: Fill) -> bytes:
    """16,000 x 16,000 black pixels in less than a megabyte."""
    # Each row has a byte for its filter; some zeros are left over.
    return _png(16000, 16000, _chunk(b"IDAT", _zeros(16000 * 48001 // _MEGABYTE + 1)))


def text_png(fill: Fill) -> bytes:
    """One pixel, and twelve compressed texts of 256 MiB each in three megabytes."""
    text = _chunk(b"zTXt", b"Comment\0\0" + _zeros(256, b"a"))
    return _png(1, 1, text * 12, _chunk(b"IDAT", zlib.compress(b"\0\0\0\0")))
