"""The one sender of files: downloads, frames and packs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from flask import Response, request

from gmapi.storage.base import OpenFile, Slice
from gmapi.storage.ranges import choose, http_date

READ_BYTES = 256 * 1024
LOOK_SECONDS = 0.1
"""How often an answer that waits for something being made looks whether there is more of it."""

BINARY_CHARSET = "; charset=ISO-8859-1"

MEDIA_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


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


def binary_type(media_type: str) -> str:
    """The media type as old game versions need it: they decode by its charset (rule A8)."""
    return media_type if "charset=" in media_type else media_type + BINARY_CHARSET


def body_response(
    parts: Sequence[bytes | Slice],
    length: int,
    media_type: str,
    close: Callable[[], None],
    in_use: Callable[[], None],
) -> Response:
    """An answer of known length made of slices; see FileBody."""
    body = FileBody(parts, close, in_use)
    response = Response(
        body, content_type=binary_type(media_type), direct_passthrough=True, headers=MEDIA_HEADERS
    )
    response.content_length = length
    return response


def send_file(opened: OpenFile, media_type: str, in_use: Callable[[], None]) -> Response:
    """A published file; takes over `opened`."""
    stored = opened.stored
    whole = opened.slice(0, stored.size)
    return send_slice(whole, stored.etag, stored.modified, media_type, opened.close, in_use)


def bodiless(status: int) -> Response:
    """An answer about a file that sends nothing of it."""
    response = Response(status=status, headers=MEDIA_HEADERS)
    del response.headers["Content-Type"]  # which Flask would call HTML
    return response


def send_slice(
    whole: Slice,
    etag: str,
    modified: float,
    media_type: str,
    close: Callable[[], None],
    in_use: Callable[[], None],
) -> Response:
    """A representation with ETag, ranges, conditions and HEAD (rules D1 to D3).

    `close` is called when it has been sent, or at once when there is nothing to send; `in_use`
    while it is sent.
    """
    headers = request.headers
    chosen = choose(
        whole.length,
        etag,
        modified,
        method=request.method,
        range_header=headers.get("Range"),
        if_range=headers.get("If-Range"),
        if_match=headers.get("If-Match"),
        if_unmodified_since=headers.get("If-Unmodified-Since"),
        if_none_match=headers.get("If-None-Match"),
        if_modified_since=headers.get("If-Modified-Since"),
    )
    if chosen.status in (304, 412, 416) or request.method == "HEAD":
        close()
        response = bodiless(chosen.status)
        if chosen.status == 200:
            response.content_type = binary_type(media_type)
            response.content_length = chosen.length
    else:
        part = Slice(whole.source, whole.offset + chosen.offset, chosen.length)
        response = body_response([part], chosen.length, media_type, close, in_use)
        response.status_code = chosen.status
    if chosen.content_range is not None:
        response.headers["Content-Range"] = chosen.content_range
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["ETag"] = etag
    response.headers["Last-Modified"] = http_date(modified)
    failed = chosen.status in (412, 416)
    response.headers["Cache-Control"] = "no-store" if failed else "private, max-age=300"
    return response
