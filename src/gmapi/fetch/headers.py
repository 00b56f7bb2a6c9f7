"""Headers that a caller may have sent along to the source."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gmapi.errors import RequestError

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")
_MAX_HEADERS = 32
_MAX_HEADER_BYTES = 8192
_TOO_MUCH = f"at most {_MAX_HEADERS} headers and {_MAX_HEADER_BYTES} bytes are allowed"
RESERVED_HEADERS = frozenset(
    {
        "accept-encoding", "connection", "content-encoding", "content-length", "content-type",
        "expect", "host", "http2-settings", "if-match", "if-modified-since", "if-none-match",
        "if-range", "if-unmodified-since", "keep-alive", "proxy-authenticate",
        "proxy-authorization", "proxy-connection", "range", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
# The only caller headers that go along when a redirect leaves the origin they were meant for.
HARMLESS_HEADERS = frozenset({"accept", "accept-language", "icy-metadata", "referer", "user-agent"})


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The caller's headers for the source, checked. Raises RequestError with field `headers`."""

    def refuse(what: str) -> RequestError:
        return RequestError(f"headers: {what}.", field="headers")

    if len(headers) > _MAX_HEADERS:
        raise refuse(_TOO_MUCH)
    checked: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise refuse(f"{name[:80]!r} is not a header name; use letters, digits and hyphens")
        if name.lower() in RESERVED_HEADERS:
            raise refuse(f"{name} is set by this server; leave it out")
        if name.lower() in seen:
            raise refuse(f"{name} is given twice; give it once")
        if not _VALUE.fullmatch(value):
            raise refuse(f"the value of {name} may hold only printable ASCII characters")
        seen.add(name.lower())
        checked[name] = value.strip()
    size = sum(len(name) + len(value) for name, value in checked.items())
    if size > _MAX_HEADER_BYTES:
        raise refuse(_TOO_MUCH)
    return checked
