"""Fuzz target: the check of source addresses."""

from __future__ import annotations

import contextlib
import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from gmapi.errors import RequestError
from gmapi.fetch.address import SourceUrl, check_url
from support.fuzzing import fuzz, mutated

ALPHABET = "ahx/:@[]%.?#\\0127-_ \t\u3002\uff10\u00ad\u2044\uff0f"
SEEDS = [
    "http://example.org/song.mp3", "https://example.org:8443/a%20b?x=1&y=%2F#z",
    "http://192.0.2.1:8000/a", "http://[2001:db8::1]:80/", "https://xn--bcher-kva.example/",
    "https://b\u00fccher.example/\u97f3.mp3", "HTTP://EXAMPLE.ORG./", "http://127.0.0.1/",
    "http://example.org@127.0.0.1/", "http://127.0.0.1\\@example.org/", "http://0x7f.1/",
    "http://2130706433/", "http://0177.0.0.1/", "http://[::ffff:127.0.0.1]/", "http://[::1%25lo]/",
    "http://\uff11\uff12\uff17.0.0.1/", "http://example.org:80@127.0.0.1:90/x", "http:///x",
    "file:///etc/passwd", "http:example.org", "https://a.example?b#c", "http://a_b.example-/",
]  # fmt: skip
PIECES = st.lists(
    st.sampled_from(
        ["http", "https", ":", "//", "/", "@", "\\", "[", "]", "127.0.0.1", "::1", "localhost",
         "example.org", ".", "..", ":80", ":0", ":99999", "%2f", "%40", "%00", "?", "#", "0x7f",
         "1", "2130706433", "\u3002", "\uff0e", "\u00df", "\t", "a" * 64, "xn--", "-", "user:pass"]
    ),
    max_size=9,
).map("".join)  # fmt: skip
URLS = st.one_of(
    mutated(SEEDS, ALPHABET),
    PIECES.map("http://".__add__),
    PIECES,
    st.text(ALPHABET, max_size=30).map("https://".__add__),
    st.text(max_size=40),
)


def accepted(text: str) -> SourceUrl | None:
    try:
        return check_url(text)
    except RequestError as error:
        assert error.field == "input_url"
        assert error.message.isprintable()
        return None


@fuzz
@given(URLS)
def test_two_parsers_see_the_same_in_what_is_accepted(text: str) -> None:
    source = accepted(text)
    if source is None:
        return
    readings = [source.url, *([text] if text.isascii() else [])]
    for reading in readings:
        standard, other = urlsplit(reading), parse_url(reading)
        port = {"http": 80, "https": 443}[source.scheme]
        hosts = {_host(standard.hostname), _host(other.host)}
        assert hosts == {source.host}
        assert {standard.port or port, other.port or port} == {source.port}
        assert {standard.scheme, other.scheme} == {source.scheme}
        assert (standard.username, standard.password, other.auth) == (None, None, None)
    assert accepted(source.url) == source


def _host(host: str | None) -> str:
    assert host is not None
    plain = host.strip("[]").lower().removesuffix(".")
    with contextlib.suppress(ValueError):
        return str(ip_address(plain))
    return plain


@fuzz
@given(URLS)
def test_what_is_accepted_can_be_sent_as_it_is(text: str) -> None:
    source = accepted(text)
    if source is None:
        return
    assert source.scheme in ("http", "https")
    assert 0 < source.port < 65536
    assert re.fullmatch(r"/[!-~]*", source.target)
    assert not set(source.target) & set('#\\"<>^`{|}')
    assert re.fullmatch(r"[!-~]+", source.url)
    assert source.url.startswith(f"{source.scheme}://")
    assert source.url.endswith(source.target)
    assert re.fullmatch(r"[a-z0-9._:-]+", source.host)


@fuzz
@given(URLS)
def test_a_host_that_a_resolver_could_take_for_a_number_is_that_address(text: str) -> None:
    source = accepted(text)
    if source is None:
        return
    last = source.host.rpartition(".")[2]
    if ":" in source.host:
        assert source.host == str(IPv6Address(source.host))
    elif re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last):
        assert source.host == str(IPv4Address(source.host))


@fuzz
@given(
    st.sampled_from(["http", "https"]),
    st.integers(0, 2**32 - 1).map(IPv4Address) | st.integers(0, 2**128 - 1).map(IPv6Address),
    st.none() | st.integers(1, 65535),
    st.text("abc/%20-._~", max_size=12),
)
def test_an_address_in_its_canonical_form_is_accepted(
    scheme: str, address: IPv4Address | IPv6Address, port: int | None, path: str
) -> None:
    host = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    tail = "" if port is None else f":{port}"
    source = accepted(f"{scheme}://{host}{tail}/{path}")
    assert source is not None
    assert source.host == str(address)
    assert source.port == (port or {"http": 80, "https": 443}[scheme])
