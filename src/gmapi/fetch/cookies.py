"""Cookies that a source sets on the way to its file, kept for that one download.

Some servers send a visitor in a circle until a cookie comes back. What is kept goes back only to
where it belongs: by host, path and safety of the line as browsers do, and by port, too, unless it
is one of the usual two. Number and size are bounded.
"""

from __future__ import annotations

import re
from collections import defaultdict
from email.message import Message
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import TYPE_CHECKING, cast
from urllib.request import Request

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from urllib3 import HTTPHeaderDict

from gmapi.fetch.address import DEFAULT_PORTS, SourceUrl

COOKIES_MAX = 50
COOKIE_BYTES_MAX = 4096
ALL_BYTES_MAX = 16 * 1024
"""All cookies of one download together; what comes after that is not kept."""

_PLAIN = re.compile(r"[\x20-\x7e\x80-\xff]++")
# The standard library stumbles over ages that are no float.
_LONG_AGE = re.compile(r"""(;\s*+max-age\s*+=\s*+["']?+-?+[0-9]{9})[0-9]++""", re.IGNORECASE)
_PAIR = re.compile(r"\s*+([^=;\s]++)\s*+=")


class Cookies:
    """What the servers of one download have set."""

    def __init__(self) -> None:
        self._jars: defaultdict[tuple[str, int], CookieJar] = defaultdict(_jar)
        self._count = 0
        self._bytes = 0

    def keep(self, source: SourceUrl, headers: HTTPHeaderDict) -> None:
        """Take what an answer from there sets."""
        request = Request(source.url)
        for text in headers.getlist("Set-Cookie"):
            if len(text) > COOKIE_BYTES_MAX or not _PLAIN.fullmatch(text):
                continue
            self._count += 1
            self._bytes += len(text)
            if self._count > COOKIES_MAX or self._bytes > ALL_BYTES_MAX:
                break
            # One by one, for a jar drops all of an answer with one that it cannot read.
            answer = cast("HTTPResponse", _Answer(_LONG_AGE.sub(r"\1", text)))
            self._jar(source).extract_cookies(answer, request)

    def header(self, source: SourceUrl, given: str | None) -> str | None:
        """The value of `Cookie` for a request there, None for none. `given` is what the caller
        sends along; a server may set one of these anew."""
        if not self._count:
            return given
        request = Request(source.url)
        self._jar(source).add_cookie_header(request)
        own: str | None = request.get_header("Cookie")
        if own is None or given is None:
            return own or given
        names = {match[1] for pair in own.split(";") if (match := _PAIR.match(pair))}
        others = [
            pair.strip()
            for pair in given.split(";")
            if not ((match := _PAIR.match(pair)) and match[1] in names)
        ]
        return "; ".join([*filter(None, others), own])

    def _jar(self, source: SourceUrl) -> CookieJar:
        port = 0 if source.port in DEFAULT_PORTS.values() else source.port
        return self._jars["" if _has_domain(source.host) else source.host, port]


def _has_domain(host: str) -> bool:
    """Whether cookies may be for others with the same end of the name: not of addresses, and not
    of names in a local network, to which the jar gives a common end of its own."""
    try:
        ip_address(host)
    except ValueError:
        name = host.removesuffix(".")
        return "." in name and not name.endswith(".local")
    return False


def _jar() -> CookieJar:
    # A cookie without a domain is for its very host, not for the hosts below.
    strict = DefaultCookiePolicy.DomainStrictNonDomain
    return CookieJar(DefaultCookiePolicy(strict_domain=True, strict_ns_domain=strict))


class _Answer:
    """What a jar wants to see of an answer."""

    def __init__(self, text: str) -> None:
        self._headers = Message()
        self._headers["Set-Cookie"] = text

    def info(self) -> Message:
        return self._headers
