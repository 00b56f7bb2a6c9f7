"""Sizes of screens, pictures and the parts of a wall."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.computercraft.monitor import WALL_MAX, Wall, fitted, layout, parse_split, screen_pixels
from gmapi.computercraft.options import MonitorSplit
from gmapi.errors import RequestError

OUT = Path(__file__).parent.parent / "goldens/sanjuuni/out"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("computer", (102, 57)),
        ("Pocket", (52, 60)),
        (" turtle ", (78, 39)),
        # Formats document, 5.8, and the game's own text sizes: 7x5 at scale 1, 15x10 at 0.5.
        ("8x6", (328, 243)),
        ("8x6@0.5", (328, 243)),
        ("monitor 8x6@0.5", (328, 243)),
        ("1x1", (30, 30)),
        ("Monitor 1X1@1", (14, 15)),
        ("2x1@1.0", (36, 15)),
        ("1 x 1 @ 5", (2, 3)),
        ("monitor 3x2", (114, 72)),
        ("8x6@5", (32, 24)),
    ],
)
def test_screens_have_the_sizes_of_the_game(text: str, size: tuple[int, int]) -> None:
    assert screen_pixels(text) == size


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "monitor: ''"), ("monitor", "such as 3x2"), ("fridge", "'fridge'"),
        ("8x", "such as 3x2"), ("8x6@", "such as 3x2"), ("8x6@x", "such as 3x2"),
        ("-1x6", "such as 3x2"), ("٣x٢", "such as 3x2"), ("9x6", "flag -M"),
        ("8x7", "flag -M"), ("0x1", "flag -M"), ("1x1@0.75", "0.5, 1, 1.5"),
        ("1x1@0", "0.5, 1, 1.5"), ("1x1@5.5", "0.5, 1, 1.5"), ("x" * 10_000, "such as 3x2"),
    ],
)  # fmt: skip
def test_other_screens_are_errors(text: str, part: str) -> None:
    with pytest.raises(RequestError) as caught:
        screen_pixels(text)
    assert part in caught.value.message
    assert caught.value.field == "monitor"
    assert len(caught.value.message) < 400


@given(st.text(max_size=20))
def test_any_text_is_a_screen_or_an_error(text: str) -> None:
    try:
        width, height = screen_pixels(text)
    except RequestError:
        return
    assert width % 2 == 0
    assert height % 3 == 0


def test_the_size_of_a_walls_monitors() -> None:
    assert parse_split("") == MonitorSplit(8, 6, 0.5)
    assert parse_split("3x2@1.5") == MonitorSplit(3, 2, 1.5)
    with pytest.raises(RequestError, match="--monitor-size") as caught:
        parse_split("huge")
    assert caught.value.field == "args"


def golden_screens(name: str) -> list[tuple[int, int]]:
    """Columns and rows of all screens of a binary BIMG."""
    data = (OUT / name).read_bytes()
    row = rb'\{"(?:[^"\\]|\\.)*","([0-9a-f]*)","[0-9a-f]*"\},'
    return [
        (len(rows[0]), len(rows))
        for frame in re.findall(rb"\{((?:" + row + rb")+)palette=", data, re.DOTALL)
        if (rows := re.findall(row, frame[0], re.DOTALL))
    ]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("plasma_102x96.t.bimgB.M1x1.bimg", MonitorSplit(1, 1)),
        ("plasma_102x96.t.bimgB.M1x1trim.bimg", MonitorSplit(1, 1, trim_borders=True)),
    ],
)
def test_walls_are_those_of_the_reference(name: str, split: MonitorSplit) -> None:
    shown = layout(102, 96, split)
    assert [(tile.width // 2, tile.height // 3) for tile in shown.tiles] == golden_screens(name)
    assert shown.wall is not None
    assert len(shown.tiles) == shown.wall.columns * shown.wall.rows


def test_parts_lie_row_by_row() -> None:
    shown = layout(65, 40, MonitorSplit(1, 1))
    assert shown.wall == Wall(3, 2, 0.5)
    assert [(tile.x, tile.y, tile.width, tile.height) for tile in shown.tiles] == [
        (0, 0, 30, 30), (30, 0, 30, 30), (60, 0, 5, 30),
        (0, 30, 30, 10), (30, 30, 30, 10), (60, 30, 5, 10),
    ]  # fmt: skip


def test_an_exact_multiple_has_no_empty_part() -> None:
    assert layout(60, 30, MonitorSplit(1, 1)).wall == Wall(2, 1, 0.5)


def test_a_rest_smaller_than_a_cell_is_no_part() -> None:
    shown = layout(61, 62, MonitorSplit(1, 1))
    assert shown.wall == Wall(2, 2, 0.5)
    assert {(tile.width, tile.height) for tile in shown.tiles} == {(30, 30)}


@pytest.mark.parametrize("split", [None, MonitorSplit(), MonitorSplit(2, 1)])
def test_what_one_monitor_holds_is_not_split(split: MonitorSplit | None) -> None:
    shown = layout(70, 30, split)
    assert shown.wall is None
    assert [(tile.x, tile.y, tile.width, tile.height) for tile in shown.tiles] == [(0, 0, 70, 30)]


@pytest.mark.parametrize("trim", [False, True])
def test_a_rest_smaller_than_a_cell_makes_no_wall(trim: bool) -> None:
    shown = layout(31, 32, MonitorSplit(1, 1, trim_borders=trim))
    assert shown.wall is None
    assert [(tile.x, tile.y, tile.width, tile.height) for tile in shown.tiles] == [(0, 0, 31, 32)]


def test_walls_have_at_most_eight_monitors_a_side() -> None:
    assert layout(240, 240, MonitorSplit(1, 1)).wall == Wall(8, 8, 0.5)
    for width, height in ((242, 30), (30, 243)):
        with pytest.raises(RequestError, match="-M"):
            layout(width, height, MonitorSplit(1, 1))


@given(
    st.integers(1, 3000),
    st.integers(1, 2000),
    st.builds(
        MonitorSplit,
        st.integers(1, 8),
        st.integers(1, 6),
        st.integers(1, 10).map(lambda k: k / 2),
        st.booleans(),
    ),
)
def test_parts_are_within_the_picture_and_cover_it(
    width: int, height: int, split: MonitorSplit
) -> None:
    try:
        shown = layout(width, height, split)
    except RequestError:
        return
    if shown.wall is None:
        return
    assert len(shown.tiles) == shown.wall.columns * shown.wall.rows
    assert shown.wall.columns <= WALL_MAX
    assert shown.wall.rows <= WALL_MAX
    for tile in shown.tiles:
        assert tile.x + tile.width <= width
        assert tile.y + tile.height <= height
        assert tile.width >= 2 or width < 2
        assert tile.height >= 3 or height < 3
    if not split.trim_borders:
        cells = sum((tile.width // 2) * (tile.height // 3) for tile in shown.tiles)
        assert cells == (width // 2) * (height // 3)


@pytest.mark.parametrize(
    ("asked", "source", "size"),
    [
        ((None, None), (80, 60), (80, 60)),
        ((204, None), (64, 48), (204, 153)),
        ((51, None), (160, 120), (51, 38)),
        ((None, 15), (160, 120), (20, 15)),
        ((75, 200), (64, 48), (75, 200)),
        # 49 * (1 / 49) is just below 1 in double precision.
        ((49, None), (49, 1), (49, 0)),
    ],
)
def test_a_missing_side_follows_from_the_source(
    asked: tuple[int | None, int | None], source: tuple[int, int], size: tuple[int, int]
) -> None:
    if 0 in size:
        with pytest.raises(RequestError, match="becomes 0"):
            fitted(*asked, *source)
    else:
        assert fitted(*asked, *source) == size


@pytest.mark.parametrize(
    ("asked", "source", "field"),
    [
        ((1, None), (80, 60), "height"),
        ((None, 1), (60, 80), "width"),
        ((65535, None), (1, 2), "width"),
        ((4001, 4000), (1, 1), "width"),
        ((None, None), (8000, 4000), "width"),
    ],
)
def test_impossible_sizes_are_errors(
    asked: tuple[int | None, int | None], source: tuple[int, int], field: str
) -> None:
    with pytest.raises(RequestError) as caught:
        fitted(*asked, *source)
    assert caught.value.field == field
    assert field in caught.value.message
