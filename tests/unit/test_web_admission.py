"""What requests cost before they are refused, and when a client has sent too many."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from gmapi.jobs.service import JobService
from gmapi.settings import Settings
from gmapi.web import admission
from gmapi.web.admission import ADMITTED, CLIENTS_KEPT, Admission
from gmapi.web.app import create_app

MakeClient = Callable[..., FlaskClient]
FAR, NEIGHBOUR, OTHER = "8.8.4.4", "8.8.4.5", "8.8.9.9"
WRONG = {"output_format": "mp3", "input_url": "http://h/x", "args": ["-i", "x"]}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[MakeClient]:
    services: list[JobService] = []

    def make(**settings: Any) -> FlaskClient:
        chosen = Settings(data_dir=tmp_path, **settings)
        service = JobService(chosen)
        service.start()
        services.append(service)
        return create_app(chosen, service).test_client()

    yield make
    for service in services:
        service.stop()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its only entry."""
    now = [1000.0]
    monkeypatch.setattr(admission.time, "monotonic", lambda: now[0])
    return now


def post(client: FlaskClient, peer: str, path: str = "/api/ffmpeg", **options: Any) -> Any:
    body = options.pop("data", None) or json.dumps(WRONG).encode()
    return client.post(path, data=body, environ_base={"REMOTE_ADDR": peer}, **options)


def spend(client: FlaskClient, peer: str, **options: Any) -> int:
    """How many requests are looked into until the client is told to wait."""
    for number in range(ADMITTED.count + 2):
        if post(client, peer, **options).status_code == 429:
            return number
    raise AssertionError("no end of requests was found")


def test_refused_requests_are_limited_and_the_answer_says_when_to_come_back(
    client: MakeClient, clock: list[float]
) -> None:
    anonymous = client(host="0.0.0.0", rate_limit="off")
    assert post(anonymous, FAR).status_code == 403
    assert spend(anonymous, FAR) == ADMITTED.count - 1
    refused = post(anonymous, NEIGHBOUR, "/api/sanjuuni/async", data=b"{")
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert refused.json["error_code"] == "rate_limited"
    assert refused.json["error"] == refused.json["message"]
    assert "Try again in 1 s" in refused.json["error"]
    # Others, and what costs little, are not concerned.
    assert post(anonymous, OTHER).status_code == 403
    for path in ("/health", "/api/task/0123456789abcdef0123456789abcdef"):
        found = anonymous.get(path, environ_base={"REMOTE_ADDR": FAR})
        assert found.status_code in (404, 503)
    frames = {"urls": ["/frames/0123456789abcdef0123456789abcdef/frame_000001.png"]}
    for _ in range(ADMITTED.count + 1):
        pack = post(anonymous, FAR, "/api/framepack", data=json.dumps(frames).encode())
        assert pack.status_code == 404
    clock[0] += 0.1
    rate = ADMITTED.count / ADMITTED.seconds
    assert [post(anonymous, FAR).status_code for _ in range(round(rate * 0.1))] == [403] * 6
    assert post(anonymous, FAR).status_code == 429


def test_large_bodies_count_by_their_size_before_they_are_parsed(
    client: MakeClient, clock: list[float]
) -> None:
    anonymous = client(host="0.0.0.0")
    large = b"[" * 1_000_000
    assert spend(anonymous, FAR, data=large) <= 3
    chunked = {"Transfer-Encoding": "chunked"}
    overrides = {"wsgi.input_terminated": True}
    assert spend(anonymous, OTHER, data=large, headers=chunked, environ_overrides=overrides) <= 3
    assert spend(anonymous, "9.9.9.9", path="/api/framepack", data=large) <= 10


def test_wrong_tokens_are_limited_too_and_right_ones_by_their_address(
    client: MakeClient, clock: list[float]
) -> None:
    closed = client(tokens="alice:alices-secret-0123")
    assert spend(closed, FAR) == ADMITTED.count
    bearer = {"Authorization": "Bearer alices-secret-0123"}
    assert post(closed, FAR, headers=bearer).status_code == 429
    assert post(closed, OTHER, headers=bearer).status_code == 403


def test_who_is_at_the_machine_of_an_open_server_has_no_limit(
    client: MakeClient, clock: list[float]
) -> None:
    private = client()
    for _ in range(ADMITTED.count + 5):
        assert post(private, "127.0.0.1").status_code == 403


def test_callers_that_a_proxy_does_not_tell_share_one_limit(
    client: MakeClient, clock: list[float]
) -> None:
    proxied = client(trusted_proxies="127.0.0.1")
    assert spend(proxied, "127.0.0.1") == ADMITTED.count
    told = {"X-Forwarded-For": f"{FAR}:1234"}
    assert post(proxied, "127.0.0.1", headers=told).status_code == 403


def test_only_so_many_clients_are_remembered(clock: list[float]) -> None:
    counted = Admission(Settings(host="0.0.0.0"), None)  # type: ignore[arg-type]
    for number in range(CLIENTS_KEPT + 10):
        counted._take(str(number), 1)
    assert len(counted._buckets) == CLIENTS_KEPT
    assert "0" not in counted._buckets


@pytest.mark.parametrize("field", ["args", "input_args"])
def test_all_arguments_together_have_a_bound(client: MakeClient, field: str) -> None:
    private = client()
    some = ["-metadata", "title=" + "\u00e9" * 4000] * 4
    values = {"input_url": "http://8.8.8.8/x", "output_format": "mp3"}
    other = "input_args" if field == "args" else "args"
    longer = {**values, other: [], field: some * 2 + ["-metadata", "title=" + "x" * 8000]}
    for path in ("/api/ffmpeg", "/api/ffmpeg/async"):
        refused = post(private, "127.0.0.1", path, data=json.dumps(longer).encode())
        assert refused.status_code == 400
        assert refused.json["field"] == field
        assert refused.json["error"].startswith(f"{field}: all arguments together may have 65,536")
    both = {**values, "args": some, "input_args": [*some, "-metadata", "title=" + "x" * 8000]}
    refused = post(private, "127.0.0.1", data=json.dumps(both).encode())
    assert (refused.status_code, refused.json["field"]) == (400, "input_args")
    accepted = post(
        private,
        "127.0.0.1",
        "/api/ffmpeg/async",
        data=json.dumps({**values, "args": some}).encode(),
    )
    assert accepted.status_code == 202
