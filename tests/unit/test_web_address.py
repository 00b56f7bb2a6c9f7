"""The address of this server in its answers, and who asks (contract rule A7)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask, request
from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import SettingsError
from gmapi.hosts import is_address
from gmapi.settings import Settings, load_settings
from gmapi.web.address import UNKNOWN, Addresses

PROXY = "10.0.0.2"


@contextmanager
def asked(
    host: str | None = None, *, peer: str = "192.0.2.7", port: str = "5000", **headers: str
) -> Iterator[None]:
    """Inside a request with these headers (`X_Forwarded_For="..."`) that came to our port."""
    sent = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    if host is not None:
        sent["HTTP_HOST"] = host
    with Flask(__name__).test_request_context(
        "/", environ_overrides={"REMOTE_ADDR": peer, "SERVER_NAME": "media.lan", **sent}
    ) as context:
        context.request.environ["SERVER_PORT"] = port
        if host is None:
            context.request.environ.pop("HTTP_HOST", None)
        yield


def addresses(**settings: Any) -> Addresses:
    return Addresses(Settings(**settings))


def base(host: str | None = None, *, trusted: str = "", **options: str) -> str:
    with asked(host, **options):
        return addresses(trusted_proxies=trusted).base(request.environ)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("example.org:5000", "http://example.org:5000"),
        ("example.org:8080", "http://example.org:8080"),
        ("192.0.2.1:5000", "http://192.0.2.1:5000"),
        ("[2001:db8::1]:5000", "http://[2001:db8::1]:5000"),
        # The trap: the emulator sends no port.
        ("localhost", "http://localhost:5000"),
        ("localhost:", "http://localhost:5000"),
        ("[::1]", "http://[::1]:5000"),
        (None, "http://media.lan:5000"),
    ],
)
def test_the_host_header_with_our_port_where_it_has_none(host: str | None, expected: str) -> None:
    assert base(host) == expected


@pytest.mark.parametrize("port", ["80", "443"])
def test_the_usual_ports_are_not_added(port: str) -> None:
    assert base("example.org", port=port) == "http://example.org"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example/path",
        "evil.example@x",
        "a b",
        "a,b",
        "",
        "x:y",
        "x:99999",
        "x:123456",
        "[::1",
        "<script>",
        "é.example",
        "a\r\n b",
        "[evil]",
    ],
)
def test_a_host_that_is_none_is_not_repeated(host: str) -> None:
    assert base(host) == "http://media.lan:5000"


def test_a_server_name_that_is_an_ipv6_address_gets_brackets() -> None:
    with asked("?"):
        request.environ["SERVER_NAME"] = "::1"
        assert addresses().base(request.environ) == "http://[::1]:5000"


@given(st.text(max_size=60))
def test_whatever_the_host_is_the_base_is_an_address(host: str) -> None:
    parts = urlsplit(base(host))
    assert parts.scheme == "http"
    assert parts.hostname
    assert parts.port is None or 0 <= parts.port <= 65535
    assert (parts.path, parts.query, parts.fragment, parts.username) == ("", "", "", None)


def test_a_public_url_wins() -> None:
    with asked("example.org", peer=PROXY, x_forwarded_host="other.example"):
        found = addresses(public_url="https://media.example.org/gmapi/", trusted_proxies=PROXY)
        assert found.base(request.environ) == "https://media.example.org/gmapi"


def test_forwarded_headers_of_strangers_are_ignored() -> None:
    headers = {"x_forwarded_host": "evil.example", "x_forwarded_proto": "https"}
    assert base("example.org:5000", **headers) == "http://example.org:5000"
    assert base("example.org:5000", trusted=PROXY, **headers) == "http://example.org:5000"


@pytest.mark.parametrize("peer", [PROXY, "::ffff:10.0.0.2"])
@pytest.mark.parametrize("trusted", [PROXY, "10.0.0.0/8", "192.168.0.1,10.0.0.0/24"])
def test_forwarded_headers_of_a_trusted_proxy_count(peer: str, trusted: str) -> None:
    found = base(
        "inner:5000",
        peer=peer,
        trusted=trusted,
        x_forwarded_host="media.example.org",
        x_forwarded_proto="HTTPS",
    )
    assert found == "https://media.example.org"


@pytest.mark.parametrize("proxies", ["proxy.lan", "10.0.0.0/33", "10.0.0.1:80", "127.0.0.1,x"])
def test_a_proxy_that_is_no_network_is_refused_at_the_start(
    proxies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GMAPI_TRUSTED_PROXIES", proxies)
    with pytest.raises(SettingsError, match=r"GMAPI_TRUSTED_PROXIES: .* IPv4 or IPv6 network"):
        load_settings()


def test_the_nearest_proxy_has_the_last_word() -> None:
    found = base(
        "inner",
        peer=PROXY,
        trusted=PROXY,
        x_forwarded_host="evil.example, media.example.org:8443",
        x_forwarded_proto="http, https",
    )
    assert found == "https://media.example.org:8443"


def test_behind_a_proxy_our_own_port_is_not_added() -> None:
    assert base("media.example.org", peer=PROXY, trusted=PROXY) == "http://media.example.org"


def test_nonsense_from_a_trusted_proxy_is_not_repeated() -> None:
    found = base(
        "inner", peer=PROXY, trusted=PROXY, x_forwarded_host="a/b", x_forwarded_proto="ftp"
    )
    assert found == "http://media.lan:5000"


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        (PROXY, "198.51.100.1", "198.51.100.1"),
        (PROXY, "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        (PROXY, "198.51.100.1, 10.0.0.9", "198.51.100.1"),
        (PROXY, "10.0.0.9", "10.0.0.9"),
        # With ports and brackets, as some proxies write them.
        (PROXY, "198.51.100.1:51234", "198.51.100.1"),
        (PROXY, "nonsense,198.51.100.1:51234 , 10.0.0.9:80", "198.51.100.1"),
        (PROXY, "2001:db8::5", "2001:db8::5"),
        (PROXY, "2001:DB8:0::5", "2001:db8::5"),
        (PROXY, "[2001:db8::5]", "2001:db8::5"),
        (PROXY, "[2001:db8::5]:567", "2001:db8::5"),
        (PROXY, '"[2001:db8::5]:567"', "2001:db8::5"),
        (PROXY, "::ffff:198.51.100.1", "198.51.100.1"),
        (PROXY, "[::ffff:10.0.0.9]:1, 10.0.0.8", "10.0.0.9"),
        # What cannot be read is never the proxy itself, nor what stands left of it.
        (PROXY, "", UNKNOWN),
        (PROXY, " , ", UNKNOWN),
        (PROXY, "198.51.100.1,", UNKNOWN),
        (PROXY, "198.51.100.1, unknown", UNKNOWN),
        (PROXY, "198.51.100.1, _hidden", UNKNOWN),
        (PROXY, "nonsense, 10.0.0.9", UNKNOWN),
        (PROXY, "127.0.0.1:", UNKNOWN),
        (PROXY, "127.0.0.1:x", UNKNOWN),
        (PROXY, "127.0.0.1:123456", UNKNOWN),
        (PROXY, "127.0.0.1:1:1", UNKNOWN),
        (PROXY, "[127.0.0.1", UNKNOWN),
        (PROXY, "[2001:db8::5]x", UNKNOWN),
        (PROXY, "[2001:db8::5]:", UNKNOWN),
        (PROXY, "for=198.51.100.1", UNKNOWN),
        (PROXY, "1" * 5000, UNKNOWN),
        ("::ffff:10.0.0.2", "198.51.100.1:1", "198.51.100.1"),
    ],
)
def test_the_caller_is_the_last_hop_that_is_no_proxy(
    peer: str, forwarded: str, client: str
) -> None:
    headers = {"x_forwarded_for": forwarded} if forwarded else {}
    with asked("h", peer=peer, **headers):
        assert addresses(trusted_proxies="10.0.0.0/8").client(request.environ) == client


@given(st.text(max_size=80))
def test_whatever_a_proxy_sends_the_caller_is_never_the_proxy(forwarded: str) -> None:
    with asked("h", peer=PROXY, x_forwarded_for=forwarded):
        found = addresses(trusted_proxies=PROXY).client(request.environ)
    assert found == UNKNOWN or (is_address(found) and found != PROXY) or PROXY in forwarded


def test_the_operator_is_told_once_of_a_proxy_that_tells_no_addresses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = addresses(trusted_proxies=PROXY)
    for _ in range(3):
        with asked("h", peer=PROXY):
            found.client(request.environ)
    assert [record.message for record in caplog.records] == [
        "a proxy of GMAPI_TRUSTED_PROXIES sends no X-Forwarded-For that can be read: all its "
        "callers count as one, who can list and cancel nothing"
    ]


# -- behind a path ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "prefix"),
    [
        ("/gm", "/gm"),
        ("/gm/", "/gm"),
        ("/a/b-c_d.e~1", "/a/b-c_d.e~1"),
        ("/outer, /gm", "/gm"),
        ("/", ""),
        ("", ""),
        ("gm", ""),
        ("//evil.example", ""),
        ("/gm//x", ""),
        ("/../x", ""),
        ("/gm/..", ""),
        ("/.", ""),
        ("/gm?x", ""),
        ("/gm#x", ""),
        ("/g m", ""),
        ("/gm%0d%0a", ""),
        ("/<script>", ""),
        ("/\u00e9", ""),
        ("http://evil.example/gm", ""),
        ("/" + "a" * 500, ""),
    ],
)
def test_a_trusted_proxy_tells_the_path_before_ours(sent: str, prefix: str) -> None:
    headers = {"x_forwarded_prefix": sent}
    found = base("media.example.org", peer=PROXY, trusted=PROXY, **headers)
    assert found == f"http://media.example.org{prefix}"
    assert base("media.example.org:5000", trusted=PROXY, **headers) == (
        "http://media.example.org:5000"
    )


def test_the_prefix_is_that_of_the_public_url_or_of_the_mount() -> None:
    with asked("example.org", peer=PROXY, x_forwarded_prefix="/other"):
        found = addresses(public_url="https://media.example.org/gm/", trusted_proxies=PROXY)
        assert found.prefix(request.environ) == "/gm"
        assert addresses(trusted_proxies=PROXY).prefix(request.environ) == "/other"
        assert addresses().prefix(request.environ) == ""
        request.environ["SCRIPT_NAME"] = "/mounted here"
        assert addresses().base(request.environ) == "http://example.org:5000/mounted%20here"


def test_a_caller_without_an_address_is_unknown() -> None:
    with asked("h", peer=""):
        assert addresses(trusted_proxies=PROXY).client(request.environ) == "unknown"
