"""The queue between a station and its sound: bounded, whatever the station does."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from gmapi.fetch import broadcast as module
from gmapi.fetch.address import check_url
from gmapi.fetch.broadcast import Broadcast, Stretch
from gmapi.fetch.connection import Stopped
from gmapi.fetch.terms import FetchRules
from support.product.server import wait_for


@pytest.fixture
def station(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broadcast]:
    monkeypatch.setattr(module, "QUEUE_BYTES", 100)
    rules = FetchRules((), 1000, 10.0, 10.0)
    url = check_url("http://127.0.0.1:9/radio")
    made = Broadcast(url, rules, headers={}, on_title=lambda title: None)
    yield made
    made._connection.stop()


def drained(stretch: Stretch) -> bytes:
    """All of a stretch that has ended."""
    return b"".join(stretch.pieces(lambda: True))


def test_short_stretches_are_bounded_together(station: Broadcast) -> None:
    taken: list[int] = []

    def send() -> None:
        try:
            for number in range(50):
                station.take(b"x" * 30)
                station.part()
                taken.append(number)
        except Stopped:
            pass

    sender = threading.Thread(target=send)
    sender.start()
    wait_for(lambda: station._queued() == 120)
    assert taken == [0, 1, 2]
    heard = 0
    while sender.is_alive() or heard < 50:
        stretch = station.next_stretch(1.0)
        assert stretch is not None
        assert drained(stretch) == b"x" * 30
        heard += 1
    sender.join(60)
    assert heard == 50


def test_who_waits_for_room_is_woken_by_the_end(station: Broadcast) -> None:
    stopped = threading.Event()

    def send() -> None:
        with pytest.raises(Stopped):
            station.take(b"x" * 1000)
        stopped.set()

    sender = threading.Thread(target=send)
    sender.start()
    station._connection.stop()
    sender.join(60)
    assert stopped.is_set()


def test_what_is_left_of_a_stretch_goes_to_whoever_reads_next(station: Broadcast) -> None:
    stretch = Stretch("Audio/MPEG; charset=x")
    assert stretch.content_type == "audio/mpeg"
    for piece in (b"1", b"2", b"3"):
        stretch.add(piece)
    turns = iter([True, True, False])
    assert b"".join(stretch.pieces(lambda: next(turns))) == b"12"
    stretch.end()
    assert not stretch.is_over
    assert drained(stretch) == b"3"
    assert stretch.is_over
    assert Stretch(None).content_type == ""
