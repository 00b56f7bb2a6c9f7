"""`best` pictures: what both implementations promise."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from gmapi.computercraft.compose import NumpyComposer
from gmapi.computercraft.fallback import NumpyKernels
from gmapi.computercraft.kernels import Composer, ComposerSettings, Kernels
from gmapi.computercraft.native import NotNative, load
from gmapi.computercraft.options import Dither, Rgb
from gmapi.computercraft.screen import BLANK, U8, Screen
from quality_metrics import linear as light_of
from quality_metrics import measure, oklab, render

Start = Callable[[ComposerSettings], Composer]


def _kernels(name: str) -> Kernels:
    if name == "numpy":
        return NumpyKernels()
    try:
        return load()
    except NotNative as error:
        pytest.skip(str(error))


@pytest.fixture(params=["native", "numpy"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    return _kernels(request.param)


def _picture(width: int, height: int, seed: int = 1) -> U8:
    """A soft picture of several colours with a sharp edge and some texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    waves = [120 + 90 * np.sin(x / (9 + 4 * c) + seed) * np.cos(y / (13 - 3 * c)) for c in range(3)]
    picture = np.stack(waves, axis=-1)
    picture[y > 0.7 * height] = (30, 60, 140)
    return np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)


def _start(kernels: Kernels, picture: U8, **others: object) -> Composer:
    height, width = picture.shape[:2]
    return kernels.composer(ComposerSettings(width, height, **others))  # type: ignore[arg-type]


def _same(one: Screen, other: Screen) -> bool:
    return all(
        np.array_equal(getattr(one, part), getattr(other, part))
        for part in ("characters", "colors", "palette")
    )


