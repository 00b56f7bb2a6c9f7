"""Pictures as cameras and programs write them, made by Pillow."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ORIENTATION = 0x0112
CORNERS = {"left_top": "red", "right_top": "lime", "left_bottom": "blue", "right_bottom": "yellow"}


def corners(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A picture whose quarters are red, lime, blue and yellow."""
    found = Image.new("RGB", (width, height))
    for place, color in CORNERS.items():
        side, end = place.split("_")
        at = (width // 2 if side == "right" else 0, height // 2 if end == "bottom" else 0)
        found.paste(Image.new("RGB", (width - width // 2, height - height // 2), color), at)
    return found.convert(mode)


_UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def turned(path: Path, orientation: int, width: int, height: int) -> None:
    """`corners` of this size for who heeds the orientation (1 to 8)."""
    seen = corners(width, height)
    stored = seen.transpose(_UNDO[orientation]) if orientation in _UNDO else seen
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options: dict[str, Any] = {"exif": exif}
    if path.suffix == ".jpg":
        options |= {"quality": 95, "subsampling": 0}
    elif path.suffix == ".webp":
        options["lossless"] = True
    elif path.suffix == ".avif":
        options["subsampling"] = "4:4:4"
    elif path.suffix == ".tif":
        options = {"tiffinfo": {ORIENTATION: orientation}}
    stored.save(path, **options)


def jpeg(color: str, width: int, height: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), color).save(data, "JPEG", quality=95)
    return data.getvalue()


def gain_mapped(path: Path, *, kind: str) -> None:
    """A red photo of 160x120 with a gray map of the light behind it: "mpf" tells of it as cameras
    do, "xmp" as others do, and its map is as large as the photo; "plain" only has one."""
    photo, gain = Image.new("RGB", (160, 120), "red"), Image.new("L", (80, 60), 128)
    if kind == "mpf":
        photo.save(path, "MPO", save_all=True, append_images=[gain.convert("RGB")], quality=95)
    elif kind == "xmp":
        told = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF "
        told += b"xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description "
        told += b"xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/' hdrgm:Version='1.0'/>"
        told += b"</rdf:RDF></x:xmpmeta>"
        first = jpeg("red", 160, 120)
        app1 = b"\xff\xe1" + struct.pack(">H", len(told) + 2) + told
        path.write_bytes(first[:2] + app1 + first[2:] + jpeg("gray", 160, 120))
    else:
        data = io.BytesIO()
        gain.save(data, "JPEG")
        path.write_bytes(jpeg("red", 160, 120) + data.getvalue())


def icon(path: Path, sizes: Sequence[int], *, kind: str, colors: Sequence[str]) -> None:
    """An icon of these sizes in this order, each of its own colour; "png" or "bmp"."""
    entries, bodies = b"", b""
    for size, color in zip(sizes, colors, strict=True):
        body = _icon_body(size, color, kind)
        at = 6 + 16 * len(sizes) + len(bodies)
        entries += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(body), at)
        bodies += body
    head = struct.pack("<HHH", 0, 1, len(sizes))
    path.write_bytes(head + entries + bodies)


def _icon_body(size: int, color: str, kind: str) -> bytes:
    picture = Image.new("RGBA", (size, size), color)
    if kind == "png":
        data = io.BytesIO()
        picture.save(data, "PNG")
        return data.getvalue()
    mask = bytes((size + 31) // 32 * 4 * size)
    head = struct.pack("<IiiHHIIiiII", 40, size, 2 * size, 1, 32, 0, 0, 0, 0, 0, 0)
    return head + picture.tobytes("raw", "BGRA") + mask


def half_hidden(path: Path, **options: Any) -> None:
    """160x120: red to the left; to the right green that is not to be seen."""
    picture = _half_hidden()
    picture.save(path, **options)


def half_hidden_film(path: Path, pictures: int, milliseconds: int, **options: Any) -> None:
    """The same, several pictures of it, all a little different."""
    made = []
    for number in range(pictures):
        picture = _half_hidden()
        picture.paste((0, 0, 255, 255), (0, 8 * number, 8, 8 * number + 8))
        made.append(picture)
    made[0].save(
        path, save_all=True, append_images=made[1:], duration=milliseconds, loop=0, **options
    )


def _half_hidden() -> Image.Image:
    values = np.zeros((120, 160, 4), np.uint8)
    values[:, :80] = (255, 0, 0, 255)
    values[:, 80:] = (0, 255, 0, 0)
    return Image.fromarray(values)


def film(path: Path, colors: Sequence[str], milliseconds: int, **options: Any) -> None:
    """An animation of whole pictures of 80x60."""
    made = [Image.new("RGB", (80, 60), color) for color in colors]
    made[0].save(
        path, save_all=True, append_images=made[1:], duration=milliseconds, loop=0, **options
    )
