"""HEIF pictures of tiles, as phones make them (HEIC) and as AVIF has them, box by box after
ISO/IEC 23008-12: ffmpeg encodes the tiles, the boxes around them are written here."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from support.media.programs import make_media

Kind = Literal["avif", "heic"]

_ENCODERS: dict[Kind, tuple[list[str], bytes, bytes]] = {
    "avif": (
        ["-c:v", "libaom-av1", "-cpu-used", "8", "-still-picture", "1", "-pix_fmt", "yuv444p"],
        b"av01",
        b"av1C",
    ),
    "heic": (
        ["-c:v", "libx265", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p"],
        b"hvc1",
        b"hvcC",
    ),
}
"""How a tile is encoded, the type of its item, and of the box that its decoder needs."""


@dataclass(frozen=True)
class Grid:
    """A picture of tiles of equal size, one for each of `colors` row by row, cut to `size`.

    `turned` is how often it is to be turned by 90 degrees against the clock.
    """

    kind: Kind
    columns: int
    colors: Sequence[str]
    tile: tuple[int, int]
    size: tuple[int, int]
    turned: int = 0

    def write(self, path: Path) -> Path:
        tiles = [_encode(self.kind, color, *self.tile) for color in self.colors]
        path.write_bytes(self._bytes(tiles[0][0], [sample for _, sample in tiles]))
        return path

    def _bytes(self, config: bytes, samples: Sequence[bytes]) -> bytes:
        _, item_type, _ = _ENCODERS[self.kind]
        count, rows = len(samples), len(samples) // self.columns
        whole = count + 1
        items = [(number, item_type, 1) for number in range(1, whole)] + [(whole, b"grid", 0)]
        grid = struct.pack(">BBBBHH", 0, 0, rows - 1, self.columns - 1, *self.size)
        numbers = struct.pack(f">{count}H", *range(1, whole))
        head = [
            _full(b"hdlr", struct.pack(">I4s12sB", 0, b"pict", bytes(12), 0)),
            _full(b"pitm", struct.pack(">H", whole)),
            _full(b"iinf", struct.pack(">H", whole) + b"".join(_info(*item) for item in items)),
            _full(b"iref", _box(b"dimg", struct.pack(">HH", whole, count) + numbers)),
            self._properties(config, whole),
            _box(b"idat", grid),
        ]
        brand = b"avif" if self.kind == "avif" else b"heic"
        start = _box(b"ftyp", brand + bytes(4) + b"mif1" + brand)
        # The places come last, and their box has the same length whatever they are.
        empty = _full(b"meta", b"".join(head) + _places(samples, 0, len(grid)))
        offset = len(start) + len(empty) + 8
        meta = _full(b"meta", b"".join(head) + _places(samples, offset, len(grid)))
        return start + meta + _box(b"mdat", b"".join(samples))

    def _properties(self, config: bytes, whole: int) -> bytes:
        owned = [
            config,
            _full(b"ispe", struct.pack(">II", *self.tile)),
            _full(b"ispe", struct.pack(">II", *self.size)),
            _box(b"colr", b"nclx" + struct.pack(">HHHB", 1, 13, 6, 0x80)),
            _full(b"pixi", b"\x03\x08\x08\x08"),
            _box(b"irot", bytes([self.turned])),
        ]
        links = [(number, [0x81, 2, 4, 5]) for number in range(1, whole)]
        links.append((whole, [3, 4, 5, *([0x86] if self.turned else [])]))
        told = b"".join(struct.pack(">HB", number, len(own)) + bytes(own) for number, own in links)
        return _box(
            b"iprp",
            _box(b"ipco", b"".join(owned)) + _full(b"ipma", struct.pack(">I", whole) + told),
        )


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, body: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags) + body)


def _info(number: int, kind: bytes, hidden: int) -> bytes:
    return _full(b"infe", struct.pack(">HH4sB", number, 0, kind, 0), 2, hidden)


def _places(samples: Sequence[bytes], offset: int, grid_length: int) -> bytes:
    told = b""
    for number, sample in enumerate(samples, 1):
        told += struct.pack(">HHHHII", number, 0, 0, 1, offset, len(sample))
        offset += len(sample)
    whole = len(samples) + 1
    # Construction method 1: the grid lies in `idat`.
    told += struct.pack(">HHHHII", whole, 1, 0, 1, 0, grid_length)
    return _full(b"iloc", struct.pack(">BBH", 0x44, 0, whole) + told, 1)


def _encode(kind: Kind, color: str, width: int, height: int) -> tuple[bytes, bytes]:
    """The decoder's box and the one sample of a tile."""
    words, _, config = _ENCODERS[kind]
    with tempfile.TemporaryDirectory() as folder:
        tile = make_media(
            Path(folder) / "tile.mp4",
            "-f", "lavfi", "-i", f"color={color}:s={width}x{height}:r=1", "-frames:v", "1",
            "-vf", "scale=out_color_matrix=smpte170m:out_range=pc", *words,
            "-color_range", "pc", "-tag:v", "hvc1" if kind == "heic" else "av01",
        )  # fmt: skip
        data = tile.read_bytes()
    boxes = dict(_inside(data, 0, len(data)))
    start, end = boxes[b"mdat"]
    at = data.index(config) - 4
    return data[at : at + int.from_bytes(data[at : at + 4])], data[start:end]


def _inside(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    while at < end:
        size = int.from_bytes(data[at : at + 4])
        yield data[at + 4 : at + 8], (at + 8, at + size)
        at += size
