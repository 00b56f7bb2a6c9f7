"""Previews: every cell as the game draws it, walls in place, and PNG files that can be read."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmapi.computercraft import preview
from gmapi.computercraft.preview_font import GLYPH_HEIGHT, GLYPH_WIDTH, glyphs
from gmapi.computercraft.screen import U8, Screen
from support.screens import decoders
from support.screens.strategies import PATTERNS, screens

LITTLE = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def colors(picture: tuple[U8, U8]) -> U8:
    """(height, width, 3)."""
    indexes, palette = picture
    assert indexes.dtype == palette.dtype == np.uint8
    assert len(palette) <= 256
    return palette[indexes]


def expected(screen: Screen, scale: int) -> U8:
    """Pixel patterns without text; palette entries that are missing are black."""
    palette = np.zeros((16, 3), np.uint8)
    palette[: len(screen.palette)] = screen.palette
    return palette[decoders.pixels(screen)].repeat(scale, axis=0).repeat(scale, axis=1)


@LITTLE
@given(screens(characters=PATTERNS), st.integers(1, 5))
def test_patterns_are_drawn_pixel_by_pixel(screen: Screen, scale: int) -> None:
    assert np.array_equal(colors(preview.render([screen], scale=scale)), expected(screen, scale))


def test_a_screen_keeps_its_palette() -> None:
    palette = np.arange(48, dtype=np.uint8).reshape(16, 3)
    screen = Screen(
        np.full((1, 16), 32, np.uint8), np.arange(16, dtype=np.uint8)[None] << 4, palette
    )
    indexes, found = preview.render([screen])
    assert np.array_equal(found, palette)
    assert indexes[0].tolist() == np.arange(16).repeat(6).tolist()


def test_text_is_drawn_in_its_colours() -> None:
    text = np.frombuffer(b"Hi \x00\xa0\xe9", np.uint8).reshape(1, -1)
    palette = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    indexes, _ = preview.render([Screen(text, np.full((1, 6), 0x01, np.uint8), palette)])
    rows = ["".join(".#"[dot] for dot in row) for row in indexes]
    assert rows == [
        "....................................",
        "#...#...#.....................#####.",
        "#...#.........................#...#.",
        "#...#..##.....................#...#.",
        "#####...#.....................#...#.",
        "#...#...#.....................#...#.",
        "#...#...#.....................#...#.",
        "#...#..###....................#####.",
        "....................................",
    ]
    larger, _ = preview.render([Screen(text, np.full((1, 6), 0x01, np.uint8), palette)], scale=6)
    assert np.array_equal(larger, indexes.repeat(2, axis=0).repeat(2, axis=1))


def test_the_font_has_all_printable_characters_and_no_two_alike() -> None:
    font = glyphs()
    assert sorted(font) == list(range(33, 127))
    assert {glyph.shape for glyph in font.values()} == {(GLYPH_HEIGHT, GLYPH_WIDTH)}
    assert len({glyph.tobytes() for glyph in font.values()}) == len(font)


@LITTLE
@given(
    st.lists(screens(size=(2, 3), characters=PATTERNS), min_size=6, max_size=6), st.integers(1, 3)
)
def test_parts_of_a_wall_lie_side_by_side(parts: list[Screen], scale: int) -> None:
    wall = colors(preview.render(parts, columns=3, scale=scale))
    drawn = [expected(part, scale) for part in parts]
    assert np.array_equal(wall, np.vstack([np.hstack(drawn[:3]), np.hstack(drawn[3:])]))


def test_smaller_parts_leave_black() -> None:
    def part(rows: int, columns: int) -> Screen:
        plane = np.full((rows, columns), 32, np.uint8)
        return Screen(plane, np.zeros_like(plane), np.full((1, 3), 200, np.uint8))

    parts = [part(2, 2), part(1, 1), part(1, 2), part(1, 2)]
    wall = colors(preview.render(parts, columns=2, scale=1))
    assert wall.shape == (9, 8, 3)
    black = np.zeros((9, 8), bool)
    black[3:6, 4:] = black[:6, 6:] = True
    assert np.array_equal(wall.sum(axis=2) == 0, black)


def test_too_many_colours_become_the_nearest_of_the_frequent() -> None:
    """20 parts of 16 colours: 16 that have 32 cells, 4 that have 16."""
    parts = []
    for number in range(20):
        palette = np.array([[number * 12, slot * 16, 7] for slot in range(16)], np.uint8)
        cells = np.tile(np.arange(16, dtype=np.uint8) << 4, (2 if number < 16 else 1, 1))
        parts.append(Screen(np.full(cells.shape, 32, np.uint8), cells, palette))
    shown = colors(preview.render(parts, columns=1, scale=1))
    nearest = [Screen(part.characters, part.colors, parts[15].palette) for part in parts[16:]]
    assert np.array_equal(shown, np.vstack([expected(part, 1) for part in parts[:16] + nearest]))


def test_nothing_gives_an_empty_picture() -> None:
    none = np.zeros((0, 0), np.uint8)
    indexes, _ = preview.render([Screen(none, none, np.zeros((1, 3), np.uint8))])
    assert indexes.size == 0
