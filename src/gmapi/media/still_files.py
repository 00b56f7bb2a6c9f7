"""Still pictures that ffmpeg takes and makes something else of, told by their own headers.

Of a TIFF in tiles, or with a JPEG inside, it makes a black picture and calls that success; of a
JPEG with 12 bits a sample a picture of wrong brightness; of a camera's raw photo a black one, or
the thumbnail. A Targa picture has no mark, so ffmpeg does not know it unless it is told.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from gmapi.errors import MediaError

_SAVE = "save it as an ordinary PNG or JPEG, and give the address of that"
_DEVELOP = "this server cannot develop it, so give the address of a JPEG or PNG that was made of it"

# Where the type of the first chunk stands.
_PNG_CHUNK_AT = 12
_CGBI = f"a PNG picture in a form of Apple's own (CgBI), which ffmpeg cannot read; {_SAVE}"

_SEGMENTS_MAX = 2000
_DIRECTORIES_MAX = 16
_ENTRIES_MAX = 1024
_VALUES_MAX = 16


def check(path: Path) -> None:
    """Raise MediaError (`corrupt_media`) for a still picture that ffmpeg would read wrongly, with
    what it is. A bounded part of the file is read."""
    with path.open("rb") as file:
        head = file.read(4)
        if head == b"\x89PNG":
            file.seek(_PNG_CHUNK_AT)
            trouble = _CGBI if file.read(4) == b"CgBI" else None
        elif head[:3] == b"\xff\xd8\xff":
            trouble = _jpeg_trouble(file)
        elif head in (b"II*\0", b"MM\0*"):
            trouble = _tiff_trouble(file, ">" if head[:1] == b"M" else "<")
        else:
            return
    if trouble:
        raise MediaError(f"The source is {trouble}.", code="corrupt_media")


# -- cursors ---------------------------------------------------------------------------------------

# Reserved, the kind (an icon has 1), how many pictures; then 16 bytes for each.
_CURSOR = struct.Struct("<HHH8xII")
_CURSOR_BYTES_MAX = 4 << 20


def as_icon(path: Path) -> bytes | None:
    """A cursor as the icon that it is but for its mark, which ffmpeg does not know; None for
    other files. A Targa picture may begin as one, but tells no pictures within itself."""
    with path.open("rb") as file:
        head = file.read(_CURSOR.size)
        if len(head) < _CURSOR.size:
            return None
        reserved, kind, count, size, start = _CURSOR.unpack(head)
        whole = os.fstat(file.fileno()).st_size
        is_cursor = (reserved, kind) == (0, 2) and count and size and start >= 6 + 16 * count
        if not is_cursor or start + size > whole or whole > _CURSOR_BYTES_MAX:
            return None
        return b"\0\0\1\0" + head[4:] + file.read()


# -- JPEG (ITU-T T.81, annex B) --------------------------------------------------------------------

# Of the frame headers C0 to CF these three are something else: tables and an extension.
_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})
_HIERARCHICAL = frozenset({0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF})
_ARITHMETIC = frozenset({0xC9, 0xCA, 0xCB})
_LOSSLESS = 0xC3
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_SCAN, _END = 0xDA, 0xD9


def _jpeg_trouble(file: BinaryIO) -> str | None:
    file.seek(2)
    for _ in range(_SEGMENTS_MAX):
        marker = _next_marker(file)
        if marker in (None, _START_OF_SCAN, _END):
            return None
        if marker in _ALONE:
            continue
        length = int.from_bytes(file.read(2))
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            bits = int.from_bytes(file.read(1))
            if marker in _ARITHMETIC:
                return f"a JPEG picture with arithmetic coding, which ffmpeg cannot read; {_SAVE}"
            if marker in _HIERARCHICAL:
                return f"a hierarchical JPEG picture, which ffmpeg cannot read; {_SAVE}"
            if marker != _LOSSLESS and bits != 8:
                return (
                    f"a JPEG picture with {bits} bits a sample, of which ffmpeg makes a wrong "
                    f"picture; {_SAVE}"
                )
            return None
        file.seek(max(0, length - 2), os.SEEK_CUR)
    return None


def _next_marker(file: BinaryIO) -> int | None:
    """The marker that stands here, after any number of fill bytes; None where there is none."""
    found = file.read(2)
    if len(found) < 2 or found[0] != 0xFF:
        return None
    for _ in range(_SEGMENTS_MAX):
        if found[1:] != b"\xff":
            return found[1] if len(found) > 1 else None
        found = b"\xff" + file.read(1)
    return None


# -- TIFF 6.0 --------------------------------------------------------------------------------------

_COMPRESSION, _COLOURS, _BITS, _TILE_WIDTH = 259, 262, 258, 322
_SUB_DIRECTORIES, _DNG_VERSION = 330, 50706
_PLANES, _NUMBERS = 284, 339
_TAGS = frozenset(
    {
        _COMPRESSION,
        _COLOURS,
        _BITS,
        _TILE_WIDTH,
        _SUB_DIRECTORIES,
        _DNG_VERSION,
        _PLANES,
        _NUMBERS,
    }
)
_CMYK, _APART, _FLOAT = 5, 2, 3
_SIZES = {1: "B", 3: "H", 4: "I"}
_RAW_COLOURS = frozenset({32803, 34892})  # as the sensor has them: a mosaic, or linear
_RAW_COMPRESSIONS = frozenset({32767, 32769, 32770, 34713, 65000, 65535})  # of cameras' makers
_READ = frozenset({1, 2, 3, 4, 5, 8, 32773, 32946, 34925})
_COMPRESSIONS = {
    6: "JPEG",
    7: "JPEG",
    9: "JBIG",
    10: "JBIG",
    34661: "JBIG",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv",
    34887: "LERC",
    34926: "Zstandard",
    50000: "Zstandard",
    50001: "WebP",
    34927: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_READ_COLOURS = frozenset({0, 1, 2, 3, 5, 6})


@dataclass
class _Directory:
    """What of a picture's directory matters: values by tag."""

    values: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def first(self, tag: int, default: int) -> int:
        return self.values.get(tag, (default,))[0]


