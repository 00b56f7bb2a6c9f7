"""The server's end of a WebSocket: whole messages, one at a time, and an end that comes soon."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import simple_websocket
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, CloseConnection, Message, Ping, Pong, Request
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import ProtocolError

from gmapi.errors import RequestError
from gmapi.web.limits import SEND_TIMEOUT_SECONDS

PING_SECONDS = 25
MESSAGE_MAX_BYTES = 4096
"""The longest message that a client may send; nothing in it is looked at."""

FRAMES_MAX = 200
FRAMES_SECONDS = 10.0
"""So many messages, parts of messages and pings a client may send in so many seconds."""

LAST_SECONDS = 1.0
"""How long what a client goes on to send is read, so that it can see why it was turned away."""

_LAST_PAUSE_SECONDS = 0.05
_LAST_BYTES = 64 * 1024

CLOSE_SECONDS = 2.0
"""How long a client may take to answer the end of a connection."""

END_SECONDS = 10.0
"""How long a client that was told all may take to end the connection itself: in the game nothing
can be received any more once the server has ended it, though messages wait."""

LOOK_SECONDS = 0.25

Gone = (simple_websocket.ConnectionClosed, OSError)
"""What sending raises when the client has gone, or takes nothing."""


class WebSocket(simple_websocket.Server):  # type: ignore[misc]
    """One connection. The library's own thread reads, and answers and sends pings."""

    sock: Any
    incoming_message_len: int
    _frames = 0
    _counted_since = 0.0

    def __init__(self, environ: dict[str, Any]) -> None:
        """Take over the connection of a request.

        Raises RequestError when the request is no proper handshake.
        """
        try:
            super().__init__(
                environ, ping_interval=PING_SECONDS, max_message_size=MESSAGE_MAX_BYTES
            )
        except (ProtocolError, simple_websocket.ConnectionError) as error:
            self.sock.plain.close()  # a copy: the answer goes through the server's own
            raise RequestError(
                "This is no proper WebSocket handshake; use a WebSocket client, or /events.",
                cause=error,
            ) from error

    def handshake(self) -> None:
        self.sock = _WholeSender(self.sock)
        super().handshake()

    def _handle_events(self) -> bool:
        """Answer the handshake, pings and the end; whether more may come.

        The library's own would keep each message until somebody asks for it, and unpack it
        before it sees its size.
        """
        answer = b""
        for event in self.ws.events():
            refusal = self._refusal(event)
            if refusal is not None:
                return self._turn_away(answer, refusal)
            if isinstance(event, Request):
                answer += self.ws.send(AcceptConnection())  # without extensions: no compression
            elif isinstance(event, Ping) and self.ws.state is ConnectionState.OPEN:
                answer += self.ws.send(event.response())
            elif isinstance(event, Pong):
                self.pong_received = True
            elif isinstance(event, CloseConnection):
                self.close_reason, self.close_message = event.code, event.reason
                self.connected = False  # before anything is sent: another thread may be sending
                self.sock.send(answer + self.ws.send(event.response()))
                return False
        if answer:
            self.sock.send(answer)
        return True

    def _refusal(self, event: Any) -> tuple[CloseReason, str] | None:
        """Why a client that sends this is turned away; None if it is not."""
        now = time.monotonic()
        if now - self._counted_since > FRAMES_SECONDS:
            self._counted_since, self._frames = now, 0
        self._frames += 1
        if self._frames > FRAMES_MAX:
            return CloseReason.POLICY_VIOLATION, "Too many messages; send none."
        if isinstance(event, Message):
            self.incoming_message_len += len(event.data)
            if self.incoming_message_len > MESSAGE_MAX_BYTES:
                return CloseReason.MESSAGE_TOO_BIG, "Message is too big."
            if event.message_finished:
                self.incoming_message_len = 0
        return None

    def _turn_away(self, answer: bytes, refusal: tuple[CloseReason, str]) -> bool:
        self.close_reason, self.close_message = refusal
        self.connected = False
        self.sock.send(answer + self.ws.send(CloseConnection(*refusal)))
        # To close while there is something unread would take the refusal from the client, too.
        self.sock.plain.settimeout(LAST_SECONDS)
        end = time.monotonic() + LAST_SECONDS
        while time.monotonic() < end and self.sock.recv(_LAST_BYTES):
            time.sleep(_LAST_PAUSE_SECONDS)
        return False

    def wait_for_close(self, stopping: Callable[[], bool]) -> None:
        """Let the client end the connection, for `END_SECONDS` or until this server stops."""
        deadline = time.monotonic() + END_SECONDS
        while self.thread.is_alive() and not stopping() and time.monotonic() < deadline:
            self.thread.join(LOOK_SECONDS)

    def finish(self, reason: CloseReason = CloseReason.NORMAL_CLOSURE) -> None:
        """Say that this is the end, and close the connection when the client has said it, too,
        or has had time to."""
        with contextlib.suppress(*Gone):
            self.close(reason)
        self.thread.join(CLOSE_SECONDS)
        self.sock.hang_up()  # the thread closes it


class _WholeSender:
    """What the library needs of a socket, except that `send` sends all, or raises OSError.

    The library takes no notice of how much was sent, and sends from two threads.
    """

    def __init__(self, plain: socket.socket) -> None:
        self.plain = plain
        self.plain.settimeout(SEND_TIMEOUT_SECONDS)
        self._sending = threading.Lock()
        self.fileno = plain.fileno
        self.recv = plain.recv

    def send(self, data: bytes) -> None:
        with self._sending:
            try:
                self.plain.sendall(data)
            except OSError:
                self.hang_up()  # what follows half a message would not be understood
                raise

    def hang_up(self) -> None:
        """End the connection, whoever else may hold a copy of the socket."""
        with contextlib.suppress(OSError):
            self.plain.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.hang_up()
        self.plain.close()
