"""Files of kinds that ffmpeg cannot read or reads wrongly, made byte by byte."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence

# A tiny generator, so that noise is the same in every run and no mark of anything.
_NOISE = bytes((i * i * 31 + i * 17 + (i >> 3) * 101 + 200) % 251 for i in range(6000))
WIDTH, HEIGHT = 48, 32
GREY = bytes(x * 5 for _ in range(HEIGHT) for x in range(WIDTH))
"""A ramp from left to right, a byte for each pixel."""


def noise(count: int = 3000) -> bytes:
    """Bytes that are nothing."""
    return _NOISE[:count]


def zipped(*files: tuple[str, bytes]) -> bytes:
    """A ZIP archive of these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in files:
            archive.writestr(name, data)
    return made.getvalue()


def tarred(name: str = "song.mp3", data: bytes = _NOISE) -> bytes:
    """A tar archive of one file."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def program() -> bytes:
    """The beginning of a program for Windows."""
    return b"MZ\x90\x00" + bytes(56) + struct.pack("<I", 128) + bytes(64) + b"PE\0\0" + noise()


def font() -> bytes:
    """The beginning of a TrueType font with 12 tables."""
    return struct.pack(">IHHHH", 0x10000, 12, 128, 3, 64) + b"OS/2" + noise()


_SIZES = {1: "B", 3: "H", 4: "I"}


def tiff(
    data: bytes = GREY,
    tags: Mapping[int, tuple[int, Sequence[int]]] | None = None,
    *,
    order: str = "<",
    without: Sequence[int] = (),
) -> bytes:
    """A TIFF of `data`, grey pixels unless `tags` (type and values by number) say otherwise.

    Offsets of strips and tiles (273, 324) count from the start of `data`.
    """
    entries: dict[int, tuple[int, Sequence[int]]] = {
        256: (3, [WIDTH]), 257: (3, [HEIGHT]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]),
        273: (4, [0]), 277: (3, [1]), 278: (3, [HEIGHT]), 279: (4, [len(data)]),
    }  # fmt: skip
    entries |= tags or {}
    for tag in without:
        del entries[tag]
    base = 8 + 2 + 12 * len(entries) + 4
    sizes = [len(v) * struct.calcsize(_SIZES[t]) for t, v in entries.values()]
    begin = base + sum(size for size in sizes if size > 4)
    directory, beside = struct.pack(order + "H", len(entries)), b""
    for tag, (kind, values) in sorted(entries.items()):
        if tag in (273, 324):
            values = [begin + value for value in values]
        packed = struct.pack(f"{order}{len(values)}{_SIZES[kind]}", *values)
        directory += struct.pack(order + "HHI", tag, kind, len(values))
        if len(packed) > 4:
            directory += struct.pack(order + "I", base + len(beside))
            beside += packed
        else:
            directory += packed.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + directory + bytes(4) + beside + data


def tiled_tiff() -> bytes:
    """The grey ramp in tiles of 16 x 16 pixels."""
    rows = [GREY[y * WIDTH : (y + 1) * WIDTH] for y in range(HEIGHT)]
    tiles = [
        b"".join(row[left : left + 16] for row in rows[top : top + 16])
        for top in range(0, HEIGHT, 16)
        for left in range(0, WIDTH, 16)
    ]
    tags = {
        322: (3, [16]), 323: (3, [16]),
        324: (4, [256 * n for n in range(len(tiles))]), 325: (4, [256] * len(tiles)),
    }  # fmt: skip
    return tiff(b"".join(tiles), tags, without=(273, 278, 279))


def jpeg(frame: int = 0xC0, bits: int = 8, before: bytes = b"") -> bytes:
    """A grey JPEG of 64 x 48 pixels that gets brighter from left to right, whose frame header is
    of the kind `frame` and says `bits` a sample; the segments `before` stand before it."""
    made = b"\xff\xd8" + before + b"\xff\xdb" + struct.pack(">HB", 67, 0) + bytes([1] * 64)
    made += b"\xff" + bytes([frame]) + struct.pack(">HBHHB", 11, bits, 48, 64, 1) + b"\x01\x11\x00"
    # Codes of four bits for the sizes of differences, one bit for "nothing else in this block".
    made += b"\xff\xc4" + struct.pack(">HB", 34, 0x00) + bytes([0, 0, 0, 15, *[0] * 12])
    made += bytes(range(15))
    made += b"\xff\xc4" + struct.pack(">HB", 20, 0x10) + bytes([1, *[0] * 15]) + b"\x00"
    made += b"\xff\xda" + struct.pack(">HB", 8, 1) + bytes([1, 0, 0, 63, 0])
    code, before_it = "", 0
    for _ in range(6):
        for block in range(8):
            level = ((block + 1) * 2**bits // 9 - 2 ** (bits - 1)) * 8
            difference, before_it = level - before_it, level
            size = abs(difference).bit_length()
            code += f"{size:04b}"
            if size:
                value = difference if difference > 0 else difference + 2**size - 1
                code += f"{value:0{size}b}"
            code += "0"
    code += "1" * (-len(code) % 8)
    scan = int(code, 2).to_bytes(len(code) // 8).replace(b"\xff", b"\xff\x00")
    return made + scan + b"\xff\xd9"


def targa(kind: int = 2, *, foot: bool = False) -> bytes:
    """A Targa picture of the grey ramp: kind 2 in colours, 3 grey, 1 with a palette, 10 in colours
    and runs."""
    depth = 24 if kind in (2, 10) else 8
    palette = bytes(level for n in range(256) for level in (n, n, n)) if kind == 1 else b""
    made = struct.pack(
        "<BBBHHBHHHHBB", 0, bool(palette), kind, 0, len(palette) // 3, 24 if palette else 0,
        0, 0, WIDTH, HEIGHT, depth, 0x20,
    )  # fmt: skip
    made += palette
    for level in GREY:
        made += (b"\x80" if kind == 10 else b"") + bytes([level]) * (depth // 8)
    return made + (bytes(8) + b"TRUEVISION-XFILE.\0" if foot else b"")


def png(data: bytes) -> bytes:
    """A PNG with a right header, whose compressed pixels are `data`."""
    made = b"\x89PNG\r\n\x1a\n"
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    for kind, inside in ((b"IHDR", head), (b"IDAT", data), (b"IEND", b"")):
        made += struct.pack(">I", len(inside)) + kind + inside
        made += struct.pack(">I", zlib.crc32(kind + inside))
    return made


def xpm() -> bytes:
    """Red on the left, green on the right, 64 x 48."""
    row = b'"' + b"r" * 32 + b"g" * 32 + b'"'
    colours = b'"r c #FF0000",\n"g c #00FF00",\n'
    rows = b",\n".join([row] * 48)
    return b'/* XPM */\nstatic char *a[] = {\n"64 48 2 1",\n' + colours + rows + b"\n};\n"


def tracker_module() -> bytes:
    """A MOD with one sample, a wave, that is played now and then: one pattern, some 7 s."""
    made = b"test".ljust(20, b"\0")
    for number in range(31):
        words = (32, 0, 64, 0, 32) if number == 0 else (0, 0, 0, 0, 1)
        made += b"s".ljust(22, b"\0") + struct.pack(">HBBHH", *words)
    made += bytes([1, 127]) + bytes(128) + b"M.K."
    for row in range(64):
        made += (b"\x01\xac\x10\x00" if row % 8 == 0 else bytes(4)) + bytes(12)
    return made + bytes(i * 8 % 256 for i in range(64))


def box(kind: bytes, *contents: bytes) -> bytes:
    """A box of an MP4 file."""
    data = b"".join(contents)
    return struct.pack(">I", 8 + len(data)) + kind + data


def svgz() -> bytes:
    """A compressed drawing."""
    return gzip.compress(b'<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>')


def compound() -> bytes:
    """The beginning of an old Word document."""
    return bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504) + noise()


def encrypted_wmv() -> bytes:
    """The beginning of a WMV with an object that describes how it is encrypted."""
    inside = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e") + struct.pack("<Q", 40) + bytes(16)
    head = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
    return head + struct.pack("<QIBB", 30 + len(inside), 1, 1, 2) + inside + noise()
