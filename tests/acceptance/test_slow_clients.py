"""Requests that come slowly or never whole, and floods of connections, harm nobody else."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from support.http.dawdlers import HALVES, connect, dripping, half_sent
from support.http.origin import Origin
from support.http.raw_http import GameCall, Reply
from support.product.server import GmapiServer, wait_for

SHORT = 0.7
PER_ADDRESS = 6
NEIGHBOUR = "127.0.0.77"
PROXY = "127.0.0.78"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="all of 127.0.0.0/8 is loopback on Linux only"
)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GmapiServer]:
    """A server that waits but a moment for requests."""
    times = {"header_timeout": SHORT, "body_timeout": SHORT, "idle_timeout": SHORT}
    with GmapiServer(tmp_path_factory.mktemp("hasty"), workers=1, **times) as server:
        yield server


def assert_too_slow(reply: Reply, kind: str) -> None:
    assert reply.status == 408
    assert reply.whole
    fields = reply.json()
    assert fields["error_code"] == ("too_slow" if kind in ("body", "chunk") else "http_408")
    assert fields["error"] == fields["message"]
    assert "in time; send it" in fields["error"]
    assert reply.reason.startswith("The request ")
    assert reply.headers.get("connection", "close") == "close"


@pytest.mark.parametrize("kind", HALVES)
def test_half_a_request_is_answered_and_its_connection_closed(
    hasty: GmapiServer, kind: str
) -> None:
    with GameCall.bare(hasty.port, HALVES[kind]) as slow:
        assert_too_slow(slow.finish(), kind)


@pytest.mark.parametrize("kind", HALVES)
def test_a_byte_now_and_then_does_not_buy_time(hasty: GmapiServer, kind: str) -> None:
    begun = time.monotonic()
    with GameCall.bare(hasty.port, HALVES[kind]) as slow:
        slow._socket.settimeout(SHORT / 10)
        while True:
            try:
                if not slow._read():
                    break
            except TimeoutError:
                with contextlib.suppress(OSError):
                    slow.send(b"a")
            assert time.monotonic() - begun < 30, "it was waited for"
        assert_too_slow(slow._parse(), kind)


def test_the_time_for_a_body_grows_with_its_size(hasty: GmapiServer) -> None:
    body = b'{"input_url": ' + b" " * 32_000 + b'"x", "output_format": "mp3"}'
    head = f"POST /api/ffmpeg HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with GameCall.bare(hasty.port, head.encode() + body[:20_000]) as slow:
        # Longer than a small body may take; 32 KB may take four seconds more.
        slow._socket.settimeout(SHORT * 2)
        with pytest.raises(TimeoutError):
            slow._read()
        slow.send(body[20_000:])
        slow._socket.settimeout(30)
        slow.read_until(lambda: slow.received.endswith(b"}"))
        assert slow._parse().json()["field"] == "input_url"


def test_a_connection_that_asks_for_nothing_is_closed_without_a_word(hasty: GmapiServer) -> None:
    with GameCall.bare(hasty.port, b"") as fresh:
        assert not fresh._read()
        assert fresh.received == b""


def test_a_connection_is_kept_between_requests_and_closed_when_none_comes(
    hasty: GmapiServer,
) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with GameCall.bare(hasty.port, request) as kept:
        for count in range(2, 5):
            kept.read_until(lambda: kept.received.endswith(b"}}"))
            kept.send(request)
            kept.read_until(lambda n=count: kept.received.count(b"HTTP/1.1 200 ") == n)
        while kept._read():
            pass
        assert b" 408 " not in kept.received


def test_answers_may_take_longer_than_requests(hasty: GmapiServer, origin: Origin) -> None:
    origin.add("/slow-answer", dripping(0.1))
    values = {"input_url": origin.url("/slow-answer"), "output_format": "mp3"}
    task = hasty.post("/api/ffmpeg/async", values).json()["task_id"]
    begun = time.monotonic()
    with GameCall(hasty.port, "GET", f"/api/task/{task}/events") as events:
        events.read_until(lambda: time.monotonic() - begun > SHORT * 2 or not events.body)
        hasty.delete(f"/api/task/{task}")
        assert events.finish().whole
    assert b"event: end" in events.body


# -- floods ------------------------------------------------------------------------------------


def test_an_address_has_a_bound_and_locks_out_neither_others_nor_a_trusted_proxy(
    make_server: Callable[..., GmapiServer],
) -> None:
    settings = {"connections_per_address": PER_ADDRESS, "trusted_proxies": PROXY}
    with make_server(workers=1, **settings) as server, contextlib.ExitStack() as stack:

        def hold(source: str) -> socket.socket:
            connection = stack.enter_context(connect(server.port, source))
            connection.sendall(b"GET / HT")
            return connection

        held = [hold(NEIGHBOUR) for _ in range(PER_ADDRESS)]
        answer = _health_from(server, NEIGHBOUR)
        assert answer.startswith(b"HTTP/1.1 429 Your address has too many connections")
        assert b"\r\nRetry-After: 1\r\n" in answer
        assert b'"error_code":"http_429"' in answer
        assert server.get("/health").status == 200  # from 127.0.0.1
        for _ in range(PER_ADDRESS * 2):
            hold(PROXY)
        assert _health_from(server, PROXY).startswith(b"HTTP/1.1 200 ")
        held[0].close()
        wait_for(lambda: _health_from(server, NEIGHBOUR).startswith(b"HTTP/1.1 200 "), 20)


def _health_from(server: GmapiServer, source: str) -> bytes:
    with connect(server.port, source) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        return _all(connection)


def _all(connection: socket.socket) -> bytes:
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65536):
            received += data
    return bytes(received)


def test_the_server_is_well_among_slow_clients_and_slow_sources(
    make_server: Callable[..., GmapiServer], origin: Origin
) -> None:
    origin.add("/dripping", dripping(0.2))
    settings = {"workers": 1, "queue_max_per_client": 200, "fetch_stall": 60, "header_timeout": 2}
    with make_server(**settings) as server, contextlib.ExitStack() as stack:
        for number in range(100):
            values = {"input_url": origin.url(f"/dripping?{number}"), "output_format": "mp3"}
            stack.enter_context(GameCall(server.port, "POST", "/api/ffmpeg", values))
        stack.enter_context(half_sent(server.port, 60, again=True))
        wait_for(lambda: server.get("/health").json()["queue"]["waiting"] == 99, 30)
        for _ in range(20):
            answer = server.get("/health", timeout=5)
            assert answer.status == 200, answer.body
        for task in server.get("/api/tasks?limit=100").json()["tasks"]:
            server.delete(f"/api/task/{task['task_id']}")  # else stopping waits for them
    assert "Traceback" not in server.log_text()
