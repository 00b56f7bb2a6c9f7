"""Callers of one network share limits, and are strangers to each other's tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.http.origin import Origin
from support.product.server import GmapiServer

PAIRS = [("8.8.4.4", "8.8.4.5"), ("2606:4700::1", "2606:4700::2"), ("8.8.4.4", "8.8.4.40")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GmapiServer]:
    """Behind a proxy, for which the tests stand: it tells where callers come from."""
    settings = {"trusted_proxies": "127.0.0.1", "workers": 1, "rate_limit": "5/hour"}
    with GmapiServer(tmp_path_factory.mktemp("proxied"), **settings) as made:
        yield made


def told(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


def with_port(address: str) -> str:
    return f"[{address}]:1234" if ":" in address else f"{address}:1234"


def begin(server: GmapiServer, origin: Origin, name: str, address: str) -> Any:
    values = {"input_url": origin.url(f"/song.mp3?{name}"), "output_format": "dfpwm"}
    return server.post("/api/ffmpeg/async", values, headers=told(address))


def listed(server: GmapiServer, address: str) -> set[str]:
    answer = server.get("/api/tasks?limit=200", headers=told(address)).json()
    return {task["task_id"] for task in answer["tasks"]}


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_neighbours_neither_list_nor_cancel_each_others_tasks(
    server: GmapiServer, origin: Origin, one: str, other: str
) -> None:
    task = begin(server, origin, f"{one}-{other}", with_port(one)).json()["task_id"]
    assert task in listed(server, one)
    assert task not in listed(server, other)
    for method, path in (("DELETE", f"/api/task/{task}"), ("POST", f"/api/task/{task}/cancel")):
        refused = server.request(method, path, headers=told(other))
        assert (refused.status, refused.json()["error_code"]) == (403, "forbidden")
    # Whoever has its address may look at it.
    assert server.get(f"/api/task/{task}", headers=told(other)).status == 200
    assert server.post(f"/api/task/{task}/cancel", headers=told(one)).status == 200


def test_neighbours_share_the_limits_of_their_network(server: GmapiServer, origin: Origin) -> None:
    statuses = [
        begin(server, origin, f"limit{number}", f"9.9.9.{number}").status for number in range(7)
    ]
    assert statuses == [202] * 5 + [429] * 2
    assert begin(server, origin, "elsewhere", "9.9.8.1").status == 202


def test_callers_without_an_address_see_and_cancel_nothing(
    server: GmapiServer, origin: Origin
) -> None:
    task = begin(server, origin, "unknown", "9.9.7.1, unknown").json()["task_id"]
    for address in ("", "unknown", "9.9.7.1, unknown", "_hidden"):
        assert listed(server, address) == set()
        assert server.delete(f"/api/task/{task}", headers=told(address)).status == 403
    server.wait_for_task(task)
