"""Downloads of a file while a job writes it: the test is the worker, the web process is real."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from gmapi.jobs.model import Job
from gmapi.jobs.service import JobService
from gmapi.web import growing
from gmapi.web.files import BrokenAnswer
from gmapi.web.growing import GrowingBody
from support.http.raw_http import GameCall, Reply, game_call
from support.product.growing_jobs import HEAD, NAME, PATCHED, Attempt, Bench
from support.product.server import wait_for

READERS = 50


def has(call: GameCall, body: bytes) -> Callable[[], bool]:
    """Whether exactly this has come so far."""
    return lambda: call.body == body


def head_has_come(call: GameCall) -> bool:
    return b"\r\n\r\n" in call.received


def test_bytes_come_as_they_are_made_and_the_end_is_proper(bench: Bench, attempt: Attempt) -> None:
    with bench.grow(attempt) as file, bench.call(attempt) as call:
        call.read_until(lambda: head_has_come(call))
        for piece in (b"first", b"second", b"third"):
            before = call.body
            file.append(piece)
            file.flush()
            call.read_until(has(call, before + piece))
        file.append(bytes(300_000))
        file.finish()
        reply = call.finish()
    assert (reply.status, reply.whole) == (200, True)
    assert reply.body == b"firstsecondthird" + bytes(300_000)
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.headers["accept-ranges"] == "bytes"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert reply.headers["content-type"] == "application/octet-stream; charset=ISO-8859-1"
    assert not {"etag", "content-length", "last-modified"} & set(reply.headers)


def test_once_finished_it_is_a_download_like_any_other(bench: Bench, attempt: Attempt) -> None:
    with bench.grow(attempt) as file:
        file.append(HEAD + bytes(1000))
        file.flush()
        assert "etag" not in bench.reply(attempt, "HEAD").headers
        file.patch(0, PATCHED)
        stored = file.finish()
    assert bench.store.finish(attempt.fence, {}, "Done.")
    whole = bench.reply(attempt)
    assert whole.body == PATCHED + bytes(1000)
    assert whole.headers["content-length"] == str(stored.size)
    assert (whole.headers["etag"], whole.headers["accept-ranges"]) == (stored.etag, "bytes")
    part = bench.reply(attempt, headers={"Range": "bytes=0-11"})
    assert (part.status, part.body) == (206, PATCHED)
    unchanged = bench.reply(attempt, headers={"If-None-Match": stored.etag})
    assert unchanged.status == 304


@pytest.mark.parametrize(
    "asked",
    [
        {"If-None-Match": "*"},
        {"Range": "bytes=-5"},
        {"Range": "bytes=0-1,3-5"},
        {"Range": "bytes=5-3"},
        {"Range": "bytes=3-5", "If-Range": '"any"'},
        {"Range": "bytes=3-5", "If-Range": "Tue, 14 Nov 2023 22:13:20 GMT"},
    ],
)
def test_the_whole_is_sent_where_no_range_can_be(
    bench: Bench, attempt: Attempt, asked: dict[str, str]
) -> None:
    with bench.grow(attempt) as file, bench.call(attempt, headers=asked) as call:
        file.append(b"0123456789")
        file.flush()
        call.read_until(has(call, b"0123456789"))
        file.finish()
        reply = call.finish()
    assert (reply.status, reply.body, reply.whole) == (200, b"0123456789", True)
    assert "content-range" not in reply.headers


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_head_of_a_growing_file_tells_no_length(
    bench: Bench, attempt: Attempt, version: str
) -> None:
    wanted = "Host: localhost\r\nConnection: close\r\nRange: bytes=2-5\r\n"
    request = f"HEAD {attempt.path} HTTP/{version}\r\n{wanted}\r\n"
    with bench.grow(attempt) as file:
        file.append(b"0123456789")
        file.flush()
        with GameCall.bare(bench.server.port, request.encode()) as call:
            reply = call.finish()
    assert (reply.status, reply.body) == (200, b"")
    assert not {"content-length", "transfer-encoding", "etag"} & set(reply.headers)
    assert reply.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("connection", ["", "Connection: keep-alive\r\n"])
def test_http_1_0_is_ended_by_the_connection(
    bench: Bench, attempt: Attempt, connection: str
) -> None:
    request = f"GET {attempt.path} HTTP/1.0\r\n{connection}\r\n".encode()
    with bench.grow(attempt) as file, GameCall.bare(bench.server.port, request) as call:
        file.append(b"0123456789")
        file.flush()
        call.read_until(has(call, b"0123456789"))
        file.append(b"abc")
        file.finish()
        reply = call.finish()
    assert (reply.status, reply.body) == (200, b"0123456789abc")
    assert reply.headers["connection"] == "close"
    assert not {"content-length", "transfer-encoding"} & set(reply.headers)


def test_http_1_0_is_broken_off_by_a_reset(bench: Bench, attempt: Attempt) -> None:
    """The end of such a connection would be the end of a whole file."""
    request = f"GET {attempt.path} HTTP/1.0\r\n\r\n".encode()
    with (
        bench.grow(attempt) as file,
        socket.create_connection(("127.0.0.1", bench.server.port), timeout=30) as connection,
    ):
        file.append(b"0123456789")
        file.flush()
        connection.sendall(request)
        received = b""
        while not received.endswith(b"\r\n\r\n0123456789"):
            received += connection.recv(4096)
        file.abandon()
        with pytest.raises(ConnectionResetError):
            connection.recv(4096)


def test_a_connection_is_used_again_after_a_growing_file(bench: Bench, attempt: Attempt) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", bench.server.port, timeout=30)
    with bench.grow(attempt) as file, contextlib.closing(connection):
        connection.connect()
        first = connection.sock
        file.append(b"0123456789")
        file.flush()
        connection.request("HEAD", attempt.path)
        assert connection.getresponse().read() == b""
        connection.request("GET", attempt.path)
        growing = connection.getresponse()
        file.finish()
        assert growing.read() == b"0123456789"
        connection.request("GET", attempt.path)
        assert connection.getresponse().read() == b"0123456789"
        assert connection.sock is first


def test_fifty_readers_get_the_same_bytes_before_and_after(bench: Bench, attempt: Attempt) -> None:
    """What they were sent of the header stays as it was when it is patched at the end."""
    pieces = [bytes([n]) * 40_000 for n in range(20)]
    body = b"".join(pieces)
    seen = threading.Barrier(READERS + 1, timeout=60)

    def download(number: int) -> Reply:
        # They come one after the other into the growing file.
        joins[number % len(pieces)].wait()
        with bench.call(attempt) as call:
            call.read_until(lambda: len(call.body) >= len(HEAD))
            seen.wait()
            return call.finish()

    joins = [threading.Event() for _ in pieces]
    with ThreadPoolExecutor(READERS) as pool, bench.grow(attempt) as file:
        calls = [pool.submit(download, number) for number in range(READERS)]
        file.append(HEAD)
        for piece, join in zip(pieces, joins, strict=True):
            file.append(piece)
            file.flush()
            join.set()
        seen.wait()
        file.patch(0, PATCHED)
        file.append(b"end")
        file.finish()
        replies = [call.result() for call in calls]
    assert all((reply.status, reply.whole) == (200, True) for reply in replies)
    assert {reply.body for reply in replies} == {HEAD + body + b"end"}
    assert bench.reply(attempt).body == PATCHED + body + b"end"


def test_an_abandoned_file_breaks_the_connection(bench: Bench, attempt: Attempt) -> None:
    with bench.grow(attempt) as file, bench.call(attempt) as call:
        file.append(b"some")
        file.flush()
        call.read_until(has(call, b"some"))
        file.abandon()
        reply = call.finish()
    assert (reply.status, reply.whole, reply.body) == (200, False, b"some")
    with bench.call(attempt) as late:
        assert late.finish().status == 404


def test_a_cancelled_task_breaks_the_connection(bench: Bench, attempt: Attempt) -> None:
    with bench.grow(attempt) as file, bench.call(attempt) as call:
        file.append(b"some")
        file.flush()
        call.read_until(has(call, b"some"))
        assert bench.server.post(f"/api/task/{attempt.job.id}/cancel").status == 200
        reply = call.finish()
        assert (reply.whole, reply.body) == (False, b"some")
        with bench.call(attempt) as late:
            assert late.finish().status == 404


def test_a_superseded_attempt_is_gone_and_the_next_one_starts_anew(
    bench: Bench, attempt: Attempt
) -> None:
    with bench.grow(attempt) as file, bench.call(attempt) as call:
        file.append(b"old")
        file.flush()
        call.read_until(has(call, b"old"))
        assert bench.store.requeue(attempt.fence, "Again.")
        again = bench.claim(attempt.job)
        with bench.grow(again) as second:
            assert not call.finish().whole
            with bench.call(attempt) as late:
                assert late.finish().status == 404
            second.append(b"new")
            second.finish()
        assert bench.reply(again).body == b"new"
    bench.storage.delete(again.file_id)


def test_a_killed_worker_breaks_the_connection_once_its_lease_is_over(
    bench: Bench, attempt: Attempt
) -> None:
    program = f"""