@pytest.mark.parametrize(
    ("width", "height"), [(2, 3), (3, 4), (37, 50), (66, 6), (64, 48), (1, 1), (2, 2), (1, 9)]
)
def test_sizes(kernels: Kernels, width: int, height: int) -> None:
    screen = _start(kernels, picture := _picture(width, height)).compose(picture)
    assert screen.characters.shape == screen.colors.shape == (height // 3, width // 2)
    assert screen.palette.shape == (16, 3)
    patterns = (screen.characters >= 129) & (screen.characters < 160)
    assert np.all(patterns | (screen.characters == BLANK))
    assert np.all(screen.foreground[patterns] != screen.background[patterns])


def test_another_size_is_refused(kernels: Kernels) -> None:
    composer = _start(kernels, _picture(20, 30))
    with pytest.raises(ValueError, match="shape"):
        composer.compose(_picture(30, 20))


def test_surplus_pixels_do_not_matter(kernels: Kernels) -> None:
    picture = _picture(41, 50)
    other = picture.copy()
    other[:, 40:], other[48:] = 255, 0
    one = _start(kernels, picture).compose(picture)
    assert _same(one, _start(kernels, other).compose(other))


@pytest.mark.parametrize("dither", list(Dither))
@pytest.mark.parametrize("still", [False, True])
def test_same_input_same_output(kernels: Kernels, dither: Dither, still: bool) -> None:
    pictures = [_picture(60, 60, seed) for seed in range(3)]
    runs = []
    for _ in range(2):
        composer = _start(kernels, pictures[0], dither=dither, still=still)
        runs.append([composer.compose(picture) for picture in pictures])
    assert all(map(_same, *runs))


def test_few_colours_are_kept_exactly(kernels: Kernels) -> None:
    colors = np.array([(255, 255, 255), (0, 0, 0), (200, 30, 30), (10, 90, 200)], np.uint8)
    picture = colors[np.arange(96 * 96).reshape(96, 96) // 24 % 4]
    screen = _start(kernels, picture, still=True).compose(picture)
    assert np.array_equal(render(screen), picture)


@pytest.mark.parametrize("locked", [16, 5])
def test_fixed_colours_are_kept(kernels: Kernels, locked: int) -> None:
    rng = np.random.default_rng(5)
    colors: list[Rgb | None] = [tuple(map(int, rgb)) for rgb in rng.integers(0, 256, (16, 3))]  # type: ignore[misc]
    for slot in range(locked, 16):
        colors[slot] = None
    pictures = [_picture(60, 60, seed) for seed in range(4)]
    composer = _start(kernels, pictures[0], colors=tuple(colors))
    for picture in pictures:
        screen = composer.compose(picture)
        for slot, color in enumerate(colors):
            if color is not None:
                assert tuple(screen.palette[slot]) == color


def test_free_slots_follow_the_picture(kernels: Kernels) -> None:
    colors: list[Rgb | None] = [None] * 16
    colors[3] = (255, 0, 255)
    picture = _picture(90, 90)
    free = _start(kernels, picture, colors=tuple(colors)).compose(picture)
    grey = tuple((17 * i, 17 * i, 17 * i) for i in range(16))
    bound = _start(kernels, picture, colors=grey).compose(picture)
    assert measure([picture], [free]).blurred < 0.3 * measure([picture], [bound]).blurred


def test_a_still_picture_stands_still(kernels: Kernels) -> None:
    composer = _start(kernels, _picture(120, 90))
    composer.compose(_picture(120, 90, seed=2))
    pictures = [composer.compose(_picture(120, 90)) for _ in range(14)]
    assert all(_same(pictures[8], later) for later in pictures[9:])


def test_slight_noise_changes_nothing(kernels: Kernels) -> None:
    picture = np.clip(_picture(120, 90), 4, 250)
    rng = np.random.default_rng(2)
    composer = _start(kernels, picture)
    for _ in range(8):
        settled = composer.compose(picture)
    for _ in range(5):
        noise = rng.integers(-2, 3, picture.shape)
        assert _same(settled, composer.compose((picture + noise).astype(np.uint8)))


def test_what_stands_still_does_not_flicker_beside_what_moves(kernels: Kernels) -> None:
    picture = _picture(160, 90)
    composer = _start(kernels, picture)
    shown = []
    for i in range(16):
        frame = picture.copy()
        frame[30:50, 80 + 4 * i : 90 + 4 * i] = (240, 200, 40)
        shown.append(composer.compose(frame))
    for one, other in pairwise(shown[8:]):
        same = (one.characters == other.characters) & (one.colors == other.colors)
        assert same[:, :36].mean() > 0.97


def test_a_cut_starts_anew(kernels: Kernels) -> None:
    warm = np.clip(_picture(120, 90) * 0.3 + (150, 60, 10), 0, 255).astype(np.uint8)
    cold = np.clip(_picture(120, 90, seed=9) * 0.3 + (0, 60, 150), 0, 255).astype(np.uint8)
    composer = _start(kernels, warm)
    for _ in range(3):
        composer.compose(warm)
    assert _same(composer.compose(cold), _start(kernels, cold).compose(cold))


def test_slots_stay_when_the_picture_moves_a_little(kernels: Kernels) -> None:
    picture = _picture(160, 120)
    composer = _start(kernels, picture)
    before = composer.compose(picture)
    for shift in range(1, 6):
        after = composer.compose(np.roll(picture, shift, axis=1))
    moved = np.linalg.norm(oklab(light_of(before.palette)) - oklab(light_of(after.palette)), axis=1)
    assert np.median(moved) < 0.02


def test_lightest_first_darkest_last(kernels: Kernels) -> None:
    picture = _picture(120, 90)
    lightness = oklab(light_of(_start(kernels, picture).compose(picture).palette))[:, 0]
    assert lightness.argmax() == 0
    assert lightness.argmin() == 15


def test_a_small_badge_keeps_its_colour(kernels: Kernels) -> None:
    rng = np.random.default_rng(4)
    ramp = np.linspace(20, 235, 200)[None, :, None]
    picture = np.clip(ramp + rng.normal(0, 12, (150, 200, 1)) + np.zeros(3), 0, 255)
    picture[60:70, 90:102] = (30, 50, 200)
    screen = _start(kernels, picture.astype(np.uint8)).compose(picture.astype(np.uint8))
    badge = oklab(light_of(render(screen)))[61:69, 92:100].reshape(-1, 3).mean(axis=0)
    wanted = oklab(light_of(np.array([30, 50, 200], np.uint8)))
    assert np.linalg.norm(badge[1:] - wanted[1:]) < 0.3 * np.linalg.norm(wanted[1:])


@pytest.mark.parametrize("seed", [1, 3, 6])
def test_better_than_exact_kmeans(kernels: Kernels, seed: int) -> None:
    picture = _picture(96, 72, seed)
    reversed_picture = np.ascontiguousarray(picture[..., ::-1])
    palette = kernels.kmeans(reversed_picture.reshape(-1, 3), 16)
    indexes = kernels.dither(reversed_picture, palette, Dither.DIFFUSION)
    cells = kernels.cells(indexes, palette, blocks_only=False)
    exact = measure([picture], [Screen(*cells, np.ascontiguousarray(palette[:, ::-1]))])
    ours = measure([picture], [_start(kernels, picture).compose(picture)])
    # Without errors handed on, NumPy may lose a little from afar.
    assert ours.blurred < exact.blurred * (1.0 if kernels.name == "native" else 1.1)
    assert ours.pixel < exact.pixel


def test_a_gradient_is_mixed_rather_than_stepped(kernels: Kernels) -> None:
    ramp = np.linspace(0, 60, 240)[None, :, None] * np.array([0.4, 0.6, 1.0])
    picture = np.repeat(ramp, 60, axis=0).astype(np.uint8)
    mixed = measure([picture], [_start(kernels, picture).compose(picture)])
    stepped = measure([picture], [_start(kernels, picture, dither=Dither.NONE).compose(picture)])
    assert mixed.blurred < stepped.blurred


def test_implementations_are_alike() -> None:
    pictures = [_picture(160, 120, 4), np.roll(_picture(160, 120, 4), 2, axis=0)]
    native = _start(_kernels("native"), pictures[0])
    numpy = NumpyComposer(ComposerSettings(160, 120))
    one = measure(pictures, [native.compose(p) for p in pictures])
    other = measure(pictures, [numpy.compose(p) for p in pictures])
    assert other.blurred < 1.3 * one.blurred
    assert abs(other.psnr - one.psnr) < 1.5
