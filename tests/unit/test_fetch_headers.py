"""Headers that a caller may have sent along."""

from __future__ import annotations

import pytest

from gmapi.errors import RequestError
from gmapi.fetch.fetcher import check_headers


def test_ordinary_headers_pass() -> None:
    given = {"Authorization": "Bearer x.y", "X-Api-Key": " k ", "user-agent": "Game/1", "A": ""}
    assert check_headers(given) == {**given, "X-Api-Key": "k"}
    assert check_headers({}) == {}


@pytest.mark.parametrize(
    "name",
    ["Host", "host", "Connection", "Content-Length", "Transfer-Encoding", "TE", "Upgrade", "Range",
     "If-Range", "If-None-Match", "Accept-Encoding", "Proxy-Authorization", "Keep-Alive", "Expect",
     "Trailer", "", "a b", "a:b", "a\r\nb", "ä", "a\x00"],
)  # fmt: skip
def test_reserved_and_malformed_names_are_refused(name: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_headers({name: "x"})
    assert caught.value.field == "headers"
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\x00", "\x7f", "é", "a\tb"])
def test_values_with_control_bytes_are_refused(value: str) -> None:
    with pytest.raises(RequestError, match="X-Test"):
        check_headers({"X-Test": value})


def test_a_name_may_come_once() -> None:
    with pytest.raises(RequestError, match="twice"):
        check_headers({"X-A": "1", "x-a": "2"})


@pytest.mark.parametrize(
    "headers", [{f"X-{number}": "" for number in range(33)}, {"X-Long": "a" * 9000}]
)
def test_too_many_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(RequestError, match="at most"):
        check_headers(headers)
