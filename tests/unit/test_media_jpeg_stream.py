"""JPEG files one after another, in any pieces."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gmapi.media.jpeg_stream import JpegSplitter


def jpeg(seed: int, width: int = 24) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (16, width, 3), np.uint8)
    output = BytesIO()
    # The comment holds what would end a picture.
    Image.fromarray(pixels).save(output, "jpeg", comment=b"\xff\xd9 no end", quality=95)
    return output.getvalue()


FILES = [jpeg(1), jpeg(2, 50), jpeg(3)]


@settings(deadline=None)
@given(st.lists(st.integers(1, 900), max_size=40))
def test_files_are_cut_whatever_the_pieces(sizes: list[int]) -> None:
    stream, found, at = b"".join(FILES), [], 0
    splitter = JpegSplitter()
    for size in [*sizes, len(stream)]:
        found += splitter.feed(stream[at : at + size])
        at += size
    assert found == FILES
    assert splitter.pending == 0


def test_byte_by_byte() -> None:
    splitter = JpegSplitter()
    found = [file for byte in b"".join(FILES) for file in splitter.feed(bytes([byte]))]
    assert found == FILES


def test_a_torn_file_is_pending() -> None:
    splitter = JpegSplitter()
    assert splitter.feed(FILES[0] + FILES[1][:-1]) == [FILES[0]]
    assert splitter.pending == len(FILES[1]) - 1
    assert splitter.feed(FILES[1][-1:]) == [FILES[1]]


@pytest.mark.parametrize(
    "stream",
    [b"\x89PNG\r\n\x1a\n", b"\xff\xd9\xff\xd8", FILES[0] + b"xx", b"\xff\xd8\x00\xe0\x00\x10",
     b"\xff\xd8\xff\xe0\x00\x01"],
)  # fmt: skip
def test_what_is_no_jpeg_is_refused(stream: bytes) -> None:
    with pytest.raises(ValueError, match="not a JPEG file"):
        JpegSplitter().feed(stream)


def test_files_are_bounded() -> None:
    splitter = JpegSplitter(max_file=len(FILES[0]))
    assert splitter.feed(FILES[0]) == [FILES[0]]
    with pytest.raises(ValueError, match="more than"):
        splitter.feed(FILES[1][:-1])
