"""Pictures that ffmpeg would read wrongly, and encrypted films, told by their own headers."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmapi.errors import MediaError
from gmapi.media import protected, still_files
from support.media import odd_files
from support.media.odd_files import box, jpeg, noise, targa, tiff

Put = Callable[[bytes], Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def write(data: bytes) -> Path:
        path = tmp_path / "input"
        path.write_bytes(data)
        return path

    return write


_EXIF = b"\xff\xe1" + struct.pack(">H", 8002) + b"Exif\0\0" + jpeg(0xC9)[:500].ljust(7994, b"\0")
_DNG = {50706: (1, [1, 4, 0, 0])}

WRONG = [
    (jpeg(0xC1, 12), "12 bits a sample"),
    (jpeg(0xC2, 12), "12 bits a sample"),
    (jpeg(0xC9), "arithmetic coding"),
    (jpeg(0xCA), "arithmetic coding"),
    (jpeg(0xC5), "hierarchical"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\4CgBIP\0 \2" + noise(), "Apple's own"),
    (jpeg(0xC1, 12, before=_EXIF), "12 bits a sample"),
    (jpeg(0xC9, before=b"\xff\xff\xfe\x00\x04ab"), "arithmetic coding"),
    (tiff(noise(), {259: (3, [7])}), "compression JPEG,"),
    (tiff(noise(), {259: (3, [6])}), "compression JPEG,"),
    (tiff(noise(), {259: (3, [7])}, order=">"), "compression JPEG,"),
    (tiff(noise(), {259: (3, [50000])}), "compression Zstandard"),
    (tiff(noise(), {259: (3, [50001])}), "compression WebP"),
    (tiff(noise(), {259: (3, [52546])}), "compression JPEG XL"),
    (tiff(noise(), {259: (3, [34712])}), "compression JPEG 2000"),
    (tiff(noise(), {259: (3, [99])}), "compression number 99"),
    (odd_files.tiled_tiff(), "in tiles"),
    (tiff(noise(), {262: (3, [8])}), "Lab"),
    (tiff(noise(), {258: (3, [16]), 339: (3, [3])}), "floating-point numbers of 16 bits"),
    (tiff(noise(), {258: (3, [32])}), "whole numbers of 32 bits"),
    (tiff(noise(), {262: (3, [5]), 284: (3, [2])}), "CMYK with each colour apart"),
    (tiff(noise(), {262: (3, [32803])}), "raw photo"),
    (tiff(noise(), {262: (3, [34892])}), "raw photo"),
    (tiff(noise(), _DNG), "raw photo"),
    (tiff(noise(), {259: (3, [34713])}), "raw photo"),
]


@pytest.mark.parametrize(("data", "words"), WRONG)
def test_a_picture_that_would_come_out_wrong_is_refused(put: Put, data: bytes, words: str) -> None:
    with pytest.raises(MediaError, match=words) as caught:
        still_files.check(put(data))
    assert caught.value.code == "corrupt_media"
    assert "PNG" in caught.value.message


def test_a_raw_photo_is_told_by_what_is_behind_its_thumbnail(put: Put) -> None:
    inner = tiff(noise(), {262: (3, [32803])})
    data = tiff(b"", {330: (4, [0])})
    # The inner directory stands behind the outer file; its offset is from the start of all.
    directory = inner[8:]
    at = data.index(struct.pack("<HHI", 330, 4, 1)) + 8
    data = data[:at] + struct.pack("<I", len(data)) + data[at + 4 :] + directory
    with pytest.raises(MediaError, match="raw photo"):
        still_files.check(put(data))


READ = [
    jpeg(), jpeg(0xC1), jpeg(0xC2), jpeg(0xC3, 12), jpeg(before=_EXIF), jpeg()[:30],
    tiff(), tiff(order=">"), tiff(noise(), {259: (3, [5])}), tiff(noise(), {259: (3, [34925])}),
    tiff(noise(), {258: (3, [32] * 3), 339: (3, [3] * 3)}), tiff(noise(), {284: (3, [2])}),
    tiff(noise(), {262: (3, [5])}), tiff()[:20], b"II*\0", b"II*\0\xff\xff\xff\xff", b"",
    b"\xff\xd8\xff", odd_files.xpm(), noise(),
]  # fmt: skip


@pytest.mark.parametrize("data", READ)
def test_other_pictures_pass(put: Put, data: bytes) -> None:
    still_files.check(put(data))


def test_directories_in_a_circle_come_to_an_end(put: Put) -> None:
    data = bytearray(tiff())
    at = 8 + 2 + 12 * 9  # where the next directory is named
    data[at : at + 4] = struct.pack("<I", 8)
    still_files.check(put(bytes(data)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80), st.sampled_from([tiff(), jpeg(), odd_files.tiled_tiff()]))
def test_spoilt_headers_are_no_trouble(put: Put, spoilt: bytes, data: bytes) -> None:
    for changed in (data[:4] + spoilt, data[:10] + spoilt + data[10 + len(spoilt) :]):
        path = put(changed)
        try:
            still_files.check(path)
        except MediaError as error:
            assert error.code == "corrupt_media"
        still_files.is_targa(path)
        protected.check(path)


# -- Targa -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("foot", [False, True])
@pytest.mark.parametrize("kind", [1, 2, 3, 10])
def test_a_targa_picture_is_known(put: Put, kind: int, foot: bool) -> None:
    assert still_files.is_targa(put(targa(kind, foot=foot)))


@pytest.mark.parametrize(
    "data",
    [
        b"", targa()[:17], targa()[:500], bytes(5000), noise(), jpeg(), tiff(),
        b"\0\0\2\0\1\0\x20\x20" + bytes(3000),  # a Windows cursor
        b"\0\0\2\0" + bytes(8) + b"\x30\0\x20\0\x0d\x20" + bytes(9000),  # 13 bits a pixel
        b"\0\0\1\xba\x44" + bytes(3000), b"\0\0\0\x20ftypisom" + bytes(3000),
        noise() + b"TRUEVISION-XFILE.\0",
    ],
)  # fmt: skip
def test_what_only_begins_like_one_is_none(put: Put, data: bytes) -> None:
    assert not still_files.is_targa(put(data))


# -- encryption ------------------------------------------------------------------------------------


def film(*samples: bytes, late: bool = False, beside: bytes = b"") -> bytes:
    """An MP4 with a track for each kind of sample."""
    tracks = []
    for kind in samples:
        table = box(b"stsd", bytes(4), struct.pack(">I", 1), box(kind, bytes(28)))
        inner = box(b"minf", box(b"smhd", bytes(8)), box(b"stbl", table, beside))
        tracks.append(box(b"trak", box(b"tkhd", bytes(84)), box(b"mdia", inner)))
    index, data = box(b"moov", box(b"mvhd", bytes(100)), *tracks), box(b"mdat", noise())
    return box(b"ftyp", b"M4A \0\0\0\0") + (data + index if late else index + data)


def webm(encryption: bytes) -> bytes:
    """The beginning of a WebM with one track, whose encoding has this element in it."""
    encoding = b"\x62\x40" + bytes([0x80 + 7 + len(encryption)]) + b"\x50\x31\x81\0\x50\x33\x81"
    encodings = encoding + b"\1" + encryption
    return b"\x1a\x45\xdf\xa3\x84webm" + noise(90) + b"\x6d\x80\x95" + encodings + noise()


def broadcast(scrambled: int, clear: int) -> bytes:
    """So many packets of a transport stream."""
    packets = [b"\x47\1\0\x90"] * scrambled + [b"\x47\1\0\x10"] * clear
    return b"".join(packet + noise(184) for packet in packets)


ENCRYPTED = [
    webm(b"\x50\x35\x84key!"), broadcast(50, 5),
    film(b"drms"), film(b"avc1", b"enca"), film(b"encv"), film(b"encv", late=True),
    film(b"mp4a", beside=box(b"senc", bytes(8))), odd_files.encrypted_wmv(),
]  # fmt: skip


@pytest.mark.parametrize("data", ENCRYPTED)
def test_what_is_encrypted_is_refused(put: Put, data: bytes) -> None:
    with pytest.raises(MediaError, match=r"encrypted.* a copy without protection"):
        protected.check(put(data))


@pytest.mark.parametrize(
    "data",
    [
        film(b"mp4a", b"avc1"), film(b"mp4a", late=True), film(b"mp4a")[:90], b"", noise(),
        # What only holds such words is no box.
        film(b"mp4a") + box(b"free", box(b"drms", b"")),
        box(b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"moov", 1 << 62),
        box(b"ftyp", b"isom") + box(b"moov", box(b"trak") * 5000),
        box(b"ftyp", b"isom") + struct.pack(">I4s", 0, b"moov") + box(b"mvhd"),
        odd_files.encrypted_wmv()[:30] + noise(), webm(b"\x50\x34\x84zlib"),
        broadcast(5, 50), broadcast(50, 5)[1:], b"\x47" * 3,
    ],
)  # fmt: skip
def test_what_is_not_passes(put: Put, data: bytes) -> None:
    protected.check(put(data))


def test_boxes_in_boxes_come_to_an_end(put: Put) -> None:
    inside = b""
    for _ in range(2000):
        inside = box(b"stsd", bytes(8), inside)
    protected.check(put(box(b"ftyp", b"isom") + box(b"moov", inside)))
