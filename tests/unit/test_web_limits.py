"""Counting the connections of each address."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from gmapi.settings import Settings
from gmapi.web.limits import CONNECTIONS_MAX, Callers, Limits


def admitted(callers: Callers, *addresses: str) -> list[bool]:
    """Whether each of these gets a connection while those before it stay open."""
    with ExitStack() as stack:
        return [stack.enter_context(callers.admitted(address)) for address in addresses]


def test_each_address_has_its_own_bound_and_gets_it_back() -> None:
    callers = Callers(2)
    addresses = ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"]
    for _ in range(3):
        assert admitted(callers, *addresses) == [True, True, False, True, False]


def test_a_refused_connection_does_not_free_one() -> None:
    callers = Callers(1)
    with callers.admitted("192.0.2.1"):
        assert admitted(callers, "192.0.2.1") == [False]
        assert admitted(callers, "192.0.2.1") == [False]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("no address", "no address", True),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, same: bool) -> None:
    assert admitted(Callers(1), one, other) == [True, not same]


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"])
def test_trusted_proxies_are_not_counted(address: str) -> None:
    assert all(admitted(Callers(1, ("10.0.0.0/8", "2001:db8::7")), *[address] * 5))


def test_no_address_gets_more_than_half_of_all() -> None:
    limits = Limits.of(Settings(connections_per_address=10**9))
    assert 32 <= limits.connections_per_address <= limits.connections // 2
    assert limits.connections <= CONNECTIONS_MAX
    assert Limits.of(Settings(connections_per_address=7)).connections_per_address == 7
