"""Who may use a server, as operators write it: tokens, rates, and what counts as one client."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv6Address, ip_network

from gmapi.hosts import plain_address

SECRET_MIN = 16
SECRET_MAX = 256
RATE_MAX = 1_000_000
ANONYMOUS_RATE = "60/min"
"""What callers without a token may submit at most, where the operator does not say otherwise."""

TOKEN_REMEDY = "set GMAPI_TOKENS=name:secret to let in only who has a token"

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_SECRET = re.compile(r"[\x21-\x7e]+")
_RATE = re.compile(r"([1-9][0-9]{0,6})\s*/\s*([a-z]+)")
_UNITS = {
    **dict.fromkeys(("s", "sec", "second"), 1.0),
    **dict.fromkeys(("m", "min", "minute"), 60.0),
    **dict.fromkeys(("h", "hour"), 3600.0),
}
_IPV4_NETWORK, _IPV6_NETWORK = 24, 64


class Mode(StrEnum):
    """Whom a server lets in."""

    OPEN = "open"  # bound to loopback, without a proxy: whoever is at this machine
    ANONYMOUS = "anonymous"  # anyone who reaches it, within limits
    TOKENS = "tokens"  # who has a token


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. The name may be shown, the secret never."""

    name: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many times in so many seconds; all of them may come at once."""

    count: int
    seconds: float


def parse_tokens(entries: Sequence[object]) -> tuple[Token, ...]:
    """Read entries `name:secret`, or a secret alone, which is named after its place.

    Raises ValueError with a sentence that tells the entry by its place, never by what it holds:
    it may be a secret in the wrong half.
    """
    tokens: list[Token] = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, str):
            raise ValueError(f"entry {number} is not a text such as name:secret")
        name, colon, secret = entry.strip().partition(":")
        if not colon:
            name, secret = f"token{number}", name
        token = Token(name, secret)
        _check(token, number)
        for earlier, other in enumerate(tokens, 1):
            for what in ("name", "secret"):
                if getattr(token, what) == getattr(other, what):
                    raise ValueError(f"entries {earlier} and {number} have the same {what}")
        tokens.append(token)
    return tuple(tokens)


def _check(token: Token, number: int) -> None:
    if not _NAME.fullmatch(token.name):
        raise ValueError(
            f"the name of entry {number}, before its colon, must be 1 to 32 letters, digits "
            "or . _ -"
        )
    if not SECRET_MIN <= len(token.secret) <= SECRET_MAX:
        raise ValueError(
            f"the secret of entry {number} must have {SECRET_MIN} to {SECRET_MAX} characters; "
            "openssl rand -hex 16 makes one"
        )
    if not _SECRET.fullmatch(token.secret):
        raise ValueError(
            f"the secret of entry {number} must be of ASCII letters, digits and signs, without "
            "spaces"
        )


def parse_rate(text: str) -> Rate | None:
    """Read `off` (None) or a rate such as `30/min`, `2/s` or `500/hour`. Raises ValueError."""
    wanted = text.strip().lower()
    if wanted == "off":
        return None
    match = _RATE.fullmatch(wanted)
    if match is None or match[2] not in _UNITS or int(match[1]) > RATE_MAX:
        raise ValueError("give off, or a number per s, min or hour such as 30/min")
    return Rate(int(match[1]), _UNITS[match[2]])


def client_address(address: str) -> str:
    """What one caller is known by: the whole address, since neighbours of one network are
    strangers to each other. What is no address stands for itself."""
    try:
        return str(plain_address(address))
    except ValueError:
        return address[:64]


def client_network(address: str) -> str:
    """What limits take for one client: a public IPv4 address's /24, an IPv6 address's /64.

    Who has one public address often has its neighbours; in a private network each is a machine of
    its own. What is no address stands for itself.
    """
    try:
        parsed = plain_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, _IPV6_NETWORK), strict=False))
    if not parsed.is_global:
        return str(parsed)
    return str(ip_network((parsed, _IPV4_NETWORK), strict=False))


def describe_access(mode: Mode, tokens: Sequence[Token], rate: str | None) -> str:
    """One sentence for the operator: who may use the server, and what to do about it."""
    if mode is Mode.TOKENS:
        names = ", ".join(token.name for token in tokens)
        return f"with a token only ({names})"
    if mode is Mode.OPEN:
        return "everyone at this machine, without limits"
    limit = f"{rate} submissions each" if rate else "any number of submissions"
    return (
        f"ANONYMOUS: everyone who reaches this address, {limit}, seeing only their own tasks; "
        f"{TOKEN_REMEDY}"
    )
