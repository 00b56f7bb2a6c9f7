"""When pictures are shown, however many a source says that it has."""

from __future__ import annotations

import tracemalloc

import pytest

from gmapi.media import timing
from gmapi.media.timing import PICTURES_MAX, PictureTimes, _Lines, picture_count

HEAD = b"#format: frame checksums\n#version: 1\n#tb 0: 1/25\n#media_type 0: video\n"


def lines(count: int, first: int = 0) -> bytes:
    """Packets of one tick of the time base each."""
    return b"".join(
        b"0, %10d, %10d, 1, 200, 0x0123456%d\n" % (at, at, at % 10)
        for at in range(first, first + count)
    )


def read(data: bytes, piece: int = 1000) -> PictureTimes:
    packets = _Lines(exact_last=True)
    for at in range(0, len(data), piece):
        packets.feed(data[at : at + piece])
    return packets.times()


@pytest.fixture
def few_kept(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(timing, "PICTURES_MAX", 50)
    return 50


@pytest.mark.parametrize("piece", [7, 100, 1000, 1 << 20])
@pytest.mark.parametrize("count", [49, 50, 51, 1234])
def test_more_pictures_than_are_kept_are_counted(few_kept: int, count: int, piece: int) -> None:
    times = read(HEAD + lines(count), piece)
    assert times.count == count
    assert times.end == pytest.approx(count / 25)
    assert times.fps == pytest.approx(25)
    assert picture_count(times, 5) == pytest.approx(count / 5, abs=1)
    assert len(times.starts) == min(count, few_kept)
    assert times.is_regular(25) == (count <= few_kept)
    assert list(times.durations) == pytest.approx(
        [1 / 25] * (count if count <= few_kept else few_kept - 1)
    )
    assert times.usual_step == pytest.approx(1 / 25)


def test_pictures_out_of_order_are_put_in_order() -> None:
    times = read(HEAD + lines(2, first=4) + lines(4))
    assert list(times.starts) == pytest.approx([at / 25 for at in range(6)])


def test_memory_is_bounded_however_many_there_are() -> None:
    """20 MB of an MP4 can say that it has 20 million pictures, 24 bytes of Python each and more."""
    packets = _Lines(exact_last=True)
    piece = lines(5_000)
    packets.feed(HEAD)
    for _ in range(PICTURES_MAX // 5_000):
        packets.feed(piece)
    tracemalloc.start()
    try:
        for _ in range(400):
            packets.feed(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    times = packets.times()
    assert times.count == PICTURES_MAX + 2_000_000
    assert peak < 4 << 20
    assert times.starts.itemsize * len(times.starts) == 8 * PICTURES_MAX  # type: ignore[attr-defined]


def test_a_line_without_an_end_is_not_gathered() -> None:
    packets = _Lines(exact_last=True)
    tracemalloc.start()
    try:
        for _ in range(200):
            packets.feed(b"0, 1" * 25_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20
