"""HTTP by hand, byte for byte as a game computer sends it and with its patience for silence.

    with GameCall(server.port, "POST", "/api/ffmpeg", {"input_url": url, ...}) as call:
        call.read_until(lambda: call.body.startswith(b" "))
        reply = call.finish()
    assert reply.whole and reply.json()["status"] == "success"

A game computer gives up when nothing arrives for its timeout, however long the answer takes in
all: `patience` is that timeout, and `TimeoutError` says that it ran out.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

FORM_TYPE = "application/x-www-form-urlencoded; charset=utf-8"


def lua_json(value: Any) -> bytes:
    """JSON as the game writes it: `{}` for an empty list, `\\u00XX` for each byte above 126."""
    if isinstance(value, str):
        text = json.dumps(value.encode().decode("latin-1"))
        return text.replace("\x7f", "\\u007F").encode("ascii")
    if isinstance(value, Mapping):
        inside = b",".join(lua_json(str(k)) + b":" + lua_json(v) for k, v in value.items())
        return b"{" + inside + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(lua_json(v) for v in value) + b"]" if value else b"{}"
    return json.dumps(value).encode("ascii")


@dataclass
class Reply:
    """A whole or torn answer; `headers` have lower-case names, `body` is without chunk marks."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes
    whole: bool

    def json(self) -> Any:
        return json.loads(self.body)


class GameCall:
    """One request on a connection of its own. Dicts and lists become the game's JSON."""

    def __init__(
        self,
        port: int,
        method: str,
        target: str,
        body: Any = None,
        *,
        host: str | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float = 30.0,
    ) -> None:
        content = body if isinstance(body, bytes) else None if body is None else lua_json(body)
        sent = {
            "Host": host or f"127.0.0.1:{port}",
            "User-Agent": "computercraft/1.113.0",
            "Accept-Charset": "UTF-8",
            "Connection": "close",
        }
        if content is not None:
            sent |= {"Content-Type": FORM_TYPE, "Content-Length": str(len(content))}
        sent |= headers or {}
        lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in sent.items()), "", ""]
        self._open(port, "\r\n".join(lines).encode("latin-1") + (content or b""), patience)
        self._method = method

    @classmethod
    def bare(cls, port: int, request: bytes, *, patience: float = 30.0) -> Self:
        """A request given as bytes."""
        call = cls.__new__(cls)
        call._open(port, request, patience)
        call._method = request.split(b" ", 1)[0].decode()
        return call

    def _open(self, port: int, request: bytes, patience: float) -> None:
        self.received = bytearray()
        self._ended = False
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self._socket.sendall(request)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def body(self) -> bytes:
        """What has come of the body so far."""
        return self._parse().body if b"\r\n\r\n" in self.received else b""

    def send(self, data: bytes) -> None:
        """Send more of the request."""
        self._socket.sendall(data)

    def end(self) -> None:
        """Send nothing more, which the server sees."""
        self._socket.shutdown(socket.SHUT_WR)

    def read_until(self, enough: Callable[[], bool]) -> None:
        """Read until `enough` is true; fails when the answer ends before."""
        while not enough():
            assert self._read(), f"the answer ended: {bytes(self.received[-300:])!r}"

    def finish(self) -> Reply:
        """Read to the end of the connection, torn or not."""
        while self._read():
            pass
        assert b"\r\n\r\n" in self.received, f"no answer: {bytes(self.received)!r}"
        return self._parse()

    def _read(self) -> bool:
        if not self._ended:
            try:
                data = self._socket.recv(65536)
            except ConnectionResetError:
                data = b""
            self.received += data
            self._ended = not data
        return not self._ended

    def _parse(self) -> Reply:
        head, _, rest = bytes(self.received).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        _, code, reason = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        if self._method == "HEAD" or code in ("204", "304"):
            body, whole = rest, not rest
        elif headers.get("transfer-encoding") == "chunked":
            body, whole = _dechunk(rest)
        else:
            body = rest
            whole = len(rest) == int(headers.get("content-length", len(rest)))
        return Reply(int(code), reason, headers, body, whole)


def _dechunk(data: bytes) -> tuple[bytes, bool]:
    """The content, and whether the closing chunk came with nothing after it."""
    body, at = bytearray(), 0
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end].partition(b";")[0], 16)
        if size == 0:
            return bytes(body), data[end:] == b"\r\n\r\n"
        body += data[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
    return bytes(body), False


def game_call(port: int, method: str, target: str, body: Any = None, **options: Any) -> Reply:
    """One whole answer."""
    with GameCall(port, method, target, body, **options) as call:
        reply = call.finish()
    assert reply.whole, f"a torn answer: {reply.status} {reply.body[-200:]!r}"
    return reply
