"""Section 6 of the client contract: POST /api/framepack."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from support.http.origin import Origin, held
from support.http.raw_http import GameCall, Reply, game_call
from support.product.frame_tasks import PLAYER_PATIENCE, begin, last_ready, single, unpack, urls_of
from support.product.server import GmapiServer, call, frozen, wait_for


def ask(server: GmapiServer, task_id: str, numbers: Any, **options: Any) -> Reply:
    body = {"urls": urls_of(task_id, numbers)}
    return game_call(server.port, "POST", "/api/framepack", body, **options)


def test_k1_a_pack_holds_all_frames_in_the_order_asked(
    server: GmapiServer, film: dict[str, Any]
) -> None:
    task_id = film["task_id"]
    for numbers in (range(1, 21), range(95, 115), [200, 3, 101, 100, 280, 1], [280], [7, 7, 8, 7]):
        reply = ask(server, task_id, numbers)
        assert reply.status == 200
        assert unpack(reply.body) == [single(server, task_id, number) for number in numbers]


def test_k1_one_frame_that_will_never_be_fails_the_whole_pack(
    server: GmapiServer, film: dict[str, Any]
) -> None:
    for numbers in ([1, 2, 281], [281, 1], [1000], range(270, 290)):
        reply = ask(server, film["task_id"], numbers, patience=PLAYER_PATIENCE)
        assert reply.status == 404
        assert "frame 281" in reply.reason or "frame 1000" in reply.reason
        assert reply.json()["status"] == "error"


def test_k2_frames_that_come_late_are_waited_for_without_silence(
    server: GmapiServer, working: str
) -> None:
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(2))
        with frozen(server, "rawvideo") as caught:
            assert caught.wait(30)
            last = last_ready(server, working)
            numbers = [range(last + 1, last + 21), range(last - 9, last + 11)]
            calls = [
                stack.enter_context(
                    GameCall(
                        server.port,
                        "POST",
                        "/api/framepack",
                        {"urls": urls_of(working, wanted)},
                        patience=PLAYER_PATIENCE,
                    )
                )
                for wanted in numbers
            ]
            finished = [pool.submit(call.finish) for call in calls]
            # The count alone keeps the first alive; the second has all that was ready.
            wait_for(lambda: len(calls[0].body) >= 3 or finished[0].done(), what="signs of life")
            assert not finished[0].done(), finished[0].result()
            assert b"\0\0\0\x14\0".startswith(calls[0].body)
            ready = ask(server, working, range(last - 9, last + 1)).body
            wait_for(lambda: len(calls[1].body) > len(ready) - 300, what="what was ready")
            assert calls[1].body[4:] == ready[4 : len(calls[1].body)]
            assert not any(future.done() for future in finished)
        replies = [future.result() for future in finished]
    for wanted, reply in zip(numbers, replies, strict=True):
        assert (reply.status, reply.whole) == (200, True)
        assert unpack(reply.body) == [single(server, working, number) for number in wanted]


def test_k2_400_frames_asked_for_while_the_source_still_comes(
    server: GmapiServer, origin: Origin, contract_media: Callable[[str], str]
) -> None:
    content = call("GET", contract_media("many_frames.mp4")).body
    release = threading.Event()
    task_id = begin(server, origin.add("/k2/slow.mp4", held(content, 9000, release)))
    refused: list[int] = []

    def insist(start: int) -> bytes:
        """As the player does: each failure is asked again."""
        while True:
            reply = ask(server, task_id, range(start, start + 20), patience=PLAYER_PATIENCE)
            if reply.status == 200:
                return reply.body
            # Nothing of a pack was sent, and the cause tells a program to come back.
            assert (reply.status, reply.headers["retry-after"]) == (503, "1")
            assert reply.json()["status"] == "error"
            refused.append(start)

    with ThreadPoolExecutor(20) as pool:
        packs = [pool.submit(insist, start) for start in range(1, 400, 20)]
        try:
            wait_for(lambda: len(refused) >= 20, what="the answer that nothing will come soon")
        finally:
            release.set()
        frames = [png for pack in packs for png in unpack(pack.result())]
    assert len(frames) == 400
    for number in (1, 20, 21, 200, 399, 400):
        assert frames[number - 1] == single(server, task_id, number)


def test_k2_frames_that_cannot_come_fail_before_anything_is_sent(
    server: GmapiServer, working: str
) -> None:
    with frozen(server, "rawvideo") as caught:
        assert caught.wait(30)
        for numbers in ([1, 2, 900], [900, 1], [480 + 400]):
            reply = ask(server, working, numbers, patience=PLAYER_PATIENCE)
            assert reply.status == 404
            assert reply.json()["status"] == "error"
        assert server.post(f"/api/task/{working}/cancel").json()["status"] == "cancelled"
    gone = ask(server, working, [480], patience=PLAYER_PATIENCE)
    assert gone.status == 404


def test_k2_a_job_that_fails_midway_breaks_the_connection(
    server: GmapiServer, working: str
) -> None:
    with frozen(server, "rawvideo") as caught:
        assert caught.wait(30)
        last = last_ready(server, working)
        urls = urls_of(working, range(last - 4, last + 16))
        with GameCall(
            server.port, "POST", "/api/framepack", {"urls": urls}, patience=PLAYER_PATIENCE
        ) as torn:
            torn.read_until(lambda: len(torn.body) > 1000)
            for pid in server.ffmpegs():
                os.kill(pid, signal.SIGKILL)
            reply = torn.finish()
    assert reply.status == 200
    assert not reply.whole
    assert len(reply.body) > 1000
    assert server.wait_for_task(working)["status"] == "error"


def test_k3_many_viewers_ask_for_many_packs_at_the_same_moment(
    server: GmapiServer, film: dict[str, Any], origin: Origin, media_dir: Path
) -> None:
    # Conversions that occupy all workers do not hold up packs.
    release = threading.Event()
    url = origin.add("/k3.mp4", held((media_dir / "clip.mp4").read_bytes(), 500, release))
    busy = [begin(server, url, w=30 + n) for n in range(3)]
    starts = [start for _ in range(3) for start in range(1, 280, 14)]
    together = threading.Barrier(len(starts))

    def viewer(start: int) -> tuple[int, bytes]:
        together.wait()
        reply = ask(server, film["task_id"], range(start, start + 14), patience=PLAYER_PATIENCE)
        assert reply.status == 200, reply.reason
        return start, reply.body

    try:
        with ThreadPoolExecutor(len(starts)) as pool:
            packs = list(pool.map(viewer, starts))
    finally:
        release.set()
    assert len(packs) == 60
    once = {start: ask(server, film["task_id"], range(start, start + 14)).body for start in starts}
    assert all(body == once[start] for start, body in packs)
    assert [server.wait_for_task(task)["status"] for task in busy] == ["completed"] * 3


def test_k4_256_frames_are_allowed_and_more_are_not(
    server: GmapiServer, film: dict[str, Any]
) -> None:
    reply = ask(server, film["task_id"], range(1, 257))
    assert reply.status == 200
    assert len(unpack(reply.body)) == 256
    refused = ask(server, film["task_id"], range(1, 258))
    assert refused.status == 400
    assert "256" in refused.reason


def test_k4_a_pack_beyond_16_mib_fails_with_a_reason(server: GmapiServer, origin: Origin) -> None:
    task_id = begin(server, origin.url("/clip.mp4"), w=960, h=720, fps=5)
    assert server.wait_for_task(task_id)["status"] == "completed"
    size = len(single(server, task_id, 5))
    count = 16 * 1024**2 // size + 2
    assert count <= 256
    reply = ask(server, task_id, [5] * count)
    assert reply.status == 413
    assert "16 MiB" in reply.reason
    fits = ask(server, task_id, [5] * (count - 3))
    assert fits.status == 200
    assert 13 * 1024**2 < len(fits.body) < 16 * 1024**2


def test_k5_only_frames_of_tasks_can_be_had(
    server: GmapiServer, film: dict[str, Any], song: dict[str, Any]
) -> None:
    film_id, song_id = film["task_id"], song["task_id"]
    first = urls_of(film_id, [1])[0]
    cases = {
        urls_of("0" * 32, [1])[0]: 404,
        urls_of(song_id, [1])[0]: 404,
        song["download_url"]: 400,
        film["result"]["audio_urls"]["audio_dfpwm_url"]: 400,
        f"/frames/{film_id}/../../etc/passwd": 400,
        f"/frames/{film_id}/..%2F..%2Fframe_000001.png": 400,
        f"/frames/{film_id}/frame_1.png": 400,
        f"/frames/../{film_id}/frame_000001.png": 400,
        f"/frames/{film_id.upper()}x/frame_000001.png": 400,
        "/etc/passwd": 400,
        "file:///etc/passwd": 400,
        "": 400,
    }
    for url, code in cases.items():
        for urls in ([url], [first, url]):
            reply = game_call(server.port, "POST", "/api/framepack", {"urls": urls})
            assert reply.status == code, url
            assert reply.json()["message"]
    for body in ({}, {"urls": first}, {"urls": [1]}, {"urls": [[first]]}, {"urls": [{}]}):
        assert game_call(server.port, "POST", "/api/framepack", body).status == 400
