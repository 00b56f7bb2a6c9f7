"""A pipe filled from a file that is still arriving: pace, end, failure, nothing left behind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gmapi.sandbox.feeding import WHOLE, Feed, Feeder, Span
from support.sandbox.arriving_file import ArrivingFile, nothing_left

BODY = bytes(range(256)) * 2048
WAIT_SECONDS = 60.0

pytestmark = pytest.mark.skipif(not hasattr(os, "sendfile"), reason="feeders are for POSIX")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[ArrivingFile]:
    made = ArrivingFile(tmp_path / "growing")
    yield made
    made.close()


@pytest.fixture
def feed(file: ArrivingFile) -> Iterator[Callable[..., tuple[Feeder, int]]]:
    """Starts a feeder and gives it and the reading end; nothing of it may be left."""
    made: list[tuple[Feeder, int]] = []

    def start(plan: object = WHOLE) -> tuple[Feeder, int]:
        reader, writer = os.pipe()
        made.append((Feeder(Feed(file, plan), writer), reader))  # type: ignore[arg-type]
        return made[-1]

    with nothing_left():
        yield start
        for feeder, reader in made:
            feeder.close()
            feeder.close()  # once more does no harm
            if _is_open(reader):
                os.close(reader)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _read(reader: int, count: int | None = None) -> bytes:
    """So many bytes, or all to the end."""
    data = b""
    while count is None or len(data) < count:
        piece = os.read(reader, 1 << 16 if count is None else count - len(data))
        if not piece:
            break
        data += piece
    return data


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_bytes_come_as_they_arrive_and_the_pipe_ends_behind_the_last(
    file: ArrivingFile, feed: Callable[..., tuple[Feeder, int]]
) -> None:
    feeder, reader = feed()
    for at in range(0, len(BODY), len(BODY) // 4):
        part = BODY[at : at + len(BODY) // 4]
        file.append(part)
        assert _read(reader, len(part)) == part
    assert not feeder.has_ended
    file.end()
    assert _read(reader) == b""
    _until(lambda: feeder.has_ended)


def test_a_plan_is_bytes_of_its_own_and_parts_of_the_file(
    file: ArrivingFile, feed: Callable[..., tuple[Feeder, int]]
) -> None:
    file.append(BODY[:1000])
    _, reader = feed((b"head", Span(10, 20), b"", b"middle", Span(900, 200), Span(500), b"tail"))
    expected = b"head" + BODY[10:30] + b"middle" + BODY[900:1000]
    assert _read(reader, len(expected)) == expected
    file.append(BODY[1000:2000])
    file.end()
    assert _read(reader) == BODY[1000:1100] + BODY[500:2000] + b"tail"


@pytest.mark.parametrize("plan", [(Span(0, 5000),), (Span(5000),), (Span(5000, 10),)])
def test_parts_beyond_the_end_are_what_there_is(
    file: ArrivingFile, feed: Callable[..., tuple[Feeder, int]], plan: tuple[Span, ...]
) -> None:
    file.append(BODY[:3000])
    file.end()
    feeder, reader = feed(plan)
    assert _read(reader) == BODY[plan[0].first : 3000]
    _until(lambda: feeder.has_ended)


def test_a_slow_reader_holds_up_only_its_own_feeder(
    file: ArrivingFile, feed: Callable[..., tuple[Feeder, int]]
) -> None:
    _, slow = feed()
    _, fast = feed()
    file.append(BODY)
    file.end()
    assert _read(slow, 10) == BODY[:10]
    assert _read(fast) == BODY
    _, late = feed()
    assert _read(late) == BODY
    assert _read(slow) == BODY[10:]


def test_a_reader_that_goes_early_ends_its_feeder_alone(
    file: ArrivingFile, feed: Callable[..., tuple[Feeder, int]]
) -> None:
    leaving, its_end = feed()
    _, staying = feed()
    file.append(BODY)
    assert _read(its_end, 100) == BODY[:100]
    os.close(its_end)
    assert _read(staying, len(BODY)) == BODY
    file.append(b"x")
    file.end()
    assert _read(staying) == b"x"
    leaving.close()
    leaving.check()
    assert not leaving.has_ended


def test_where_the_source_fails_the_pipe_stays_open_until_its_reader_has_gone(
    file: ArrivingFile, feed: Callable[..., tuple[Feeder, int]]
) -> None:
    feeder, reader = feed()
    file.append(b"beginning")
    assert _read(reader, 9) == b"beginning"
    file.end(ValueError("broken off"))

    def failed() -> bool:
        try:
            feeder.check()
        except ValueError:
            return True
        return False

    _until(failed)
    os.set_blocking(reader, False)
    with pytest.raises(BlockingIOError):  # not the end: that would pass for all there is
        os.read(reader, 1)
    assert not feeder.has_ended
    feeder.close()
    assert os.read(reader, 1) == b""


def test_a_feeder_ends_when_told_though_nobody_empties_its_pipe(
    file: ArrivingFile, feed: Callable[..., tuple[Feeder, int]]
) -> None:
    file.append(BODY)
    for plan in (WHOLE, (BODY,)):
        feeder, reader = feed(plan)
        assert _read(reader, 1) == BODY[:1]
        closing = threading.Thread(target=feeder.close, daemon=True)
        closing.start()
        closing.join(WAIT_SECONDS)
        assert not closing.is_alive()
        assert not feeder.has_ended


def test_a_feeder_ends_when_told_though_nothing_arrives(
    feed: Callable[..., tuple[Feeder, int]],
) -> None:
    feeder, reader = feed()
    feeder.close()
    assert _read(reader) == b""
    assert not feeder.has_ended


def test_a_file_that_begins_anew_is_waited_for_and_not_asked_in_vain(
    file: ArrivingFile, feed: Callable[..., tuple[Feeder, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.append(BODY[:1000])
    asked = 0
    sendfile = os.sendfile

    def count(*values: int) -> int:
        nonlocal asked
        asked += 1
        if asked == 1:  # between the look at its size and the copying
            file.cut(0)
        return sendfile(*values)

    monkeypatch.setattr(os, "sendfile", count)
    _, reader = feed()
    _until(lambda: file.waits >= 3)
    assert asked <= 2
    file.append(BODY)
    file.end()
    assert _read(reader) == BODY
