"""Ranges of a file while a job writes it: the test is the worker, the web process is real.

Most ranges lie beyond what is there, so the answer waits; that it does is seen from the file the
web process holds open.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from gmapi.jobs.events import JobWatch
from gmapi.jobs.model import Job
from gmapi.jobs.service import JobService
from gmapi.tools.results import GAME_REPLY_MAX
from gmapi.web import growing
from gmapi.web.app import create_app
from support.http.raw_http import GameCall, Reply
from support.product.growing_jobs import HEAD, NAME, PATCHED, Attempt, Bench
from support.product.server import wait_for

READERS = 20
PIECE = 8 * 1024


def ask(bench: Bench, attempt: Attempt, wanted: str) -> Reply:
    return bench.reply(attempt, headers={"Range": f"bytes={wanted}"})


def waiting(bench: Bench, attempt: Attempt, wanted: str) -> GameCall:
    """A call for a range of which nothing is there; it has been waiting when this returns."""
    call = bench.call(attempt, headers={"Range": f"bytes={wanted}"})
    wait_for(lambda: bench.held(attempt), 30, "a reader of the file")
    return call


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("0-", 0, 9),
        ("0-0", 0, 0),
        ("3-5", 3, 5),
        ("9-", 9, 9),
        ("4-9", 4, 9),
        ("4-10", 4, 9),
        ("4-" + "9" * 30, 4, 9),
    ],
)
def test_a_range_is_answered_with_what_is_there(
    bench: Bench, attempt: Attempt, wanted: str, first: int, last: int
) -> None:
    with bench.grow(attempt) as file:
        file.append(b"0123456789")
        file.flush()
        reply = ask(bench, attempt, wanted)
        assert (reply.status, reply.body) == (206, b"0123456789"[first : last + 1])
        assert reply.headers["content-range"] == f"bytes {first}-{last}/*"
        assert reply.headers["content-length"] == str(last - first + 1)
        assert reply.headers["accept-ranges"] == "bytes"
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["content-type"] == "application/octet-stream; charset=ISO-8859-1"
        assert not {"etag", "last-modified", "transfer-encoding"} & set(reply.headers)
        wait_for(lambda: not bench.held(attempt), 10, "the end of the reader")


def test_conditions_do_not_touch_a_range(bench: Bench, attempt: Attempt) -> None:
    asked = {
        "Range": "bytes=2-3",
        "If-None-Match": "*",
        "If-Modified-Since": "Tue, 14 Nov 2023 22:13:20 GMT",
    }
    with bench.grow(attempt) as file:
        file.append(b"0123456789")
        file.flush()
        reply = bench.reply(attempt, headers=asked)
    assert (reply.status, reply.body) == (206, b"23")


def read_by_ranges(bench: Bench, attempt: Attempt, before: Callable[[int], None]) -> bytes:
    """The whole file in pieces, as a player fetches it; `before` each request is told where."""
    body = b""
    while True:
        before(len(body))
        reply = ask(bench, attempt, f"{len(body)}-{len(body) + PIECE - 1}")
        if reply.status == 416:
            assert reply.headers["content-range"] == f"bytes */{len(body)}"
            return body
        assert reply.status == 206
        assert 1 <= len(reply.body) <= PIECE
        first, last = len(body), len(body) + len(reply.body) - 1
        span, _, total = reply.headers["content-range"].partition("/")
        assert span == f"bytes {first}-{last}"
        assert ("etag" in reply.headers) == (total != "*")
        body += reply.body
        if total == str(len(body)):
            return body


def test_ranges_make_the_whole_file_but_for_what_is_patched(bench: Bench, attempt: Attempt) -> None:
    """Many read it at once, and wait for a next piece now and then."""
    source = random.Random(7)
    pieces = [source.randbytes(source.randrange(1, 20_000)) for _ in range(60)]
    headed = threading.Barrier(READERS + 1, timeout=60)
    turns = threading.Semaphore(0)

    def before(place: int) -> None:
        if place == len(HEAD):
            headed.wait()
        if place:
            turns.release()

    with ThreadPoolExecutor(READERS) as pool, bench.grow(attempt) as file:
        file.append(HEAD)
        file.flush()
        readers = [pool.submit(read_by_ranges, bench, attempt, before) for _ in range(READERS)]
        headed.wait()
        for piece in pieces:
            assert turns.acquire(timeout=60)
            file.append(piece)
            file.flush()
        file.patch(0, PATCHED)
        file.append(b"end")
        file.finish()
        bodies = {reader.result(60) for reader in readers}
    assert bodies == {HEAD + b"".join(pieces) + b"end"}
    assert bench.reply(attempt).body == PATCHED + b"".join(pieces) + b"end"


def test_a_range_beyond_the_end_waits_for_its_first_byte(bench: Bench, attempt: Attempt) -> None:
    with bench.grow(attempt) as file, waiting(bench, attempt, "5-7") as call:
        file.append(b"01234")
        file.flush()
        file.append(b"5")
        file.flush()
        reply = call.finish()
    assert (reply.status, reply.body, reply.whole) == (206, b"5", True)
    assert reply.headers["content-range"] == "bytes 5-5/*"


def test_the_end_of_the_file_answers_who_waits_for_more(bench: Bench, attempt: Attempt) -> None:
    with bench.grow(attempt) as file:
        file.append(b"01234")
        file.flush()
        with waiting(bench, attempt, "5-") as call:
            stored = file.finish()
            reply = call.finish()
    assert (reply.status, reply.whole, reply.body) == (416, True, b"")
    assert reply.headers["content-range"] == "bytes */5"
    assert reply.headers["etag"] == stored.etag


def test_an_abandoned_file_is_not_found_by_who_waits(bench: Bench, attempt: Attempt) -> None:
    with bench.grow(attempt) as file:
        file.append(b"01234")
        file.flush()
        with waiting(bench, attempt, "5-") as call:
            file.abandon()
            reply = call.finish()
    assert (reply.status, reply.whole) == (404, True)
    assert reply.json()["error_code"] == "not_found"


def test_a_cancelled_task_is_not_found_by_who_waits(bench: Bench, attempt: Attempt) -> None:
    with bench.grow(attempt) as file:
        file.append(b"01234")
        file.flush()
        with waiting(bench, attempt, "5-") as call:
            assert bench.server.post(f"/api/task/{attempt.job.id}/cancel").status == 200
            reply = call.finish()
        assert (reply.status, reply.whole) == (404, True)
        assert ask(bench, attempt, "0-").status == 404


def test_a_lost_lease_ends_the_waiting(bench: Bench, attempt: Attempt) -> None:
    """The worker died without a word, so the file stays as it was."""
    with bench.grow(attempt) as file:
        file.append(b"01234")
        file.flush()
        with waiting(bench, attempt, "5-") as call:
            assert bench.store.renew(attempt.fence, 0.0)
            reply = call.finish()
    assert (reply.status, reply.whole) == (404, True)


def test_one_answer_is_no_larger_than_a_game_computer_takes(bench: Bench, attempt: Attempt) -> None:
    block = random.Random(8).randbytes(1 << 20)
    with bench.grow(attempt) as file:
        for _ in range(17):
            file.append(block)
        file.flush()
        whole = block * 17
        for wanted in ("5-", f"5-{len(whole)}", f"5-{5 + GAME_REPLY_MAX}"):
            reply = ask(bench, attempt, wanted)
            assert reply.headers["content-range"] == f"bytes 5-{4 + GAME_REPLY_MAX}/*"
            assert reply.body == whole[5 : 5 + GAME_REPLY_MAX]
        rest = ask(bench, attempt, f"{5 + GAME_REPLY_MAX}-")
        assert rest.headers["content-range"] == (f"bytes {5 + GAME_REPLY_MAX}-{len(whole) - 1}/*")
        assert rest.body == whole[5 + GAME_REPLY_MAX :]


@pytest.mark.parametrize("connection", ["", "Connection: keep-alive\r\n"])
def test_http_1_0_gets_ranges_with_their_length(
    bench: Bench, attempt: Attempt, connection: str
) -> None:
    request = f"GET {attempt.path} HTTP/1.0\r\nRange: bytes=3-\r\n{connection}\r\n".encode()
    with bench.grow(attempt) as file:
        file.append(b"0123456789")
        file.flush()
        with GameCall.bare(bench.server.port, request) as call:
            call.read_until(lambda: call.body == b"3456789")
            assert b"\r\nContent-Length: 7\r\n" in call.received
            assert b"\r\nContent-Range: bytes 3-9/*\r\n" in call.received
            if connection:
                call.send(request.replace(b"bytes=3-", b"bytes=4-5"))
                call.read_until(lambda: call.received.endswith(b"\r\n\r\n45"))


def test_a_connection_is_used_again_after_ranges(bench: Bench, attempt: Attempt) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", bench.server.port, timeout=30)
    with bench.grow(attempt) as file, contextlib.closing(connection):
        connection.connect()
        first = connection.sock
        for number in range(3):
            file.append(b"%d" % number)
            file.flush()
            connection.request("GET", attempt.path, headers={"Range": f"bytes={number}-"})
            assert connection.getresponse().read() == b"%d" % number
        assert connection.sock is first


def test_who_leaves_while_waiting_leaves_nothing_open(bench: Bench, attempt: Attempt) -> None:
    with bench.grow(attempt) as file:
        with waiting(bench, attempt, "0-"):
            pass
        file.append(b"0")
        file.flush()
        wait_for(lambda: not bench.held(attempt), 30, "the end of the reader")


# -- in this process, where waiting needs no time ------------------------------------------------


def ask_service(service: JobService, attempt: Attempt, wanted: str, **more: str) -> Reply:
    client = create_app(service.settings, service).test_client()
    answer = client.get(attempt.path, headers={"Range": f"bytes={wanted}", **more})
    try:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(answer.status_code, answer.status[4:], headers, answer.data, True)
    finally:
        answer.close()


def test_what_does_not_come_is_to_be_asked_for_again(
    service: JobService, attempt_of_service: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "PATIENCE_SECONDS", 0.0)
    with service.storage.grow(attempt_of_service.file_id, NAME) as file:
        file.append(bytes(1000))
        file.flush()
        reply = ask_service(service, attempt_of_service, "1000-")
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        message = (
            "This file is still being made and has 1000 bytes so far; ask for later ones again in "
            "a moment."
        )
        assert reply.json()["error_code"] == "unavailable"
        assert reply.json()["message"] == reply.reason == message
        file.append(b"1")
        file.flush()
        assert ask_service(service, attempt_of_service, "1000-").body == b"1"


def test_what_is_not_whole_is_no_known_version(
    service: JobService, attempt_of_service: Attempt
) -> None:
    with service.storage.grow(attempt_of_service.file_id, NAME) as file:
        file.append(b"0123456789")
        file.flush()
        reply = ask_service(service, attempt_of_service, "0-", **{"If-Match": '"some"'})
        assert (reply.status, reply.body) == (412, b"")
        assert ask_service(service, attempt_of_service, "0-", **{"If-Match": "*"}).status == 206


def test_who_waits_gets_the_finished_file(
    service: JobService, attempt_of_service: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service.storage.grow(attempt_of_service.file_id, NAME) as file:
        file.append(b"0123456789")
        # The file is finished between two looks at it.
        monkeypatch.setattr(JobWatch, "wait", lambda *_: file.finish())
        reply = ask_service(service, attempt_of_service, "7-")
    assert (reply.status, reply.body) == (206, b"789")
    assert reply.headers["content-range"] == "bytes 7-9/10"
    assert "etag" in reply.headers


def test_a_slow_job_is_waited_for_while_it_lives(
    service: JobService, attempt_of_service: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = threading.Semaphore(0)
    still_runs = service.still_runs

    def look(job: Job) -> bool:
        looks.release()
        return still_runs(job)

    monkeypatch.setattr(growing, "JOB_SECONDS", 0.0)
    monkeypatch.setattr(growing, "PATIENCE_SECONDS", 600.0)
    monkeypatch.setattr(service, "still_runs", look)
    with (
        service.storage.grow(attempt_of_service.file_id, NAME) as file,
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(ask_service, service, attempt_of_service, "0-")
        for _ in range(5):
            assert looks.acquire(timeout=30)
        assert not asked.done()
        file.append(b"late")
        file.flush()
        assert asked.result(30).body == b"late"


def test_a_web_process_that_stops_sends_who_waits_away(
    service: JobService, attempt_of_service: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "PATIENCE_SECONDS", 600.0)
    with service.storage.grow(attempt_of_service.file_id, NAME), ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask_service, service, attempt_of_service, "0-")
        service.events.end_streams()
        assert asked.result(30).status == 503
