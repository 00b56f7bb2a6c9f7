"""Fuzz target: what a radio station mixes into its sound, and what its headers say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gmapi.fetch import icy
from gmapi.fetch.ranges import sent_part, whole_size
from support.fuzzing import fuzz, mutated


def plainly_stripped(data: bytes, interval: int) -> bytes:
    """The sound, block by block."""
    sound, at = b"", 0
    while at < len(data):
        sound += data[at : at + interval]
        at += interval
        at += 1 + (data[at] * 16 if at < len(data) else 0)
    return sound


@fuzz
@given(
    st.lists(st.binary(max_size=200), max_size=12),
    st.integers(64, 300),
    st.sampled_from([b"", b"\0", b"\1", b"\xff"]),
)
def test_titles_come_out_however_the_bytes_come_in(
    pieces: list[bytes], interval: int, often: bytes
) -> None:
    pieces = [piece + often * 90 for piece in pieces]
    titles = icy.Titles(interval)
    sound = b"".join(titles.strip(piece) for piece in pieces)
    assert sound == plainly_stripped(b"".join(pieces), interval)


@fuzz
@given(mutated(["8192", "64", "0", "-1", "99999999999", " 16000 "], "0123456789 -+_.e\u0663\0"))
def test_an_interval_is_a_number_or_none(text: str) -> None:
    every = icy.titles_every(text)
    assert every is None or (every >= 64 and str(every) in text)


PARTS = ["bytes 0-9/10", "bytes 5-9/*", "bytes=0-0/1", "bytes */10", "items 0-9/10", "bytes 9-5/10"]


@fuzz
@given(mutated(PARTS, "0123456789-/* bytes=\u0663"))
def test_a_part_is_told_or_not(text: str) -> None:
    part = sent_part({"Content-Range": text})
    try:
        size = whole_size({"Content-Range": text})
    except ValueError:
        return
    assert part is not None
    assert (part.span.first, part.span.size) == (0, size)
