"""Whether files are all there, by their own bytes; programs that know no length are no liars."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmapi.media.completeness import Completeness, completeness


def looked_at(folder: Path, data: bytes) -> Completeness:
    path = folder / "file"
    path.write_bytes(data)
    return completeness(path)


def wav(length: int, there: int) -> bytes:
    return b"RIFF" + length.to_bytes(4, "little") + b"WAVEfmt " + bytes(there)


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFF024, 0x7FFFFFFF])
def test_a_length_that_nobody_knew_is_none(tmp_path: Path, length: int) -> None:
    assert looked_at(tmp_path, wav(length, 1000)).missing == 0


def test_what_a_header_promises_and_is_not_there_is_missing(tmp_path: Path) -> None:
    assert looked_at(tmp_path, wav(2000, 1000)).missing == 2008 - 1016
    assert looked_at(tmp_path, wav(900, 1000)).missing == 0
    box = (16).to_bytes(4) + b"ftypisom" + bytes(4)
    assert looked_at(tmp_path, box + (500).to_bytes(4) + b"mdat" + bytes(100)).missing == 392
    assert looked_at(tmp_path, box + bytes(4) + b"mdat" + bytes(100)).missing == 0
    assert looked_at(tmp_path, box + b"\0\0\0\1mdat" + (300).to_bytes(8) + bytes(84)).missing == 200


def test_a_live_recording_in_matroska_promises_nothing(tmp_path: Path) -> None:
    head = b"\x1a\x45\xdf\xa3\x84" + bytes(4) + b"\x18\x53\x80\x67"
    assert looked_at(tmp_path, head + b"\x01" + b"\xff" * 7 + bytes(50)).missing == 0
    assert looked_at(tmp_path, head + b"\x40\xff" + bytes(50)).missing == 255 - 50


def test_transport_streams_end_with_a_whole_packet(tmp_path: Path) -> None:
    packet = b"\x47" + bytes(187)
    assert not looked_at(tmp_path, packet * 20).is_cut
    assert not looked_at(tmp_path, bytes(50) + packet * 20).is_cut
    assert looked_at(tmp_path, packet * 20 + packet[:90]).is_cut
    assert not looked_at(tmp_path, (bytes(4) + packet) * 20).is_cut


def test_strange_bytes_are_no_trouble(tmp_path: Path) -> None:
    heads = (
        b"RIFF", b"RF64", b"caff\0\1\0\0", b"\x1a\x45\xdf\xa3", b"OggS", b"GIF89a", b"\x89PNG",
        b"riff\x2e\x91\xcf\x11", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"\0\0\0\x08ftyp",
    )  # fmt: skip
    for head in (*heads, b""):
        for rest in (b"", b"\xff" * 40, bytes(9000), b"\x80" * 300):
            assert looked_at(tmp_path, head + rest).size == len(head + rest)
