"""Films with palettes: near to the pictures, steady, small, and of few colours exactly."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest

from gmapi.computercraft import indexed_film, png
from gmapi.computercraft.indexed_film import IndexedFilm
from gmapi.computercraft.screen import U8
from support.media import readers

HEIGHT, WIDTH = 90, 160


def psnr(found: U8, wanted: U8) -> float:
    error = float(((found.astype(float) - wanted) ** 2).mean())
    return math.inf if error == 0 else 10 * math.log10(255 * 255 / error)


def texture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> U8:
    """Coloured clouds with some grain, as pictures of a camera have them."""
    rng = np.random.default_rng(seed)
    found = np.full((height, width, 3), rng.integers(60, 180, 3), float)
    for size, share in ((64, 40.0), (24, 25.0), (8, 12.0), (2, 6.0), (1, 2.0)):
        coarse = rng.normal(0, share, (height // size + 3, width // size + 3, 1))
        coarse = coarse + rng.normal(0, share / 4, (*coarse.shape[:2], 3))
        ys, xs = np.arange(height) / size, np.arange(width) / size
        top, left = ys.astype(int), xs.astype(int)
        down, right = (ys - top)[:, None, None], (xs - left)[None, :, None]
        upper = coarse[top][:, left] * (1 - right) + coarse[top][:, left + 1] * right
        lower = coarse[top + 1][:, left] * (1 - right) + coarse[top + 1][:, left + 1] * right
        found += upper * (1 - down) + lower * down
    return np.rint(found).clip(0, 255).astype(np.uint8)


def shown(film: IndexedFilm, pixels: U8) -> U8:
    indexes, palette = film.indexed(pixels)
    assert indexes.shape == pixels.shape[:2]
    assert 1 <= len(palette) <= 255
    assert indexes.max() < len(palette)
    return palette[indexes]


@pytest.mark.parametrize("seed", range(4))
def test_pictures_are_near_and_small(seed: int) -> None:
    film, pixels = IndexedFilm(HEIGHT, WIDTH), texture(seed)
    file = film.png(pixels)
    assert psnr(readers.picture(file), pixels) >= 34
    assert len(file) <= 0.35 * len(png.plain(pixels))


@pytest.mark.parametrize("count", [1, 2, 16, 60])
def test_few_colours_stay_as_they_are(count: int) -> None:
    rng = np.random.default_rng(count)
    grid = rng.permutation(6**3)[:count]
    colors = np.stack((grid // 36, grid // 6 % 6, grid % 6), axis=1).astype(np.uint8) * 51
    pixels = colors[rng.integers(0, count, (HEIGHT, WIDTH))]
    assert np.array_equal(shown(IndexedFilm(HEIGHT, WIDTH), pixels), pixels)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (7, 1), (3, 5), (5, 4096)])
def test_all_sizes(height: int, width: int) -> None:
    pixels = texture(5, height, width)
    assert psnr(shown(IndexedFilm(height, width), pixels), pixels) >= 32


def test_what_is_looked_up_at_a_time_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = texture(6)
    whole = shown(IndexedFilm(HEIGHT, WIDTH), pixels)
    monkeypatch.setattr(indexed_film, "_BAND", 1000)
    assert np.array_equal(shown(IndexedFilm(HEIGHT, WIDTH), pixels), whole)


def test_what_stands_still_does_not_flicker() -> None:
    """A patch moves over the picture: all around it the pixels stay what they are."""
    film, scene, patch = IndexedFilm(HEIGHT, WIDTH), texture(7), texture(7)[20:40, 30:50]
    last = shown(film, scene)
    for step in range(1, 25):
        pixels = scene.copy()
        pixels[30:50, 4 * step : 4 * step + 20] = patch
        now = shown(film, pixels)
        is_still = (pixels == scene).all(axis=2)
        assert np.array_equal(now[is_still], last[is_still])


def test_light_that_changes_keeps_the_palette_near() -> None:
    film, scene = IndexedFilm(HEIGHT, WIDTH), texture(8).astype(float)
    for step in range(30):
        pixels = (scene * (0.4 + 0.6 * step / 29)).astype(np.uint8)
        assert psnr(shown(film, pixels), pixels) >= 34


def test_another_scene_gets_another_palette() -> None:
    film, palettes = IndexedFilm(HEIGHT, WIDTH), set()
    for seed in (9, 10, 11):
        for _ in range(12):
            pixels = texture(seed)
            indexes, palette = film.indexed(pixels)
            assert psnr(palette[indexes], pixels) >= 34
            palettes.add(palette.tobytes())
    assert len(palettes) == 3


def test_a_small_thing_of_a_new_colour_keeps_its_colour() -> None:
    film, pixels = IndexedFilm(HEIGHT, WIDTH), (texture(12) // 4 + 60)
    shown(film, pixels)
    pixels[80:84, 40:100] = (255, 255, 0)
    found = shown(film, pixels)[80:84, 40:100].reshape(-1, 3).astype(int)
    assert np.abs(found - (255, 255, 0)).max() <= 8


def test_between_two_colours_it_is_mixed() -> None:
    """A slow ramp has more colours than the palette: by and by more of the next one is taken."""
    ramp = np.linspace(40, 220, WIDTH)
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    pixels[...] = np.rint(ramp)[None, :, None]
    noise = np.random.default_rng(3).integers(0, 256, (HEIGHT // 2, WIDTH, 3), np.uint8)
    pixels[: HEIGHT // 2] = noise
    found = shown(IndexedFilm(HEIGHT, WIDTH), pixels)[HEIGHT // 2 + 1 :].astype(float)
    wanted = pixels[HEIGHT // 2 + 1 :].astype(float)
    assert len(np.unique(found[:, WIDTH // 2 : WIDTH // 2 + 40].reshape(-1, 3), axis=0)) > 2

    def blurred(picture: np.ndarray) -> np.ndarray:
        cut = picture[:40, : WIDTH // 8 * 8]
        return cut.reshape(5, 8, WIDTH // 8, 8, 3).mean(axis=(1, 3))

    apart = np.abs(found - wanted).mean()
    assert np.abs(blurred(found) - blurred(wanted)).mean() < 0.7 * apart


def test_even_pictures_and_uneven_ones_are_packed_as_fits() -> None:
    def filters(file: bytes) -> set[int]:
        at = file.index(b"IDAT")
        length = int.from_bytes(file[at - 4 : at])
        return set(zlib.decompress(file[at + 4 : at + 4 + length])[:: WIDTH + 1])

    film = IndexedFilm(HEIGHT, WIDTH)
    assert filters(film.png(np.repeat(texture(1)[..., :1], 3, axis=2))) == {1}
    pattern = np.random.default_rng(2).integers(0, 2, (HEIGHT, WIDTH), np.uint8) * 255
    assert filters(film.png(np.repeat(pattern[..., None], 3, axis=2))) == {0}
