"""Which rate a source's pictures get, by its header and by when they are shown."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from gmapi.media.header import Stream
from gmapi.media.selection import ANIMATIONS
from gmapi.media.timing import PictureTimes
from gmapi.tools.screens.plan import make_plan
from gmapi.tools.screens.request import SanjuuniRequest
from gmapi.tools.screens.rhythm import Rhythm, exact_rate, find_rhythm

VIDEO = Stream(0, "video", "h264", 64, 48, 64, 48)


def rhythm(
    told: float | None,
    starts: list[float],
    end: float,
    codec: str = "h264",
    rate: float | None = None,
    **fields: Any,
) -> Rhythm:
    values = {"input_url": "http://a/b", "output_format": "bimg", **fields}
    plan = make_plan(SanjuuniRequest.model_validate(values))
    video = replace(VIDEO, fps=told, codec=codec)
    times = PictureTimes(tuple(starts), end, rate=rate)
    return find_rhythm(plan, video, times, is_animation=codec in ANIMATIONS)


def regular(fps: float, count: int) -> tuple[list[float], float]:
    return [number / fps for number in range(count)], count / fps


@pytest.mark.parametrize(
    ("printed", "meant"),
    [
        (29.97, Fraction(30000, 1001)), (23.98, Fraction(24000, 1001)),
        (59.94, Fraction(60000, 1001)), (119.88, Fraction(120000, 1001)), (25, Fraction(25)),
        (30, Fraction(30)), (12.5, Fraction(25, 2)), (8.33, Fraction(833, 100)),
        (0.5, Fraction(1, 2)),
    ],
)  # fmt: skip
def test_printed_rates(printed: float, meant: Fraction) -> None:
    assert exact_rate(printed) == meant


@pytest.mark.parametrize("kind", ["bimg", "32vid", "raw", "gif"])
def test_a_regular_film_keeps_its_pictures(kind: str) -> None:
    assert rhythm(25, *regular(25, 50), output_format=kind) == Rhythm(Fraction(25), expected=50)


def test_32vid_gets_a_whole_rate() -> None:
    found = rhythm(29.97, *regular(30000 / 1001, 300), output_format="32vid")
    assert found == Rhythm(Fraction(30), Fraction(30), expected=301)
    exact = rhythm(29.97, *regular(30000 / 1001, 300), output_format="32vid", args=["-p"])
    assert exact == Rhythm(Fraction(30000, 1001), expected=300)


@pytest.mark.parametrize("told", [1000, 90_000, None])
def test_the_resolution_of_a_clock_is_no_rate(told: float | None) -> None:
    """What browsers record has times in milliseconds and no rate in its header."""
    starts = [round(number / 30, 3) + (0.004 if number % 7 == 3 else 0) for number in range(90)]
    for kind in ("bimg", "32vid"):
        found = rhythm(told, starts, 3.0, output_format=kind)
        assert found.fps == found.resample == 30
        assert found.expected == 90
    assert rhythm(told, starts, 3.0, quality="exact") == Rhythm(Fraction(30), expected=90)


def test_pauses_do_not_slow_a_film_without_a_rate() -> None:
    starts = [number / 50 for number in range(100)] + [30.0]
    assert rhythm(1000, starts, 30.02).fps == 50


def test_fast_films_stay_fast() -> None:
    assert rhythm(240, *regular(240, 480)) == Rhythm(Fraction(240), expected=480)
    assert rhythm(240, *regular(240, 480), output_format="32vid").fps == 240


def test_a_header_is_believed_when_many_pictures_are_left_out() -> None:
    starts = [0.0, 0.04, 0.08, *(number / 2 for number in range(1, 20))]
    found = rhythm(25, starts, 10.0)
    assert (found.fps, found.resample, found.expected) == (25, 25, 250)


@pytest.mark.parametrize("kind", ["bimg", "32vid"])
def test_without_times_all_pictures_come_at_the_rate_in_the_header(kind: str) -> None:
    assert rhythm(25, [], 0.0, output_format=kind) == Rhythm(Fraction(25))
    assert rhythm(None, [], 0.0, output_format=kind) == Rhythm(Fraction(25))


def test_one_picture_is_a_still() -> None:
    assert rhythm(10, [0.0], 0.1) == Rhythm(Fraction(25), expected=1, still=True)
    assert rhythm(10, [0.0], 0.1, fps=5).still


def test_animations_have_their_own_times() -> None:
    starts = [0.0, 0.1, 0.4, 0.6]
    own = rhythm(8.33, starts, 1.0, codec="gif")
    assert own.fps == 4
    assert own.resample is None
    assert [own.seconds(number) for number in range(4)] == pytest.approx([0.1, 0.3, 0.2, 0.4])
    fixed = rhythm(8.33, starts, 1.0, codec="gif", output_format="32vid")
    assert (fixed.fps, fixed.resample, fixed.expected) == (10, 10, 10)


def test_an_animation_without_delays_is_shown_at_60() -> None:
    hasty = rhythm(100, [0.0, 0.0, 0.01, 0.01], 0.02, codec="gif", output_format="32vid")
    assert hasty.fps == 60


@pytest.mark.parametrize(
    ("kind", "asked", "given"),
    [("bimg", 12.5, Fraction(25, 2)), ("32vid", 12.5, 13), ("32vid", 0.1, 1), ("raw", 0.1, 0.1)],
)
def test_a_rate_that_is_asked_for(kind: str, asked: float, given: Fraction) -> None:
    found = rhythm(25, *regular(25, 500), output_format=kind, fps=asked)
    assert float(found.fps) == pytest.approx(float(given))
    assert found.resample == found.fps
    assert found.expected == pytest.approx(20 * float(given), abs=1)


@pytest.mark.parametrize("fields", [{}, {"quality": "exact"}, {"output_format": "32vid"}])
def test_pictures_of_hours_have_a_rate(fields: dict[str, Any]) -> None:
    """The delay of an APNG's picture may be 18 hours."""
    found = rhythm(None, [0.0, 65535.0], 131070.0, "apng", **fields)
    assert found.fps > 0
    assert found.seconds(5) > 0


def test_pictures_tell_the_rate_better_than_the_header_of_a_raw_stream() -> None:
    assert rhythm(25, *regular(10, 30)).fps == 10
    assert rhythm(29.97, *regular(29.97, 30)).fps == Fraction(30000, 1001)


def test_a_rate_where_pictures_tell_no_times() -> None:
    found = rhythm(20, *regular(10, 30), rate=10.0)
    assert (found.fps, found.resample, found.expected) == (10, None, 30)
