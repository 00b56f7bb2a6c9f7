"""Sending: all of an answer, in its order, and not to a client that takes nothing of it."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent import socket

from gmapi.storage.base import Slice
from gmapi.web import handler
from gmapi.web.files import FileBody
from gmapi.web.handler import Handler
from gmapi.web.turns import Turns

MIB = 1024 * 1024


@pytest.fixture
def sending(monkeypatch: pytest.MonkeyPatch) -> tuple[Handler, socket.socket]:
    """A handler of one end of a connection, and the other end; it waits but a moment."""
    monkeypatch.setattr(handler, "SEND_TIMEOUT_SECONDS", 0.2)
    ours, theirs = socket.socketpair()
    made = Handler(ours, ("127.0.0.1", 1), SimpleNamespace(turns=Turns()))
    made.code = 200
    return made, theirs


def test_a_client_that_takes_nothing_counts_as_gone(
    sending: tuple[Handler, socket.socket],
) -> None:
    made, theirs = sending
    with made.socket, theirs, pytest.raises(BrokenPipeError) as caught:
        made._sendall(b"x" * 64 * MIB)
    assert caught.value.errno == errno.EPIPE
    made.rfile.close()


def test_a_client_that_takes_a_large_answer_piece_by_piece_gets_all_of_it(
    sending: tuple[Handler, socket.socket],
) -> None:
    made, theirs = sending
    received = bytearray()

    def take() -> None:
        while data := theirs.recv(MIB):
            received.extend(data)

    reader = gevent.spawn(take)
    sent = bytes(range(256)) * 4096 * 3
    with theirs:
        with made.socket:
            made._sendall(bytearray(sent))
            made.rfile.close()
        reader.join(10)
    assert received == sent
    assert made.response_length == len(sent)


def test_a_small_answer_waits_for_room_when_there_is_none(
    sending: tuple[Handler, socket.socket],
) -> None:
    made, theirs = sending
    filled = 0
    with made.socket, theirs:
        while True:
            try:
                filled += made.socket.send(b"f" * MIB, 0, 0.0)
            except BlockingIOError:
                break
        sender = gevent.spawn(made._sendall, b"small" * 100)
        gevent.sleep(0)
        assert not sender.ready()
        received = bytearray()
        while len(received) < filled + 500:
            received += theirs.recv(MIB)
        sender.get(timeout=10)
        assert received[filled:] == b"small" * 100
        assert made.response_length == 500
        made.rfile.close()


@pytest.mark.parametrize(
    "parts",
    [
        [b"\0\0\0\2", (10, 5), (0, 3000)],
        [(0, 3000)],
        [(7, 0)],
        [b"\0\0\0\0"],
        [b"a", b"b", (1, 2), b"c"],
        [b"", (1, 2)],
    ],
)
def test_a_head_and_the_parts_of_a_file_arrive_in_order(
    sending: tuple[Handler, socket.socket], tmp_path: Path, parts: list[Any]
) -> None:
    made, theirs = sending
    content = bytes(range(250)) * 12
    path = tmp_path / "file"
    path.write_bytes(content)
    with path.open("rb", buffering=0) as source, made.socket, theirs:
        given = [part if isinstance(part, bytes) else Slice(source, *part) for part in parts]
        expected = b"".join(part if isinstance(part, bytes) else part.read() for part in given)
        made.request_version, made.command = "HTTP/1.1", "GET"
        made.result = FileBody(given, lambda: None, lambda: None)
        made.start_response("200 OK", [("Content-Length", str(len(expected)))])
        made.process_result()
        made.socket.shutdown(socket.SHUT_WR)
        received = bytearray()
        while data := theirs.recv(MIB):
            received += data
        made.rfile.close()
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == expected
