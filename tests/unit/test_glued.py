"""Files glued together: where the second begins, by bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmapi.media.glued import second_at


def box(kind: bytes, size: int = 8) -> bytes:
    return size.to_bytes(4) + kind + bytes(size - 8)


MP4 = box(b"ftyp", 24) + box(b"moov", 200) + box(b"mdat", 900)
INDEX_LAST = box(b"ftyp", 24) + box(b"mdat", 900) + box(b"moov", 200)
FRAGMENTS = box(b"ftyp", 24) + box(b"moov", 200) + box(b"moof", 100) + box(b"mdat", 900)
EBML = b"\x1a\x45\xdf\xa3\x93\x42\x86\x81\x01" + bytes(15)
MATROSKA = EBML + b"\x18\x53\x80\x67\x43\xe8" + bytes(1000)
LIVE = EBML + b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + bytes(1000)
WAVE = b"RIFF" + (1029).to_bytes(4, "little") + b"WAVE" + bytes(1025)
AVI = b"RIFF" + (1028).to_bytes(4, "little") + b"AVI " + bytes(1024)
FLV = b"FLV\x01\x05\0\0\0\x09" + bytes(1000)


@pytest.mark.parametrize("first", [MP4, INDEX_LAST, MATROSKA, LIVE, WAVE + b"\0", FLV])
def test_the_second_file_is_found(first: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(first + first)
    assert second_at(path) == len(first)
    path.write_bytes(first + bytes(300))
    assert second_at(path) is None
    path.write_bytes(first)
    assert second_at(path) is None


@pytest.mark.parametrize("first", [AVI, FRAGMENTS, b"ID3" + bytes(100), b"OggS" + bytes(100), b""])
def test_what_may_go_on_is_one(first: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(first + first)
    assert second_at(path) is None


def test_any_torn_file_is_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for first in (MP4, MATROSKA, LIVE, WAVE, FLV):
        for length in range(0, 60, 7):
            path.write_bytes(first[:length])
            assert second_at(path) is None
