"""Character cells: both implementations against a plain transcription of the formats document,
section 4."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmapi.computercraft import cells as in_numpy
from gmapi.computercraft import native
from gmapi.computercraft.screen import U8

Function = Callable[[U8, U8, bool], tuple[U8, U8]]

F = np.float32
Color = tuple[int, int, int]

FIXED = bytes.fromhex(
    "f0f0f0f2b233e57fd899b2f2dede6c7fcc19f2b2cc4c4c4c9999994c99b2b266e53366cc7f664c57a64ecc4c4c111111"
)
"""The fixed palette; red, green, blue."""

PICTURE = ("00ee4444", "0eee4444", "ee0e4444", "13dd3bf0", "13d55bf8", "33dd57f8")

SHARES = (
    (0, 1, 7), (0, 2, 5), (0, 3, 1), (1, 2, 3), (1, 3, 5), (2, 3, 7),
    (2, 4, 5), (2, 5, 1), (3, 4, 3), (3, 5, 5), (4, 5, 7),
)  # fmt: skip


def numpy_cells(indexes: U8, palette: U8, blocks_only: bool) -> tuple[U8, U8]:
    return in_numpy.blocks(indexes) if blocks_only else in_numpy.cells(indexes, palette)


@pytest.fixture(params=["native", "numpy"], scope="module")
def cells(request: pytest.FixtureRequest) -> Function:
    """One implementation."""
    if request.param == "numpy":
        return numpy_cells
    try:
        kernels = native.load()
    except native.NotNative as error:
        pytest.skip(str(error))
    return lambda indexes, palette, blocks_only: kernels.cells(
        indexes, palette, blocks_only=blocks_only
    )


def distance(a: Sequence[F | int], b: Sequence[F | int]) -> F:
    d0, d1, d2 = (F(F(x) - F(y)) for x, y in zip(a, b, strict=True))
    return F(np.sqrt(F(F(d0 * d0 + d1 * d1) + d2 * d2)))


def by_brightness(slots: list[int], palette: list[Color]) -> list[int]:
    slots = list(slots)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        if sum(palette[slots[a]]) > sum(palette[slots[b]]):
            slots[a], slots[b] = slots[b], slots[a]
    return slots


def three(found: list[int], palette: list[Color]) -> tuple[int, int, int, set[int]]:
    dark, middle, light = by_brightness(found, palette)
    low = distance(palette[middle], palette[dark])
    high = distance(palette[light], palette[middle])
    if low - high > 10:
        return light, dark, middle, {middle, light}
    if high - low > 10:
        return light, dark, middle, {light}
    if sum(palette[dark]) < 32:
        return middle, light, middle, {dark, middle}
    return middle, light, middle, {dark}


def four(cell: list[int], found: list[int], palette: list[Color]) -> tuple[int, int, set[int]]:
    twice = [slot for i, slot in enumerate(cell) if cell[:i].count(slot) == 1]
    front = twice[0]
    if len(twice) > 1:
        back = twice[1]
    else:
        back = by_brightness([slot for slot in found if slot != front], palette)[1]

    def in_front(slot: int) -> bool:
        if slot in (front, back):
            return slot == front
        color = palette[slot]
        return bool(distance(color, palette[front]) < distance(color, palette[back]))

    return front, back, {slot for slot in found if in_front(slot)}


def crowded(cell: list[int], palette: list[Color]) -> tuple[int, int, list[bool]]:
    channels = list(zip(*(palette[slot] for slot in cell), strict=True))
    r0, r1, r2 = (max(channel) - min(channel) for channel in channels)
    axis = 0 if r0 > r1 and r0 > r2 else 1 if r1 > r2 and r1 > r0 else 2
    ordered = sorted(cell, key=lambda slot: palette[slot][axis])
    front, back = ordered[2], ordered[5]
    values = [[F(channel) for channel in palette[slot]] for slot in cell]
    shown = []
    for i, value in enumerate(values):
        near = palette[front] == palette[back] or bool(
            distance(value, palette[front]) < distance(value, palette[back])
        )
        shown.append(near)
        for source, to, share in SHARES:
            if source == i:
                for k in range(3):
                    error = F(value[k] - F(palette[front if near else back][k]))
                    values[to][k] = F(values[to][k] + F(error * F(share / 16)))
    return front, back, shown


def slow_cell(cell: list[int], palette: list[Color]) -> tuple[int, int]:
    """Character and colour byte of one cell."""
    found = list(dict.fromkeys(cell))
    if len(found) == 1:
        return 32, found[0] * 16
    if len(found) == 2:
        back, front = found
        other, shown = front, [slot == front for slot in cell]
    elif len(found) == 3:
        front, back, other, group = three(found, palette)
        shown = [slot in group for slot in cell]
    elif len(found) == 4:
        front, back, group = four(cell, found, palette)
        other, shown = front, [slot in group for slot in cell]
    else:
        front, back, shown = crowded(cell, palette)
        other = front
    if shown[5]:
        shown, front, back = [not pixel for pixel in shown], back, other
    return 128 + sum(1 << i for i in range(5) if shown[i]), back * 16 + front


def slow_block(cell: list[int]) -> int:
    counts = [cell[: i + 1].count(slot) for i, slot in enumerate(cell)]
    return cell[counts.index(max(counts))] * 16


def split(indexes: U8) -> list[list[list[int]]]:
    height, width = indexes.shape
    return [
        [indexes[y : y + 3, x : x + 2].ravel().tolist() for x in range(0, width - 1, 2)]
        for y in range(0, height - 2, 3)
    ]


def example() -> tuple[U8, U8]:
    """The picture that explains the formats, and the fixed palette in blue, green, red."""
    indexes = np.array([[int(digit, 16) for digit in row] for row in PICTURE], np.uint8)
    palette = np.frombuffer(FIXED, np.uint8).reshape(16, 3)[:, ::-1]
    return indexes, palette


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(2, 50),
    height=st.integers(3, 30),
    size=st.integers(1, 16),
    kind=st.sampled_from(["noise", "gray", "close", "dark"]),
    used=st.integers(1, 16),
)
def test_every_cell_follows_the_plain_rules(
    cells: Function, seed: int, width: int, height: int, size: int, kind: str, used: int
) -> None:
    random = np.random.default_rng(seed)
    palette = random.integers(0, 256, (size, 3)).astype(np.uint8)
    if kind == "gray":
        palette[:] = palette[:, :1]
    elif kind == "close":
        palette %= 3
    elif kind == "dark":
        palette %= 40
    indexes = random.integers(0, min(used, size), (height, width)).astype(np.uint8)
    colors = [tuple(color) for color in palette.tolist()]
    expected = [[slow_cell(cell, colors) for cell in row] for row in split(indexes)]
    characters, color_bytes = cells(indexes, palette, False)
    assert np.stack([characters, color_bytes], -1).tolist() == [
        [list(cell) for cell in row] for row in expected
    ]
    characters, color_bytes = cells(indexes, palette, True)
    assert not characters.any()
    assert color_bytes.tolist() == [[slow_block(cell) for cell in row] for row in split(indexes)]


def test_the_example_of_the_formats_document(cells: Function) -> None:
    indexes, palette = example()
    characters, colors = cells(indexes, palette, False)
    assert characters.tolist() == [[135, 144, 32, 32], [133, 136, 148, 149]]
    assert colors.tolist() == [[0xE0, 0xE0, 0x40, 0x40], [0x31, 0xD5, 0xB5, 0x8F]]
    characters, colors = cells(indexes, palette, True)
    assert characters.tolist() == [[0] * 4] * 2
    assert colors.tolist() == [[0x00, 0xE0, 0x40, 0x40], [0x30, 0xD0, 0xB0, 0xF0]]


def test_implementations_agree_on_a_whole_frame(cells: Function) -> None:
    random = np.random.default_rng(5)
    palette = random.integers(0, 256, (16, 3)).astype(np.uint8)
    indexes = np.minimum(*random.integers(0, 16, (2, 243, 328))).astype(np.uint8)
    for blocks_only in (False, True):
        for found, expected in zip(
            cells(indexes, palette, blocks_only),
            numpy_cells(indexes, palette, blocks_only),
            strict=True,
        ):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [(2, 2), (3, 1), (1, 1)])
def test_less_than_a_cell_gives_an_empty_screen(cells: Function, shape: tuple[int, int]) -> None:
    for blocks_only in (False, True):
        for plane in cells(np.zeros(shape, np.uint8), np.zeros((1, 3), np.uint8), blocks_only):
            assert plane.shape == (shape[0] // 3, shape[1] // 2)


def test_pixels_shows_what_the_screen_shows(cells: Function) -> None:
    indexes, palette = example()
    shown = in_numpy.pixels(*cells(indexes, palette, False))
    assert ["".join(f"{slot:x}" for slot in row) for row in shown.tolist()] == [
        "00ee4444", "0eee4444", "ee0e4444", "13ddbbf8", "13d55bf8", "33dd5bf8",
    ]  # fmt: skip


def test_pixels_of_text_are_background() -> None:
    characters = np.array([[ord("A"), 32, 127, 159, 160, 0]], np.uint8)
    shown = in_numpy.pixels(characters, np.full((1, 6), 0x52, np.uint8))
    assert shown.shape == (3, 12)
    assert (shown[:, :6] == 5).all()
    assert (shown[:, 8:] == 5).all()
    assert shown[:, 6:8].tolist() == [[2, 2], [2, 2], [2, 5]]