import sys
from pathlib import Path
from gmapi.storage.local import LocalStorage

file = LocalStorage(Path({str(bench.server.data_dir / "files")!r})).grow(
    {attempt.file_id!r}, {NAME!r}
)
file.append(b"begun")
file.flush()
print(flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline()
        call = bench.call(attempt)
        call.read_until(has(call, b"begun"))
        os.kill(worker.pid, signal.SIGKILL)
    assert bench.store.renew(attempt.fence, 0.0)
    with call:
        reply = call.finish()
    assert (reply.status, reply.whole, reply.body) == (200, False, b"begun")
    # A worker of the server runs it again, which fails for want of a source.
    assert bench.server.wait_for_task(attempt.job.id)["attempt"] == 2
    with bench.call(attempt) as late:
        assert late.finish().status == 404


def test_downloading_counts_as_use(bench: Bench, attempt: Attempt) -> None:
    with bench.grow(attempt) as file, bench.call(attempt) as call:
        call.read_until(lambda: head_has_come(call))
        present = bench.store.get(attempt.job.id)
        assert present is not None
        assert present.accessed is not None
        file.finish()
        assert call.finish().whole


def test_other_names_of_the_attempt_are_not_there(bench: Bench, attempt: Attempt) -> None:
    with bench.grow(attempt) as file:
        file.append(b"some")
        file.flush()
        for name in (f".{NAME}.part", f".{NAME}.mark", "other.32vid", f"{NAME}.part"):
            reply = game_call(bench.server.port, "GET", f"/download/{attempt.file_id}/{name}")
            assert reply.status == 404, name


def test_nothing_stays_open_when_all_have_gone(bench: Bench, attempt: Attempt) -> None:
    """Readers that left, and those that were sent all, hold no file of a deleted attempt."""
    with bench.grow(attempt) as file:
        with bench.call(attempt) as leaving, bench.call(attempt) as staying:
            leaving.read_until(lambda: head_has_come(leaving))
            staying.read_until(lambda: head_has_come(staying))
            assert bench.held(attempt)
            leaving.__exit__()
            file.append(bytes(1_000_000))
            file.finish()
            assert staying.finish().whole
        assert bench.reply(attempt, "HEAD").status == 200
    wait_for(lambda: not bench.held(attempt), 10, "the end of all readers")


# -- the body alone, in this process -------------------------------------------------------------


def follow(service: JobService, attempt: Attempt) -> GrowingBody:
    reader = service.storage.open_growing(attempt.file_id, NAME)
    assert reader is not None
    return GrowingBody(service, attempt.job, reader)


def test_a_slow_job_is_waited_for_while_it_lives(
    service: JobService, attempt_of_service: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No look at the job takes silence for death."""
    looks = threading.Semaphore(0)
    still_runs = service.still_runs

    def look(job: Job) -> bool:
        looks.release()
        return still_runs(job)

    monkeypatch.setattr(growing, "JOB_SECONDS", 0.0)
    monkeypatch.setattr(service, "still_runs", look)
    attempt = attempt_of_service
    with service.storage.grow(attempt.file_id, NAME) as file, ThreadPoolExecutor(1) as pool:
        body = follow(service, attempt)
        waiting = pool.submit(next, iter(body))
        for _ in range(5):
            assert looks.acquire(timeout=30)
        assert not waiting.done()
        file.append(b"late")
        file.finish()
        assert waiting.result(30) == b"late"
        assert list(body) == []
        body.close()


def test_a_web_process_that_stops_breaks_off_who_waits(
    service: JobService, attempt_of_service: Attempt
) -> None:
    attempt = attempt_of_service
    with service.storage.grow(attempt.file_id, NAME) as file, ThreadPoolExecutor(1) as pool:
        file.append(b"some")
        file.flush()
        body = follow(service, attempt)
        pieces = iter(body)
        assert next(pieces) == b"some"
        waiting = pool.submit(next, pieces)
        service.stop()
        with pytest.raises(BrokenAnswer, match="stops"):
            waiting.result(30)
        body.close()
