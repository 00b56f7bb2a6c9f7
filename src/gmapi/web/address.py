"""Who asks, and under which address this server is known to them (contract rule A7)."""

from __future__ import annotations

import re
from functools import lru_cache

from flask import current_app, request

from gmapi.hosts import Networks, is_address
from gmapi.settings import Settings

_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_PORT_MAX = 65535


class Addresses:
    """Derives addresses from a request; `X-Forwarded-*` counts from trusted proxies only."""

    def __init__(self, settings: Settings) -> None:
        self._public_url = settings.public_url
        self._trusted = Networks(settings.trusted_proxies)

    def base(self) -> str:
        """Scheme, host and port that callers reach this server by, without a closing slash."""
        if self._public_url is not None:
            return self._public_url
        environ = request.environ
        scheme, own_port = environ["wsgi.url_scheme"], True
        if environ.get("REMOTE_ADDR", "") in self._trusted:
            scheme = _last(environ.get("HTTP_X_FORWARDED_PROTO")).lower() or scheme
            own_port = False
        if scheme not in _DEFAULT_PORTS:
            scheme = "http"
        name, port = split_host(self.host())
        if not name:
            name, port, own_port = _server_name(), "", True
        # Some clients send `Host: localhost` for http://localhost:5000.
        if not port and own_port:
            port = str(environ.get("SERVER_PORT", ""))
            if port in _DEFAULT_PORTS.values():
                port = ""
        return f"{scheme}://{name}:{port}" if port else f"{scheme}://{name}"

    def host(self) -> str:
        """The host, perhaps with a port, that the caller asked for, as sent; empty without one."""
        environ = request.environ
        host = str(environ.get("HTTP_HOST", ""))
        if environ.get("REMOTE_ADDR", "") in self._trusted:
            host = _last(environ.get("HTTP_X_FORWARDED_HOST")) or host
        return host

    def client(self) -> str:
        """The caller's address."""
        address = request.remote_addr or "unknown"
        if address in self._trusted:
            for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
                hop = hop.strip()
                if not is_address(hop):
                    break
                address = hop
                if hop not in self._trusted:
                    break
        return address


def addresses() -> Addresses:
    """The Addresses of the running application."""
    found: Addresses = current_app.extensions["gmapi_addresses"]
    return found


def _last(header: str | None) -> str:
    return (header or "").split(",")[-1].strip()


@lru_cache(256)  # asked for each request
def split_host(host: str) -> tuple[str, str]:
    """Name and port of a Host header, either empty when it is missing or malformed."""
    match = _HOST.fullmatch(host)
    if match is None or int(match[2] or 0) > _PORT_MAX:
        return "", ""
    return match[1], match[2] or ""


def _server_name() -> str:
    name = str(request.environ.get("SERVER_NAME", "localhost"))
    return f"[{name}]" if ":" in name else name
