"""Who asks, and under which address this server is known to them (contract rule A7)."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from flask import current_app

from gmapi.hosts import Networks, plain_address
from gmapi.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

UNKNOWN = "unknown"
"""The address of whoever comes through a trusted proxy that does not tell it readably."""

_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?")
_HOP = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?|([^:]*):[0-9]{1,5}|(.*)")
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_PORT_MAX = 65535
_HOP_MAX = 64
_PREFIX_MAX = 200

log = logging.getLogger(__name__)


class Addresses:
    """Derives addresses from a request's environment; `X-Forwarded-*` counts from trusted proxies
    only."""

    def __init__(self, settings: Settings) -> None:
        self._public_url = settings.public_url
        self._trusted = Networks(settings.trusted_proxies)
        self._told_unknown = False

    def base(self, environ: WSGIEnvironment) -> str:
        """Scheme, host, port and path prefix that callers reach this server by, without a closing
        slash."""
        if self._public_url is not None:
            return self._public_url
        scheme, own_port = environ["wsgi.url_scheme"], True
        prefix = quote(environ.get("SCRIPT_NAME", ""))
        if self.is_forwarded(environ):
            scheme = _last(environ.get("HTTP_X_FORWARDED_PROTO")).lower() or scheme
            prefix = _forwarded_prefix(environ.get("HTTP_X_FORWARDED_PREFIX")) or prefix
            own_port = False
        if scheme not in _DEFAULT_PORTS:
            scheme = "http"
        name, port = split_host(self.host(environ))
        if not name:
            name, port, own_port = _server_name(environ), "", True
        # Some clients send `Host: localhost` for http://localhost:5000.
        if not port and own_port:
            port = str(environ.get("SERVER_PORT", ""))
            if port in _DEFAULT_PORTS.values():
                port = ""
        return f"{scheme}://{name}:{port}{prefix}" if port else f"{scheme}://{name}{prefix}"

    def prefix(self, environ: WSGIEnvironment) -> str:
        """The path that callers put before this server's own paths: empty, or such as `/gm`."""
        return urlsplit(self.base(environ)).path

    def host(self, environ: WSGIEnvironment) -> str:
        """The host, perhaps with a port, that the caller asked for, as sent; empty without one."""
        host = str(environ.get("HTTP_HOST", ""))
        if self.is_forwarded(environ):
            host = _last(environ.get("HTTP_X_FORWARDED_HOST")) or host
        return host

    def is_forwarded(self, environ: WSGIEnvironment) -> bool:
        """Whether the request comes from a trusted proxy."""
        return environ.get("REMOTE_ADDR", "") in self._trusted

    def client(self, environ: WSGIEnvironment) -> str:
        """The caller's address; `UNKNOWN` where it cannot be told.

        That of a trusted proxy is never taken for its callers'.
        """
        if not self.is_forwarded(environ):
            return environ.get("REMOTE_ADDR") or UNKNOWN
        found = forwarded_client(environ.get("HTTP_X_FORWARDED_FOR", ""), self._trusted)
        if found == UNKNOWN and not self._told_unknown:
            self._told_unknown = True
            log.warning(
                "a proxy of GMAPI_TRUSTED_PROXIES sends no X-Forwarded-For that can be read: all "
                "its callers count as one, who can list and cancel nothing"
            )
        return found


def forwarded_client(header: str, trusted: Networks) -> str:
    """The last address in `X-Forwarded-For` that is no trusted proxy's, or the first of all;
    `UNKNOWN` where an entry on the way cannot be read."""
    found = UNKNOWN
    for hop in reversed(header.split(",")):
        address = _hop_address(hop)
        if address is None:
            return UNKNOWN
        found = address
        if found not in trusted:
            break
    return found


def addresses() -> Addresses:
    """The Addresses of the running application."""
    found: Addresses = current_app.extensions["gmapi_addresses"]
    return found


def _last(header: str | None) -> str:
    return (header or "").split(",")[-1].strip()


@lru_cache(256)  # asked for each request
def _hop_address(hop: str) -> str | None:
    """The address in an entry of `X-Forwarded-For`, which may have a port; None if there is none.

    `198.51.100.1`, `198.51.100.1:5000`, `2001:db8::1`, `[2001:db8::1]`, `"[2001:db8::1]:5000"`.
    """
    text = hop.strip().strip('"')
    match = _HOP.fullmatch(text) if len(text) <= _HOP_MAX else None
    if match is None:
        return None
    try:
        return str(plain_address(match[1] or match[2] or match[3] or ""))
    except ValueError:
        return None


def _forwarded_prefix(header: str | None) -> str:
    """The path of `X-Forwarded-Prefix`, without a closing slash; empty if it is no plain path."""
    path = _last(header).rstrip("/")
    return path if len(path) <= _PREFIX_MAX and _PREFIX.fullmatch(path) else ""


@lru_cache(256)  # asked for each request
def split_host(host: str) -> tuple[str, str]:
    """Name and port of a Host header, either empty when it is missing or malformed."""
    match = _HOST.fullmatch(host)
    if match is None or int(match[2] or 0) > _PORT_MAX:
        return "", ""
    return match[1], match[2] or ""


def _server_name(environ: WSGIEnvironment) -> str:
    name = str(environ.get("SERVER_NAME", "localhost"))
    return f"[{name}]" if ":" in name else name
