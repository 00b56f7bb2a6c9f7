"""The coders of 32vid pictures, both implementations, against an independent decoder."""

from __future__ import annotations

import ctypes
import heapq

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gmapi.computercraft.formats import huffman, packed, symbols
from gmapi.computercraft.kernels import Kernels
from gmapi.computercraft.native import library_path
from gmapi.computercraft.options import Compression
from gmapi.computercraft.screen import U8
from support.screens.kernel_choices import KERNELS, NATIVE, NUMPY, needs_native
from support.screens.strategies import PATTERNS, TEXT, planes, sizes
from support.screens.vid32_decoder import Picture, picture

CODERS = [Compression.NONE, Compression.ANS, Compression.CUSTOM]
RUN_CODERS = CODERS[1:]
NO_PALETTE = bytes(48)

Cells = tuple[U8, U8]


@st.composite
def cells(draw: st.DrawFn) -> Cells:
    """Characters and colours: runs, or noise of a few or many values."""
    size = draw(sizes((133, 200)))
    if draw(st.booleans()):
        foreground = draw(planes(size, st.integers(0, 15)))
        background = draw(planes(size, st.integers(0, 15)))
        return draw(planes(size, PATTERNS | TEXT)), foreground | background << 4
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    masks = draw(st.tuples(st.integers(0, 255), st.integers(0, 255)))
    noise = [random.integers(0, 256, size, np.uint8) & np.uint8(mask) for mask in masks]
    return noise[0], noise[1]


def decoded(data: bytes, size: tuple[int, int], compression: Compression) -> Picture:
    return picture(data + NO_PALETTE, size[1], size[0], compression)


def row(*runs: tuple[int, int]) -> U8:
    """One row of values and lengths."""
    values, lengths = zip(*runs, strict=True)
    return np.repeat(np.array(values, np.uint8), lengths)[None, :]


# -- what comes back ----------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("compression", CODERS)
@given(plane=cells())
@settings(max_examples=40, deadline=None)
def test_every_cell_comes_back(kernels: Kernels, compression: Compression, plane: Cells) -> None:
    characters, colors = plane
    data = kernels.encode(characters, colors, compression, None)
    back = decoded(data, characters.shape, compression)
    assert np.array_equal(back.codes, characters & 31)
    assert np.array_equal(back.colors, colors)
    assert back.surplus <= 1


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("compression", RUN_CODERS)
@pytest.mark.parametrize("length", [1, 2, 254, 255, 256, 257, 258, 511, 512, 513, 768])
def test_runs_where_the_coder_changes_its_ways(
    kernels: Kernels, compression: Compression, length: int
) -> None:
    for before in (0, 1, 255, 256):
        for after in (0, 1, 2, 256):
            foreground = row((3, before), (7, length), (3, after))
            colors = foreground | row((9, foreground.size)) << 4
            data = kernels.encode(foreground, colors, compression, None)
            assert np.array_equal(decoded(data, colors.shape, compression).colors, colors)


@needs_native
@pytest.mark.parametrize("compression", CODERS)
@given(
    plane=cells(),
    first=st.none() | st.tuples(st.integers(0, 15), st.integers(0, 15)),
)
@example(plane=(row((0, 512)), row((0, 512))), first=(0, 0))
@example(plane=(row((0, 514)), row((0, 256), (1, 2), (0, 256))), first=(4, 4))
@settings(max_examples=60, deadline=None)
def test_both_implementations_give_the_same_bytes(
    compression: Compression, plane: Cells, first: tuple[int, int] | None
) -> None:
    assert NATIVE is not None
    native = NATIVE.encode(*plane, compression, first)
    assert native == NUMPY.encode(*plane, compression, first)


