"""Feeders of pipes whose bytes are made as they go."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

from gmapi.sandbox.feeding import Feed, Feeder, Span


def test_a_plan_may_be_made_while_it_is_read() -> None:
    reader, writer = os.pipe()
    go_on = threading.Event()

    def plan() -> Iterator[bytes | Span]:
        yield b"one"
        while not go_on.wait(0.01):
            yield b""
        yield b"two"

    feeder = Feeder(Feed(None, plan()), writer)
    try:
        assert os.read(reader, 100) == b"one"
        go_on.set()
        assert os.read(reader, 100) == b"two"
        assert os.read(reader, 100) == b""
    finally:
        os.close(reader)
        feeder.close()
    assert feeder.has_ended
    feeder.check()


def test_a_feeder_is_ended_though_its_plan_would_go_on_for_ever() -> None:
    reader, writer = os.pipe()

    def plan() -> Iterator[bytes | Span]:
        while True:
            time.sleep(0.01)
            yield b""

    feeder = Feeder(Feed(None, plan()), writer)
    closing = threading.Thread(target=feeder.close)
    closing.start()
    closing.join(60)
    assert not closing.is_alive()
    assert not feeder.has_ended
    os.close(reader)


def test_parts_of_no_file_are_a_fault() -> None:
    reader, writer = os.pipe()
    feeder = Feeder(Feed(None, (Span(0),)), writer)
    feeder._thread.join(60)
    try:
        feeder.check()
    except ValueError:
        pass
    else:
        raise AssertionError("no fault")
    finally:
        feeder.close()
        os.close(reader)
