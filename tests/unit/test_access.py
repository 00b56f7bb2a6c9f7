"""Tokens, rates and clients as operators write them."""

from __future__ import annotations

import os
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.access import (
    SECRET_MIN,
    Mode,
    Rate,
    Token,
    client_network,
    parse_rate,
    parse_tokens,
)
from gmapi.errors import SettingsError
from gmapi.hosts import is_loopback
from gmapi.settings import Settings, load_settings
from gmapi.terminal.doctor import check_access

SECRET = "0123456789abcdef"
OTHER = "fedcba9876543210"
PROXY = "127.0.0.1"


def test_names_secrets_and_places() -> None:
    tokens = parse_tokens([f"alice:{SECRET}", f" {OTHER} ", "bob:with:colon:inside-it"])
    assert [token.name for token in tokens] == ["alice", "token2", "bob"]
    assert [token.secret for token in tokens] == [SECRET, OTHER, "with:colon:inside-it"]
    assert SECRET not in repr(tokens)
    assert SECRET not in str(Settings(tokens=tokens))


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        (["alice:tooshort"], "the secret of entry 1 must have 16"),
        (["alice:"], "the secret of entry 1"),
        ([SECRET[:-1]], "the secret of entry 1"),
        (["alice:" + "x" * 257], "the secret of entry 1"),
        ([f"alice:{SECRET} {SECRET}"], "the secret of entry 1 must be of ASCII"),
        ([f"alice:{SECRET}\u00e9"], "the secret of entry 1 must be of ASCII"),
        ([f"a b:{SECRET}"], "the name of entry 1"),
        ([f":{SECRET}"], "the name of entry 1"),
        ([f"a:{SECRET}", f"b:{SECRET}"], "entries 1 and 2 have the same secret"),
        ([f"a:{SECRET}", f"a:{OTHER}"], "entries 1 and 2 have the same name"),
        ([SECRET, f"token1:{OTHER}"], "entries 1 and 2 have the same name"),
        ([f"a:{SECRET}", 5], "entry 2 is not a text"),
    ],
)
def test_what_is_no_token_is_told_by_its_place(entries: list[object], told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        parse_tokens(entries)
    for entry in entries:
        for half in str(entry).split(":"):
            assert len(half) < 6 or half not in str(caught.value)


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=8, max_size=40), max_size=4))
def test_no_sentence_shows_a_secret(entries: list[str]) -> None:
    try:
        tokens = parse_tokens(entries)
    except ValueError as error:
        shown = str(error)
        assert shown.isascii()
        # No half of an entry that could be a secret stands in the sentence.
        for entry in entries:
            for half in (entry, *entry.partition(":")[::2]):
                assert len(half) < SECRET_MIN or half.strip() not in shown
    else:
        assert len({token.secret for token in tokens}) == len(entries)
        assert all(len(token.secret) >= SECRET_MIN for token in tokens)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No settings from anywhere."""
    for name in list(os.environ):
        if name.startswith("GMAPI_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_tokens_from_the_environment_a_flag_and_a_file(
    alone: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = (Token("alice", SECRET), Token("token2", OTHER))
    (tmp_path / "gmapi.toml").write_text(f'tokens = ["alice:{SECRET}", "{OTHER}"]')
    assert load_settings().tokens == expected
    alone.setenv("GMAPI_TOKENS", f"alice:{SECRET}, {OTHER},")
    (tmp_path / "gmapi.toml").unlink()
    assert load_settings().tokens == expected
    assert load_settings({"tokens": f"bob:{SECRET}"}).tokens == (Token("bob", SECRET),)
    # The client's variable is no setting, and no mistake either.
    alone.setenv("GMAPI_TOKEN", SECRET)
    load_settings()


@pytest.mark.parametrize(
    "given", ["alice:short-secret", "alice:0123456789abcdef,b:0123456789abcdef"]
)
def test_a_wrong_token_keeps_the_server_from_starting_without_being_shown(
    alone: pytest.MonkeyPatch, given: str
) -> None:
    alone.setenv("GMAPI_TOKENS", given)
    with pytest.raises(SettingsError, match=r"^GMAPI_TOKENS: ") as caught:
        load_settings()
    assert "short-secret" not in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("off", None),
        (" OFF ", None),
        ("30/min", Rate(30, 60.0)),
        ("30 / MIN", Rate(30, 60.0)),
        ("2/s", Rate(2, 1.0)),
        ("1/second", Rate(1, 1.0)),
        ("500/hour", Rate(500, 3600.0)),
    ],
)
def test_rates(text: str, rate: Rate | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "30", "0/min", "-1/s", "1.5/s", "30/day", "x/min", "9999999/s"]
)
def test_what_is_no_rate(text: str, alone: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="such as 30/min"):
        parse_rate(text)
    if text:
        alone.setenv("GMAPI_RATE_LIMIT", text)
        with pytest.raises(SettingsError, match=r"GMAPI_RATE_LIMIT: give off, or a number per"):
            load_settings()


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("8.8.4.4", "8.8.4.0/24"),
        ("::ffff:8.8.4.4", "8.8.4.0/24"),
        ("127.0.0.2", "127.0.0.2"),
        ("192.168.1.5", "192.168.1.5"),
        ("100.64.0.1", "100.64.0.1"),
        ("2606:4700:1:2:3:4:5:6", "2606:4700:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("unknown", "unknown"),
        ("x" * 100, "x" * 64),
    ],
)
def test_what_counts_as_one_client(address: str, client: str) -> None:
    assert client_network(address) == client


@given(st.ip_addresses())
def test_an_address_belongs_to_its_client(address: Any) -> None:
    client = client_network(str(address))
    assert len(client) <= 64
    plain = getattr(address, "ipv4_mapped", None) or address
    assert ip_address(str(plain)) in ip_network(client)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.3.4.5", True),
        ("localhost", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("media.lan", False),
    ],
)
def test_who_can_reach_a_host(host: str, local: bool) -> None:
    assert is_loopback(host) is local
    assert Settings(host=host).listens_locally is local


def test_the_mode_and_its_sentence() -> None:
    tokens = f"alice:{SECRET},bob:{OTHER}"
    assert Settings().access_mode is Mode.OPEN
    assert Settings(trusted_proxies=PROXY).access_mode is Mode.ANONYMOUS
    public = Settings(host="0.0.0.0")
    assert public.access_mode is Mode.ANONYMOUS
    assert "ANONYMOUS" in public.access_text
    assert "60/min" in public.access_text
    assert "GMAPI_TOKENS" in public.access_text
    assert "any number" in Settings(host="0.0.0.0", rate_limit="off").access_text
    closed = Settings(host="0.0.0.0", tokens=tokens)
    assert closed.access_mode is Mode.TOKENS
    assert "alice, bob" in closed.access_text
    assert SECRET not in closed.access_text


def test_who_is_limited_without_a_word_of_the_operator() -> None:
    assert Settings().submission_rate(anonymous=False) is None
    assert Settings().submission_rate(anonymous=True) == Rate(60, 60.0)
    for anonymous in (False, True):
        assert Settings(rate_limit="off").submission_rate(anonymous=anonymous) is None
        chosen = Settings(rate_limit="2/s").submission_rate(anonymous=anonymous)
        assert chosen == Rate(2, 1.0)


@pytest.mark.parametrize(
    ("settings", "state", "told"),
    [
        ({}, "ok", "everyone at this machine"),
        ({"host": "0.0.0.0"}, "warning", "set GMAPI_TOKENS="),
        ({"trusted_proxies": PROXY}, "warning", "set GMAPI_TOKENS="),
        ({"tokens": f"alice:{SECRET}"}, "ok", "(alice)"),
        ({"tokens": f"alice:{SECRET}", "host": "0.0.0.0"}, "warning", "can read"),
        ({"tokens": f"alice:{SECRET}", "host": "0.0.0.0", "trusted_proxies": PROXY}, "ok", "alice"),
        (
            {"tokens": f"alice:{SECRET}", "host": "::", "public_url": "https://example.org"},
            "ok",
            "(alice)",
        ),
    ],
)
def test_what_doctor_says(
    alone: pytest.MonkeyPatch, settings: dict[str, str], state: str, told: str
) -> None:
    check = check_access(Settings(**settings))
    assert check.state == state
    assert told in check.text
    assert (check.remedy is None) is (state == "ok")
    assert SECRET not in repr(check)
    # The variable of the command line protects no server.
    alone.setenv("GMAPI_TOKEN", SECRET)
    mistaken = check_access(Settings(**settings)).text
    assert ("not what a server asks" in mistaken) is ("tokens" not in settings)
