"""Cookies of one download, whatever a server writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import HTTPHeaderDict

from gmapi.fetch.address import check_url
from gmapi.fetch.cookies import ALL_BYTES_MAX, COOKIE_BYTES_MAX, COOKIES_MAX, Cookies
from support.cost import cpu_below

HOME = check_url("http://www.example.org/a/b")
PLACES = [
    HOME,
    check_url("http://example.org/a/b"),
    check_url("http://wwww.example.org/a/b"),
    check_url("http://www.example.org.example.net/a/b"),
    check_url("http://www.example.org:8080/a/b"),
    check_url("http://192.0.2.1/a/b"),
    check_url("http://localhost/a/b"),
]
PIECES = st.sampled_from(
    ["a", "=", ";", " ", ",", '"', "Path", "=/", "Domain", "=.org", "=example.org", "=.example.org",
     "=www.example.org", "Secure", "Max-Age", "=-1", "=99999999999999999999", "=1" + "0" * 400,
     "Expires", "=9 Jun 99999",
     "=Thu, 01 Jan 2099 00:00:00 GMT", "Port", '="80,443"', "Version", "=1", "HttpOnly", "\x01",
     "\xe9", "\t", "$", "__Host-", "SameSite"]
)  # fmt: skip


@given(st.lists(st.lists(PIECES, max_size=12).map("".join), max_size=5))
def test_any_cookie_is_kept_or_dropped(texts: list[str]) -> None:
    cookies = Cookies()
    headers = HTTPHeaderDict()
    for text in texts:
        headers.add("Set-Cookie", text)
    cookies.keep(HOME, headers)
    for place in PLACES:
        sent = cookies.header(place, None)
        assert sent is None or (sent and not set(sent) & set("\r\n\0\x01"))
        if "example.org" not in place.host or place.host.endswith(".net") or place.port == 8080:
            assert sent is None
        assert cookies.header(place, "own=1") is not None


@pytest.mark.parametrize(
    ("domain", "home", "other"),
    [
        (".0.0.1", "http://127.0.0.1/", "http://10.0.0.1/"),
        (".0.1", "http://203.0.0.1/", "http://10.4.0.1/"),
        (".local", "http://intranet/", "http://localhost/"),
        (".local", "http://printer.local/", "http://camera.local/"),
        (".local", "http://[2001:4860::1]/", "http://[2001:4860::2]/"),
        (".org", "http://example.org/", "http://example2.org/"),
        (".co.uk", "http://example.co.uk/", "http://example2.co.uk/"),
    ],
)
def test_hosts_that_only_end_alike_share_no_cookie(domain: str, home: str, other: str) -> None:
    cookies = Cookies()
    cookies.keep(check_url(home), HTTPHeaderDict({"Set-Cookie": f"a=1; Domain={domain}"}))
    cookies.keep(check_url(home), HTTPHeaderDict({"Set-Cookie": "b=1"}))
    assert "b=1" in (cookies.header(check_url(home), None) or "")
    assert cookies.header(check_url(other), None) is None


@pytest.mark.parametrize("bad", [f"a=1; Max-Age=1{'0' * 400}", "a=1; Version=x", "=", ";"])
def test_a_cookie_that_cannot_be_read_takes_no_other_along(bad: str) -> None:
    headers = HTTPHeaderDict()
    for text in (bad, "good=2", bad):
        headers.add("Set-Cookie", text)
    cookies = Cookies()
    cookies.keep(HOME, headers)
    assert "good=2" in (cookies.header(HOME, None) or "")


def test_number_and_size_are_bounded_in_all_answers_together() -> None:
    cookies = Cookies()
    for number in range(1000):
        cookies.keep(HOME, HTTPHeaderDict({"Set-Cookie": f"c{number}=1; Path=/"}))
    assert (cookies.header(HOME, None) or "").count("=") == COOKIES_MAX
    cookies = Cookies()
    for number in range(1000):
        cookies.keep(HOME, HTTPHeaderDict({"Set-Cookie": f"c{number}=" + "x" * 1000}))
    assert len(cookies.header(HOME, None) or "") <= ALL_BYTES_MAX


def test_hostile_cookies_cost_little() -> None:
    with cpu_below(2.0):
        for piece in ("; ", " ", "=", "a=", ", ", '"', "1-", "; expires=1 1", "-", ":", "\\"):
            for name in ("a=1; expires=", "a=1; port=", "a=1; max-age=", "a=1; domain=", ""):
                cookies = Cookies()
                text = (name + piece * COOKIE_BYTES_MAX)[:COOKIE_BYTES_MAX]
                for _ in range(COOKIES_MAX):
                    cookies.keep(HOME, HTTPHeaderDict({"Set-Cookie": text}))
                cookies.header(HOME, text)
