"""Who calls and what needs a token, by requests as the application sees them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gmapi.access import Rate
from gmapi.errors import UnauthorizedError
from gmapi.jobs.service import JobService
from gmapi.settings import Settings
from gmapi.web.app import create_app
from gmapi.web.gate import Caller, caller, gate
from gmapi.web.protocol import without_quotations

ALICE, BOB = "alices-secret-0123", "bobs-secret-456789"
TOKENS = f"alice:{ALICE},bob:{BOB}"
DEFAULT = Rate(60, 60.0)
Asked = Callable[..., Any]


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    """Gives a context in which a request with these parts is the present one."""
    services: list[JobService] = []

    @contextmanager
    def inside(
        method: str = "GET",
        path: str = "/api/tasks",
        *,
        peer: str = "127.0.0.1",
        body: Any = None,
        headers: dict[str, str] | None = None,
        **settings: Any,
    ) -> Iterator[None]:
        chosen = Settings(data_dir=tmp_path, **settings)
        service = JobService(chosen)
        service.start()
        services.append(service)
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else None
        with create_app(chosen, service).test_request_context(
            path, method=method, data=data, headers=headers,
            environ_overrides={"REMOTE_ADDR": peer},
        ):  # fmt: skip
            yield

    yield inside
    for service in services:
        service.stop()


BEARER = {"Authorization": f"Bearer {ALICE}"}


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"headers": BEARER}, "alice"),
        ({"headers": {"Authorization": f"bearer   {BOB} "}}, "bob"),
        ({"path": f"/api/tasks?token={BOB}"}, "bob"),
        ({"path": f"/api/tasks?x=1&token={ALICE}&token=wrong"}, "alice"),
        ({"method": "POST", "path": "/api/ffmpeg", "body": {"token": BOB}}, "bob"),
        # Where several are sent, the header goes before the query and this before the body.
        ({"path": f"/api/tasks?token={BOB}", "headers": BEARER}, "alice"),
        (
            {"method": "POST", "path": f"/api/ffmpeg?token={ALICE}", "body": {"token": BOB}},
            "alice",
        ),
        # What is no token at all does not hide one: a proxy may have its own login.
        (
            {"path": f"/api/tasks?token={BOB}", "headers": {"Authorization": "Basic YTpi"}},
            "bob",
        ),
    ],
)
def test_three_ways_to_give_a_token(asked: Asked, parts: dict[str, Any], name: str) -> None:
    with asked(tokens=TOKENS, **parts):
        found = caller()
    who = f"token:{name}"
    assert found == Caller(who, who, None, is_local=False, knows_details=True)
    assert found.owner == f"token:{name}"


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({}, "is needed"),
        ({"path": "/api/tasks?token="}, "is needed"),
        ({"headers": {"Authorization": "Bearer "}}, "is needed"),
        ({"headers": {"Authorization": ALICE}}, "is needed"),
        ({"body": {"token": ALICE}}, "is needed"),  # a GET has no body
        ({"method": "POST", "body": {"token": [ALICE]}}, "is needed"),
        ({"method": "POST", "body": {"token": ""}}, "is needed"),
        ({"method": "POST", "body": b'{"token": "' + ALICE.encode()}, "is needed"),
        ({"method": "POST", "body": b"[]"}, "is needed"),
        ({"path": f"/api/tasks?token={ALICE[:-1]}"}, "not known"),
        ({"path": f"/api/tasks?token={ALICE}x"}, "not known"),
        ({"path": f"/api/tasks?token={ALICE.upper()}"}, "not known"),
        ({"path": f"/api/tasks?token=alice:{ALICE}"}, "not known"),
        ({"path": "/api/tasks?token=%ff%fe"}, "not known"),
        ({"method": "POST", "body": {"token": "é"}}, "not known"),
        # A wrong one is not made up for by another.
        ({"path": f"/api/tasks?token={ALICE}", "headers": {"Authorization": "Bearer x"}}, "not"),
    ],
)
def test_no_token_or_a_wrong_one(asked: Asked, parts: dict[str, Any], told: str) -> None:
    with asked(tokens=TOKENS, **parts):
        with pytest.raises(UnauthorizedError, match=told) as caught:
            caller()
        assert not gate().knows_details()
    assert "alice" not in str(caught.value)


def test_what_needs_a_token(asked: Asked) -> None:
    with asked(tokens=TOKENS):
        needs = gate().needs_token
        for rule in ("/api/ffmpeg", "/api/tasks", "/api/framepack", "/api/none", "/api/"):
            assert needs("GET", rule)
            assert needs("POST", rule)
            assert not needs("OPTIONS", rule)  # browsers ask it first, without their headers
        task = "/api/task/<task_id>"
        for rule in (task, f"{task}/events", f"{task}/ws"):
            assert not needs("GET", rule)
            assert not needs("HEAD", rule)
        assert needs("DELETE", task)
        assert needs("POST", f"{task}/cancel")
        assert needs("GET", f"{task}/cancel")
        for rule in ("/", "/health", "/docs", "/openapi.json", "/download/<file_id>/<name>"):
            assert not needs("GET", rule)
    with asked():
        assert not gate().needs_token("POST", "/api/ffmpeg")


NEAR = "127.0.0.1"
FAR, FAR_NETWORK = "8.8.4.4", "8.8.4.0/24"


@pytest.mark.parametrize(
    ("settings", "peer", "forwarded", "expected"),
    [
        ({}, NEAR, None, Caller(NEAR, NEAR, None, True, True)),
        # Nobody is trusted to say who calls.
        ({}, NEAR, FAR, Caller(NEAR, NEAR, None, True, True)),
        # What a trusted proxy says gives no rights, nor does its own address.
        ({"trusted_proxies": NEAR}, NEAR, FAR, Caller(FAR_NETWORK, FAR, DEFAULT, False, False)),
        ({"trusted_proxies": NEAR}, NEAR, f"{NEAR}, {FAR}:51234",
         Caller(FAR_NETWORK, FAR, DEFAULT, False, False)),
        ({"trusted_proxies": NEAR}, NEAR, NEAR, Caller(NEAR, NEAR, DEFAULT, False, False)),
        ({"trusted_proxies": "10.0.0.2"}, "10.0.0.2", "127.0.0.5",
         Caller("127.0.0.5", "127.0.0.5", DEFAULT, False, False)),
        # Where there is a proxy nobody is known to be the operator.
        ({"trusted_proxies": "10.0.0.2"}, NEAR, None, Caller(NEAR, NEAR, DEFAULT, False, True)),
        ({"host": "0.0.0.0"}, NEAR, None, Caller(NEAR, NEAR, DEFAULT, False, True)),
        ({"host": "0.0.0.0"}, FAR, NEAR, Caller(FAR_NETWORK, FAR, DEFAULT, False, False)),
        ({"host": "::"}, "2606:4700::1", None,
         Caller("2606:4700::/64", "2606:4700::1", DEFAULT, False, False)),
        ({"host": "::"}, "::ffff:8.8.4.4", None, Caller(FAR_NETWORK, FAR, DEFAULT, False, False)),
        ({"host": "0.0.0.0", "rate_limit": "off"}, FAR, None,
         Caller(FAR_NETWORK, FAR, None, False, False)),
        ({"rate_limit": "2/s"}, NEAR, None, Caller(NEAR, NEAR, Rate(2, 1.0), True, True)),
    ],
)  # fmt: skip
def test_callers_without_tokens(
    asked: Asked, settings: dict[str, str], peer: str, forwarded: str | None, expected: Caller
) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    with asked(peer=peer, headers=headers, **settings):
        assert caller() == expected
        assert caller().owner == (None if expected.is_local else expected.name)


@pytest.mark.parametrize("forwarded", [None, "unknown", "8.8.4.4, unknown", "8.8.4.4:x"])
@pytest.mark.parametrize("host", [NEAR, "0.0.0.0"])
def test_callers_whose_address_the_proxy_does_not_tell_share_limits_and_no_rights(
    asked: Asked, host: str, forwarded: str | None
) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    seen: list[Caller] = []
    for _ in range(2):
        with asked(headers=headers, host=host, trusted_proxies=NEAR):
            seen.append(caller())
            assert caller() is seen[-1]
    one, other = seen
    assert (one.client, one.rate) == (other.client, other.rate) == ("unknown", DEFAULT)
    assert (one.is_local, one.knows_details) == (False, False)
    assert one.owner != other.owner
    assert one.owner is not None


def test_neighbours_share_limits_but_not_their_tasks(asked: Asked) -> None:
    for one, other in (("8.8.4.4", "8.8.4.5"), ("2606:4700::1", "2606:4700::2")):
        seen: list[Caller] = []
        for peer in (one, other):
            with asked(peer=peer, host="::"):
                seen.append(caller())
        assert seen[0].client == seen[1].client
        assert [found.owner for found in seen] == [one, other]


def test_tokens_have_the_rate_that_the_operator_chose(asked: Asked) -> None:
    with asked(tokens=TOKENS, rate_limit="5/min", headers=BEARER):
        assert caller().rate == Rate(5, 60.0)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Invalid HTTP method: 'POST /x?token=abc'", "Invalid HTTP method"),
        ('Invalid http version: "it\'s?token=abc"', "Invalid http version"),
        ("bad header name 'x y'", "bad header name"),
        ("bad Content-Length ['1', '2']", "bad Content-Length"),
        ("Invalid content-length", "Invalid content-length"),
    ],
)
def test_what_is_logged_of_a_malformed_request(text: str, shown: str) -> None:
    assert without_quotations(text) == shown
