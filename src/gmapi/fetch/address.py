"""Which addresses may be fetched: the URL itself, and what its host resolves to.

Checking is split in two because only the second half needs the network. `check_url` is pure and
belongs into request validation; `resolve` asks DNS once and runs in the job, since getaddrinfo
has no timeout of its own. The caller of `resolve` connects to the addresses it returns and to
nothing else, so that a second, different DNS answer (rebinding) has no effect.
"""

from __future__ import annotations

import re
import socket
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from urllib.parse import quote, urlsplit

from gmapi.errors import RequestError, SourceError
from gmapi.hosts import HOST_NAME_MAX, Address, AllowEntry, host_name

MAX_URL_LENGTH = 8192
ALLOW_SETTING = "GMAPI_FETCH_ALLOW"
DEFAULT_PORTS = {"http": 80, "https": 443}

# Everything ASCII that RFC 3986 allows in a path or query, and the escapes already there.
_SAFE = "%/?:@!$&'()*+,;=-._~[]"
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]++\]|[^\[\]:@%/?#]++)(?::([0-9]{0,5}))?")
_AUTHORITY_MAX = HOST_NAME_MAX + len(":65535")
_PATH = re.compile(r"[/?#]")
_FORBIDDEN = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f]")

# What closes a quotation that begins so; languages differ in what they take for which.
_QUOTES = {
    '"': '"', "'": "'", "`": "`'", "<": ">", "\u00b4": "\u00b4", "\u201c": "\u201d\u201c",
    "\u201d": "\u201d\u201c", "\u201e": "\u201d\u201c", "\u201f": "\u201d\u201c",
    "\u2018": "\u2019\u2018", "\u2019": "\u2019\u2018", "\u201a": "\u2019\u2018",
    "\u201b": "\u2019\u2018", "\u00ab": "\u00bb", "\u00bb": "\u00ab\u00bb", "\u2039": "\u203a",
    "\u203a": "\u2039\u203a", "\u300c": "\u300d", "\u300e": "\u300f", "\u300a": "\u300b",
    "\u3008": "\u3009", "\uff02": "\uff02", "\uff07": "\uff07",
}  # fmt: skip

# What the registries of special-purpose addresses (RFC 6890 and its updates) list, spelled out
# because `is_global` differs between patch versions of Python; the last IPv4 entry is the
# metadata service of one cloud at an address that is otherwise public.
_REFUSED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",
    )
)  # fmt: skip
# Only 2000::/3 is global unicast, which leaves out loopback, mapped and compatible IPv4, NAT64,
# unique local, link local, site local and multicast. 2001::/23 holds Teredo and benchmarking.
_GLOBAL_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


@dataclass(frozen=True, slots=True)
class SourceUrl:
    """A checked source address. `url` is normalised ASCII, `host` an ASCII name or an address
    without brackets, `target` what goes into the request line (path and query)."""

    url: str
    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """`host:port`, with brackets around an IPv6 address: also the form of an allow entry."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what must be equal for credentials to be sent along."""
        return self.scheme, self.host, self.port


def trim_address(text: str) -> str:
    """An address without what it was copied or written with: white space and invisible marks
    around it, pairs of quotes, backticks or angle brackets."""
    first, last = 0, len(text)
    while first < last:
        if _is_margin(text[first]):
            first += 1
        elif _is_margin(text[last - 1]):
            last -= 1
        elif last - first > 1 and text[last - 1] in _QUOTES.get(text[first], ""):
            first, last = first + 1, last - 1
        else:
            break
    return text[first:last]


def _is_margin(letter: str) -> bool:
    # Control characters and marks without a width, such as a byte order mark.
    return letter.isspace() or unicodedata.category(letter) in ("Cc", "Cf")


