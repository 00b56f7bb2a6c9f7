"""Which host names this server answers to, and which web pages may use it.

A page in a browser may point a name of its own at 127.0.0.1 and then talk to a server there as if
it were its own (DNS rebinding), or simply send requests across origins. A server that listens on
loopback alone, and that no proxy stands before, is meant for its own machine: it answers only to
`localhost`, to addresses, which cannot be rebound, and to what `GMAPI_ALLOWED_HOSTS` names.

Where nobody needs a token, being in the same network is all the right a caller has, and a page must
not borrow it from its visitor: only pages of this server, of the caller's own machine and of the
names above may use it. Programs send no `Origin`, so none of this concerns them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gmapi.access import Mode
from gmapi.errors import HostError
from gmapi.hosts import is_address, is_loopback, plain_address
from gmapi.settings import Settings
from gmapi.web.address import Addresses, split_host

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SETTING = "GMAPI_ALLOWED_HOSTS"
ANY = "*"
NAME_SHOWN = 80

NOBODYS = (".local", ".lan", ".home", ".home.arpa", ".internal", ".localdomain", ".test")
"""Ends of names that nobody can register, so no page has one that was rebound."""

READS = frozenset({"GET", "HEAD", "OPTIONS"})


class HostRule:
    """Checks the host of each request, and the page it comes from."""

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._addresses = addresses
        named = frozenset(settings.allowed_hosts)
        public = urlsplit(settings.public_url).hostname if settings.public_url else None
        self._names = named | {public} if public else named
        self._any = ANY in named
        self._private = (
            not self._any
            and settings.listens_locally
            and not settings.public_url
            and not settings.trusted_proxies
        )
        self._minds_host = not self._any and bool(named or self._private)
        self._minds_page = not self._any and (
            self._private or settings.access_mode is not Mode.TOKENS
        )

    def check(self, environ: WSGIEnvironment) -> None:
        """Raise HostError when the request is not meant for this server."""
        origin = environ.get("HTTP_ORIGIN") if self._minds_page else None
        if origin is None and not self._minds_host:
            return
        asked = self._addresses.host(environ)
        name = _name(split_host(asked)[0])
        if self._minds_host and asked and not self._is_ours(name):
            raise _refusal("This server does not go by the name", name)
        if origin is None:
            return
        page = _name(_origin_host(origin))
        if not (page and self._may_use(page, name, environ)):
            raise _refusal("This server takes no requests from pages of", page)

    def _may_use(self, page: str, asked: str, environ: WSGIEnvironment) -> bool:
        if page in self._names or is_loopback(page):
            return True
        if page != asked:
            return False
        # The page seems to be ours. A name that was rebound leads here only from inside.
        return (
            environ["REQUEST_METHOD"] in READS
            or is_address(page)
            or "." not in page
            or page.endswith(NOBODYS)
            or self._comes_from_outside(environ)
        )

    def _comes_from_outside(self, environ: WSGIEnvironment) -> bool:
        try:
            return plain_address(self._addresses.client(environ)).is_global
        except ValueError:
            return False

    def _is_ours(self, name: str) -> bool:
        return name in self._names or is_loopback(name) or is_address(name)


def _refusal(what: str, name: str) -> HostError:
    if not name:
        return HostError(f"{what} that was sent; use localhost or its address.")
    shown = name[:NAME_SHOWN]
    return HostError(
        f"{what} {shown}; use localhost or its address, or let its operator set {SETTING}={shown}."
    )


def _name(text: str) -> str:
    return text.strip("[]").lower().removesuffix(".")


def _origin_host(origin: str) -> str:
    """The host of an Origin header; empty for `null` and whatever else has none."""
    scheme, divider, rest = origin.partition("://")
    return split_host(rest)[0] if divider and scheme in ("http", "https") else ""
