"""Titles as stations tell them: in ICY metadata, and in ID3 tags of HLS."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.fetch import song_title
from gmapi.fetch.icy import Titles
from gmapi.fetch.id3 import title_in, without_tags
from support.cost import cpu_below
from support.media import timed_titles
from support.media.timed_titles import frame, packet, song, stream_with, tag


@pytest.mark.parametrize(
    ("block", "title"),
    [
        (b"StreamTitle='A - B';StreamUrl='x';\0\0\0", "A - B"),
        (b"StreamTitle='It's a 'song'';", "It's a 'song'"),
        (b"StreamUrl='u';StreamTitle='late';", "late"),
        (b"StreamTitle='no end", "no end"),
        (b"StreamTitle='no semicolon'", "no semicolon"),
        (b"StreamTitle='';", ""),
        ("StreamTitle='Été';".encode(), "Été"),
        ("StreamTitle='Été';".encode("latin-1"), "Été"),
        (b"StreamTitle='a\r\n\x1b[1m\tb';", "a [1m b"),
        ("StreamTitle='a\u202eb\u200b';".encode(), "a b"),
        (b"StreamTitle='" + b"x" * 4000 + b"';", "x" * song_title.TITLE_MAX),
        (b"StreamUrl='u';", None),
        (b"", None),
    ],
)
def test_titles_of_icy(block: bytes, title: str | None) -> None:
    assert song_title.in_icy(block) == title


@given(st.binary(max_size=300))
def test_whatever_a_station_sends_is_one_short_line(block: bytes) -> None:
    title = song_title.in_icy(b"StreamTitle='" + block)
    assert title is not None
    assert len(title) <= song_title.TITLE_MAX
    assert all(character.isprintable() for character in title)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_titles_are_told_however_they_come_apart(sizes: list[int]) -> None:
    text = b"StreamTitle='A - B';"
    block = bytes([2]) + text.ljust(32, b"\0")
    data = (b"s" * 100 + block + b"s" * 100 + b"\0") * 3
    told: list[str] = []
    titles = Titles(100, told.append)
    sound, at = b"", 0
    while at < len(data):
        size = sizes[at % len(sizes)]
        sound += titles.strip(data[at : at + size])
        at += size
    assert sound == b"s" * 600
    assert told == ["A - B"] * 3


def test_tags_before_the_sound_of_a_segment() -> None:
    sound = b"\xff\xf1sound"
    assert title_in(song("Song", "Artist") + sound) == "Artist - Song"
    assert title_in(tag(timed_titles.CLOCK) + song("Later") + sound) == "Later"
    assert title_in(tag(timed_titles.CLOCK) + sound) is None
    assert title_in(sound) is None
    assert without_tags(song("Song") + song("Song") + sound) == sound
    assert without_tags(sound) == sound


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (tag(frame(b"TIT2", b"\0caf\xe9", 3), version=3), "café"),
        (tag(frame(b"TIT2", b"\2" + "é".encode("utf-16-be"))), "é"),
        (tag(frame(b"TIT2", b"\1" + "é\0x".encode("utf-16"))), "é"),
        (tag(frame(b"TPE1", b"\3Only the artist")), None),
        (tag(frame(b"TIT2", b"")), None),
        (tag(frame(b"TIT2", b"\3in front") + bytes(50)), "in front"),
        (tag(frame(b"TIT2", b"\3of old"), version=2), None),
        (b"ID3\4\0\0\x7f\x7f\x7f\x7f" + frame(b"TIT2", b"\3cut off"), "cut off"),
        (b"ID3\4\0\0\x7f\x7f\x7f\x7fTIT2\x7f\x7f\x7f\x7f\0\0\3cut", "cut"),
        (b"ID3\4\0", None),
    ],
)
def test_frames_of_tags(data: bytes, title: str | None) -> None:
    assert title_in(data) == title


def test_timed_metadata_of_a_transport_stream() -> None:
    data = stream_with(song("One"), song("Two" + "x" * 150, "Artist"))
    assert title_in(data) == "Artist - Two" + "x" * 150
    assert title_in(stream_with(tag(timed_titles.CLOCK))) is None
    # What stands around it is passed over, and so is what breaks off.
    others = packet(0x101, b"sound") + packet(0x1FFF, b"")
    assert title_in(data[:376] + others + data[376:]) == "Artist - Two" + "x" * 150
    assert title_in(data[:-376]) == "One"


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe")
def test_the_streams_of_these_tests_are_what_other_programs_call_timed_metadata() -> None:
    words = ["ffprobe", "-v", "error", "-f", "mpegts", "-show_entries", "stream=codec_name", "-"]
    done = subprocess.run(words, input=stream_with(song("One")), capture_output=True, check=True)
    assert b"timed_id3" in done.stdout


@given(st.binary(max_size=600))
def test_no_bytes_break_the_reading_of_tags(data: bytes) -> None:
    for made in (
        b"ID3\4\0\0" + data,
        data,
        stream_with(song("A"))[:376] + packet(0x102, data[:150]),
    ):
        title = title_in(made)
        assert title is None or title.isprintable()
        without_tags(made)


@given(st.lists(st.tuples(st.integers(0, 940), st.integers(0, 255)), max_size=12))
def test_no_torn_stream_breaks_the_reading_of_tags(changes: list[tuple[int, int]]) -> None:
    data = bytearray(stream_with(song("One"), song("Two")))
    for at, value in changes:
        data[at % len(data)] = value
    title = title_in(bytes(data))
    assert title is None or len(title) <= song_title.TITLE_MAX


@pytest.mark.parametrize("version", [3, 4])
def test_a_tag_of_very_many_frames_costs_little(version: int) -> None:
    many = tag(frame(b"TPE1", b"\3" + b"x" * 10**6, version), version=version)
    many += tag(frame(b"TIT2", b"\3first", version), frame(b"TIT2", b"", version) * 600_000)
    with cpu_below(1.0):
        assert title_in(many) is None
