"""How long and how many connections a client may hold open without asking for anything."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address

from gmapi.hosts import Networks, plain_address
from gmapi.settings import Settings

if sys.platform != "win32":
    import resource

CONNECTIONS_MAX = 20_000
SEND_TIMEOUT_SECONDS = 120.0
"""How long a client may take over a piece of an answer."""

BODY_BYTES_PER_SECOND = 8 * 1024
"""The slowest sender of a body: each byte adds its share to the time the body may take."""

_FILES_WANTED = 32_768
_FILES_OTHER = 256
"""Open files a web process needs beside its connections."""

_IPV6_PREFIX = 64
"""One household or server has a network of this size: its addresses count as one."""


@dataclass(frozen=True)
class Limits:
    """Times in seconds. `head` counts from a request's first byte to the end of its headers;
    `body` grows by the size of the body; `idle` is the silence between two requests."""

    head: float
    body: float
    idle: float
    connections: int
    connections_per_address: int

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits of the settings, as far as this process may open files.

        One address never gets more than half of all connections.
        """
        connections = min(CONNECTIONS_MAX, max(64, _open_files() - _FILES_OTHER))
        return cls(
            head=settings.header_timeout,
            body=settings.body_timeout,
            idle=settings.idle_timeout,
            connections=connections,
            connections_per_address=min(settings.connections_per_address, connections // 2),
        )


class Callers:
    """Counts the connections of each address; trusted proxies, who bring many, are not counted."""

    def __init__(self, most: int, trusted: tuple[str, ...] = ()) -> None:
        self._most = most
        self.trusted = Networks(trusted)
        self._open: Counter[Hashable] = Counter()

    @contextmanager
    def admitted(self, address: str) -> Iterator[bool]:
        """Whether one more connection of this address is within its bound; counts while open."""
        if address in self.trusted:
            yield True
            return
        key = household(address)
        if self._open[key] >= self._most:
            yield False
            return
        self._open[key] += 1
        try:
            yield True
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]


def household(address: str) -> Hashable:
    """What an address counts as: itself, or with its neighbours one network of IPv6."""
    try:
        parsed = plain_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return int(parsed) >> (parsed.max_prefixlen - _IPV6_PREFIX)
    return parsed


def _open_files() -> int:
    """How many files this process may have open; raises its own soft limit before."""
    if sys.platform == "win32":
        return CONNECTIONS_MAX
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(_FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # macOS has a lower bound of its own
            return soft
        return wanted
    return _FILES_WANTED if soft == resource.RLIM_INFINITY else soft
