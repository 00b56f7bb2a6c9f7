"""A whole player in Lua, `player.lua`, against the server: polling, sound and frame packs.

Requests run in the background, 16 at a time, each on its own connection and with the silence
that the player bears as its timeout, as on a game computer.
"""

from __future__ import annotations

import queue
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from lupa import lua52

from support.http.origin import Origin, status
from support.http.raw_http import GameCall, game_call
from support.product.server import GmapiServer

PLAYER = Path(__file__).with_name("player.lua")
REQUESTS_AT_ONCE = 16
REPLY_MAX = 16 * 1024**2


class GameComputer:
    """What the player calls. Texts of Lua are bytes."""

    def __init__(self) -> None:
        self.printed: list[str] = []
        self.played: dict[str, Any] = {}
        self.drawn: list[tuple[int, bytes]] = []
        self.failures: list[str] = []
        self._events: queue.Queue[tuple[bytes, ...]] = queue.Queue()
        self._pool = ThreadPoolExecutor(REQUESTS_AT_ONCE)
        lua = lua52.LuaRuntime(
            encoding=None,
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
        )
        natives: dict[bytes, Callable[..., Any]] = {
            b"request": self._request,
            b"pull": lambda: self._events.get(timeout=40),
            b"print": lambda line: self.printed.append(line.decode()),
            b"sleep": threading.Event().wait,
            b"play": lambda name, sound: self.played.update({name.decode(): sound}),
            b"draw": lambda number, png: self.drawn.append((number, png)),
        }
        self.player = lua.execute(PLAYER.read_bytes(), lua.table_from(natives))

    def close(self) -> None:
        self._pool.shutdown()

    def _request(self, url: bytes, body: bytes | None, headers: Any, timeout: float) -> None:
        given = {name.decode(): text.decode() for name, text in headers.items()}
        self._pool.submit(self._fetch, url, body, given, timeout)

    def _fetch(
        self, url: bytes, body: bytes | None, headers: dict[str, str], timeout: float
    ) -> None:
        parts = urlsplit(url.decode())
        assert parts.port is not None
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        method = "GET" if body is None else "POST"
        try:
            with GameCall(
                parts.port, method, target, body, headers=headers, patience=timeout
            ) as call:
                reply = call.finish()
        except TimeoutError:
            problem = "Timed out"
        except Exception as error:  # else the player would wait for ever
            problem = f"Could not connect: {error!r}"
        else:
            problem = "" if reply.whole else "Connection closed"
            if reply.status >= 400:
                problem = reply.reason
            if len(reply.body) > REPLY_MAX:
                problem = "Response is too large"
        if problem:
            self.failures.append(f"{parts.path}: {problem}")
            self._events.put((b"http_failure", url, problem.encode()))
        else:
            self._events.put((b"http_success", url, reply.body))


@pytest.fixture
def computer() -> Iterator[GameComputer]:
    made = GameComputer()
    yield made
    made.close()


def watch(computer: GameComputer, server: GmapiServer, video: str, w: int, h: int) -> str:
    """Play a film from the request to its last frame; the task's id."""
    base = server.base.encode()
    task_id, status_url = computer.player[b"start"](base, video.encode(), w, h)
    assert task_id, status_url
    result = computer.player[b"wait"](status_url)
    drawn, missing, _ = computer.player[b"play"](base, task_id, result)
    assert (drawn, missing) == (len(computer.drawn), 0)
    return str(task_id.decode())


def assert_all_drawn(
    computer: GameComputer, server: GmapiServer, task_id: str, size: tuple[int, int]
) -> None:
    """Each frame but the last ten was drawn once, in order, and is what the server has."""
    total = server.wait_for_task(task_id)["result"]["total_frames"]
    assert [number for number, _ in computer.drawn] == list(range(1, total - 9))
    for number, png in computer.drawn[:: len(computer.drawn) // 10]:
        path = f"/frames/{task_id}/frame_{number:06d}.png"
        assert game_call(server.port, "GET", path).body == png
    assert {struct.unpack(">II", png[16:24]) for _, png in computer.drawn} == {size}


def test_v1_v3_k1_k2_a_film_is_played_from_request_to_last_frame(
    server: GmapiServer, contract_media: Callable[[str], str], computer: GameComputer
) -> None:
    task_id = watch(computer, server, contract_media("many_frames.mp4"), 164, 81)
    assert_all_drawn(computer, server, task_id, (164, 81))
    assert len(computer.drawn) == 470
    assert computer.played["length"] == pytest.approx(24, abs=0.2)
    assert len(computer.played["left"]) == len(computer.played["right"])
    assert len(computer.played["left"]) * 8 / 48000 == computer.played["length"]
    assert any(line.endswith("%") for line in computer.printed)


def test_v1_k2_a_player_that_is_ahead_of_the_conversion_gets_every_frame(
    server: GmapiServer, contract_media: Callable[[str], str], computer: GameComputer
) -> None:
    # So large that cutting takes seconds and half of what is asked for is not there yet.
    task_id = watch(computer, server, contract_media("many_frames.mp4"), 480, 270)
    assert_all_drawn(computer, server, task_id, (480, 270))


def test_v5_a_film_without_sound_is_played_silently(
    server: GmapiServer, contract_media: Callable[[str], str], computer: GameComputer
) -> None:
    task_id = watch(computer, server, contract_media("odd.mkv"), 82, 40)
    assert_all_drawn(computer, server, task_id, (82, 40))
    assert computer.played == {}


def test_v10_a_player_shows_why_a_film_cannot_be_played(
    server: GmapiServer, origin: Origin, computer: GameComputer
) -> None:
    origin.add("/lua/gone.mp4", status(404))
    base, video = server.base.encode(), origin.url("/lua/gone.mp4").encode()
    _, status_url = computer.player[b"start"](base, video, 32, 32)
    result, message = computer.player[b"wait"](status_url)
    assert result is None
    assert b"404" in message
    task_id, message = computer.player[b"start"](base, b"nonsense", 32, 32)
    assert task_id is None
    # From 400 on a program sees the reason phrase only.
    assert b"video_url" in message
