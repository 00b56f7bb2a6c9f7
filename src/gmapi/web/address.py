"""Who asks, and under which address this server is known to them (contract rule A7)."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

from flask import current_app, request

from gmapi.settings import Settings

_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class Addresses:
    """Derives addresses from a request; `X-Forwarded-*` counts from trusted proxies only."""

    def __init__(self, settings: Settings) -> None:
        self._public_url = settings.public_url
        self._trusted = [ip_network(text, strict=False) for text in settings.trusted_proxies]

    def base(self) -> str:
        """Scheme, host and port that callers reach this server by, without a closing slash."""
        if self._public_url is not None:
            return self._public_url
        scheme, host = request.scheme, request.environ.get("HTTP_HOST", "")
        port = str(request.environ.get("SERVER_PORT", ""))
        if self._is_trusted(request.remote_addr):
            scheme = _last(request.headers.get("X-Forwarded-Proto")) or scheme
            host = _last(request.headers.get("X-Forwarded-Host")) or host
            port = ""
        if scheme not in _DEFAULT_PORTS:
            scheme = "http"
        if not _HOST.fullmatch(host):
            host = request.environ.get("SERVER_NAME", "localhost")
            if ":" in host:
                host = f"[{host}]"
        # Some clients send `Host: localhost` for http://localhost:5000.
        if port and port not in ("80", "443") and not re.search(r":[0-9]+$", _unbracketed(host)):
            host = f"{host}:{port}"
        return f"{scheme}://{host}"

    def client(self) -> str:
        """The caller's address."""
        address = request.remote_addr or "unknown"
        if self._is_trusted(address):
            for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
                hop = hop.strip()
                try:
                    ip_address(hop)
                except ValueError:
                    break
                address = hop
                if not self._is_trusted(hop):
                    break
        return address

    def _is_trusted(self, address: str | None) -> bool:
        if not self._trusted or not address:
            return False
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)


def addresses() -> Addresses:
    """The Addresses of the running application."""
    found: Addresses = current_app.extensions["gmapi_addresses"]
    return found


def _last(header: str | None) -> str:
    return (header or "").split(",")[-1].strip()


def _unbracketed(host: str) -> str:
    return host.rpartition("]")[2]
