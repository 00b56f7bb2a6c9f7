"""Subtitles drawn on screens: when, where and in which colours and characters."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.computercraft.screen import Screen
from gmapi.computercraft.subtitles import SubtitleFaults, Subtitles
from gmapi.errors import SourceError
from support.screens.subtitle_scripts import PALETTE, blank, drawn, script, sized

FAULTS = SubtitleFaults(placement=True, colors=True, timing=True)


def test_text_is_shown_from_its_first_picture_to_its_last() -> None:
    text = sized(
        "0,0:00:00.25,0:00:00.48,Default,,0,0,0,,a", "0,0:00:00.48,0:00:00.49,Default,,0,0,0,,b"
    )
    shown = [drawn(text, frame) for frame in range(6)]
    # The second begins within the last picture of the first one's time, and is never skipped.
    assert shown == [{}, {}, {9: (19, "a")}, {9: (19, "a")}, {9: (19, "b")}, {}]


def test_frames_of_a_rate_that_is_no_whole_number() -> None:
    text = script("0,0:00:10.00,0:00:20.00,Default,,0,0,0,,a")
    subtitles = Subtitles.from_text(text, 30000 / 1001, 80, 36)
    assert [event.length for event in subtitles.events(299, PALETTE)] == [300]
    assert subtitles.events(300, PALETTE) == []


def test_long_lines_are_wrapped_at_words() -> None:
    line = "the quick brown fox jumps over the lazy dog and on"
    assert drawn(sized(f"0,0:0:0.0,0:0:1.0,Default,,0,0,0,,{line}")) == {
        8: (3, "the quick brown fox jumps over the"),
        9: (12, "lazy dog and on"),
    }
    assert drawn(sized(f"0,0:0:0.0,0:0:1.0,Default,,0,0,0,,{'x' * 40} y")) == {
        8: (2, "x" * 36),
        9: (17, "xxxx y"),
    }


def test_text_stays_on_the_screen() -> None:
    many = "\\N".join("abcdefghijklmnop")
    rows = drawn(sized(f"0,0:0:0.0,0:0:1.0,Default,,0,0,0,,{many}"))
    assert "".join(text for _, text in rows.values()) == "abcdefghijkl"
    low = drawn(sized("0,0:0:0.0,0:0:1.0,Default,,0,0,900,,up"))
    assert low == {0: (19, "up")}
    left = drawn(sized("0,0:0:0.0,0:0:1.0,Default,,900,0,0,,{\\an1}left"))
    assert left == {9: (36, "left")}


def test_cues_at_the_same_time_do_not_cover_each_other() -> None:
    text = sized(
        "0,0:0:0.0,0:0:2.0,Default,,0,0,0,,below",
        "0,0:0:0.5,0:0:3.0,Default,,0,0,0,,above\\Nit",
        "0,0:0:0.6,0:0:3.0,Default,,0,0,0,,{\\an1}far",
        "0,0:0:2.0,0:0:3.0,Default,,0,0,0,,last",
    )
    assert drawn(text, 4) == {9: (17, "below")}
    both = {7: (17, "above"), 8: (19, "it")}
    assert drawn(text, 7) == both | {9: (2, "far            below")}
    # A text never moves while it is shown; the place that became free is taken by the next.
    assert drawn(text, 20) == both | {9: (2, "far             last")}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("‘a’ — “b”…", "'a' - \"b\"..."),
        ("Ünïcödé ni\u0301l", "Ünïcödé níl"),
        ("čeština ﬁlm Ｗ łódź", "cestina film W lódz"),
        ("日本", "??"),
        ("a\u0007b\u0085c\u009fd\tx\x7fy", "abcd xy"),
        ("100 €", "100 EUR"),
    ],
)
def test_text_is_in_the_characters_of_the_game(text: str, shown: str) -> None:
    ((_, found),) = drawn(sized(f"0,0:0:0.0,0:0:1.0,Default,,0,0,0,,{text}")).values()
    assert found == shown


WHITE_TEXT = sized("0,0:0:0.0,0:0:1.0,Default,,0,0,0,,text")


def burnt_colors(screen: Screen, *, recolor: bool = False) -> tuple[list[int], list[int]]:
    """Red, green, blue of the text and of what is behind it."""
    subtitles = Subtitles.from_text(WHITE_TEXT, 10.0, 80, 36)
    before = (screen.characters.copy(), screen.colors.copy(), screen.palette.copy())
    burnt = subtitles.burn(screen, 0, recolor=recolor)
    for old, now in zip(before, (screen.characters, screen.colors, screen.palette), strict=True):
        np.testing.assert_array_equal(old, now)
    ink, paper = int(burnt.foreground[9, 18]), int(burnt.background[9, 18])
    elsewhere = burnt.palette[burnt.background[0, 0]]
    assert elsewhere.tolist() == screen.palette[screen.background[0, 0]].tolist()
    return burnt.palette[ink].tolist(), burnt.palette[paper].tolist()


def test_text_can_be_read_on_any_palette() -> None:
    white, black = [255, 255, 255], [0, 0, 0]
    assert burnt_colors(blank()) == ([240, 240, 240], [17, 17, 17])
    one = np.array([[30, 30, 30]], np.uint8)
    assert burnt_colors(blank(palette=one, background=0)) == (white, [30, 30, 30])
    bright = np.array([[250, 250, 250]], np.uint8)
    assert burnt_colors(blank(palette=bright, background=0)) == ([250, 250, 250], black)
    middle = np.array([[128, 128, 128]], np.uint8)
    assert burnt_colors(blank(palette=middle, background=0)) == (white, black)
    dark = np.full((16, 3), 30, np.uint8)
    dark[3] = (70, 70, 70)
    assert burnt_colors(blank(palette=dark)) == ([70, 70, 70], [30, 30, 30])
    assert burnt_colors(blank(palette=dark), recolor=True) == (white, [30, 30, 30])
    equal = np.full((16, 3), 128, np.uint8)
    assert burnt_colors(blank(palette=equal), recolor=True) == (white, black)


def test_a_full_palette_is_kept() -> None:
    full = blank()
    subtitles = Subtitles.from_text(WHITE_TEXT, 10.0, 80, 36)
    assert subtitles.burn(full, 0).palette is full.palette
    assert subtitles.burn(full, 10) is full


LINES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "[Script Info]", "WEBVTT", "ScriptType: v4.00", "PlayResX: 3", "PlayResY: 99999",
            "Format: Text", "Format: Name,Alignment,MarginL", "Style: Default,7,99999",
            "Dialogue: 0,0:00:00.00,0:00:09.00,Default,,0,0,0,,{\\an9}a b\\N\\Nc",
            "Dialogue: 0,0:00:00.00,0:00:09.00,Default,,99999,0,99999,,{x", "Dialogue:",
            "00:00:00,0 --> 00:00:09,0", "<i>text text text text text text", "{\\an5}", "",
        ]
    ),
)  # fmt: skip


@given(
    st.lists(LINES, max_size=12).map("\n".join),
    st.floats(0.01, 1000),
    st.integers(1, 60),
    st.integers(1, 60),
    st.booleans(),
)
def test_any_text_is_drawn_within_the_screen_or_rejected(
    text: str, fps: float, width: int, height: int, faulty: bool
) -> None:
    faults = FAULTS if faulty else SubtitleFaults()
    try:
        subtitles = Subtitles.from_text(text, fps, width, height, faults)
    except SourceError:
        return
    before = blank(width // 2, height // 3)
    after = subtitles.burn(before, 0)
    assert after.characters.shape == before.characters.shape
    assert not np.isin(after.characters, [*range(32), *range(127, 160)]).any()
    for event in subtitles.events(0, before.palette):
        assert event.text
        assert event.y < before.rows
        assert event.x + len(event.text) <= before.columns
        struct.pack("<IIHHBBH", event.start, event.length, event.x, event.y, event.colors, 0, 0)