# -- the reference's fault ----------------------------------------------------------------------


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("compression", RUN_CODERS)
def test_other_first_colours_replace_the_first_cell(
    kernels: Kernels, compression: Compression
) -> None:
    colors = np.array([[0x12, 0x12, 0x34, 0x45]], np.uint8)
    back = decoded(kernels.encode(colors, colors, compression, (7, 9)), colors.shape, compression)
    assert back.colors.tolist() == [[0x97, 0x12, 0x34, 0x45]]


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("compression", RUN_CODERS)
@pytest.mark.parametrize(
    ("runs", "shown"),
    [
        ([(5, 256), (6, 3)], [(5, 257), (6, 2)]),
        ([(5, 512), (6, 1), (5, 9)], [(5, 522)]),
        ([(5, 256), (6, 257), (2, 1)], [(5, 257), (6, 257)]),
        ([(5, 255), (6, 3)], [(5, 255), (6, 3)]),
        ([(5, 257), (6, 3)], [(5, 257), (6, 3)]),
    ],
)
def test_with_the_fault_the_cell_after_256_joins_the_run(
    kernels: Kernels,
    compression: Compression,
    runs: list[tuple[int, int]],
    shown: list[tuple[int, int]],
) -> None:
    colors = row(*runs) | np.uint8(0x30)
    back = decoded(kernels.encode(colors, colors, compression, (5, 0)), colors.shape, compression)
    assert np.array_equal(back.colors & 15, row(*shown))


# -- bytes that the formats document gives ------------------------------------------------------

EXAMPLE = (
    np.array([[135, 144, 32, 32], [133, 136, 148, 149]], np.uint8),
    np.array([[0xE0, 0xE0, 0x40, 0x40], [0x31, 0xD5, 0xB5, 0x8F]], np.uint8),
)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(
    ("compression", "first", "text"),
    [
        (Compression.NONE, None, "3c0002a295 e0e0404031d5b58f"),
        (
            Compression.ANS,
            (0xE, 0),
            "03 20000101100000001000110000000000 7414dc00"
            "04 210222001001012110000000 d24fe4b21d58c0",
        ),
        (
            Compression.CUSTOM,
            (0, 0),
            "20000303300000003000330000000000 7414dc 240433004004044440000000 0f86f8d4a72e80",
        ),
    ],
)
def test_the_example(
    kernels: Kernels, compression: Compression, first: tuple[int, int] | None, text: str
) -> None:
    assert kernels.encode(*EXAMPLE, compression, first).hex() == bytes.fromhex(text).hex()


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (3, 0)])
@pytest.mark.parametrize("first", [None, (0, 0), (3, 4)])
def test_no_cells_make_an_empty_picture(
    kernels: Kernels, shape: tuple[int, int], first: tuple[int, int] | None
) -> None:
    plane = np.empty(shape, np.uint8)
    assert kernels.encode(plane, plane, Compression.NONE, first) == b""
    assert kernels.encode(plane, plane, Compression.ANS, first) == bytes(18 + 14)
    assert kernels.encode(plane, plane, Compression.CUSTOM, first) == bytes(17 + 13)
    for compression in CODERS:
        data = kernels.encode(plane, plane, compression, first)
        assert decoded(data, shape, compression).colors.size == 0


@pytest.mark.parametrize("kernels", KERNELS)
def test_one_symbol_takes_no_bits(kernels: Kernels) -> None:
    characters, colors = np.full((1, 2), 133, np.uint8), np.full((1, 2), 0xBB, np.uint8)
    ans = kernels.encode(characters, colors, Compression.ANS, None)
    assert ans == bytes(17) + b"\x05" + bytes(13) + b"\x0b"
    custom = kernels.encode(characters, colors, Compression.CUSTOM, None)
    assert custom == bytes(16) + b"\x05" + bytes(12) + b"\x0b"