def check_url(url: str, field: str = "input_url") -> SourceUrl:
    """Check and normalise a source address without any look-up.

    International names become IDNA, other characters beyond ASCII are percent-encoded as UTF-8,
    the fragment is dropped. Raises RequestError that names `field`.
    """

    def refuse(what: str, cause: object = None) -> RequestError:
        return RequestError(f"{field} {what}.", field=field, cause=cause)

    if not url:
        raise refuse("is empty; give an address that begins with http:// or https://")
    if _length_sent(url) > MAX_URL_LENGTH:
        raise refuse(
            f"is longer than {MAX_URL_LENGTH} characters as it is sent; give a shorter address"
        )
    if _FORBIDDEN.search(url):
        raise refuse(
            "holds a space, a backslash or a control character; write a space as %20 "
            "and a backslash as %5C"
        )
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in DEFAULT_PORTS:
        raise refuse("must begin with http:// or https://")
    authority = _PATH.split(rest, 1)[0]
    if "@" in authority:
        raise refuse("must not hold a user name or password; leave out the part before @")
    try:
        # Names are normalised in a time that grows with the square of their length.
        if len(authority) > _AUTHORITY_MAX:
            raise ValueError(f"a host of {len(authority)} characters")
        parts = urlsplit(url)
        host, port = _authority(parts.netloc, DEFAULT_PORTS[parts.scheme])
        target = quote(parts.path, safe=_SAFE) or "/"
        if parts.query:
            target += "?" + quote(parts.query, safe=_SAFE)
        bracketed = f"[{host}]" if ":" in host else host
        shown = bracketed if port == DEFAULT_PORTS[parts.scheme] else f"{bracketed}:{port}"
        source = SourceUrl(f"{parts.scheme}://{shown}{target}", parts.scheme, host, port, target)
        # Two parsers that read one text differently are how a check is talked past.
        for text in (url, source.url) if url.isascii() else (source.url,):
            _second_opinion(text, source)
    except ValueError as error:
        raise refuse(
            "is not a valid address; give one like https://example.org/song.mp3", error
        ) from None
    return source


def _length_sent(url: str) -> int:
    """Characters of an address in which each byte beyond ASCII is written as `%XX`."""
    size, plain = len(url.encode("utf-8", "surrogatepass")), len(url.encode("ascii", "ignore"))
    return 3 * (size - plain) + plain


def _authority(netloc: str, default_port: int) -> tuple[str, int]:
    match = _AUTHORITY.fullmatch(netloc)
    if match is None:
        raise ValueError(f"bad authority {netloc!r}")
    port = int(match[2]) if match[2] else default_port
    if not 0 < port < 65536:
        raise ValueError(f"bad port {port}")
    if match[1].startswith("["):
        return str(IPv6Address(match[1][1:-1])), port
    return host_name(match[1]), port


def _second_opinion(text: str, source: SourceUrl) -> None:
    # Loaded late: the command line checks addresses that it never fetches.
    from urllib3.util import parse_url

    other = parse_url(text)  # LocationParseError is a ValueError
    host = (other.host or "").lower()
    if host.startswith("["):
        host = str(IPv6Address(host[1:-1]))
    port = other.port or DEFAULT_PORTS.get(other.scheme or "")
    if (other.scheme, host.removesuffix("."), port) != source.origin or other.auth:
        raise ValueError(f"parsers disagree about {text!r}: {other!r}")


def is_public(address: Address) -> bool:
    """Whether an address is reachable by anyone on the Internet and no special service."""
    if isinstance(address, IPv4Address):
        refused = any(address in network for network in _REFUSED_V4)
    else:
        refused = address not in _GLOBAL_V6 or any(address in net for net in _REFUSED_V6)
    return not refused and address.is_global and not address.is_multicast


def resolve(source: SourceUrl, allow: Sequence[AllowEntry]) -> list[Address]:
    """Look the host up once; the addresses that may be connected to, in the resolver's order.

    One private address among several spoils the name, since nobody says which is used. Raises
    SourceError `source_refused` or, for an unknown host, `source_unreachable`.
    """
    try:
        found = socket.getaddrinfo(source.host, source.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceError(
            f"The host {source.host} of the source is unknown; check the address for typing "
            "mistakes.",
            code="source_unreachable",
            cause=error,
        ) from None
    addresses = list(dict.fromkeys(ip_address(item[4][0]) for item in found))
    for address in addresses:
        if not is_public(address) and not any(
            entry.admits(source.host, source.port, address) for entry in allow
        ):
            raise SourceError(
                f"The source is at {source.authority}, a private or special address that this "
                f"server does not fetch; its operator can allow it with "
                f"{ALLOW_SETTING}={source.authority}.",
                code="source_refused",
                cause=f"{source.host} is {address}",
            )
    return addresses