def _tiff_trouble(file: BinaryIO, order: str) -> str | None:
    directories = list(_directories(file, order))
    if not directories:
        return None
    if any(
        _DNG_VERSION in each.values
        or each.first(_COLOURS, 1) in _RAW_COLOURS
        or each.first(_COMPRESSION, 1) in _RAW_COMPRESSIONS
        for each in directories
    ):
        return f"a camera's raw photo (DNG, NEF, ARW or the like); {_DEVELOP}"
    picture = directories[0]
    compression = picture.first(_COMPRESSION, 1)
    if compression not in _READ:
        name = _COMPRESSIONS.get(compression, f"number {compression}")
        return f"a TIFF picture with compression {name}, which ffmpeg cannot read; {_SAVE}"
    if _TILE_WIDTH in picture.values:
        return f"a TIFF picture in tiles, which ffmpeg cannot read; {_SAVE}"
    if picture.first(_COLOURS, 1) not in _READ_COLOURS:
        return f"a TIFF picture in Lab or other colours that ffmpeg cannot read; {_SAVE}"
    bits, is_float = picture.first(_BITS, 1), picture.first(_NUMBERS, 1) == _FLOAT
    if (bits > 16 and not is_float) or (bits <= 16 and is_float):
        numbers = "floating-point" if is_float else "whole"
        return (
            f"a TIFF picture of {numbers} numbers of {bits} bits, of which ffmpeg makes a wrong "
            f"picture; {_SAVE}"
        )
    if picture.first(_COLOURS, 1) == _CMYK and picture.first(_PLANES, 1) == _APART:
        return (
            "a TIFF picture in CMYK with each colour apart, of which ffmpeg makes a wrong "
            f"picture; {_SAVE}"
        )
    return None


def _directories(file: BinaryIO, order: str) -> Iterator[_Directory]:
    """The first directories of a file, those inside of others after them."""
    file.seek(4)
    following = [_number(file.read(4), order)]
    seen: set[int] = set()
    while following and len(seen) < _DIRECTORIES_MAX:
        at = following.pop(0)
        if at in seen or at < 8:
            continue
        seen.add(at)
        file.seek(at)
        count = _number(file.read(2), order)
        data = file.read(12 * min(count, _ENTRIES_MAX))
        link = _number(file.read(4), order) if count <= _ENTRIES_MAX else 0
        found = _Directory()
        for start in range(0, len(data) - 11, 12):
            _take(file, order, data[start : start + 12], found)
        yield found
        following += [link, *found.values.get(_SUB_DIRECTORIES, ())]


def _take(file: BinaryIO, order: str, entry: bytes, found: _Directory) -> None:
    tag, kind, count = struct.unpack(order + "HHI", entry[:8])
    if tag not in _TAGS or kind not in _SIZES or not count:
        return
    count = min(count, _VALUES_MAX)
    form = f"{order}{count}{_SIZES[kind]}"
    size = struct.calcsize(form)
    data = entry[8 : 8 + size]
    if size > 4:
        file.seek(_number(entry[8:], order))
        data = file.read(size)
    if len(data) == size:
        found.values[tag] = struct.unpack(form, data)


def _number(data: bytes, order: str) -> int:
    return int.from_bytes(data, "big" if order == ">" else "little")


# -- Targa (Truevision, version 2.0) ---------------------------------------------------------------

_TARGA_HEAD = struct.Struct("<BBBHHBHHHHBB")
_TARGA_FOOT = b"TRUEVISION-XFILE.\0"
_PALETTE, _RUNS = frozenset({1, 9}), frozenset({9, 10, 11})
_TARGA_KINDS = frozenset({1, 2, 3, 9, 10, 11})
_DEPTHS = frozenset({8, 15, 16, 24, 32})


def torn_targa(cause: object) -> MediaError:
    """The error for a Targa picture that cannot be decoded."""
    return MediaError(
        "The source is a Targa picture, but it is damaged; try another copy of it.",
        code="corrupt_media",
        cause=cause,
    )


def is_targa(path: Path) -> bool:
    """Whether the file is a Targa picture. It has no mark at its beginning, and only newer ones
    have one at their end; the others must have a header that makes sense, and a fitting size."""
    with path.open("rb") as file:
        head = file.read(_TARGA_HEAD.size)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_TARGA_FOOT)))
        foot = file.read()
    if len(head) < _TARGA_HEAD.size:
        return False
    (name, has_palette, kind, _, colours, colour_bits, left, top, width, height, depth, bits) = (
        _TARGA_HEAD.unpack(head)
    )
    if kind not in _TARGA_KINDS or depth not in _DEPTHS or not width or not height:
        return False
    if foot == _TARGA_FOOT:
        return True
    if left or top not in (0, height) or bits & 0xC0 or bits & 0x0F > 8:
        return False
    palette = 0
    if kind in _PALETTE and has_palette == 1 and colours <= 256:
        palette = colours * ((colour_bits + 7) // 8)
    elif any(head[1:2] + head[3:8]):
        return False
    data: int = size - _TARGA_HEAD.size - name - palette
    pixels: int = width * height
    each: int = (depth + 7) // 8
    # A run of at most 128 pixels of one colour takes a byte and the colour.
    return data >= (pixels // 128 * (1 + each) if kind in _RUNS else pixels * each)
