"""Packs by their address: section 6 of the client contract holds for them, and they may be kept."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.http.origin import Origin, held
from support.http.raw_http import GameCall, Reply, game_call
from support.product.frame_tasks import PLAYER_PATIENCE, begin, last_ready, single, unpack, urls_of
from support.product.server import GmapiServer, frozen

NOWHERE = "0123456789abcdef0123456789abcdef"


def address(task_id: str, first: int, last: int) -> str:
    return f"/api/framepack/{task_id}/{first}-{last}"


def ask(server: GmapiServer, task_id: str, first: int, last: int, **options: Any) -> Reply:
    target = address(task_id, first, last)
    return game_call(server.port, options.pop("method", "GET"), target, **options)


def posted(server: GmapiServer, task_id: str, first: int, last: int) -> bytes:
    body = {"urls": urls_of(task_id, range(first, last + 1))}
    return game_call(server.port, "POST", "/api/framepack", body).body


def test_k1_the_same_answer_as_to_a_list_of_these_frames(
    server: GmapiServer, film: dict[str, Any]
) -> None:
    task_id = film["task_id"]
    for first, last in ((1, 20), (95, 114), (280, 280), (1, 256), (100, 101)):
        reply = ask(server, task_id, first, last)
        assert (reply.status, reply.whole) == (200, True)
        assert int(reply.headers["content-length"]) == len(reply.body)
        assert reply.body == posted(server, task_id, first, last)
        assert reply.headers["content-type"] == "application/octet-stream; charset=ISO-8859-1"
    # As a game computer asks: with a Content-Type, and a query that means nothing.
    odd = game_call(
        server.port, "GET", address(task_id, 3, 4) + "?x=1",
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert unpack(odd.body) == [single(server, task_id, number) for number in (3, 4)]


def test_a_pack_may_be_kept_and_is_asked_for_on_conditions(
    server: GmapiServer, film: dict[str, Any]
) -> None:
    task_id = film["task_id"]
    reply = ask(server, task_id, 5, 24)
    assert reply.headers["cache-control"] == "public, max-age=300, immutable"
    etag, modified = reply.headers["etag"], reply.headers["last-modified"]
    assert etag.startswith('"')
    assert {ask(server, task_id, 5, 24).headers["etag"] for _ in range(3)} == {etag}
    others = [ask(server, task_id, *numbers).headers["etag"] for numbers in ((5, 23), (6, 24))]
    assert len({etag, *others}) == 3
    for headers in (
        {"If-None-Match": etag},
        {"If-None-Match": f'"x", W/{etag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": modified},
    ):
        fresh = ask(server, task_id, 5, 24, headers=headers)
        assert (fresh.status, fresh.body) == (304, b"")
        assert fresh.headers["etag"] == etag
    for headers in ({"If-None-Match": '"x"'}, {"If-Match": etag}, {"Range": "bytes=0-3"}):
        again = ask(server, task_id, 5, 24, headers=headers)
        assert (again.status, again.body) == (200, reply.body)
    changed = ask(server, task_id, 5, 24, headers={"If-Match": '"x"'})
    assert (changed.status, changed.body) == (412, b"")
    assert changed.headers["cache-control"] == "no-store"
    head = ask(server, task_id, 5, 24, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(reply.body))
    assert head.headers["etag"] == etag


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ("0-5", "counted from 1"),
        ("0-0", "counted from 1"),
        ("20-1", "the first, 20, comes after the last, 1"),
        ("1-257", "257 are too many"),
        ("1-999999999", "at most 256"),
        ("5", "such as 1-20"),
        ("1-", "such as 1-20"),
        ("-5", "such as 1-20"),
        ("1-2-3", "such as 1-20"),
        ("1-1e3", "such as 1-20"),
        ("%31-2%0a", "such as 1-20"),
        ("1-%D9%A2", "such as 1-20"),
        ("1-9999999999", "such as 1-20"),
        ("all", "such as 1-20"),
    ],
)
def test_bounds_that_are_none(
    server: GmapiServer, film: dict[str, Any], frames: str, words: str
) -> None:
    for task_id in (film["task_id"], NOWHERE):
        reply = game_call(server.port, "GET", f"/api/framepack/{task_id}/{frames}")
        found = reply.json()
        assert (reply.status, found["error_code"]) == (400, "bad_request")
        assert found["field"] == "frames"
        assert words in found["message"]
        assert words in reply.reason


def test_k1_k5_frames_that_will_never_be(
    server: GmapiServer, film: dict[str, Any], song: dict[str, Any]
) -> None:
    cases = {
        (film["task_id"], 270, 289): "no frame 281",
        (film["task_id"], 281, 281): "no frame 281",
        (film["task_id"], 999999990, 999999999): "no frame 999999990",
        (song["task_id"], 1, 2): "no frame 1",
        (NOWHERE, 1, 2): "no task with this id",
        ("x", 1, 2): "no task with this id",
    }
    for numbers, words in cases.items():
        for method in ("GET", "HEAD"):
            reply = ask(server, *numbers, method=method, patience=PLAYER_PATIENCE)
            assert reply.status == 404
            assert words in reply.reason
            assert reply.headers["cache-control"] == "no-store"
    for odd in (f"/api/framepack/{film['task_id']}/1-2/", "/api/framepack//1-2"):
        assert game_call(server.port, "GET", odd).status == 404
    posted = game_call(server.port, "POST", address(film["task_id"], 1, 2), {})
    assert posted.status == 405


def test_k2_frames_that_come_late_are_waited_for_without_silence(
    server: GmapiServer, working: str
) -> None:
    with ExitStack() as stack:
        with frozen(server, "rawvideo") as caught:
            assert caught.wait(30)
            last = last_ready(server, working)
            first = last - 9
            late = stack.enter_context(
                GameCall(server.port, "GET", address(working, first, last + 10), patience=30)
            )
            ready = posted(server, working, first, last)
            late.read_until(lambda: len(late.body) > len(ready) - 300)
            assert late.body[4:] == ready[4 : len(late.body)]
            head = ask(server, working, first, last + 10, method="HEAD")
            assert (head.status, head.body) == (200, b"")
            gone = ask(server, working, 900, 901, patience=PLAYER_PATIENCE)
            assert gone.status == 404
        reply = late.finish()
    assert (reply.status, reply.whole) == (200, True)
    assert reply.body == posted(server, working, first, last + 10)
    # Nobody keeps what was not whole when it began.
    assert "etag" not in reply.headers
    assert reply.headers["cache-control"] == "no-store"
    assert ask(server, working, first, last + 10).headers["etag"]


def test_k2_frames_that_come_much_later_are_asked_for_again(
    server: GmapiServer, origin: Origin, media_dir: Path
) -> None:
    release = threading.Event()
    content = (media_dir / "clip.mp4").read_bytes()
    source = origin.add("/k2/address.mp4", held(content, 500, release))
    task_id = begin(server, source)
    try:
        for method in ("GET", "HEAD"):
            reply = ask(server, task_id, 1, 5, method=method, patience=PLAYER_PATIENCE)
            assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    finally:
        release.set()
    assert server.wait_for_task(task_id)["status"] == "completed"
    assert ask(server, task_id, 1, 5).status == 200
