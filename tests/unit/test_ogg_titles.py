"""Titles in the comments of Ogg, from real files and from what is none."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmapi.fetch.ogg_titles import OggTitles
from gmapi.fetch.song_title import TITLE_MAX
from support.media.programs import ffmpeg_output


@functools.cache
def song(codec: str, *told: str) -> bytes:
    """Two seconds of a tone that tell this."""
    words = [word for each in told for word in ("-metadata", each)]
    tone = ["-f", "lavfi", "-i", "sine=440:r=48000", "-ac", "2", "-t", "2", "-c:a", codec]
    return ffmpeg_output(*tone, *words, "-f", "ogg", "-")


def titles(data: bytes, size: int = 10**9) -> list[str]:
    told: list[str] = []
    reader = OggTitles(told.append)
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
    return told


@pytest.mark.parametrize("codec", ["libopus", "libvorbis", "flac"])
@pytest.mark.parametrize("size", [1, 1000, 10**9])
def test_each_song_of_a_station_tells_its_title(codec: str, size: int) -> None:
    data = song(codec, "title=Été", "artist=A") + song(codec, "title=B") + song(codec, "artist=C")
    assert titles(data, size) == ["A - Été", "B"]
    # Who comes in the middle hears of the next one.
    assert titles(data[5000:], size) == ["B"]


def test_long_and_odd_texts_are_one_short_line() -> None:
    (title,) = titles(song("libopus", f"title=a\x1b[2J\n{'x' * 3000}"))
    assert len(title) == TITLE_MAX
    assert title.isprintable()


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8))
@settings(max_examples=200, deadline=None)
def test_no_bytes_break_it(changes: list[tuple[int, int]]) -> None:
    data = bytearray(song("libopus", "title=One", "artist=A"))
    for at, value in changes:
        data[at] = value
    assert all(len(title) <= TITLE_MAX for title in titles(bytes(data), 333))


@given(st.binary(max_size=400))
def test_what_is_no_ogg_is_passed_over(data: bytes) -> None:
    reader = OggTitles(lambda title: None)
    reader.feed(b"OggS" + data)
    reader.feed(data * 3)
    assert len(reader._data) <= 66_000
