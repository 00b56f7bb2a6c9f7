"""The tag of an MP3 is found behind anything that may stand before it, in a bounded part."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmapi.media.xing import JUNK_BYTES_MAX, HeadTooShort, unpromised
from support.cost import cpu_below

# MPEG-1 layer III at 44.1 kHz, 128 kbit/s, in mono.
FRAME = b"\xff\xfb\x90\xc0".ljust(417, b"\0")
AT = 4 + 17


def tagged(flags: int, *values: int, name: bytes = b"Info") -> bytes:
    tag = name + struct.pack(f">I{len(values)}I", flags, *values)
    return FRAME[:AT] + tag + FRAME[AT + len(tag) :]


def id3(size: int, flags: int = 0) -> bytes:
    digits = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\4\0" + bytes([flags]) + digits + bytes(size) + bytes(10 if flags & 0x10 else 0)


@pytest.mark.parametrize(
    "before",
    [b"", id3(300), id3(40_000), id3(100) + id3(50), id3(20, 0x10), b"junk\xff\xfb" * 40],
    ids=["nothing", "a tag", "a long tag", "two tags", "a foot", "junk"],
)
def test_only_the_size_goes(before: bytes) -> None:
    for name in (b"Xing", b"Info"):
        data = before + tagged(3, 55, 23_000, name=name) + FRAME * 3
        gone = unpromised(data, len(data))
        assert gone == before + tagged(3, 55, 0, name=name) + FRAME * 3
        assert unpromised(before + tagged(2, 23_000, name=name) + FRAME, 23_000) is not None


@pytest.mark.parametrize(
    "data",
    [FRAME * 3, tagged(1, 55) + FRAME, tagged(3, 55, 0) + FRAME, b"\0" * 70_000,
     FRAME[:AT] + b"VBRI" + FRAME[AT + 4 :] + FRAME],
    ids=["no tag", "no size", "size 0", "no frames", "another tag"],
)  # fmt: skip
def test_what_promises_nothing_stays(data: bytes) -> None:
    assert unpromised(data, len(data)) is None


def test_a_frame_that_no_other_follows_is_none() -> None:
    data = tagged(3, 55, 9)[:200] + bytes(1000) + FRAME * 2
    assert unpromised(data, len(data)) is None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 1000))
def test_any_beginning_is_read_or_too_short(data: bytes, length: int) -> None:
    whole = data + tagged(3, 55, 23_000) + FRAME * 2
    head = whole[:length]
    try:
        found = unpromised(head, 1 << 20)
    except HeadTooShort as error:
        assert error.needed > len(head)
    else:
        assert found is None or len(found) == len(head)


def test_a_flood_of_beginnings_is_read_quickly() -> None:
    with cpu_below(2), pytest.raises(HeadTooShort):
        unpromised(b"\xff" * (JUNK_BYTES_MAX - 9), 1 << 20)
    with cpu_below(2):
        assert unpromised((b"\xff\xfb\x90\xc0" + b"Info" * 9) * (1 << 18), 1 << 24) is None
