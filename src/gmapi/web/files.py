"""The one sender of files: downloads, frames and packs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from flask import Response

from gmapi.storage.base import OpenFile, Slice
from gmapi.storage.ranges import Choice, choose, http_date

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

READ_BYTES = 256 * 1024
LOOK_SECONDS = 0.1
"""How often an answer that waits for something being made looks whether there is more of it."""

BINARY_CHARSET = "; charset=ISO-8859-1"

MEDIA_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


FILE_CACHING = "private, max-age=300"


class BrokenAnswer(Exception):
    """Raised while an answer is under way that cannot be completed: the connection is closed."""


class FileBody:
    """A response body of byte strings and slices of open files.

    Any WSGI server can iterate it; our own server sends the slices by `sendfile`. `in_use` is
    called again and again while it is sent: a download may take longer than its file would live.
    """

    def __init__(
        self,
        parts: Sequence[bytes | Slice],
        close: Callable[[], None],
        in_use: Callable[[], None],
    ) -> None:
        self.parts = parts
        self.in_use = in_use
        self._close = close

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
                continue
            for offset in range(part.offset, part.offset + part.length, READ_BYTES):
                size = min(READ_BYTES, part.offset + part.length - offset)
                yield Slice(part.source, offset, size).read()
                self.in_use()

    def close(self) -> None:
        """Close the files; called by the server when the answer is sent or broken off."""
        self._close()


class Answer(NamedTuple):
    """An answer as WSGI wants it: status line, headers and body."""

    status: str
    headers: list[tuple[str, str]]
    body: Iterable[bytes]

    def response(self) -> Response:
        """The same for Flask."""
        response = Response(self.body, self.status, self.headers, direct_passthrough=True)
        if all(name != "Content-Type" for name, _ in self.headers):
            del response.headers["Content-Type"]  # which Flask would call HTML
        return response


@cache
def status_line(status: int) -> str:
    """Code and phrase, as Flask writes them."""
    return f"{status} {HTTPStatus(status).phrase.upper()}"


def binary_type(media_type: str) -> str:
    """The media type as old game versions need it: they decode by its charset (rule A8)."""
    return media_type if "charset=" in media_type else media_type + BINARY_CHARSET


def body_answer(
    parts: Sequence[bytes | Slice],
    length: int,
    media_type: str,
    close: Callable[[], None],
    in_use: Callable[[], None],
    status: int = 200,
) -> Answer:
    """An answer of known length made of slices; see FileBody."""
    headers = [*_content(media_type, length), *MEDIA_HEADERS.items()]
    return Answer(status_line(status), headers, FileBody(parts, close, in_use))


def file_answer(
    environ: WSGIEnvironment, opened: OpenFile, media_type: str, in_use: Callable[[], None]
) -> Answer:
    """A published file, as it is asked for; takes over `opened`."""
    stored = opened.stored
    whole = opened.slice(0, stored.size)
    return slice_answer(
        environ, whole, stored.etag, stored.modified, media_type, opened.close, in_use
    )


def bodiless(status: int) -> Response:
    """An answer about a file that sends nothing of it."""
    return Answer(status_line(status), [*MEDIA_HEADERS.items()], ()).response()


def slice_answer(
    environ: WSGIEnvironment,
    whole: Slice,
    etag: str,
    modified: float,
    media_type: str,
    close: Callable[[], None],
    in_use: Callable[[], None],
) -> Answer:
    """A representation with ETag, ranges, conditions and HEAD (rules D1 to D3).

    `close` is called when it has been sent, or at once when there is nothing to send; `in_use`
    while it is sent.
    """
    chosen = _choose(environ, whole.length, etag, modified, environ.get("HTTP_RANGE"))
    part = Slice(whole.source, whole.offset + chosen.offset, chosen.length)
    answer = _chosen(environ, chosen, [part], media_type, close, in_use)
    answer.headers.append(("Accept-Ranges", "bytes"))
    return _validated(answer, chosen, etag, modified, FILE_CACHING)


def whole_answer(
    environ: WSGIEnvironment,
    parts: Sequence[bytes | Slice],
    length: int,
    etag: str,
    modified: float,
    media_type: str,
    close: Callable[[], None],
    in_use: Callable[[], None],
    caching: str,
) -> Answer:
    """As `slice_answer`, of what is sent whole or not at all."""
    chosen = _choose(environ, length, etag, modified, None)
    answer = _chosen(environ, chosen, parts, media_type, close, in_use)
    return _validated(answer, chosen, etag, modified, caching)


def _choose(
    environ: WSGIEnvironment, length: int, etag: str, modified: float, wanted: str | None
) -> Choice:
    return choose(
        length,
        etag,
        modified,
        method=environ["REQUEST_METHOD"],
        range_header=wanted,
        if_range=environ.get("HTTP_IF_RANGE"),
        if_match=environ.get("HTTP_IF_MATCH"),
        if_unmodified_since=environ.get("HTTP_IF_UNMODIFIED_SINCE"),
        if_none_match=environ.get("HTTP_IF_NONE_MATCH"),
        if_modified_since=environ.get("HTTP_IF_MODIFIED_SINCE"),
    )


def _chosen(
    environ: WSGIEnvironment,
    chosen: Choice,
    parts: Sequence[bytes | Slice],
    media_type: str,
    close: Callable[[], None],
    in_use: Callable[[], None],
) -> Answer:
    if chosen.status in (200, 206) and environ["REQUEST_METHOD"] != "HEAD":
        answer = body_answer(parts, chosen.length, media_type, close, in_use, chosen.status)
    else:
        close()
        headers = [*MEDIA_HEADERS.items()]
        if chosen.status == 200:
            headers += _content(media_type, chosen.length)
        elif chosen.status != 304:
            headers.append(("Content-Length", "0"))
        answer = Answer(status_line(chosen.status), headers, ())
    if chosen.content_range is not None:
        answer.headers.append(("Content-Range", chosen.content_range))
    return answer


def _content(media_type: str, length: int) -> list[tuple[str, str]]:
    return [("Content-Type", binary_type(media_type)), ("Content-Length", str(length))]


def _validated(answer: Answer, chosen: Choice, etag: str, modified: float, caching: str) -> Answer:
    failed = chosen.status in (412, 416)
    answer.headers.append(("ETag", etag))
    if chosen.status != 304:  # there the ETag says it all
        answer.headers.append(("Last-Modified", http_date(modified)))
    answer.headers.append(("Cache-Control", "no-store" if failed else caching))
    return answer
