"""Random requests and damaged sources to `sanjuuni`: each gives a right file or one clear
sentence, and never anything else. All of them follow from a number, which is in the test's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from gmapi.computercraft.palette import DEFAULT_PALETTE
from gmapi.computercraft.screen import BLANK, Screen
from gmapi.errors import GmapiError, MediaError, RequestError
from gmapi.tools.screens.request import SanjuuniRequest
from gmapi.web.problems import describe
from support.product.outcomes import daily
from support.screens.golden_cases import FOLDER
from support.screens.outputs import DOTS, Output, read_output
from support.screens.studio import Made, Studio
from support.screens.trouble import damaged, wild_wish
from support.screens.wishes import FILMS, FORMATS, PREVIEWS, STILLS, Wish, fine_wish

Media = Callable[[str], Path]

FINE, WILD, DAMAGED = 200, 100, 100
"""How many there are of each kind; of three one runs every day."""


DAILY = slice(1, None, 3)


def some(count: int) -> list[Any]:
    return daily(range(count), *range(count)[DAILY])


LIMITS = {"job_timeout": 60, "output_max_bytes": "50MB", "picture_max_pixels": 4_000_000}


def assert_sentence(text: str) -> None:
    """One public sentence or a few, without anything of this machine in it."""
    assert re.fullmatch(r"\S.*[.?!]", text), text
    assert 15 < len(text) < 500, text
    assert not re.search(r"Traceback| @ 0x|/tmp|/usr|/home|<class|None\b", text), text


def convert(studio: Studio, source: Path, wish: Wish, folder: Path) -> Made:
    """One conversion, refused as the server refuses it."""
    text = None
    if wish.subtitles is not None:
        text = folder / "subtitles"
        text.write_text(wish.subtitles)
    address = {"input_url": "http://127.0.0.1/source", **wish.values}
    try:
        SanjuuniRequest.model_validate(address)
    except ValidationError as error:
        sentence, field = describe(error)
        raise RequestError(sentence, field=field) from error
    settings = {**LIMITS, "kernels": wish.kernels}
    return studio.convert(source, subtitle_file=text, settings=settings, **wish.values)


def read(made: Made, folder: Path) -> Output:
    """The output, which the answer must describe."""
    result = made.result
    output = read_output(
        made.data, result.format, pictures=result.frames, path=folder / "output.gif"
    )
    assert result.size == len(made.data)
    assert result.frames == (output.pictures if result.format != "png" else 1)
    assert (result.columns, result.rows) == ((result.width or 0) // 2, (result.height or 0) // 3)
    if result.format == "raw":
        assert output.fps in (0.0, pytest.approx(result.fps, rel=1e-4))
    elif output.fps is not None:
        assert output.fps == pytest.approx(result.fps, rel=1e-4)
    if output.wall is None and result.rows:
        assert {*output.cells} <= {(result.columns, result.rows)}
    return output


def assert_as_wished(wish: Wish, made: Made, output: Output) -> None:
    """Size, pictures, colours, sound and texts are what was asked for."""
    width, height = wish.size
    columns, rows = width // 2, height // 3
    assert (made.result.width, made.result.height) == (width, height)
    assert made.result.quality == ("exact" if wish.exact else "best")
    assert wish.may_have(output.pictures), (output.pictures, wish.fps)
    if wish.fps is not None:
        assert made.result.fps == pytest.approx(wish.fps, rel=1e-4)
    if wish.kind in PREVIEWS:
        if not wish.trimmed:
            assert output.size == (columns * 2 * DOTS, rows * 3 * DOTS)
        return
    if wish.kind == "nfp":
        size = (columns, rows) if wish.blocks else (columns * 2, rows * 3)
        if not wish.exact and not wish.blocks:
            size = width, height
        assert output.size == (size if size[1] else (0, 0))
        return
    assert output.wall == wish.wall
    assert len(output.screens) == output.pictures * int(np.prod(wish.wall or (1, 1)))
    if wish.wall and not wish.trimmed:
        first_row = output.cells[: wish.wall[0]]
        first_column = output.cells[: len(output.screens) // output.pictures : wish.wall[0]]
        assert sum(wide for wide, _ in first_row) == columns or not rows
        assert sum(high for _, high in first_column) == rows
    drawn = wish.subtitles is not None and wish.monitor is None and not output.texts
    if not drawn:
        assert_colours(wish, output)
    if wish.kind == "32vid":
        assert_sound(wish, output)
        assert output.has_index == bool(wish.fields.get("index"))
        leaves = wish.fields.get("subtitles") == "events" and wish.monitor is None
        assert bool(output.texts) <= leaves
        if wish.text_at_once and leaves and columns and rows:
            assert output.texts


def assert_colours(wish: Wish, output: Output) -> None:
    """Blocks where only blocks are wished for, and the game's own palette where that is."""
    for screen in output.screens:
        if wish.blocks:
            codes = screen.characters if isinstance(screen, Screen) else screen.codes
            # The reference writes 0 (formats document, 4), which shows nothing either.
            assert {*codes.flat} <= {0, BLANK}
        if wish.fixed_palette:
            assert np.array_equal(screen.palette, DEFAULT_PALETTE)


