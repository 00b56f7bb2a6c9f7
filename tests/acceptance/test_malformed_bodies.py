"""More than ninety malformed bodies on each POST route: a clear 4xx each, and a server that is well
afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gmapi.tools.registry import TOOLS
from gmapi.web.schemas import FramepackRequest
from support.http.malformed_bodies import BODIES, TOO_LARGE, WRONG_VALUES
from support.http.raw_http import GameCall, game_call
from support.http.refusals import POST_ROUTES, URL, assert_no_files, assert_one_sentence
from support.product.server import GmapiServer

MODELS = {f"/api/{tool.name}/async": tool.request for tool in TOOLS.values()}
FIELDS = [
    *((route, field) for route, model in MODELS.items() for field in model.model_fields),
    ("/api/framepack", *FramepackRequest.model_fields),
]
GOOD: dict[str, Any] = {"input_url": URL, "video_url": URL, "output_format": "mp3"}
SCREEN = {**GOOD, "output_format": "nfp"}


def test_there_are_as_many_as_promised() -> None:
    assert len(set(BODIES.values())) == len(BODIES) >= 90


@pytest.mark.parametrize("route", POST_ROUTES)
def test_bodies_that_are_no_request(strict: GmapiServer, route: str) -> None:
    for name, body in BODIES.items():
        answer = strict.post(route, body=body)
        status, code = (413, "too_large") if name in TOO_LARGE else (400, "bad_request")
        assert (answer.status, answer.json()["error_code"]) == (status, code), name
        assert_one_sentence(answer.json(), None, "send|leave|supported|allowed|nested|gives")
        assert answer.reason.isascii()
        assert answer.reason.isprintable()
    assert_well(strict)


@pytest.mark.parametrize(("route", "field"), FIELDS)
def test_a_field_of_any_other_type(strict: GmapiServer, route: str, field: str) -> None:
    good = SCREEN if "sanjuuni" in route else GOOD
    refused = 0
    for value in WRONG_VALUES:
        answer = strict.post(route, body=json.dumps({**good, field: value}).encode())
        # A few fit the field, or count as not given.
        assert answer.status in (200, 202, 400, 403, 404, 413), (value, answer.body)
        fields = answer.json()
        if answer.status >= 400:
            refused += 1
            assert_one_sentence(fields, None, "")
            assert fields["error"].isprintable(), fields["error"]
    assert refused >= len(WRONG_VALUES) // 2
    assert_well(strict)


@pytest.mark.parametrize("route", POST_ROUTES)
@pytest.mark.parametrize(
    ("framing", "sent"),
    [
        ("Content-Length: 100", b'{"w": 1}'),
        ("Content-Length: 8", b'{"w": 1'),
        ("Content-Length: 2", b'{"w": 1}'),
        ("Content-Length: 0", b'{"w": 1}'),
        ("Content-Length: -8", b'{"w": 1}'),
        ("Content-Length: 8, 8", b'{"w": 1}'),
        ("Content-Length: 8\r\nContent-Length: 9", b'{"w": 1}'),
        ("Content-Length: 0x8", b'{"w": 1}'),
        ("Content-Length: " + "9" * 17, b'{"w": 1}'),
        ("Content-Length: " + "9" * 40, b'{"w": 1}'),
        ("Transfer-Encoding: chunked", b'{"w": 1}'),
        ("Transfer-Encoding: chunked", b"8\r\n" + b'{"w": 1}'),
        ("Transfer-Encoding: chunked", b"-8\r\n" + b'{"w": 1}\r\n0\r\n\r\n'),
        ("Transfer-Encoding: chunked", b"2\r\n" + b'{"w": 1}\r\n0\r\n\r\n'),
        ("Transfer-Encoding: chunked", b"f" * 17 + b"\r\n" + b'{"w": 1}\r\n0\r\n\r\n'),
        ("Transfer-Encoding: chunked", b"8\n" + b'{"w": 1}\n0\n\n'),
        ("Transfer-Encoding: chunked", b"8 \r\n" + b'{"w": 1}\r\n0\r\n\r\n'),
        ("Transfer-Encoding: chunked", b"8;" + b"a" * 9000 + b"\r\n" + b'{"w": 1}\r\n0\r\n\r\n'),
        ("Transfer-Encoding: chunked", b"0\r\nbad trailer\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 8", b'8\r\n{"w": 1}\r\n0\r\nX'),
        ("Transfer-Encoding: gzip", b'{"w": 1}'),
        ("Transfer-Encoding: chunked, identity", b'8\r\n{"w": 1}\r\n0\r\n\r\n'),
        ("Transfer-Encoding: \x0bchunked", b'8\r\n{"w": 1}\r\n0\r\n\r\n'),
        ("X: y", b'{"w": 1}'),
    ],
)
def test_bodies_whose_framing_lies(
    strict: GmapiServer, route: str, framing: str, sent: bytes
) -> None:
    head = f"POST {route} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{framing}\r\n\r\n"
    with GameCall.bare(strict.port, head.encode() + sent) as call:
        call.end()
        reply = call.finish()
    assert 400 <= reply.status < 500, reply
    fields = reply.json()
    assert fields["status"] == "error"
    assert fields["error"] == fields["message"]


@pytest.mark.parametrize(
    "label",
    ["application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x",
     "text/plain; charset=utf-16", "application/json; charset=nonsense", "nonsense", ";;;", "\xff"],
)  # fmt: skip
def test_labels_change_nothing(strict: GmapiServer, label: str) -> None:
    for body in (b"--x\r\n\r\nx\r\n--x--\r\n", b"a=b", b"[1]"):
        reply = game_call(strict.port, "POST", "/api/ffmpeg", body, headers={"Content-Type": label})
        assert reply.status == 400
        assert reply.json()["error_code"] == "bad_request"


def test_the_server_is_well_after_all_this(strict: GmapiServer) -> None:
    assert_well(strict)
    assert "Traceback" not in strict.log_text()
    assert "internal error" not in strict.log_text()


def assert_well(server: GmapiServer) -> None:
    assert server.get("/health").status == 200
    assert_no_files(server)
