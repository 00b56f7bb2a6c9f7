"""The ways of internet radio: its headers and the titles between its sound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.fetch.icy import Titles, is_radio, titles_every


@pytest.mark.parametrize(
    ("headers", "radio"),
    [
        ({"Content-Type": "audio/mpeg", "icy-name": "x"}, True),
        ({"ICY-BR": "128"}, True),
        ({"ice-audio-info": ""}, True),
        ({"Server": "Icecast 2.4.4"}, True),
        ({"Server": "SHOUTcast/Linux"}, True),
        ({"Server": "nginx", "x-icy-name": "x", "icyname": "x"}, False),
        ({}, False),
    ],
)
def test_stations_are_known_by_their_headers(headers: dict[str, str], radio: bool) -> None:
    assert is_radio(headers) is radio


@pytest.mark.parametrize(
    ("value", "every"),
    [("16000", 16000), (" 8192 ", 8192), ("64", 64), ("63", None), ("0", None), ("-1", None),
     ("1e3", None), ("9" * 10, None), ("٣٢٧٦٨", None), ("", None), (None, None)],
)  # fmt: skip
def test_the_interval_of_titles_is_a_number(value: str | None, every: int | None) -> None:
    assert titles_every(value) == every


@given(
    st.binary(max_size=2000),
    st.integers(1, 300),
    st.lists(st.integers(0, 255), min_size=1, max_size=50),
    st.lists(st.integers(1, 400), min_size=1, max_size=50),
)
def test_titles_are_taken_out_wherever_the_pieces_end(
    sound: bytes, interval: int, lengths: list[int], pieces: list[int]
) -> None:
    mixed = bytearray()
    for number, at in enumerate(range(0, len(sound), interval)):
        part = sound[at : at + interval]
        mixed += part
        if len(part) == interval:
            length = lengths[number % len(lengths)]
            mixed += bytes([length]) + b"T" * (16 * length)
    titles, kept, at, number = Titles(interval), b"", 0, 0
    while at < len(mixed):
        step = pieces[number % len(pieces)]
        kept += titles.strip(bytes(mixed[at : at + step]))
        at, number = at + step, number + 1
    assert kept == sound
