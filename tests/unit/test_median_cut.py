from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmapi.computercraft import native, palette
from gmapi.computercraft.screen import U8

Color = tuple[int, ...]
Item = TypeVar("Item")
MedianCut = Callable[[U8], U8]
Sort = Callable[[list[Color], int], list[Color]]


@pytest.fixture(scope="module")
def native_median_cut() -> MedianCut:
    try:
        return native.load().median_cut
    except native.NotNative as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module", params=["native", "numpy"])
def median_cut(request: pytest.FixtureRequest) -> MedianCut:
    if request.param == "numpy":
        return palette.median_cut
    found: MedianCut = request.getfixturevalue("native_median_cut")
    return found


class Introsort(Generic[Item]):
    """The sort of section 3.3 of the formats document, step by step."""

    def __init__(self, items: list[Item], less: Callable[[Item, Item], bool]) -> None:
        self.items = items
        self.less = less
        self.heap_sorts = 0

    def run(self) -> list[Item]:
        self._loop(0, len(self.items), 2 * (max(1, len(self.items)).bit_length() - 1))
        self._insert()
        return self.items

    def _swap(self, i: int, j: int) -> None:
        self.items[i], self.items[j] = self.items[j], self.items[i]

    def _loop(self, first: int, last: int, budget: int) -> None:
        while last - first > 16:
            if budget == 0:
                self._heap_sort(first, last)
                return
            budget -= 1
            cut = self._partition(first, last)
            self._loop(cut, last, budget)
            last = cut

    def _partition(self, first: int, last: int) -> int:
        items, less = self.items, self.less
        a, b, c = first + 1, first + (last - first) // 2, last - 1
        if less(items[a], items[b]):
            median = b if less(items[b], items[c]) else c if less(items[a], items[c]) else a
        else:
            median = a if less(items[a], items[c]) else c if less(items[b], items[c]) else b
        self._swap(first, median)
        pivot, f, back = items[first], first + 1, last
        while True:
            while less(items[f], pivot):
                f += 1
            back -= 1
            while less(pivot, items[back]):
                back -= 1
            if f >= back:
                return f
            self._swap(f, back)
            f += 1

    def _sift(self, first: int, hole: int, size: int, value: Item) -> None:
        heap, top = self.items, hole
        while 2 * hole + 2 < size:
            child = 2 * hole + 2
            if self.less(heap[first + child], heap[first + child - 1]):
                child -= 1
            heap[first + hole] = heap[first + child]
            hole = child
        if 2 * hole + 2 == size:
            heap[first + hole] = heap[first + 2 * hole + 1]
            hole = 2 * hole + 1
        while hole > top and self.less(heap[first + (hole - 1) // 2], value):
            heap[first + hole] = heap[first + (hole - 1) // 2]
            hole = (hole - 1) // 2
        heap[first + hole] = value

    def _heap_sort(self, first: int, last: int) -> None:
        self.heap_sorts += 1
        for parent in range((last - first - 2) // 2, -1, -1):
            self._sift(first, parent, last - first, self.items[first + parent])
        for end in range(last - 1, first, -1):
            value, self.items[end] = self.items[end], self.items[first]
            self._sift(first, 0, end - first, value)

    def _insert(self) -> None:
        items = self.items
        for i in range(1, len(items)):
            value = items[i]
            if i < 16 and self.less(value, items[0]):
                items[1 : i + 1] = items[:i]
                items[0] = value
                continue
            hole = i
            while self.less(value, items[hole - 1]):
                items[hole] = items[hole - 1]
                hole -= 1
            items[hole] = value


def introsort(pixels: list[Color], axis: int) -> list[Color]:
    return Introsort([*pixels], lambda a, b: a[axis] < b[axis]).run()


def stable_sort(pixels: list[Color], axis: int) -> list[Color]:
    return sorted(pixels, key=lambda pixel: pixel[axis])


def choose_axis(ranges: Sequence[int], parent: int | None) -> int:
    if ranges[0] > ranges[1] and ranges[0] > ranges[2]:
        axis = 0
    elif ranges[1] > ranges[2] and ranges[1] > ranges[0]:
        axis = 1
    else:
        axis = 2
    if axis != parent:
        return axis
    a, b = (axis + 1) % 3, (axis + 2) % 3
    near_a, near_b = abs(ranges[axis] - ranges[a]) < 8, abs(ranges[axis] - ranges[b]) < 8
    if near_a and near_b:
        return a if ranges[a] > ranges[b] else b
    return a if near_a else b if near_b else axis


def plain_cut(pixels: list[Color], colors: int, parent: int | None, sort: Sort) -> list[Color]:
    """The cuts of section 3.3, for lists that are no few runs, without the reordering."""
    if colors == 1:
        return [tuple(sum(pixel[k] for pixel in pixels) // len(pixels) for k in range(3))]
    channels = list(zip(*pixels, strict=True))
    axis = choose_axis([max(channel) - min(channel) for channel in channels], parent)
    pixels = sort(pixels, axis)
    half = len(pixels) // 2
    return [
        *plain_cut(pixels[:half], colors // 2, axis, sort),
        *plain_cut(pixels[half:], colors // 2, axis, sort),
    ]


def plain_reorder(colors: list[Color]) -> list[Color]:
    dark, light = min(colors, key=sum), max(colors, key=sum)
    rest = [*colors]
    rest.remove(dark)
    if sum(dark) == sum(light):
        return [light, *rest[:-1], dark]
    rest.remove(light)
    return [light, *rest, dark]


def colors_of(array: U8) -> list[Color]:
    return [tuple(color) for color in array.tolist()]


def expected(pixels: U8, sort: Sort) -> list[Color]:
    return plain_reorder(plain_cut(colors_of(pixels), 16, None, sort))


def smooth(count: int, seed: int) -> U8:
    """A row of a picture: waves and noise."""
    random = np.random.default_rng(seed)
    at = np.arange(count)
    waves = [np.sin(at * random.uniform(0.001, 0.1) + random.uniform(0, 6)) for _ in range(3)]
    values = 120 + 60 * np.stack(waves, -1) + random.normal(0, 4, (count, 3))
    return values.clip(0, 255).astype(np.uint8)


def noise(count: int, seed: int, values: int = 256) -> U8:
    return np.random.default_rng(seed).integers(0, values, (count, 3), dtype=np.uint8)


def killer_keys(count: int) -> list[int]:
    """Keys that drive every partition of the sort to the edge, found by letting the sort choose
    (an adversary after M. D. McIlroy, 1999): a key is fixed only when it must be."""
    unknown = count
    keys, fixed, candidate = [unknown] * count, 0, 0

    def less(a: int, b: int) -> bool:
        nonlocal fixed, candidate
        if keys[a] == keys[b] == unknown:
            keys[a if a == candidate else b] = fixed
            fixed += 1
        if keys[a] == unknown:
            candidate = a
        elif keys[b] == unknown:
            candidate = b
        return keys[a] < keys[b]

    Introsort([*range(count)], less).run()
    return [min(key, 255) for key in keys]


PICTURES: dict[str, Callable[[], U8]] = {
    "fewest pixels": partial(noise, 17, 1),
    "fewer pixels than a block": partial(noise, 61, 2),
    "noise": partial(noise, 3001, 3),
    "few values": partial(noise, 2500, 4, values=3),
    "smooth": partial(smooth, 8191, 5),
    "smooth, other length": partial(smooth, 4650, 6),
    "one colour and specks": lambda: np.where(noise(3000, 7) > 250, noise(3000, 8), 77),
    "ascending": lambda: np.sort(noise(2000, 9), axis=0),
    "descending": lambda: np.sort(noise(2000, 10), axis=0)[::-1],
    "two ramps": lambda: np.concatenate([np.sort(smooth(900, 11), axis=0)] * 2),
    "one channel": lambda: noise(2222, 12) * np.array([0, 1, 0], np.uint8),
    "equal ranges": lambda: np.repeat(noise(2000, 13)[:, :1], 3, axis=1),
}


@pytest.mark.parametrize("name", PICTURES)
def test_cuts_are_those_of_the_recipe_byte_for_byte(
    native_median_cut: MedianCut, name: str
) -> None:
    pixels = PICTURES[name]()
    assert colors_of(native_median_cut(pixels)) == expected(pixels, introsort)


@pytest.mark.parametrize("count", [150, 301, 1000])
def test_cuts_are_those_of_the_recipe_when_partitions_are_bad(
    native_median_cut: MedianCut, count: int
) -> None:
    # Widest in the sorted channel; the others tell the pixels apart.
    pixels = noise(count, count, values=200)
    pixels[:, 1] = killer_keys(count)
    pixels[:, [0, 2]] //= 4
    assert np.ptp(pixels, axis=0).argmax() == 1
    sort = Introsort(colors_of(pixels), lambda a, b: a[1] < b[1])
    sort.run()
    assert sort.heap_sorts > 0
    assert colors_of(native_median_cut(pixels)) == expected(pixels, introsort)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(17, 700), st.integers(0, 2**32 - 1), st.integers(2, 256), st.sampled_from([0, 1, 4])
)
def test_cuts_of_small_pictures_are_those_of_the_recipe(
    native_median_cut: MedianCut, count: int, seed: int, values: int, blur: int
) -> None:
    pixels = noise(count, seed, values)
    for _ in range(blur):
        pixels = (pixels // 2 + np.roll(pixels, 1, axis=0) // 2).astype(np.uint8)
    runs = 1 + int((pixels[1:] != pixels[:-1]).any(axis=1).sum())
    if runs > 16:
        assert colors_of(native_median_cut(pixels)) == expected(pixels, introsort)


@settings(max_examples=60, deadline=None)
@given(st.integers(17, 256), st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 8)] * 3))
def test_cuts_without_equal_keys(
    median_cut: MedianCut, count: int, seed: int, divisors: tuple[int, int, int]
) -> None:
    random = np.random.default_rng(seed)
    pixels = np.stack([random.permutation(256)[:count] for _ in range(3)], -1).astype(np.uint8)
    assert colors_of(median_cut(pixels)) == expected(pixels, stable_sort)


def test_equal_pixels_side_by_side_are_one_run(median_cut: MedianCut) -> None:
    colors = noise(8, 20)
    pixels = np.repeat(np.concatenate([colors, colors]), [3, 1, 40, 2] * 4, axis=0)
    assert colors_of(median_cut(pixels)) == colors_of(np.concatenate([colors, colors]))


def test_a_single_colour_gives_one_entry(median_cut: MedianCut) -> None:
    assert median_cut(np.full((500, 3), 9, np.uint8)).tolist() == [[9, 9, 9]]


def test_no_pixels_give_no_entries(median_cut: MedianCut) -> None:
    assert median_cut(np.empty((0, 3), np.uint8)).shape == (0, 3)


def test_more_than_16_runs_of_two_colours_are_cut(median_cut: MedianCut) -> None:
    pixels = np.array([[10, 10, 10], [200, 200, 200]] * 9, np.uint8)
    found = median_cut(pixels)
    assert len(found) == 16
    assert found[0].tolist() == [200, 200, 200]
    assert found[15].tolist() == [10, 10, 10]


def test_parts_are_equally_large(median_cut: MedianCut) -> None:
    levels = np.arange(0, 256, 16, dtype=np.uint8)
    pixels = np.tile(np.repeat(levels, 32)[:, None], 3)
    np.random.default_rng(21).shuffle(pixels, axis=0)
    assert median_cut(pixels)[:, 0].tolist() == [240, *range(16, 240, 16), 0]


def test_a_large_picture_has_about_the_same_palette_in_both_kernels(
    native_median_cut: MedianCut,
) -> None:
    pixels = smooth(90_000, 22)
    theirs = palette.median_cut(pixels).astype(int)
    assert np.abs(native_median_cut(pixels) - theirs).max() <= 3


def test_lightest_comes_first_and_darkest_last() -> None:
    made = np.array([[5, 5, 5], [1, 2, 3], [200, 9, 9], [90, 90, 90], [7, 7, 7]], np.uint8)
    assert palette.reorder(made).tolist() == [
        [90, 90, 90], [5, 5, 5], [200, 9, 9], [7, 7, 7], [1, 2, 3],
    ]  # fmt: skip


def test_the_first_of_equally_light_entries_moves() -> None:
    made = np.array([[4, 0, 0], [0, 9, 0], [9, 0, 0], [0, 4, 0]], np.uint8)
    assert palette.reorder(made).tolist() == [[0, 9, 0], [9, 0, 0], [0, 4, 0], [4, 0, 0]]


def test_entries_of_equal_sums() -> None:
    made = np.array([[9, 0, 0], [0, 9, 0], [0, 0, 9]], np.uint8)
    assert palette.reorder(made).tolist() == [[9, 0, 0], [0, 9, 0], [9, 0, 0]]
    assert palette.reorder(made, kmeans=True).tolist() == [*made.tolist(), [9, 0, 0]]
    full = np.tile(made, (6, 1))[:16]
    assert palette.reorder(full, kmeans=True).tolist() == full.tolist()
    assert palette.reorder(made[:0]).tolist() == []


def test_a_median_cut_of_equal_sums_loses_its_last_colour(native_median_cut: MedianCut) -> None:
    ramp = np.arange(160, dtype=np.uint8)
    pixels = np.stack([ramp, np.uint8(200) - ramp, np.full(160, 50, np.uint8)], -1)
    blocks = pixels.reshape(16, 10, 3)
    blocks[:] = blocks[:, :1]
    np.random.default_rng(23).shuffle(pixels, axis=0)
    found = colors_of(native_median_cut(pixels))
    assert found == expected(pixels, introsort)
    assert len(set(found)) == 15
    assert found[0] == found[15]


def test_locked_entries_replace_slots_of_a_full_palette() -> None:
    made = noise(16, 30)
    colors: list[tuple[int, int, int] | None] = [None] * 16
    colors[3], colors[15] = (1, 2, 3), (4, 5, 6)
    merged = palette.merge_locked(made, colors)
    assert merged[3].tolist() == [1, 2, 3]
    assert merged[15].tolist() == [4, 5, 6]
    assert merged[[*range(3), *range(4, 15)]].tolist() == made[[*range(3), *range(4, 15)]].tolist()


def test_free_slots_take_a_shorter_palette_from_its_end() -> None:
    made = noise(14, 31)
    colors = [(1, 2, 3), *[None] * 14, (4, 5, 6)]
    assert palette.merge_locked(made, colors).tolist() == [
        [1, 2, 3], *made[::-1].tolist(), [4, 5, 6],
    ]  # fmt: skip


def test_the_first_colour_fills_slots_for_which_nothing_is_left() -> None:
    made = noise(3, 32)
    merged = palette.merge_locked(made, [None] * 15 + [(7, 8, 9)])
    assert merged.tolist() == [*made[::-1].tolist(), *[made[0].tolist()] * 12, [7, 8, 9]]


def test_the_fixed_palette_is_that_of_the_game() -> None:
    assert palette.DEFAULT_PALETTE.shape == (16, 3)
    assert palette.DEFAULT_PALETTE[[0, 1, 14, 15]].tobytes().hex() == "f0f0f0f2b233cc4c4c111111"
    with pytest.raises(ValueError, match="read-only"):
        palette.DEFAULT_PALETTE[0] = 0
