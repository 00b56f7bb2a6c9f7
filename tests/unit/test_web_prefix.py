"""A server behind a path, as its own address or a trusted proxy tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from gmapi.jobs.service import JobService
from gmapi.settings import Settings
from gmapi.web.app import create_app

FRAME = "/frames/0123456789abcdef0123456789abcdef/frame_000001.png"
PUBLIC = "https://media.example.org/gm"
PROXIED = {
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Host": "media.example.org",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/gm/",
}


@pytest.fixture(params=["public_url", "trusted proxy"])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[FlaskClient, Any]]:
    """A client of a server that knows its prefix by one way, and the headers to be sent."""
    by_url = request.param == "public_url"
    ways: dict[str, Any] = {"public_url": PUBLIC} if by_url else {"trusted_proxies": "127.0.0.1"}
    settings = Settings(data_dir=tmp_path, **ways)
    service = JobService(settings)
    service.start()
    yield create_app(settings, service).test_client(), ({} if by_url else PROXIED)
    service.stop()


@pytest.mark.parametrize(
    ("url", "status"),
    [
        (PUBLIC + FRAME, 404),  # a frame, of a task that does not exist
        ("/gm" + FRAME, 404),
        (FRAME, 404),
        (FRAME + "?x=1", 404),
        (f"http://127.0.0.1:5000{FRAME}", 404),
        ("/other" + FRAME, 400),
        ("/gm/gm" + FRAME, 400),
        ("/g" + FRAME, 400),
        ("/gmx" + FRAME, 400),
        ("gm" + FRAME, 400),
        ("/gm/.." + FRAME, 400),
        ("/gm/frames/../../etc/passwd", 400),
    ],
)
def test_framepack_knows_addresses_with_and_without_the_prefix(
    told: tuple[FlaskClient, Any], url: str, status: int
) -> None:
    client, headers = told
    answer = client.post("/api/framepack", json={"urls": [url]}, headers=headers)
    assert answer.status_code == status, answer.json


def test_all_that_names_the_server_has_the_prefix(told: tuple[FlaskClient, Any]) -> None:
    client, headers = told
    index = client.get("/", headers=headers).json
    assert index["health"] == f"{PUBLIC}/health"
    assert all(url.startswith(f"{PUBLIC}/api/") for url in index["tools"])
    for place in ("/openapi.json", "/docs/openapi.json"):
        assert client.get(place, headers=headers).json["servers"] == [{"url": "/gm"}]


def test_without_a_prefix_the_server_is_at_the_root(tmp_path: Path) -> None:
    service = JobService(Settings(data_dir=tmp_path))
    service.start()
    client = create_app(service.settings, service).test_client()
    assert client.get("/openapi.json", headers=PROXIED).json["servers"] == [{"url": "/"}]
    service.stop()
