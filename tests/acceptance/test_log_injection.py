"""Nothing a caller or a source chooses reaches the log, a header or a message raw."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.http.origin import Exchange, Origin
from support.http.raw_http import GameCall, Reply, game_call
from support.http.refusals import POST_ROUTES, URL
from support.product.server import GmapiServer

FORGED = "2026-01-01T00:00:00 [info     ] forged entry"
# A line end and an entry behind it, a terminal's clear screen and its title, a bell, bytes of the
# second control set, and a mark that turns text around.
HOSTILE = f"x\r\n{FORGED}\x1b[2J\x1b]0;pwned\x07\x7f\x85\x9b31m\u202ex"
BYTES = HOSTILE.encode()
RAW = [*(bytes([code]) for code in (*range(9), *range(11, 32), 127)), b"\xc2\x85", b"\xc2\x9b",
       b"\xe2\x80\xae"]  # fmt: skip
FORMATS = ("text", "json")


@pytest.fixture(scope="module", params=FORMATS)
def logged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GmapiServer]:
    folder = tmp_path_factory.mktemp("logged")
    settings = {"workers": 1, "log_format": request.param, "fetch_stall": 2}
    with GmapiServer(folder, **settings) as server:
        yield server


def assert_clean(reply: Reply, received: bytes) -> None:
    head = received.partition(b"\r\n\r\n")[0]
    assert not [code for code in RAW if code in head.replace(b"\r\n", b"")]
    assert head.count(b"\r\n") == len(reply.headers), head
    assert "forged" not in reply.headers


def send(server: GmapiServer, request: bytes) -> Reply:
    with GameCall.bare(server.port, request) as call:
        call.end()
        reply = call.finish()
        assert_clean(reply, bytes(call.received))
        return reply


def test_heads(logged: GmapiServer) -> None:
    for place in (
        b"GET /%b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"%b / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/%b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: %b\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\n%b: x\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"POST /api/ffmpeg HTTP/1.1\r\nHost: localhost\r\nContent-Length: %b\r\n\r\n",
        b"POST /api/ffmpeg HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: %b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %b\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: %b\r\nConnection: close\r\n\r\n",
    ):
        send(logged, place % BYTES)
        send(logged, place % BYTES.replace(b"\r\n", b"").replace(b" ", b""))


def test_encoded_addresses(logged: GmapiServer) -> None:
    path = "".join(f"%{byte:02x}" for byte in BYTES)
    for base in ("/", "/download/", "/docs/", "/api/task/", "/frames/", "/api/tasks?tool="):
        head = f"GET {base}{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert send(logged, head.encode()).status in (200, 400, 404)


@pytest.mark.parametrize("route", POST_ROUTES)
def test_fields(logged: GmapiServer, route: str) -> None:
    good = {"input_url": URL, "video_url": URL, "output_format": "mp3"}
    wrong: list[dict[str, Any]] = [
        {field: HOSTILE}
        for field in ("input_url", "video_url", "output_format", "args", "w", "fps", "fit", "urls")
    ]
    wrong += [
        {"urls": [HOSTILE]},
        {"args": [HOSTILE]},
        {"args": [f"-{HOSTILE}", "1"]},
        {"args": ["-vf", f"{HOSTILE}=1"]},
        {"args": ["-metadata", f"title={HOSTILE}"]},
        {"headers": {HOSTILE: "x"}},
        {"headers": {"Referer": HOSTILE}},
        {"input_url": f"http://127.0.0.1:1/{HOSTILE}"},
        {HOSTILE: 1},
    ]
    for values in wrong:
        body = json.dumps({**good, **values}).encode()
        with GameCall(logged.port, "POST", route, body) as call:
            reply = call.finish()
            assert_clean(reply, bytes(call.received))
        fields = reply.json()
        if "error" in fields:
            assert fields["error"].isprintable(), fields["error"]


def test_sources(logged: GmapiServer, origin: Origin) -> None:
    def hostile(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.1 404 " + BYTES.replace(b"\r\n", b" ") + b"\r\n\r\n")

    def hostile_length(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: " + BYTES + b"\r\n\r\nx")

    def hostile_place(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.1 302 x\r\nLocation: http://\x1b[2J\x9b31m.forged.example/\r\n\r\n")

    def hostile_line(exchange: Exchange) -> None:
        exchange.raw(BYTES)

    media = b"ID3\4\0\0\0\0\x02\0TIT2\0\0\0\x60\0\0\3" + BYTES.ljust(95) + b"\0" * 500
    for number, route in enumerate([hostile, hostile_length, hostile_place, hostile_line, media]):
        origin.add(f"/hostile{number}", route)
        values = {"input_url": origin.url(f"/hostile{number}"), "output_format": "mp3"}
        answer = game_call(logged.port, "POST", "/api/ffmpeg", values).json()
        assert answer["status"] == "error"
        assert answer["error"].isprintable()
        assert str(logged.data_dir) not in answer["error"]
        task = logged.task(answer["task_id"])
        for line in [task["message"], *task["new_logs"]]:
            assert line.isprintable(), line
            assert str(logged.data_dir) not in line


def test_the_title_of_a_song_is_clean_in_the_log_of_its_task(
    logged: GmapiServer, origin: Origin
) -> None:
    values = {
        "input_url": origin.url("/song.mp3"),
        "args": ["-t", "0.1", "-metadata", f"title={HOSTILE}"],
        "output_format": "mp3",
    }
    answer = game_call(logged.port, "POST", "/api/ffmpeg", values).json()
    assert answer["status"] == "success", answer
    lines = logged.task(answer["task_id"])["new_logs"]
    assert any("forged entry" in line for line in lines)
    assert all(line.isprintable() for line in lines)


def test_the_log_afterwards(logged: GmapiServer) -> None:
    assert logged.get("/health").status == 200
    raw = logged.log_bytes()
    assert b"forged" in raw, "nothing of this was logged: the test looks in the wrong place"
    assert not [code for code in RAW if code in raw]
    for line in raw.splitlines():
        assert not line.strip().startswith(FORGED.encode()), line
        if logged.settings["log_format"] == "json" and line.strip().startswith(b"{"):
            entry = json.loads(line)
            assert all(str(value).replace("\n", "").isprintable() for value in entry.values())
    assert b"Traceback" not in raw
