"""Who polls or listens while a source comes slowly is not told the same again and again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from support.http.origin import Exchange, Origin
from support.product.server import GmapiServer

PIECES = 12
PIECE_SECONDS = 0.1


@pytest.fixture
def slow_song(origin: Origin, media_dir: Path, request: pytest.FixtureRequest) -> str:
    """A source most of which comes at once, and the rest in pieces too small to be seen."""
    song = (media_dir / "stereo.wav").read_bytes()

    def serve(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(len(song))})
        exchange.raw(song[: -20 * PIECES])
        for at in range(len(song) - 20 * PIECES, len(song), 20):
            exchange.wait(PIECE_SECONDS)
            exchange.raw(song[at : at + 20])

    return origin.add(f"/slow-{request.node.name}.wav", serve)


def start(server: GmapiServer, url: str) -> str:
    values = {"input_url": url, "output_format": "dfpwm"}
    return str(server.post("/api/ffmpeg/async", values).json()["task_id"])


def seen(task: dict[str, Any]) -> tuple[Any, ...]:
    """What of a task a person or a program can see."""
    return task["status"], task["message"], int(task["progress"]), task["result"]


def polls(server: GmapiServer, task_id: str) -> Iterator[dict[str, Any]]:
    since = 0
    while True:
        task = server.get(f"/api/task/{task_id}?wait=10&since={since}").json()
        since = task["next_since"]
        yield task
        if task["status"] not in ("pending", "running"):
            return


def test_each_answer_of_a_poll_has_something_new(server: GmapiServer, slow_song: str) -> None:
    answers = list(polls(server, start(server, slow_song)))
    assert answers[-1]["status"] == "completed"
    for before, after in pairwise(answers):
        assert seen(before) != seen(after) or after["new_logs"], after


def test_each_pushed_state_is_new(server: GmapiServer, slow_song: str) -> None:
    task_id = start(server, slow_song)
    stream = server.get(f"/api/task/{task_id}/events").body.decode()
    parts = [part for part in stream.split("\n\n") if part.startswith(("event: s", "event: e"))]
    states = [json.loads(part.partition("data: ")[2]) for part in parts]
    assert states[-1]["status"] == "completed"
    for before, after in pairwise(states):
        assert seen(before) != seen(after), after
