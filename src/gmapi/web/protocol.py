"""HTTP below the application: requests whose head or framing is malformed (RFC 9112)."""

from __future__ import annotations

import re
from email.errors import (
    FirstHeaderLineIsContinuationDefect,
    InvalidHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)
from http import HTTPStatus
from http.client import HTTPMessage

from gmapi.web.answers import JSON_HEADERS, failure_fields, json_bytes, reason_phrase

_DEFECTS = (
    FirstHeaderLineIsContinuationDefect,
    InvalidHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_QUOTE = re.compile(r"b?['\"]")
_MESSAGES = {
    400: "This is no proper HTTP request; check the request line, the header lines and "
    "Content-Length, and that the address begins with http://, not https://.",
    408: "The request did not come in time; send its line and headers without pauses.",
    414: "The address is longer than the 8 KiB this server accepts; put long values into the body.",
    431: "The headers are longer than the 32 KiB this server accepts; send fewer or shorter ones.",
    429: "Your address has too many connections open; close some, or come back in a moment.",
}


def check_head(headers: HTTPMessage) -> None:
    """Raise ValueError for header lines by which two readers may see two different requests.

    These are lines without a name, names with spaces, two hosts, and a length that is doubtful.
    """
    for name in headers:
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"bad header name {name!r}")
    if any(isinstance(defect, _DEFECTS) for defect in headers.defects):
        raise ValueError("a header line has no name")
    if len(headers.get_all("Host", [])) > 1:
        raise ValueError("more than one Host")
    lengths = set(headers.get_all("Content-Length", []))
    if len(lengths) > 1 or not all(re.fullmatch("[0-9]{1,18}", text) for text in lengths):
        raise ValueError(f"bad Content-Length {sorted(lengths)}")
    codings = headers.get_all("Transfer-Encoding", [])
    if [coding.strip().lower() for coding in codings] not in ([], ["chunked"]):
        raise ValueError(f"bad Transfer-Encoding {codings}")


def origin_form(target: str) -> str:
    """The path and query of a request target, which may be a whole address."""
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        return target
    rest = target[absolute.end() :]
    return rest if rest.startswith("/") else "/" + rest


def without_quotations(text: str) -> str:
    """What is wrong with a request, for the log: without what it quotes of it, since anywhere in
    that a token may stand."""
    return _QUOTE.split(text, maxsplit=1)[0].rstrip(" :=[")


def malformed(status: int, *, retry_after: int | None = None) -> bytes:
    """The whole answer to a request that does not reach the application."""
    message = _MESSAGES.get(status, HTTPStatus(status).phrase)
    body = json_bytes(failure_fields(message, f"http_{status}"))
    head = (
        f"HTTP/1.1 {status} {reason_phrase(message, status)}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Access-Control-Allow-Origin: *\r\n"
    )
    if retry_after is not None:
        head += f"Retry-After: {retry_after}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in JSON_HEADERS.items())
    head += "Connection: close\r\n\r\n"
    return head.encode("ascii") + body
