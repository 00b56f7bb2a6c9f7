"""Screens for property tests: runs around the lengths where coders change their ways, text among
pixel patterns, few colours and many."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from gmapi.computercraft.screen import U8, Screen

PATTERNS = st.integers(128, 159) | st.just(32)
TEXT = st.integers(0, 255)

_LENGTHS = st.integers(1, 9) | st.sampled_from([254, 255, 256, 257, 509, 510, 511, 512, 513])


def sizes(largest: tuple[int, int] = (100, 200)) -> st.SearchStrategy[tuple[int, int]]:
    """Rows and columns, mostly few."""
    small = st.tuples(st.integers(1, 5), st.integers(1, 9))
    wide = st.tuples(st.integers(1, 2), st.integers(120, largest[1]))
    whole = st.tuples(st.integers(1, largest[0]), st.integers(1, largest[1]))
    return st.one_of(small, small, small, wide, whole)


@st.composite
def planes(draw: st.DrawFn, size: tuple[int, int], values: st.SearchStrategy[int]) -> U8:
    """(rows, columns) u8 of runs, of which the last ones repeat."""
    runs = draw(st.lists(st.tuples(values, _LENGTHS), min_size=1, max_size=12))
    flat = np.repeat([value for value, _ in runs], [length for _, length in runs])
    return np.resize(flat, size).astype(np.uint8)


@st.composite
def screens(
    draw: st.DrawFn,
    size: tuple[int, int] | None = None,
    characters: st.SearchStrategy[int] = PATTERNS | TEXT,
    colors: int = 16,
) -> Screen:
    """A screen of 1 to `colors` colours, its cells using any of 16."""
    size = size or draw(sizes())
    palette = draw(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=colors))
    return Screen(
        draw(planes(size, characters)),
        draw(planes(size, st.integers(0, 255))),
        np.array(palette, np.uint8),
    )