def assert_sound(wish: Wish, output: Output) -> None:
    if not wish.sample.sounds or wish.mute:
        assert output.sound is None
        return
    assert output.sound is not None
    samples = len(output.sound) * (8 if wish.dfpwm else 1)
    assert samples == pytest.approx(wish.sample.seconds * 48_000, abs=6_000)


# -- requests --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", some(FINE))
def test_a_random_request(studio: Studio, screen_media: Media, tmp_path: Path, number: int) -> None:
    wish = fine_wish(number)
    if wish.is_fine:
        made = convert(studio, wish.sample.path(screen_media), wish, tmp_path)
        assert_as_wished(wish, made, read(made, tmp_path))
    else:
        with pytest.raises(RequestError) as caught:
            convert(studio, wish.sample.path(screen_media), wish, tmp_path)
        assert_sentence(caught.value.message)
        assert caught.value.field in ("width", "height", "args")
    assert studio.left() == []


@pytest.mark.parametrize("part", [slice(None), DAILY], ids=["all", "daily"])
def test_the_random_requests_are_of_all_kinds(part: slice) -> None:
    wishes = [fine_wish(number) for number in range(FINE)[part]]
    fine = [wish for wish in wishes if wish.is_fine]
    assert len(fine) > len(wishes) * 0.8
    assert {wish.sample.name for wish in fine} == {sample.name for sample in STILLS + FILMS}
    asked: dict[str, set[Any]] = {}
    for wish in fine:
        asked.setdefault(wish.kind, set()).update(
            [wish.exact, wish.kernels, wish.sample.rate > 0, wish.subtitles is not None]
        )
    assert set(asked) == set(FORMATS)
    assert all(found == {True, False, "auto", "numpy"} for found in asked.values())
    assert sum(wish.wall is not None for wish in fine) > len(wishes) / 20
    assert sum(wish.separate for wish in fine if wish.kind == "32vid") > len(wishes) / 70


@pytest.mark.parametrize("number", some(WILD))
def test_an_odd_request(studio: Studio, screen_media: Media, tmp_path: Path, number: int) -> None:
    wish = wild_wish(number)
    try:
        made = convert(studio, wish.sample.path(screen_media), wish, tmp_path)
    except GmapiError as error:
        assert_sentence(error.message)
        assert error.status in (200, 400, 403)
    else:
        read(made, tmp_path)
    assert studio.left() == []


# -- sources ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", some(DAMAGED))
def test_a_damaged_source(studio: Studio, screen_media: Media, tmp_path: Path, number: int) -> None:
    random = Random(number)
    sample = random.choice(STILLS[2:] + FILMS * 2)
    source = tmp_path / "source"
    source.write_bytes(damaged(random, sample.path(screen_media).read_bytes()))
    kind = FORMATS[number % len(FORMATS)]
    wish = Wish(sample, kind, kernels="numpy" if number % 5 == 0 else "auto")
    wish.fields = {"output_format": kind, "width": 24, "height": 18}
    if random.random() < 0.5:
        wish.fields["quality"] = random.choice(["best", "exact"])
    if random.random() < 0.3:
        wish.fields["fps"] = 5
    try:
        made = convert(studio, source, wish, tmp_path)
    except GmapiError as error:
        assert_sentence(error.message)
        assert error.status == 200
        # Neither was it given up, nor does it blame flags that there are not here.
        assert not re.search(r"took longer|(^|[ (])-[a-z]", error.message), error.message
    else:
        assert read(made, tmp_path).pictures >= 1
        assert (made.result.width, made.result.height) == (24, 18)
    assert studio.left() == []


@pytest.mark.parametrize("name", ["gradient_80x60.png", "plasma_160x120.jpg", "anim_48x36.gif"])
def test_pictures_that_cannot_be_decoded(studio: Studio, tmp_path: Path, name: str) -> None:
    source = tmp_path / "source"
    data = (FOLDER / "in" / name).read_bytes()
    # What is left says how large the picture is, but for JPEG, which says it later.
    source.write_bytes(data[:45] + bytes(len(data) - 45))
    with pytest.raises(MediaError, match="pictures cannot be read: they are damaged") as caught:
        studio.convert(source, output_format="bimg")
    assert caught.value.code == "corrupt_media"
    assert studio.left() == []
