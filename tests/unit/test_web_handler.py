"""Sending to a client that takes nothing of its answer."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import gevent
import pytest
from gevent import socket

from gmapi.web import handler
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
