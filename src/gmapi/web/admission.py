"""How much of this process's time one client's requests may take before they are looked into.

To read a body, to find its mistakes and to say so costs as much for what is refused as for what is
accepted, and all of it on the one thread that serves everybody. The limits of submissions count
only what is accepted.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from flask import request

from gmapi.access import Mode, Rate, client_network
from gmapi.errors import RateLimitedError
from gmapi.hosts import is_loopback
from gmapi.jobs.rates import refilled, seconds_until_one
from gmapi.settings import Settings
from gmapi.tools.registry import TOOLS
from gmapi.web.address import Addresses

ADMITTED = Rate(600, 10.0)
"""Requests to tools, right or wrong, that one client may make; many times what anybody needs."""

TOOL_BYTES, OTHER_BYTES = 4 * 1024, 16 * 1024
"""So many bytes of a body count as one more request: those for tools are looked into deeply."""

CLIENTS_KEPT = 8192

_TOOL_RULES = frozenset(f"/api/{name}{end}" for name in TOOLS for end in ("", "/async"))


class Admission:
    """A bucket for each client, in this process alone."""

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._is_open = settings.access_mode is Mode.OPEN
        self._addresses = addresses
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self) -> None:
        """Before each request: raise RateLimitedError when the client has sent too many."""
        if request.method != "POST":
            return
        cost = price(request.url_rule.rule if request.url_rule is not None else "", _body_bytes())
        if not cost:
            return
        address = self._addresses.client(request.environ)
        if self._is_open and is_loopback(address):
            return  # whoever is at this machine has no limits
        self._take(client_network(address), cost)

    def _take(self, client: str, cost: int) -> None:
        now = time.monotonic()
        level, updated = self._buckets.get(client, (float(ADMITTED.count), now))
        level = refilled(ADMITTED, level, now - updated)
        if level < 1.0:
            seconds = seconds_until_one(ADMITTED, level)
            raise RateLimitedError(
                f"Too many requests at once from your address. Try again in {seconds} s.",
                retry_after=seconds,
            )
        # A large body may overdraw it: what it cost has to be waited for.
        self._buckets[client] = (level - cost, now)
        self._buckets.move_to_end(client)
        while len(self._buckets) > CLIENTS_KEPT:
            self._buckets.popitem(last=False)


def price(rule: str, size: int) -> int:
    """How many requests a POST to a route counts as, with a body of so many bytes."""
    return 1 + size // TOOL_BYTES if rule in _TOOL_RULES else size // OTHER_BYTES


def _body_bytes() -> int:
    length = request.content_length
    if length is not None:
        return length
    # Chunked: known only when it has come, which costs little.
    return len(request.get_data()) if "HTTP_TRANSFER_ENCODING" in request.environ else 0
