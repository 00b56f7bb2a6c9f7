"""What stands in the head of every answer, so that no browser takes one for a page or a script."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from support.http.raw_http import GameCall, Reply, game_call
from support.http.refusals import UNKNOWN_ID
from support.product.server import GmapiServer

MEDIA_POLICY = "default-src 'none'; sandbox"
JSON_POLICY = "default-src 'none'; frame-ancestors 'none'"
# What would tell which libraries, in which versions, serve here.
TELLING = ("server", "x-powered-by", "via", "x-aspnet-version")


def assert_safe(reply: Reply, policy: str) -> None:
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"] == policy
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in reply.headers
    assert "set-cookie" not in reply.headers
    assert not set(TELLING) & set(reply.headers)
    assert "html" not in reply.headers.get("content-type", "")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/", None),
        ("GET", "/health", None),
        ("GET", "/api/tasks", None),
        ("GET", "/openapi.json", None),
        ("GET", f"/api/task/{UNKNOWN_ID}", None),
        ("GET", f"/download/{UNKNOWN_ID}/x.mp3", None),
        ("GET", "/nothing<script>", None),
        ("PUT", "/api/ffmpeg", None),
        ("OPTIONS", "/api/ffmpeg", None),
        ("POST", "/api/ffmpeg", {}),
        ("POST", "/api/framepack", {"urls": ["x"]}),
        ("GET", "/api/task/x/events", None),
        ("GET", "/docs/page.js", None),
        ("GET", "/docs/page.css", None),
    ],
)
def test_answers_that_are_no_media(
    server: GmapiServer, method: str, path: str, body: dict[str, Any] | None
) -> None:
    assert_safe(game_call(server.port, method, path, body), JSON_POLICY)


def test_answers_below_the_application(server: GmapiServer) -> None:
    with GameCall.bare(server.port, b"GET /x y z\r\n\r\n") as call:
        assert_safe(call.finish(), JSON_POLICY)


def test_media(server: GmapiServer, film: dict[str, Any], song: dict[str, Any]) -> None:
    frame = f"/frames/{film['task_id']}/frame_000001.png"
    file = urlsplit(song["download_url"]).path
    for path in (frame, file):
        for method in ("GET", "HEAD"):
            assert_safe(game_call(server.port, method, path), MEDIA_POLICY)
        for wanted in ("bytes=0-9", "bytes=999999999-"):
            assert_safe(
                game_call(server.port, "GET", path, headers={"Range": wanted}), MEDIA_POLICY
            )
    assert_safe(game_call(server.port, "POST", "/api/framepack", {"urls": [frame]}), MEDIA_POLICY)


def test_events(server: GmapiServer, film: dict[str, Any]) -> None:
    assert_safe(game_call(server.port, "GET", f"/api/task/{film['task_id']}/events"), JSON_POLICY)


def test_the_page_runs_nothing_but_its_own_files(server: GmapiServer) -> None:
    page = game_call(server.port, "GET", "/docs")
    rules = dict(
        rule.strip().partition(" ")[::2]
        for rule in page.headers["content-security-policy"].split(";")
    )
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert b"<script>" not in page.body
    assert b"onload" not in page.body
    assert b"style=" not in page.body
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["referrer-policy"] == "no-referrer"
