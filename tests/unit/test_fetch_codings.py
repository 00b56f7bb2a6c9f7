"""What a Content-Encoding says, and what the first bytes say to it."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.fetch.codings import compression, is_packed


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("", None), ("identity", None), ("none", None), ("identity, utf-8", None),
        ("binary", None), ("aws-chunked", None), ("gzipped", None), ("GZIP", "gzip"),
        (" x-gzip ", "gzip"), ("gzip, br", "br"), ("br,gzip,aws-chunked", "gzip"),
        ('"gzip"', "gzip"), ("deflate", "deflate"), ("x-compress", "compress"), (",zstd,", "zstd"),
    ],
)  # fmt: skip
def test_the_last_compression_counts(coding: str, packed: str | None) -> None:
    assert compression(coding) == packed


@given(st.binary(max_size=200))
def test_what_was_packed_is_seen_as_packed(data: bytes) -> None:
    assert is_packed("gzip", gzip.compress(data))
    for level in range(10):
        assert is_packed("deflate", zlib.compress(data, level))
        assert is_packed("deflate", zlib.compress(data, level)[2:-4])


@pytest.mark.parametrize(
    "head",
    [
        b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\1\2\3\4WAVE", b"ID3\x03",
        b"\xff\xfb\x90\x64", b"\xff\xf1\x50\x80", b"OggS\0", b"fLaC", b"\x1a\x45\xdf\xa3",
        b"\0\0\0\x20ftypisom", b"FLV\1", b"\0\0\1\xba", b"WEBVTT\n", b"\xef\xbb\xbf[Script Info]",
        b"1\r\n00:00:01,000", b"G" + bytes(187) + b"G", b"\x30\x26\xb2\x75", b"RIFF\1\2\3\4WEBP",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n", b'<?xml version="1.0"?>\n<MPD type="static">',
    ],
)  # fmt: skip
def test_media_is_not_packed_whatever_is_said(head: bytes) -> None:
    for name in ("gzip", "deflate", "br", "zstd", "compress", "dcb", "dcz"):
        assert not is_packed(name, head)
