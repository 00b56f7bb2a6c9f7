"""Which names a server answers to, and from which pages a private one takes requests."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import HostError, SettingsError
from gmapi.hosts import is_loopback
from gmapi.settings import Settings, load_settings
from gmapi.web.address import Addresses
from gmapi.web.host_rule import HostRule

OTHERS = [
    "evil.example", "evil.example:5000", "localhost.evil.example", "127.0.0.1.evil.example",
    "xlocalhost", "host.docker.internal", "0x7f.1", "2130706433", "127.1", "localhost@x",
    "[evil]", "a b", "localhost:x", "127.0.0.1/evil", "evil.example\x1b[2J", "\u00e9.example",
]  # fmt: skip
OURS = [
    "localhost", "localhost:5000", "LOCALHOST", "localhost.", "gmapi.localhost:1", "127.0.0.1",
    "127.0.0.1:5000", "127.8.8.8:5000", "[::1]", "[::1]:5000", "192.168.1.5:5000", None,
]  # fmt: skip
ALL_INTERFACES = {"host": "0.0.0.0"}
PROXY = "10.0.0.2"
TOKENS = "alice:alices-secret-0123"


def refusal(
    asked: str | None = "localhost:5000",
    *,
    origin: str | None = None,
    peer: str = "127.0.0.1",
    forwarded: str | None = None,
    method: str = "POST",
    **settings: Any,
) -> str | None:
    """Why a request with this Host and Origin is refused; None if it is not."""
    made = Settings(**settings)
    environ = {"REMOTE_ADDR": peer, "HTTP_HOST": asked or ""}
    if origin is not None:
        environ["HTTP_ORIGIN"] = origin
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_HOST"] = forwarded
    with Flask(__name__).test_request_context(
        "/", method=method, environ_overrides=environ
    ) as context:
        if asked is None:
            context.request.environ.pop("HTTP_HOST")
        try:
            HostRule(made, Addresses(made)).check(context.request.environ)
        except HostError as error:
            assert error.status == 421
            return error.message
        return None


@pytest.mark.parametrize("asked", OURS)
@pytest.mark.parametrize("bound", ["127.0.0.1", "::1", "localhost", "127.0.0.2"])
def test_a_private_server_answers_to_its_machine_and_to_addresses(
    bound: str, asked: str | None
) -> None:
    assert refusal(asked, host=bound) is None
    assert refusal(asked, host=bound, allowed_hosts="media.lan") is None


@pytest.mark.parametrize("asked", OTHERS)
def test_a_private_server_answers_to_no_other_name(asked: str) -> None:
    message = refusal(asked)
    assert message is not None
    assert "use localhost or its address" in message
    assert refusal(asked, allowed_hosts="media.lan") is not None
    assert refusal(asked, allowed_hosts="*") is None


def test_the_refusal_names_the_remedy_which_helps() -> None:
    message = refusal("host.docker.internal:5000")
    assert message == (
        "This server does not go by the name host.docker.internal; use localhost or its address, "
        "or let its operator set GMAPI_ALLOWED_HOSTS=host.docker.internal."
    )
    allowed = {"allowed_hosts": "Host.Docker.Internal., media.lan"}
    assert refusal("host.docker.internal:5000", **allowed) is None
    assert refusal("MEDIA.lan", **allowed) is None
    assert refusal("other.lan", **allowed) is not None


@pytest.mark.parametrize("asked", [*OURS, "evil.example", "host.docker.internal:1", "a b"])
def test_a_server_for_others_answers_to_any_name_unless_told(asked: str | None) -> None:
    assert refusal(asked, **ALL_INTERFACES) is None
    assert refusal(asked, public_url="https://media.example.org") is None
    assert refusal(asked, trusted_proxies=PROXY) is None


def test_names_that_are_given_count_on_every_server() -> None:
    for settings in (ALL_INTERFACES, {"trusted_proxies": PROXY}, {}):
        allowed = {**settings, "allowed_hosts": "media.lan"}
        assert refusal("media.lan:5000", **allowed) is None
        assert refusal("192.168.1.5:5000", **allowed) is None
        assert refusal("evil.example", **allowed) is not None
    public = {"public_url": "https://Media.example.org/x", "allowed_hosts": "media.lan"}
    assert refusal("media.example.org", **public) is None
    assert refusal("evil.example", **public) is not None


def test_behind_a_trusted_proxy_the_name_it_was_asked_for_counts() -> None:
    settings = {"trusted_proxies": PROXY, "allowed_hosts": "media.lan"}
    assert refusal("inner", peer=PROXY, forwarded="media.lan", **settings) is None
    assert refusal("media.lan", peer=PROXY, forwarded="evil.example", **settings) is not None
    assert refusal("evil.example", peer="10.9.9.9", forwarded="media.lan", **settings) is not None


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:3000", "http://127.0.0.1:5000", "https://[::1]:8443", "http://a.localhost"],
)
def test_pages_of_this_machine_may_use_a_private_server(origin: str) -> None:
    assert refusal(origin=origin) is None


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "", "http://6.6.6.6", "chrome-extension://abc", "file://",
     "http://localhost.evil.example", "https://evil.example:5000/localhost", "http://", "\x1b[2J",
     "https://localhost@evil.example"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_pages_of_others_may_not_use_a_server_without_tokens(origin: str, method: str) -> None:
    for settings in (
        {},
        ALL_INTERFACES,
        {"host": "192.168.1.5"},
        {"public_url": "https://media.example.org"},
        {"trusted_proxies": PROXY},
    ):
        message = refusal(origin=origin, method=method, **settings)
        assert message is not None
        assert message.startswith("This server takes no requests from pages of ")
        assert message.isprintable()
        assert refusal(origin=origin, method=method, allowed_hosts="*", **settings) is None
    # Where there are tokens a page has its visitor's only if it was given it.
    for settings in (ALL_INTERFACES, {"public_url": "https://media.example.org"}):
        assert refusal(origin=origin, method=method, tokens=TOKENS, **settings) is None
    assert refusal(origin=origin, method=method, tokens=TOKENS) is not None


def test_pages_of_a_server_for_others_and_of_names_that_it_knows_may_use_it() -> None:
    lan = {"host": "0.0.0.0"}
    for own in ("192.168.1.5:5000", "[fd00::5]:5000", "nas:5000", "media.lan", "nas.local:5000"):
        assert refusal(own, origin=f"http://{own}", **lan) is None
    assert refusal("192.168.1.5:5000", origin="http://localhost:3000", **lan) is None
    known = {**lan, "allowed_hosts": "media.example.org,192.168.1.5"}
    assert refusal("192.168.1.5:5000", origin="https://media.example.org", **known) is None
    assert refusal("192.168.1.5:5000", origin="https://other.example.org", **known) is not None
    public = {**lan, "public_url": "https://media.example.org/gm"}
    assert refusal("192.168.1.5:5000", origin="https://media.example.org", **public) is None
    proxied = {"trusted_proxies": PROXY, "peer": PROXY, "forwarded": "media.lan"}
    assert refusal("inner", origin="https://media.lan", **proxied) is None
    assert refusal("inner", origin="https://inner", **proxied) is not None


def test_a_page_whose_name_was_pointed_at_a_server_inside_may_change_nothing() -> None:
    rebound = {"asked": "evil.example:5000", "origin": "http://evil.example:5000"}
    for peer in ("127.0.0.1", "192.168.1.7", "fd00::7"):
        assert refusal(**rebound, peer=peer, host="0.0.0.0") is not None
        # To look takes the id of a task, which it cannot guess; programs send this Origin, too.
        assert refusal(**rebound, peer=peer, host="0.0.0.0", method="GET") is None
    # Who comes from outside could do the same without any page.
    assert refusal(**rebound, peer="8.8.4.4", host="0.0.0.0") is None
    assert refusal(**rebound, host="0.0.0.0", allowed_hosts="evil.example") is None


def test_pages_of_allowed_names_and_of_the_server_itself_may() -> None:
    assert refusal(origin="https://play.example", allowed_hosts="play.example") is None
    assert refusal(origin="https://other.example", allowed_hosts="play.example") is not None
    assert refusal("192.168.1.5:5000", origin="http://192.168.1.5:5000") is None
    assert refusal("192.168.1.5:5000", origin="http://192.168.1.6:5000") is not None


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_is_sent_is_let_through_or_refused_in_plain_words(host: str, origin: str) -> None:
    message = refusal(host, origin=origin)
    assert message is None or (message.isascii() and message.isprintable() and len(message) < 400)


@pytest.mark.parametrize("names", ["a b", "media.lan:5000", "http://media.lan", "*.lan", "[::1]"])
def test_names_that_are_none_are_refused_at_the_start(
    names: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GMAPI_ALLOWED_HOSTS", names)
    with pytest.raises(SettingsError, match=r"GMAPI_ALLOWED_HOSTS: .* without a port"):
        load_settings()


def test_what_loopback_is() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.3.2.1", "::1", "localhost", "x.localhost"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "192.168.1.5", "media.lan", ""]))
