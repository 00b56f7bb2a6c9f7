"""Host names and networks as operators and callers write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address

HOST_NAME_MAX = 254
"""Characters of a name, with a dot at its end."""

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_BRACKETED = re.compile(r"\[([^\]]*)\](?::([0-9]{1,5}))?")
_PLAIN = re.compile(r"([^\[\]:]*)(?::([0-9]{1,5}))?")


@lru_cache(1024)  # the segments of a stream have one host, whose name may take long to read
def host_name(text: str) -> str:
    """A name or canonical IPv4 address in lower-case ASCII. Raises ValueError."""
    if len(text) > HOST_NAME_MAX:
        # Before it is made ASCII, which takes time by the square of its length.
        raise ValueError(f"a host name of {len(text)} characters")
    if not text.isascii():
        text = text.encode("idna").decode("ascii")
    name = text.lower()
    bare = name.removesuffix(".")
    labels = bare.split(".")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        # A last label of digits is an address to most resolvers (2130706433, 0x7f.1, 127.1).
        return str(IPv4Address(name))
    if len(bare) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"bad host name {text!r}")
    return bare


@lru_cache(1024)  # asked for each request
def plain_address(text: str) -> Address:
    """An address as sockets tell it, without the name of its interface; an IPv4 one in IPv6's
    clothes (`::ffff:a.b.c.d`, as a socket shows that listens on both) as what it is.

    Raises ValueError.
    """
    parsed = ip_address(text.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def is_address(text: str) -> bool:
    """Whether this is an address rather than a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


@lru_cache(256)  # asked for each request
def is_loopback(host: str) -> bool:
    """Whether this name or address is of the machine it is used on."""
    try:
        return plain_address(host).is_loopback
    except ValueError:
        name = host.lower()
        return name == "localhost" or name.endswith(".localhost")


class Networks:
    """Addresses and networks that an operator has named."""

    def __init__(self, entries: Sequence[str]) -> None:
        self._networks = [ip_network(entry, strict=False) for entry in entries]

    def __contains__(self, address: str) -> bool:
        if not self._networks:
            return False
        try:
            parsed = plain_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


@dataclass(frozen=True, slots=True)
class AllowEntry:
    """One thing an operator lets through although it is private: a host by name or a network
    (a single address is a network of one), at one port or, with None, at all."""

    host: str | None
    network: IPv4Network | IPv6Network | None
    port: int | None

    def admits(self, host: str, port: int, address: Address) -> bool:
        """Whether this entry names a source's host itself or the address it resolves to."""
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return address in self.network
        return self.host == host


def parse_allow(entries: Sequence[str]) -> tuple[AllowEntry, ...]:
    """Read entries `host`, `ip` or `cidr`, each with an optional `:port`; IPv6 stands in brackets
    when a port follows (`[fd00::/8]:8000`). Raises ValueError with a sentence for a bad one."""
    return tuple(_parse_entry(entry.strip()) for entry in entries)


def _parse_entry(entry: str) -> AllowEntry:
    bracketed = _BRACKETED.fullmatch(entry)
    plain = _PLAIN.fullmatch(entry)
    try:
        network: IPv4Network | IPv6Network | None
        if bracketed:
            body, port_text = bracketed[1], bracketed[2]
            network = IPv6Network(body)
        elif plain:
            body, port_text = plain[1], plain[2]
            network = ip_network(body) if "/" in body or is_address(body) else None
        else:
            body, port_text = entry, None
            network = IPv6Network(body)
        port = int(port_text) if port_text else None
        if port is not None and not 0 < port < 65536:
            raise ValueError(f"there is no port {port}")
        return AllowEntry(None if network else host_name(body), network, port)
    except ValueError as error:
        raise ValueError(
            f"{entry!r} is not a host, an address or a network with an optional port, such as "
            f"nas.lan:8000, 192.168.1.5, 10.0.0.0/8 or [fd00::/8]:8000 ({error})"
        ) from None
