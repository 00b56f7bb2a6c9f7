"""When enough is there of a source that tells no length, by a clock and a scale of our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gmapi.fetch.unending import LIVE_SECONDS, Gauge, Portion

BYTES_A_SECOND = 1000


class Source:
    """Media that comes with the time; `came` gives the seconds that are there after some."""

    def __init__(
        self,
        came: Callable[[float], float],
        *,
        cost: float = 0.05,
        deadline: float = 900.0,
        measurable: bool = True,
        **wanted: float,
    ) -> None:
        self.now = 100.0
        self.looks = 0
        self.told: list[tuple[float, float | None]] = []
        self._came = came
        self._cost = cost
        self._measurable = measurable
        portion = Portion(
            measure=self._measure,
            on_seconds=lambda there, of, size: self.told.append((there, of)),
            **wanted,
        )
        self._deadline = deadline
        self.gauge = Gauge(portion, Path("x"), lambda: self.now)

    @property
    def there(self) -> float:
        return self._came(self.now - 100.0)

    def _measure(self, path: Path, most: float) -> float | None:
        self.looks += 1
        there = self.there
        self.now += self._cost
        return min(there, most) if self._measurable else None

    def listen(self, *, is_radio: bool = False) -> float | None:
        """Seconds of media that are there when it is enough, None when it never is."""
        while self.now < 100.0 + self._deadline:
            there = self.there
            received = int(there * BYTES_A_SECOND)
            if self.gauge.is_enough(received, is_radio=is_radio):
                return there
            self.gauge.tell(received, is_radio=is_radio)
            self.now += 0.2
        return None


def paced(burst: float = 0.0, speed: float = 1.0) -> Callable[[float], float]:
    return lambda elapsed: burst + speed * elapsed


@pytest.mark.parametrize("burst", [0.0, 5.0, 30.0, 59.0])
def test_a_station_is_left_after_what_is_wanted(burst: float) -> None:
    for wanted, seconds in (
        ({}, LIVE_SECONDS), ({"seconds": 5.0}, 5.0), ({"enough": 8.0}, 8.0),
        ({"seconds": 300.0}, 300.0), ({"seconds": 300.0, "enough": 7.0}, 7.0),
    ):  # fmt: skip
        source = Source(paced(burst), **wanted)
        there = source.listen(is_radio=True)
        assert there is not None
        assert seconds <= there <= max(seconds + 3.0, burst + 1.0)
        if burst < seconds - 5:
            assert source.told[-1][0] == pytest.approx(seconds, abs=2.0)
            assert source.told[-1][1] == seconds


def test_a_song_is_taken_whole_when_its_end_is_near() -> None:
    source = Source(paced(burst=30.0), enough=5.0)
    assert source.listen() is not None
    assert 2.0 <= source.now - 100.0 <= 4.0
    assert not source.gauge.is_for_itself(is_radio=False)
    flood = Source(paced(speed=1_000_000.0), enough=5.0)
    assert flood.listen() is not None
    assert flood.now - 100.0 <= 1.5
    # Who asked for no more gets no more.
    asked = Source(paced(burst=30.0), seconds=5.0)
    assert asked.listen() is not None
    assert asked.now - 100.0 <= 1.0


def test_others_do_not_wait_for_a_broadcast() -> None:
    source = Source(paced(), seconds=300.0)
    assert source.gauge.is_for_itself(is_radio=True)
    assert not source.gauge.is_for_itself(is_radio=False)
    assert not source.gauge.is_enough(1000, is_radio=False)
    source.now += 5.1
    assert source.gauge.is_for_itself(is_radio=False)


def test_looks_are_few() -> None:
    source = Source(paced(), seconds=3000.0, deadline=4000.0)
    assert source.listen(is_radio=True)
    assert source.looks < 350
    # What is costly to measure is measured seldom.
    costly = Source(paced(), cost=10.0, seconds=3000.0, deadline=4000.0)
    assert costly.listen(is_radio=True)
    assert costly.looks < 70
    # An MP4 without its index cannot be measured before it is whole.
    dumb = Source(paced(), seconds=300.0, measurable=False, deadline=600.0)
    assert dumb.listen() is None
    assert dumb.looks < 70


@pytest.mark.parametrize("burst", [0.0, 20.0, 59.0, 200.0])
def test_what_comes_as_it_plays_is_a_broadcast(burst: float) -> None:
    there = Source(paced(burst)).listen()
    assert there is not None
    assert LIVE_SECONDS <= there <= max(LIVE_SECONDS, burst) + 60.0


def test_what_comes_in_blocks_is_a_broadcast() -> None:
    there = Source(lambda elapsed: 6.0 * (elapsed // 6.0)).listen()
    assert there is not None
    assert there <= 3 * LIVE_SECONDS


@pytest.mark.parametrize("speed", [0.05, 0.5, 0.8, 1.25, 2.0, 10.0, 1000.0])
def test_a_file_that_comes_faster_or_slower_is_waited_for(speed: float) -> None:
    source = Source(lambda elapsed: min(3600.0, speed * elapsed), deadline=400.0)
    while source.now < 100.0 + 390.0 and source.there < 3600.0:
        assert not source.gauge.is_enough(int(source.there * 1000), is_radio=False)
        source.now += 0.2


@pytest.mark.parametrize(
    ("there", "worth"), [(0.0, False), (0.5, False), (1.0, True), (500.0, True)]
)
def test_little_is_not_worth_it(there: float, worth: bool) -> None:
    assert Source(lambda elapsed: there).gauge.is_worth_it() is worth
    assert not Source(lambda elapsed: there, measurable=False).gauge.is_worth_it()
