"""Whole messages over a WebSocket, to clients that read slowly or not at all."""

from __future__ import annotations

import base64
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Pong, Request, TextMessage

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
