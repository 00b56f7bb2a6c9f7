from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmapi.computercraft import native, palette_clusters
from gmapi.computercraft.screen import U8

Color = tuple[int, ...]
Octree = Callable[[U8, int], U8]


@pytest.fixture(scope="module", params=["native", "numpy"])
def octree(request: pytest.FixtureRequest) -> Octree:
    if request.param == "numpy":
        return palette_clusters.octree
    try:
        return native.load().octree
    except native.NotNative as reason:
        pytest.skip(str(reason))


class Node:
    def __init__(self, parent: Node | None) -> None:
        self.parent = parent
        self.children: dict[int, Node] = {}
        self.count = 0
        self.sums = [0, 0, 0]
        self.leaf = False

    def add_up(self) -> int:
        if not self.leaf:
            self.count = sum(child.add_up() for child in self.children.values())
        return self.count


def plain_octree(pixels: list[Color], colors: int) -> list[Color]:
    """Section 3.5 of the formats document, step by step."""
    root = Node(None)
    parents: list[Node] = []
    leaves = 0
    for pixel in pixels:
        node = root
        for bit in range(8, -1, -1):
            c0, c1, c2 = (channel >> bit & 1 for channel in pixel)
            number = 4 * c0 + 2 * c1 + c2
            if number not in node.children:
                node.children[number] = Node(node)
                if bit == 0:
                    leaves += 1
                    node.children[number].leaf = True
                    if node not in parents:
                        parents.insert(0, node)
            node = node.children[number]
        node.count += 1
        node.sums = [total + channel for total, channel in zip(node.sums, pixel, strict=True)]
    root.add_up()
    while leaves > colors:
        node = min(parents, key=lambda parent: parent.count)
        children = list(node.children.values())
        node.sums = [sum(child.sums[k] for child in children) for k in range(3)]
        node.leaf = True
        leaves += 1 - len(children)
        assert node.parent is not None
        if node.parent in parents:
            parents.remove(node)
        else:
            parents[parents.index(node)] = node.parent
    palette: list[Color] = [] if leaves == colors else [(0, 0, 0)]
    for node in parents:
        for _, child in sorted(node.children.items()):
            if child.leaf:
                palette.append(tuple(total // child.count for total in child.sums))
    return palette + [(0, 0, 0)] * (colors - len(palette))


def rows(palette: U8) -> list[Color]:
    return [tuple(row) for row in palette.tolist()]


def picture(pixels: list[Color]) -> U8:
    return np.array(pixels, np.uint8)


EDGES = st.sampled_from([0, 1, 2, 3, 127, 128, 254, 255])
CHANNELS = st.one_of(st.integers(0, 255), EDGES)
COLORS = st.lists(st.tuples(CHANNELS, CHANNELS, CHANNELS), min_size=1, max_size=60)


@settings(deadline=None)
@given(data=st.data(), few=COLORS, colors=st.integers(1, 16))
def test_the_palette_is_that_of_the_plain_octree(
    octree: Octree, data: st.DataObject, few: list[Color], colors: int
) -> None:
    pixels = few + data.draw(st.lists(st.sampled_from(few), max_size=100))
    assert rows(octree(picture(pixels), colors)) == plain_octree(pixels, colors)


@pytest.mark.parametrize("colors", [1, 7, 16])
def test_a_noisy_picture_gives_the_palette_of_the_plain_octree(octree: Octree, colors: int) -> None:
    random = np.random.default_rng(colors)
    ramp = np.linspace(20, 200, 900)[:, None] + [0, 25, 50]
    pixels = (ramp + random.normal(0, 4, (900, 3))).clip(0, 255).astype(np.uint8)
    assert rows(octree(pixels, colors)) == plain_octree(rows(pixels), colors)


def test_fewer_colors_than_entries_start_after_a_black_one(octree: Octree) -> None:
    pixels = picture([(9, 8, 7)] * 5)
    assert rows(octree(pixels, 4)) == [(0, 0, 0), (9, 8, 7), (0, 0, 0), (0, 0, 0)]
    assert rows(octree(pixels, 1)) == [(9, 8, 7)]


def test_as_many_colors_as_entries_fill_them_the_last_seen_first(octree: Octree) -> None:
    assert rows(octree(picture([(1, 1, 1), (200, 0, 0), (90, 90, 90)]), 3)) == [
        (90, 90, 90),
        (200, 0, 0),
        (1, 1, 1),
    ]


def test_among_equal_counts_the_last_seen_is_merged_first(octree: Octree) -> None:
    pixels: list[Color] = [(0, 0, 0), (1, 1, 1), (80, 0, 0), (81, 1, 1), (200, 0, 0), (201, 1, 1)]
    assert rows(octree(picture(pixels), 5)) == plain_octree(pixels, 5)
    assert (200, 0, 0) in rows(octree(picture(pixels), 5))
    assert (201, 1, 1) not in rows(octree(picture(pixels), 5))
