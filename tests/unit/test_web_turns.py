"""Clients that always have something ready do not keep others from their answers.

The server, its floods and the other client run in one thread: what is counted is how much of a
flood, which waits in the sockets' buffers, is served before the other client's request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import gevent
import pytest
from gevent import socket

from gmapi.settings import Settings
from gmapi.web.limits import Callers, Limits
from gmapi.web.request_stream import HEAD_MAX_BYTES
from gmapi.web.server import Server
from gmapi.web.turns import TURNS_IN_A_ROW, Turns

FLOOD = b"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n"
POLL = b"GET /poll HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
LENGTH = 1500
BOUND = 8 * TURNS_IN_A_ROW
"""Requests of a flood that may come before another client's: it needs some rounds, to be accepted
and to be read."""

Ask = Callable[[], bytes]
App = Callable[..., Any]


class Scene:
    """A server with an application, and what it has served, in order."""

    def __init__(self, per_address: int = 1000, trusted: tuple[str, ...] = ()) -> None:
        self.served: list[str] = []
        self.bodies: list[int] = []
        self.asked_at = 0
        self.piece = 1024
        self.answer: Any = [b"x"]
        self._stack = ExitStack()
        limits = Limits.of(Settings())
        self.server = Server(
            ("127.0.0.1", 0),
            self._app,
            log=None,
            limits=limits,
            callers=Callers(per_address, trusted),
        )
        self.server.start()

    def _app(self, environ: dict[str, Any], start: Any) -> Any:
        if environ["PATH_INFO"] == "/poll":
            self.served.append("/poll")
            start("200 OK", [("Content-Length", "1")])
            return [b"p"]
        if environ["REQUEST_METHOD"] == "POST":
            while data := environ["wsgi.input"].read(self.piece):
                self.served.append("piece")
                self.bodies.append(len(data))
        self.served.append(environ["PATH_INFO"])
        start("200 OK", [])
        return self.answer

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        # Not by create_connection, which asks another thread about the address.
        plain = self._stack.enter_context(socket.socket())
        plain.settimeout(20)
        plain.bind((source, 0))
        plain.connect(("127.0.0.1", self.server.server_port))
        return plain

    def ask(self, source: str) -> bytes:
        """The whole answer to another client."""
        self.asked_at = len(self.served)
        with self.connect(source) as other:
            other.sendall(POLL)
            return read_all(other)

    def close(self) -> None:
        self.server.stop(timeout=1)
        self._stack.close()


def read_all(plain: socket.socket) -> bytes:
    received = b""
    with suppress(ConnectionResetError):
        while data := plain.recv(65536):
            received += data
    return received


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


def before_the_poll(scene: Scene) -> int:
    return scene.served.index("/poll") - scene.asked_at


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.9"])
@pytest.mark.parametrize("connections", [1, 10])
def test_requests_back_to_back_let_another_client_in(
    scene: Scene, connections: int, source: str
) -> None:
    for _ in range(connections):
        scene.connect().sendall(FLOOD * (LENGTH // connections))
    gevent.sleep(0)  # the flood is being served
    assert b" 200 OK" in scene.ask(source)
    assert before_the_poll(scene) <= BOUND
    # Who floods is served all the same, and of many connections each.
    while len(scene.served) < LENGTH // connections * connections + 1:
        gevent.sleep(0.001)


@pytest.mark.parametrize("told", ["198.51.100.1:1234", "unknown", None])
def test_a_flood_through_a_trusted_proxy_lets_its_other_callers_in(told: str | None) -> None:
    scene = Scene(trusted=("127.0.0.1",))
    header = f"X-Forwarded-For: {told}\r\n".encode() if told else b""
    flood = FLOOD.replace(b"\r\n\r\n", b"\r\n" + header + b"\r\n")
    poll = POLL.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 198.51.100.2\r\n\r\n")
    try:
        for _ in range(200):  # a proxy has a connection for each caller, or for each request
            scene.connect().sendall(flood * 5)
        gevent.sleep(0)
        scene.asked_at = len(scene.served)
        other = scene.connect()
        other.sendall(poll)
        assert b" 200 OK" in read_all(other)
        assert before_the_poll(scene) <= BOUND
    finally:
        scene.close()


def test_connections_with_a_request_each_let_another_client_in(scene: Scene) -> None:
    for _ in range(300):
        scene.connect().sendall(FLOOD)
    assert b" 200 OK" in scene.ask("127.0.0.9")
    assert before_the_poll(scene) <= BOUND


@pytest.mark.parametrize("pieces", ["small", "large"])
def test_a_body_that_is_always_ready_lets_another_client_in(scene: Scene, pieces: str) -> None:
    scene.piece = 16 if pieces == "small" else 1024
    head = b"POST /flood HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"1\r\nx\r\n" if pieces == "small" else b"400\r\n" + b"x" * 1024 + b"\r\n"
    scene.connect().sendall(head + chunk * (200_000 // len(chunk)))
    gevent.sleep(0)
    assert b" 200 OK" in scene.ask("127.0.0.9")
    assert before_the_poll(scene) <= BOUND


def test_what_an_application_leaves_of_a_body_lets_another_client_in(scene: Scene) -> None:
    rounds: list[str] = []
    scene.server.turns.take = lambda household: rounds.append("turn")  # type: ignore[method-assign]
    head = b"PUT /flood HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"
    scene.connect().sendall(head + b"x" * 200_000)
    while "/flood" not in scene.served:
        gevent.sleep(0.001)
    gevent.sleep(0.01)
    assert len(rounds) >= 10


def test_a_client_that_takes_all_at_once_lets_another_one_in(scene: Scene) -> None:
    piece, count = bytes(256 * 1024), 400
    taken = 0

    def endless() -> Iterator[bytes]:
        for _ in range(count):
            scene.served.append("piece")
            yield piece

    scene.answer = endless()
    reader = scene.connect()
    # As if the other end took all at once: nothing that is sent would ever wait.
    reader.sendall(FLOOD)

    def take_all(self: Any, data: bytes) -> None:
        nonlocal taken
        taken += len(data)

    handler = scene.server.handler_class
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(handler.__mro__[1], "_sendall", take_all)
        while "piece" not in scene.served:
            gevent.sleep(0.001)
        other = scene.connect("127.0.0.9")
        other.sendall(POLL)
        while "/poll" not in scene.served:
            gevent.sleep(0.001)
    assert before_the_poll(scene) <= BOUND
    assert taken > 0


def test_refused_connections_that_go_on_sending_let_another_client_in() -> None:
    scene = Scene(per_address=1)
    try:
        scene.connect()
        turns: list[Any] = []
        plain_take = scene.server.turns.take

        def take(household: Any) -> None:
            turns.append(household)
            plain_take(household)

        scene.server.turns.take = take  # type: ignore[method-assign]
        gevent.sleep(0.01)
        scene.connect().sendall(b"x" * 200_000)
        assert b" 200 OK" in scene.ask("127.0.0.9")
        gevent.sleep(0.01)
        assert len(turns) > 5
    finally:
        scene.close()


def test_chunks_that_are_mostly_framing_are_broken_off(scene: Scene) -> None:
    head = b"POST /flood HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with scene.connect() as plain:
        sender = gevent.spawn(plain.sendall, head + b"1;" + b"e" * 8000 + b"\r\nx\r\n")
        for _ in range(60):
            gevent.spawn(plain.sendall, b"1;" + b"e" * 8000 + b"\r\nx\r\n")
        answer = read_all(plain)
        sender.join(10)
    assert sum(scene.bodies) < 60
    assert b" 200 OK" not in answer


@pytest.mark.parametrize(
    "header",
    [
        b"X-Long: " + b"a" * HEAD_MAX_BYTES,
        b"\r\n".join(b"X-%d: " % n + b"a" * 900 for n in range(60)),
    ],
    ids=["one", "many"],
)
def test_headers_without_end_are_refused(scene: Scene, header: bytes) -> None:
    with scene.connect() as plain:
        plain.sendall(b"GET /flood HTTP/1.1\r\nHost: a\r\n" + header + b"\r\n\r\n")
        answer = read_all(plain)
    assert answer.startswith(b"HTTP/1.1 431 The headers are longer")
    assert b'"error_code":"http_431"' in answer
    assert not scene.served


def test_whoever_waits_comes_in_order_and_each_household_by_itself() -> None:
    turns = Turns()
    came: list[str] = []

    def work(household: str, number: int) -> None:
        turns.take(household)
        came.append(f"{household}{number}")

    flood = [gevent.spawn(work, "a", number) for number in range(3 * TURNS_IN_A_ROW)]
    other = [gevent.spawn(work, "b", number) for number in range(2)]
    gevent.joinall(flood + other, 10)
    assert len(came) == len(flood) + 2
    assert [name for name in came if name[0] == "a"] == [f"a{n}" for n in range(len(flood))]
    assert came.index("b1") <= TURNS_IN_A_ROW + 1


def test_whoever_is_ended_while_waiting_leaves_its_place() -> None:
    turns = Turns()
    waiting = [gevent.spawn(turns.take, "a") for _ in range(TURNS_IN_A_ROW + 3)]
    gevent.sleep(0)
    waiting[TURNS_IN_A_ROW].kill()
    gevent.joinall(waiting, 10)
    assert all(greenlet.dead for greenlet in waiting)
    assert not turns._waiting
