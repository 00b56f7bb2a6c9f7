"""Subtitles drawn dot by dot."""

from __future__ import annotations

import numpy as np
import pytest

from gmapi.computercraft.pixel_text import PixelText
from gmapi.computercraft.preview_font import glyphs

SRT = "1\n00:00:00,100 --> 00:00:00,300\n{}\n"
INK = [255, 255, 255]


def grey(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((height, width, 3), 77, np.uint8)


def test_letters_are_drawn_on_black_at_the_bottom_of_their_pictures() -> None:
    text = PixelText(SRT.format("Hi"), 10.0, 61, 50)
    before = grey(50, 61)
    for frame, there in enumerate([False, True, True, False]):
        drawn = text.draw(before, frame)
        assert (drawn is not before) is there
    assert (before == 77).all()
    drawn = text.draw(before, 1)
    rows, columns = np.nonzero((drawn != 77).any(-1))
    # Two boxes of 6 x 9 in the middle of ten; the usual margin is less than a line.
    assert (rows.min(), rows.max()) == (41, 49)
    assert (columns.min(), columns.max()) == (24, 35)
    for number, letter in enumerate("Hi"):
        box = drawn[42:50, 24 + 6 * number :][:, :5]
        assert np.array_equal((box == INK).all(-1), glyphs()[ord(letter)] == 1)
        assert ((box == INK).all(-1) | (box == 0).all(-1)).all()


def test_colours_are_in_the_order_of_the_picture() -> None:
    script = (
        "[Script Info]\n[V4+ Styles]\nFormat: Name, PrimaryColour\nStyle: Default, &H000000FF\n"
        "[Events]\nDialogue: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,red\n"
    )
    for blue_first, ink in ((False, [255, 0, 0]), (True, [0, 0, 255])):
        text = PixelText(script, 10.0, 60, 36, blue_first=blue_first)
        drawn = text.draw(grey(36, 60), 0)
        assert (drawn == ink).all(-1).any()
        assert not (drawn == ink[::-1]).all(-1).any()


def test_letters_that_the_font_lacks_are_question_marks() -> None:
    one, two = (
        PixelText(SRT.format(letter), 10.0, 60, 36).draw(grey(36, 60), 1) for letter in "ä?"
    )
    assert np.array_equal(one, two)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (5, 40), (40, 8), (6, 9), (7, 10)])
def test_pictures_with_little_room_get_what_fits(width: int, height: int) -> None:
    drawn = PixelText(SRT.format("some words"), 10.0, width, height).draw(grey(height, width), 1)
    assert drawn.shape == (height, width, 3)
    fits = width >= 6 and height >= 9
    assert bool((drawn != 77).any()) is fits
