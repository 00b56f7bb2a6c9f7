"""Which host names this server answers to.

A page in a browser may point a name of its own at 127.0.0.1 and then talk to a server there as if
it were its own (DNS rebinding), or simply send requests across origins. A server that listens on
loopback alone, and that no proxy stands before, is meant for its own machine: it answers only to
`localhost`, to addresses, which cannot be rebound, and to what `GMAPI_ALLOWED_HOSTS` names, and
only to pages from there. Programs send no `Origin`, so none of this concerns them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import request

from gmapi.errors import HostError
from gmapi.hosts import is_address, is_loopback
from gmapi.settings import Settings
from gmapi.web.address import Addresses, split_host

SETTING = "GMAPI_ALLOWED_HOSTS"
ANY = "*"
NAME_SHOWN = 80


class HostRule:
    """Checks the host of each request, and on a private server the page it comes from."""

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._addresses = addresses
        self._names = frozenset(settings.allowed_hosts)
        public = urlsplit(settings.public_url).hostname if settings.public_url else None
        if self._names and public:
            self._names |= {public}
        self._any = ANY in self._names
        self._private = (
            not self._any
            and settings.listens_locally
            and not settings.public_url
            and not settings.trusted_proxies
        )

    def check(self) -> None:
        """Raise HostError when the request is not meant for this server."""
        if self._any or not (self._names or self._private):
            return
        asked = self._addresses.host()
        name = _name(split_host(asked)[0])
        if asked and not self._is_ours(name):
            raise _refusal("This server does not go by the name", name)
        origin = request.environ.get("HTTP_ORIGIN")
        if origin is None or not self._private:
            return
        page = _name(_origin_host(origin))
        if not page or not (page == name or page in self._names or is_loopback(page)):
            raise _refusal("This server takes no requests from pages of", page)

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
