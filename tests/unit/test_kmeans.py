from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmapi.computercraft import native, palette, palette_clusters
from gmapi.computercraft.screen import U8

Color = tuple[int, ...]
Centroid = tuple[float, ...]


class Palettes(NamedTuple):
    kmeans: Callable[[U8, int], U8]
    median_cut: Callable[[U8], U8]


@pytest.fixture(scope="module", params=["native", "numpy"])
def palettes(request: pytest.FixtureRequest) -> Palettes:
    if request.param == "numpy":
        return Palettes(palette_clusters.kmeans, palette.median_cut)
    try:
        kernels = native.load()
    except native.NotNative as reason:
        pytest.skip(str(reason))
    return Palettes(kernels.kmeans, kernels.median_cut)


def nearest(centroids: list[Centroid], pixel: Color) -> int:
    distances = [
        math.sqrt(sum((a - b) * (a - b) for a, b in zip(centroid, pixel, strict=True)))
        for centroid in centroids
    ]
    return distances.index(min(distances))


def mean(bag: Counter[Color]) -> Centroid:
    count = bag.total()
    return tuple(sum(pixel[k] * n for pixel, n in bag.items()) / count for k in range(3))


def truncated(centroid: Centroid) -> Color:
    return tuple(math.trunc(value) for value in centroid)


def plain_clusters(pixels: list[Color], start: list[Color], *, stale: bool = True) -> list[Color]:
    """Section 3.4 of the formats document, step by step, without the reordering.

    Without `stale`, what was left in an emptied bag is not counted again.
    """
    clusters = range(len(start))
    centroids: tuple[list[Centroid], list[Centroid]] = ([*start], [])
    bags = [Counter[Color]() for _ in clusters], [Counter[Color]() for _ in clusters]
    for pixel, count in Counter(pixels).items():
        bags[0][nearest(centroids[0], pixel)][pixel] += count
    centroids[1].extend(mean(bag) if bag else (0, 0, 0) for bag in bags[0])
    current, following = 0, 1
    for _ in range(100):
        for bag in bags[current]:
            for pixel, count in bag.items():
                bags[following][nearest(centroids[following], pixel)][pixel] += count
        current, following = following, current
        changed = False
        for i in clusters:
            if bags[current][i]:
                average = mean(bags[current][i])
                changed |= truncated(average) != truncated(centroids[current][i])
                centroids[following][i] = average
                bags[following][i] = Counter()
            elif not stale:
                bags[following][i] = Counter()
        if not changed:
            break
    return [truncated(centroid) for centroid in centroids[following]]


def plain_reorder(colors: list[Color]) -> list[Color]:
    dark, light = min(colors, key=sum), max(colors, key=sum)
    if sum(dark) == sum(light):
        return colors
    between = list(colors)
    between.remove(dark)
    between.remove(light)
    return [light, *between, dark]


def rows(palette: U8) -> list[Color]:
    return [tuple(row) for row in palette.tolist()]


def expected(palettes: Palettes, pixels: U8, colors: int) -> list[Color]:
    start = rows(palettes.median_cut(pixels))
    if len(start) < colors:
        return start
    return plain_reorder(plain_clusters(rows(pixels), start[:colors]))


EDGES = st.sampled_from([0, 1, 2, 127, 128, 254, 255])
CHANNELS = st.one_of(st.integers(0, 255), EDGES)
COLORS = st.lists(st.tuples(CHANNELS, CHANNELS, CHANNELS), min_size=2, max_size=50)


@settings(deadline=None)
@given(data=st.data(), few=COLORS, colors=st.integers(1, 16))
def test_the_palette_is_that_of_the_plain_recipe(
    palettes: Palettes, data: st.DataObject, few: list[Color], colors: int
) -> None:
    pixels = np.array(data.draw(st.lists(st.sampled_from(few), min_size=1, max_size=150)), np.uint8)
    assert rows(palettes.kmeans(pixels, colors)) == expected(palettes, pixels, colors)


@pytest.mark.parametrize("levels", [2, 3, 4, 6, 256])
@pytest.mark.parametrize("colors", [1, 2, 9, 15, 16])
def test_few_levels_of_the_channels_give_the_palette_of_the_plain_recipe(
    palettes: Palettes, levels: int, colors: int
) -> None:
    random = np.random.default_rng([levels, colors])
    chosen = random.integers(0, levels, (400, 3))
    chosen[:150] = chosen[0]
    pixels = (random.permutation(chosen) * (255 // (levels - 1))).astype(np.uint8)
    assert rows(palettes.kmeans(pixels, colors)) == expected(palettes, pixels, colors)


def smooth_noise(count: int) -> U8:
    """Like a photo: broad clouds of colours, few pixels of the same one."""
    random = np.random.default_rng(7)
    middles = random.uniform(40, 220, (6, 3))
    clouds = middles[random.integers(0, 6, count)] + random.normal(0, 22, (count, 3))
    return clouds.clip(0, 255).astype(np.uint8)


def test_a_picture_of_many_colors_gives_the_palette_of_the_plain_recipe(
    palettes: Palettes,
) -> None:
    pixels = smooth_noise(900)
    assert rows(palettes.kmeans(pixels, 16)) == expected(palettes, pixels, 16)


def test_native_code_and_numpy_find_the_same_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        kernels = native.load()
    except native.NotNative as reason:
        pytest.skip(str(reason))
    # The two median cuts, which give the start, may differ.
    monkeypatch.setattr(palette_clusters, "median_cut", kernels.median_cut)
    pixels = smooth_noise(20_000)
    assert rows(kernels.kmeans(pixels, 14)) == rows(palette_clusters.kmeans(pixels, 14))


def test_the_bag_of_an_emptied_cluster_is_counted_again(palettes: Palettes) -> None:
    colors = [
        (200, 50, 100),
        (150, 100, 200),
        (100, 220, 200),
        (180, 60, 130),
        (50, 150, 150),
        (0, 10, 150),
        (120, 220, 10),
        (230, 200, 75),
        (120, 100, 200),
    ]
    order = "0123456343043224472354032333344615303603684004310450"
    pixels = np.array([colors[int(digit)] for digit in order], np.uint8)
    start = rows(palettes.median_cut(pixels))
    counted_again = plain_reorder(plain_clusters(rows(pixels), start))
    assert counted_again != plain_reorder(plain_clusters(rows(pixels), start, stale=False))
    assert rows(palettes.kmeans(pixels, 16)) == counted_again


def test_a_palette_of_runs_is_not_clustered_if_it_is_too_short(palettes: Palettes) -> None:
    pixels = np.repeat(np.array([[5, 6, 7], [200, 0, 9], [5, 6, 7]], np.uint8), 4, axis=0)
    assert rows(palettes.kmeans(pixels, 16)) == [(5, 6, 7), (200, 0, 9), (5, 6, 7)]


def test_colors_of_equal_sums_keep_their_number(palettes: Palettes) -> None:
    colors = [(0, 90, 30), (30, 0, 90), (90, 30, 0)]
    pixels = np.array(colors * 20, np.uint8)
    for count in range(1, 17):
        assert len(palettes.kmeans(pixels, count)) == count
