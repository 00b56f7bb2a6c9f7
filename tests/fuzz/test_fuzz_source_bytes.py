"""Fuzz target: whatever looks at the bytes of a source by itself."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import MediaError
from gmapi.fetch import codings, kinds
from gmapi.fetch.sniff import HEAD_BYTES, kind_of
from gmapi.fetch.unread import unread
from gmapi.media import picture_files, protected, still_files
from support.fuzzing import fuzz, mutated
from support.media.odd_files import box, encrypted_wmv, jpeg, noise, targa, tiff, tiled_tiff, xpm

TABLE = box(b"stsd", bytes(4), struct.pack(">I", 1), box(b"encv", bytes(28)))
INNER = box(b"mdia", box(b"minf", box(b"stbl", TABLE)))
SEVERAL = b"\xff\xe2\x00\x0aMPF\0II*\0"
SEEDS = [
    jpeg(), jpeg(0xC9), jpeg() * 2, jpeg(before=SEVERAL) * 2, tiff(), tiff(order=">"), tiled_tiff(),
    targa(), targa(10, foot=True), encrypted_wmv(), xpm(), gzip.compress(b"<svg></svg>"),
    box(b"ftyp", b"isom") + box(b"moov", box(b"trak", INNER)) + box(b"mdat", noise()),
    box(b"ftyp", b"avif") + struct.pack(">I4sQ", 1, b"moov", 40) + box(b"stsd", TABLE),
    b"\x1a\x45\xdf\xa3webm\x6d\x80\x95\x62\x40\x80\x50\x35\x84key!" + noise(),
    (b"\x47\1\0\x90" + noise(184)) * 8,
    b"PK\3\4" + bytes(22) + b"\x08\0\0\0mimetypeapplication/epub",
    b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0",
    b"\0\1\0\0\0\x0c\0\x80" + bytes(40), b"FWS", b"CWS\x05",
    b"RIFF\0\0\0\0sfbk", b"\x89PNG\r\n\x1a\n\0\0\0\4CgBI", b"d8:announce", b"\0" * 600,
]  # fmt: skip
BYTES = st.one_of(
    mutated(
        [seed[:3000].decode("latin-1") for seed in SEEDS], "\0\1\2\xff\xd8\xd9\xda\xe1\xc0IM*PK"
    ).map(lambda text: text.encode("latin-1", "replace")),
    st.binary(max_size=60),
    st.builds(lambda seed, tail: seed[:20] + tail, st.sampled_from(SEEDS), st.binary(max_size=80)),
)
CONTAINERS = st.sampled_from(["jpeg_pipe", "png_pipe", "mov,mp4,m4a,3gp,3g2,mj2", "ico", ""])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("source") / "input"


@fuzz
@given(data=BYTES, container=CONTAINERS)
def test_any_file_is_looked_at_to_an_end(source: Path, data: bytes, container: str) -> None:
    source.write_bytes(data)
    for check in (still_files.check, protected.check):
        try:
            check(source)
        except MediaError as error:
            assert error.message.isprintable()
    assert still_files.is_targa(source) in (True, False)
    assert picture_files.holds_film(source, container) in (True, False)
    assert picture_files.is_picture(source, container) in (True, False)
    error = MediaError("It failed.", cause="a cause")
    told = unread(source, error)
    assert told is error or (told.cause == "a cause" and told.message.isprintable())


@fuzz
@given(BYTES, st.booleans(), st.none() | st.text(max_size=20))
def test_any_beginning_has_a_kind_with_a_remedy_or_none(
    head: bytes, is_text: bool, content_type: str | None
) -> None:
    kind = kinds.file_kind(head, is_text=is_text)
    assert kind is None or kinds.REMEDIES[kind]
    assert len(kinds.inside_gzip(head)) <= HEAD_BYTES
    assert kind_of(head, content_type) != ""


@fuzz
@given(
    BYTES, st.lists(st.sampled_from(["gzip", "x-gzip", "br", "none", " ", '"', "é"]), max_size=4)
)
def test_any_coding(head: bytes, words: list[str]) -> None:
    found = codings.compression(",".join(words))
    assert found is None or codings.is_packed(found, head) in (True, False)
