"""HTTP answers of which every byte counts, not only those of their content.

Around its content an answer may hold as much as its server likes: headers, answers of the kind
`100 Continue` before it, extensions and sizes of chunks, trailers. None of that counts towards the
size of a file, so it has bounds of its own.
"""

from __future__ import annotations

import io
import socket
from http.client import HTTPResponse
from typing import Any, cast

from gmapi.errors import SourceError
from gmapi.fetch import icy

HEAD_BYTES_MAX = 64 * 1024
"""All lines before the content of an answer, with those of answers before it."""

AROUND_BYTES_MAX = 256 * 1024
"""What may come around the content of an answer, its head among it, besides as much as the content
itself."""

_CONTENT_TYPE_MAX = 1024


class TooMuchAroundError(SourceError):
    """A server sends more around the content of an answer than anybody needs."""

    code = "source_too_large"

    def __init__(self, where: str, most: int) -> None:
        super().__init__(
            f"The server of the source sent more than {most} bytes {where}, which is not read; use "
            "another address."
        )


class CountedAnswer(HTTPResponse):
    """An answer that breaks off with TooMuchAroundError."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._content = 0
        raw = cast("io.BufferedReader", self.fp).detach()
        self.fp: Any = io.BufferedReader(_Counted(raw, self))

    def begin(self, *args: Any, **options: Any) -> None:
        body = self.fp
        self.fp = head = _Head(body)
        try:
            super().begin(*args, **options)
        finally:
            if self.fp is head:
                self.fp = body

    def read1(self, n: int = -1) -> bytes:
        data = super().read1(n)
        self._content += len(data)
        return data

    def check(self, received: int) -> None:
        """Judge the bytes that have come so far."""
        if received > AROUND_BYTES_MAX + 2 * self._content:
            raise TooMuchAroundError("around its content", AROUND_BYTES_MAX)


class _Counted(io.RawIOBase):
    """The line to the server, which counts what comes."""

    def __init__(self, line: Any, answer: CountedAnswer) -> None:
        self._line = line
        self._answer = answer
        self._received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        # What has come before is with its reader by now, all but one buffer of it.
        self._answer.check(self._received)
        count: int | None = self._line.readinto(buffer)
        self._received += count or 0
        return count

    def close(self) -> None:
        self._line.close()
        super().close()


class _Head:
    """The head of an answer, line by line."""

    def __init__(self, body: io.BufferedReader) -> None:
        self._body = body
        self._received = 0
        self._is_icy_status = False
        self._in_content_type = False
        self._content_type = 0

    def readline(self, size: int = -1) -> bytes:
        if self._is_icy_status:
            self._is_icy_status = False
            return f"{icy.SIGN}: 1\r\n".encode()
        line = self._body.readline(size)
        if not self._received and line.startswith(icy.STATUS):
            # To be read until the line ends, as from a server of HTTP/1.0.
            line = b"HTTP/1.0 " + line.removeprefix(icy.STATUS)
            self._is_icy_status = True
        self._received += len(line)
        if self._received > HEAD_BYTES_MAX:
            raise TooMuchAroundError("before its content", HEAD_BYTES_MAX)
        # The standard library looks for a boundary in this field, in quadratic time.
        if not line.startswith((b" ", b"\t")):
            self._in_content_type = line[:13].lower() == b"content-type:"
        if self._in_content_type:
            self._content_type += len(line)
            if self._content_type > _CONTENT_TYPE_MAX:
                raise TooMuchAroundError("as its Content-Type", _CONTENT_TYPE_MAX)
        return line

    def close(self) -> None:
        self._body.close()