# -- parts --------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 32).flatmap(
    lambda length: st.tuples(st.just(length), st.integers(0, (1 << length) - 1))
), max_size=80))  # fmt: skip
@settings(deadline=None)
def test_packing_is_concatenation(numbers: list[tuple[int, int]]) -> None:
    text = "".join(f"{value:0{length}b}" for length, value in numbers)
    whole = text.ljust(-(-len(text) // 8) * 8, "0")
    lengths = np.array([length for length, _ in numbers], np.intp)
    values = np.array([value for _, value in numbers], np.uint64)
    expected = bytes(int(whole[at : at + 8], 2) for at in range(0, len(whole), 8))
    assert packed.pack(values, lengths) == expected


WEIGHTS = st.lists(st.integers(0, 25), min_size=2, max_size=32).filter(
    lambda weights: sum(weight > 0 for weight in weights) >= 2
)
"""Too few in all for a tree that is so tall that it has to wait."""


@given(WEIGHTS)
@settings(deadline=None)
def test_codes_are_as_short_as_any(weights: list[int]) -> None:
    lengths = huffman.code_lengths(weights)
    assert [length > 0 for length in lengths] == [weight > 0 for weight in weights]
    assert sum(2.0**-length for length in lengths if length) == 1
    heap = [weight for weight in weights if weight]
    heapq.heapify(heap)
    least = 0
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        least += joined
        heapq.heappush(heap, joined)
    assert sum(w * n for w, n in zip(weights, lengths, strict=True)) == least


FIBONACCI = [1, 1]
while len(FIBONACCI) < 24:
    FIBONACCI.append(FIBONACCI[-1] + FIBONACCI[-2])
TOO_TALL = [
    1, 1, 1, 3, 2, 5, 3, 6, 8, 19, 14, 26, 46, 63, 127, 107, 125, 313, 559, 642, 493, 1416, 861,
    1582, 2370, 4257, 6033, 10593, 13916, 10416, 17859, 19313,
]  # fmt: skip
"""Counts for which joining tall trees last is not enough to keep codes at 15 bits."""


@pytest.mark.parametrize("weights", [FIBONACCI, TOO_TALL])
def test_no_code_is_longer_than_its_field(weights: list[int]) -> None:
    lengths = huffman.code_lengths(weights)
    assert max(lengths) <= huffman.LONGEST_CODE
    assert sum(2.0**-length for length in lengths) == 1


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("compression", RUN_CODERS)
@pytest.mark.parametrize("weights", [FIBONACCI, TOO_TALL])
def test_pictures_with_the_longest_codes(
    kernels: Kernels, compression: Compression, weights: list[int]
) -> None:
    characters = row(*enumerate(weights))
    data = kernels.encode(characters, np.zeros_like(characters), compression, None)
    assert data == NUMPY.encode(characters, np.zeros_like(characters), compression, None)
    back = decoded(data, characters.shape, compression)
    assert np.array_equal(back.codes, characters)


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(1, 2000)), min_size=1, max_size=8))
@settings(deadline=None)
def test_a_run_takes_few_symbols(runs: list[tuple[int, int]]) -> None:
    plane = row(*runs)[0]
    changes = 1 + np.count_nonzero(plane[1:] != plane[:-1])
    assert symbols.runs(plane).size <= 9 * changes + plane.size // 256


@needs_native
@pytest.mark.parametrize("compression", CODERS)
def test_native_code_stays_within_its_buffer(compression: Compression) -> None:
    """It takes exactly the bytes it needs, and writes none beyond those it may."""
    library = ctypes.CDLL(str(library_path()))
    encode = library.gm_encode
    encode.restype = ctypes.c_long
    random = np.random.default_rng(0)
    characters, colors = random.integers(0, 256, (2, 30, 40), np.uint8)
    data = NUMPY.encode(characters, colors, compression, None)
    first = int(colors[0, 0])
    guard = 0xA5
    for capacity in (len(data), len(data) - 1, 20, 0):
        out = np.full(len(data) + 16, guard, np.uint8)
        length = encode(
            *(ctypes.c_void_p(plane.ctypes.data) for plane in (characters, colors)),
            ctypes.c_size_t(characters.size),
            {Compression.NONE: 0, Compression.ANS: 1, Compression.CUSTOM: 3}[compression],
            first & 15, first >> 4,
            ctypes.c_void_p(out.ctypes.data), ctypes.c_size_t(capacity),
        )  # fmt: skip
        assert length == (len(data) if capacity >= len(data) else -1)
        assert (out[capacity:] == guard).all()


@needs_native
@pytest.mark.parametrize("compression", CODERS)
@pytest.mark.parametrize("run", [1, 2, 3])
def test_any_picture_fits_the_buffer_of_the_binding(compression: Compression, run: int) -> None:
    """The worst cases: as many symbols as cells, all of them equally often."""
    assert NATIVE is not None
    plane = np.repeat(np.arange(32 * 24, dtype=np.uint8) * 7, run)[None, :]
    for cells in (1, 2, 3, 5, 8, plane.size):
        part = plane[:, :cells]
        assert NATIVE.encode(part, part, compression, (1, 2))
