import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.media.png_stream import SIGNATURE, PngSplitter


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    crc = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png(*data: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return b"".join(
        [SIGNATURE, chunk(b"IHDR", head), *(chunk(b"IDAT", d) for d in data), chunk(b"IEND")]
    )


@given(
    st.lists(st.lists(st.binary(max_size=60), max_size=3), max_size=6),
    st.lists(st.integers(1, 80), max_size=60),
)
def test_any_chunking_gives_the_same_files(bodies: list[list[bytes]], cuts: list[int]) -> None:
    files = [png(*body) for body in bodies]
    stream = b"".join(files)
    splitter = PngSplitter()
    got = []
    at = 0
    for size in [*cuts, len(stream) + 1]:
        got += splitter.feed(stream[at : at + size])
        at += size
    assert got == files
    assert splitter.pending == 0


def test_a_file_comes_out_with_its_last_byte_and_not_before() -> None:
    file = png(b"abc", b"IEND and \x89PNG inside data")
    splitter = PngSplitter()
    assert splitter.feed(file[:-1]) == []
    assert splitter.pending == len(file) - 1
    assert splitter.feed(file[-1:] + SIGNATURE) == [file]
    assert splitter.pending == len(SIGNATURE)


@pytest.mark.parametrize(
    "stream",
    [
        b"GIF89a",
        b"\x89PNX",
        SIGNATURE + chunk(b"IDAT", b"no header"),
        SIGNATURE + struct.pack(">I", 3) + b"I\x00DR",
        png(b"x") + b"trailing",
        SIGNATURE + chunk(b"IHDR", b"a" * 13) + chunk(b"IHDR", b"a" * 13),
        SIGNATURE + chunk(b"IHDR", b"a" * 13) + chunk(b"IEND", b"not empty"),
    ],
)
def test_garbage_is_refused(stream: bytes) -> None:
    with pytest.raises(ValueError, match="PNG"):
        PngSplitter().feed(stream)


def test_bounds_hold_before_the_bytes_are_there() -> None:
    head = SIGNATURE + chunk(b"IHDR", b"a" * 13)
    with pytest.raises(ValueError, match="more than 100"):
        PngSplitter(max_chunk=100).feed(head + struct.pack(">I", 101) + b"IDAT")
    splitter = PngSplitter(max_chunk=100, max_file=300)
    splitter.feed(head + chunk(b"IDAT", bytes(100)))
    with pytest.raises(ValueError, match="more than 300"):
        splitter.feed(chunk(b"IDAT", bytes(100)) + chunk(b"IDAT", bytes(100)))
