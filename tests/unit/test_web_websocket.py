"""Whole messages over a WebSocket, to clients that read slowly or not at all."""

from __future__ import annotations

import base64
import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    Request,
    TextMessage,
)

from gmapi.errors import RequestError
from gmapi.web import websocket
from gmapi.web.websocket import WebSocket

SMALL_BUFFER = 4096
MESSAGES = 30
PINGS = 40
GOOD, ABRUPT = 1000, 1006


class Client:
    """The other end, by hand."""

    def __init__(self, plain: socket.socket) -> None:
        self.plain = plain
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._asked = self._protocol.send(Request(host="localhost", target="/"))
        self.texts: list[str] = []
        self.pongs: list[bytes] = []
        self.close_code = 0
        self._pieces: list[str] = []

    def environ(self) -> dict[str, str]:
        """The headers of the handshake, as WSGI gives them."""
        pairs = (line.split(": ") for line in self._asked.decode("ascii").split("\r\n")[1:-2])
        return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in pairs}

    def send(self, event: Any) -> None:
        self.plain.sendall(self._protocol.send(event))

    def read(self) -> bool:
        """Take a little of what has come; False at the end of the connection."""
        data = self.plain.recv(1500)
        self._protocol.receive_data(data or None)
        for event in self._protocol.events():
            if isinstance(event, TextMessage):
                self._pieces.append(event.data)
                if event.message_finished:
                    self.texts.append("".join(self._pieces))
                    self._pieces.clear()
            elif isinstance(event, Pong):
                self.pongs.append(bytes(event.payload))
            elif isinstance(event, CloseConnection):
                self.close_code = self.close_code or event.code
            else:
                assert isinstance(event, AcceptConnection), event
        return bool(data)


@pytest.fixture
def ends() -> Iterator[tuple[dict[str, Any], Client]]:
    """The environment of a handshake, and the client that asks for it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
        theirs.settimeout(30)
        client = Client(theirs)
        yield {**client.environ(), "werkzeug.socket": ours}, client


def incompressible(length: int) -> str:
    return base64.b64encode(random.Random(length).randbytes(length)).decode("ascii")


def test_all_messages_come_whole_though_the_client_reads_slowly(
    ends: tuple[dict[str, Any], Client],
) -> None:
    environ, client = ends
    server = WebSocket(environ)
    client.read()  # the answer to the handshake, before which nothing may be sent
    texts = [incompressible(20_000 + number) for number in range(MESSAGES)]

    def push() -> None:
        for text in texts:
            server.send(text)
        server.finish()

    pusher = threading.Thread(target=push)
    pusher.start()
    # Their answers are sent by another thread, while a message waits for room.
    pings = [str(number).encode() for number in range(PINGS)]
    for payload in pings:
        client.send(Ping(payload))
        client.read()
    while not client.close_code:
        assert client.read()
    client.send(CloseConnection(GOOD))
    pusher.join(30)
    assert client.texts == texts
    assert client.pongs == pings
    assert not client.read()
    server.thread.join(30)
    assert not server.thread.is_alive()


def test_a_client_that_takes_nothing_counts_as_gone(
    ends: tuple[dict[str, Any], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "SEND_TIMEOUT_SECONDS", 0.2)
    environ, client = ends
    server = WebSocket(environ)
    with pytest.raises(websocket.Gone):
        server.send(incompressible(2_000_000))
    server.finish()
    server.thread.join(30)
    assert not server.thread.is_alive()
    while client.read():
        pass
    assert client.close_code == ABRUPT


def test_a_client_that_does_not_answer_the_end_is_left(
    ends: tuple[dict[str, Any], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "CLOSE_SECONDS", 0.2)
    environ, client = ends
    server = WebSocket(environ)
    server.send("the end")
    server.finish()
    while client.read():
        pass
    assert client.texts == ["the end"]
    assert client.close_code == GOOD
    server.thread.join(30)
    assert not server.thread.is_alive()


def test_no_handshake_is_refused_and_leaves_the_answer_a_way(
    ends: tuple[dict[str, Any], Client],
) -> None:
    environ, _ = ends
    del environ["HTTP_SEC_WEBSOCKET_KEY"]
    with pytest.raises(RequestError, match="no proper WebSocket handshake"):
        WebSocket(environ)


# -- what clients send -----------------------------------------------------------------------


def turned_away(client: Client, server: WebSocket) -> int:
    """The code a client is told at the end, when the server has let go of it."""
    with contextlib.suppress(ConnectionResetError):  # what it went on to send was not read
        while client.read():
            pass
    server.thread.join(30)
    assert not server.thread.is_alive()
    return client.close_code


MESSAGE = TextMessage("x" * 1000)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([MESSAGE] * 2000, 1008),
        ([TextMessage("")] * 20_000, 1008),
        ([BytesMessage(b"x" * 1000)] * 2000, 1008),
        ([TextMessage("", message_finished=False)] * 20_000, 1008),
        ([Ping(b"x" * 100)] * 20_000, 1008),
        ([Pong(b"")] * 20_000, 1008),
        ([TextMessage("x" * 5000)], 1009),
        ([TextMessage("x" * 500, message_finished=False)] * 10, 1009),
    ],
    ids=["texts", "empty texts", "bytes", "empty parts", "pings", "pongs", "long", "long in parts"],
)
def test_a_client_that_sends_without_end_is_turned_away_and_nothing_of_it_is_kept(
    ends: tuple[dict[str, Any], Client],
    sent: list[Any],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket, "LAST_SECONDS", 0.2)
    environ, client = ends
    server = WebSocket(environ)
    client.read()
    data = b"".join(client._protocol.send(event) for event in sent)

    def flood() -> None:
        with contextlib.suppress(OSError):
            client.plain.sendall(data)

    flooder = threading.Thread(target=flood)
    flooder.start()
    assert turned_away(client, server) == code
    flooder.join(30)
    assert not server.input_buffer
    assert server.incoming_message is None
    assert sum(map(len, client.pongs)) <= 100 * websocket.FRAMES_MAX


def test_a_few_messages_and_pings_are_no_harm_and_are_not_kept(
    ends: tuple[dict[str, Any], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "FRAMES_SECONDS", 0.0)  # so each count ends at once
    environ, client = ends
    server = WebSocket(environ)
    client.read()
    for number in range(3):
        for _ in range(websocket.FRAMES_MAX // 2):
            client.send(MESSAGE)
        client.send(Ping(b"still there?"))
        while len(client.pongs) <= number:
            assert client.read()
    assert server.connected
    assert not server.input_buffer
    server.sock.hang_up()


def test_compression_is_not_agreed_upon(ends: tuple[dict[str, Any], Client]) -> None:
    environ, client = ends
    environ["HTTP_SEC_WEBSOCKET_EXTENSIONS"] = "permessage-deflate; client_max_window_bits"
    server = WebSocket(environ)
    answer = client.plain.recv(1500).lower()
    assert answer.startswith(b"http/1.1 101 ")
    assert b"sec-websocket-extensions" not in answer
    server.sock.hang_up()
