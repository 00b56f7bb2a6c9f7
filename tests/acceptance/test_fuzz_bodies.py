"""Whatever is sent, the answer is no fault of the server: no 5xx but the documented ones."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from support.http.origin import Origin
from support.http.raw_http import GameCall
from support.product.server import GmapiServer, call

# 503 and 507 pass: the server is busy or full.
SERVER_FAULT = re.compile(rb"HTTP/1\.[01] 5(?!03 |07 )[0-9][0-9]")
ANSWER = re.compile(rb"HTTP/1\.1 [1-5][0-9][0-9] [\x20-\x7e]+\r\n")
PATIENCE = 15.0

TOOL_ROUTES = [
    f"/api/{tool}{suffix}" for tool in ("ffmpeg", "sanjuuni", "video_frame")
    for suffix in ("", "/async")
]  # fmt: skip
ROUTES = [*TOOL_ROUTES, "/api/framepack"]

quick = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GmapiServer]:
    """A server of its own, since the requests fill its list of tasks and its log."""
    with GmapiServer(
        tmp_path_factory.mktemp("fuzzed"), workers=1, body_max_bytes=100_000
    ) as server:
        yield server


@pytest.fixture(scope="module")
def paths(fuzzed: GmapiServer, origin: Origin) -> dict[str, str]:
    """One address of each kind, with a finished task behind it."""
    values = {"video_url": origin.url("/clip.mp4"), "w": 32, "h": 32}
    done = fuzzed.post("/api/video_frame", values).json()
    task = done["task_id"]
    return {
        "task": f"/api/task/{task}",
        "events": f"/api/task/{task}/events",
        "ws": f"/api/task/{task}/ws",
        "frame": f"/frames/{task}/frame_000001.png",
        "download": done["audio_urls"]["audio_dfpwm_url"],
        "tasks": "/api/tasks",
        "health": "/health",
        "docs": "/docs",
        "pack": "/api/framepack",
        "ffmpeg": "/api/ffmpeg",
    }


def exchange(port: int, request: bytes) -> bytes:
    """Send bytes, then nothing more; everything that comes back until the server closes."""
    received = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        # A server that has said no may close before it has read all.
        with contextlib.suppress(OSError):
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                received += data
    return bytes(received)


def assert_answered(received: bytes) -> None:
    assert ANSWER.match(received), received[:300]
    assert not SERVER_FAULT.search(received), received[:2000]


# -- bodies ------------------------------------------------------------------------------------

JSON_TEXTS = st.text() | st.sampled_from(
    ["", "\0", "\ud800", "\u00e9\u009f\u00b3", "../../etc/passwd", "http://", "-i", "A" * 9000,
     "http://127.0.0.1:1/\u0000", "http://[::1", "%00", "1e999", "\u202e", "0123456789abcdef" * 2]
)  # fmt: skip
NUMBERS = st.sampled_from(
    [0, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, -1e308, 5e-324, 0.5, 1e-9]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | NUMBERS | JSON_TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(JSON_TEXTS, inner, max_size=5),
    max_leaves=15,
)
FIELDS = [
    "input_url", "input_urls", "args", "input_args", "output_format", "headers", "no_cache",
    "max_age", "label", "output_name",
    "video_url", "w", "h", "fps", "force_resolution", "pad_to_target", "urls",
]  # fmt: skip
NOWHERE = "http://127.0.0.1:1/x"
GOOD: dict[str, Any] = {
    "input_url": NOWHERE,
    "video_url": NOWHERE,
    "output_format": "mp3",
    "urls": [f"/frames/{'0' * 32}/frame_000001.png"],
}


def assert_json_answer(server: GmapiServer, route: str, body: bytes) -> None:
    answer = call("POST", server.base + route, body=body, timeout=PATIENCE)
    assert answer.status < 500 or answer.status in (503, 507), (body, answer.body)
    fields = answer.json()
    if fields["status"] != "success":
        assert fields["status"] == "error"
        assert fields["error"] == fields["message"] != ""
        assert fields["error_code"]
    assert answer.reason.isascii()


@quick
@given(
    route=st.sampled_from(ROUTES),
    body=st.binary(max_size=300)
    | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")),
)
@example(route="/api/ffmpeg", body=b"\xff\xfe{\0}\0")
@example(route="/api/ffmpeg", body=b"[" * 100_000)
@example(route="/api/ffmpeg", body=b'{"a":' * 16_000 + b"1" + b"}" * 16_000)
@example(route="/api/framepack", body=b'{"urls":' + b"[" * 40 + b"]" * 40 + b"}")
@example(route="/api/ffmpeg", body=b'{"w":1e99999999}')
@example(route="/api/ffmpeg", body=b'{"w":' + b"9" * 90_000 + b"}")
@example(route="/api/ffmpeg", body=b'{"' + b"a" * 99_000 + b'":1}')
@example(route="/api/ffmpeg", body=b'{"a":1' + b',"a":1' * 16_000 + b"}")
def test_raw_bodies(fuzzed: GmapiServer, route: str, body: bytes) -> None:
    assert_json_answer(fuzzed, route, body)


@quick
@given(route=st.sampled_from(ROUTES), values=st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_fields_of_any_type(fuzzed: GmapiServer, route: str, values: dict[str, Any]) -> None:
    for name in ("input_url", "video_url"):
        # Tests fetch from nowhere but this machine.
        if "://" in str(values.get(name, "")):
            values[name] = NOWHERE
    values.pop("input_urls", None)
    body = json.dumps(values).encode()
    assert_json_answer(fuzzed, route, body)


@pytest.mark.parametrize("field", FIELDS)
def test_one_wrong_field_among_good_ones(fuzzed: GmapiServer, field: str) -> None:
    route = {"urls": "/api/framepack", "input_url": "/api/ffmpeg/async"}.get(
        field, "/api/video_frame/async" if field in FIELDS[7:13] else "/api/ffmpeg/async"
    )

    @quick
    @given(value=VALUES)
    def one(value: Any) -> None:
        if "://" in json.dumps(value):
            value = NOWHERE
        assert_json_answer(fuzzed, route, json.dumps({**GOOD, field: value}).encode())

    one()


@quick
@given(args=st.lists(st.sampled_from(
    ["-vf", "-af", "-filter_complex", "-map", "-ss", "-t", "-b:a", "-c:v", "-metadata", "-s", "-r",
     "scale=1:1", "0:a", "[0:v]", "10", "-10", "1e9", "00:00:01", "null", "=", ";;", "[", "'", "\\",
     "drawtext=text='%{n}'", "split[a][b]", "a=b", "48000", "-ar", "-ac", "copy", "", "-", "--"]
) | JSON_TEXTS, max_size=8))  # fmt: skip
def test_arguments_of_any_kind(fuzzed: GmapiServer, args: list[str]) -> None:
    for field in ("args", "input_args"):
        body = json.dumps({**GOOD, field: args}).encode()
        assert_json_answer(fuzzed, "/api/ffmpeg/async", body)


@quick
@given(urls=st.lists(st.one_of(
    JSON_TEXTS,
    st.from_regex(r"(https?://[a-z:\[\]@]*)?/frames/[0-9a-f]{32}/frame_[0-9]{1,9}\.png\??"),
), max_size=5))  # fmt: skip
def test_packs_of_any_frames(fuzzed: GmapiServer, urls: list[str]) -> None:
    assert_json_answer(fuzzed, "/api/framepack", json.dumps({"urls": urls}).encode())


# -- heads -------------------------------------------------------------------------------------

VALUES_OF_HEADERS = st.text(
    st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=40
) | st.sampled_from(
    ["", "0", "-1", "9" * 5000, "1" * 18, "1e5", "+5", "0x10", "1_0", "5, 5", "chunked", "gzip",
     "chunked, chunked", "identity", "bytes=0-", "bytes=-0", "bytes=5-2", "bytes=0-0,2-3",
     "bytes=" + "9" * 400 + "-", "bytes=-" + "9" * 400, "bytes=0-" + "9" * 400, "items=0-1",
     "bytes=" + "0-1," * 2000, '"', 'W/"x"', "*", "Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 99 Foo",
     "Sat, 31 Dec 9999999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 +9999999999999",
     "100-continue", "upgrade", "websocket", "keep-alive", "a:b:c", "[::1]:99999", "x" * 8000]
)  # fmt: skip
NAMES = [
    "Host", "Range", "If-Range", "If-None-Match", "If-Modified-Since", "Last-Event-ID", "Cookie",
    "Content-Length", "Transfer-Encoding", "Expect", "Upgrade", "Content-Type", "Authorization",
    "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions", "X-Forwarded-For",
    "X-Forwarded-Host", "X-Forwarded-Proto", "Accept-Encoding", "Content-Encoding", "Origin",
]  # fmt: skip
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES_OF_HEADERS), max_size=4)
KINDS = st.sampled_from(
    ["task", "events", "ws", "frame", "download", "tasks", "health", "docs", "pack", "ffmpeg"]
)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"])


def head(method: str, path: str, headers: list[tuple[str, str]], version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@settings(quick, max_examples=120)
@given(
    kind=KINDS,
    method=METHODS,
    headers=HEADERS,
    body=st.sampled_from([b"", b"{}", b"2\r\n{}\r\n0\r\n\r\n", b"zz\r\n"]),
    version=st.sampled_from(["1.1", "1.0"]),
)
@example("events", "GET", [("Last-Event-ID", "9" * 5000)], b"", "1.1")
@example("ws", "GET", [("Upgrade", "websocket"), ("Connection", "Upgrade")], b"", "1.1")
@example("ffmpeg", "POST", [("Content-Length", "100")], b"{}", "1.1")
@example("ffmpeg", "POST", [("Transfer-Encoding", "chunked")], b"ffffffffffffffff\r\n", "1.1")
@example("ffmpeg", "POST", [("Content-Length", "9" * 18)], b"{}", "1.0")
def test_headers_of_any_kind(
    fuzzed: GmapiServer,
    paths: dict[str, str],
    kind: str,
    method: str,
    headers: list[tuple[str, str]],
    body: bytes,
    version: str,
) -> None:
    assert_answered(exchange(fuzzed.port, head(method, paths[kind], headers, version) + body))


HEADS = {
    "nothing": b"\r\n\r\n",
    "no version": b"GET\r\n\r\n",
    "four words": b"GET / HTTP/1.1 x\r\n\r\n",
    "version 1": b"GET / HTTP/1\r\n\r\n",
    "version 3": b"GET / HTTP/3.0\r\n\r\n",
    "version words": b"GET / HTTP/a.b\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "long path": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
    "very long path": b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\n\r\n",
    "long header": b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 300 + b"\r\n",
    "no colon": b"GET / HTTP/1.1\r\nnonsense\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\n: a\r\n\r\n",
    "blank before the colon": b"POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\nhello",
    "fold": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "two lengths": b"POST /api/ffmpeg HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length in words": b"POST /api/ffmpeg HTTP/1.1\r\nContent-Length: two\r\n\r\n{}",
    "length below zero": b"POST /api/ffmpeg HTTP/1.1\r\nContent-Length: -2\r\n\r\n{}",
    "length with underscore": b"POST /api/ffmpeg HTTP/1.1\r\nContent-Length: 0_2\r\n\r\n{}",
    "unknown coding": b"POST /api/ffmpeg HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "HEAD with a length": b"HEAD / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_heads_that_are_no_http(fuzzed: GmapiServer, name: str) -> None:
    received = exchange(fuzzed.port, HEADS[name])
    assert_answered(received)
    first, _, body = received.partition(b"\r\n\r\n")
    status = int(first.split()[1])
    assert status == (414 if "path" in name else 431 if name == "long header" else 400)
    fields = json.loads(body)
    assert fields["error_code"] == f"http_{status}"
    assert fields["error"] == fields["message"]
    assert re.search("; check|; put|; send", fields["error"])
    assert first.split(b"\r\n")[0].split(b" ", 2)[2].decode() in fields["error"] + "..." or (
        first.split(b"\r\n")[0].endswith(b"...")
    )


@quick
@given(st.binary(min_size=1, max_size=200))
def test_bytes_that_are_no_http(fuzzed: GmapiServer, request_bytes: bytes) -> None:
    received = exchange(fuzzed.port, request_bytes + b"\r\n\r\n")
    assert_answered(received)


@quick
@given(
    path=st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=60)
    | st.from_regex(r"/(api|download|frames|docs)(/[a-z0-9%._~:-]{0,40}){0,4}\??[a-z=&%0-9]{0,20}"),
    method=METHODS,
)
def test_addresses_of_any_kind(fuzzed: GmapiServer, path: str, method: str) -> None:
    path = "/" + "".join(path.encode("latin-1", "ignore").decode("latin-1").split())
    assert_answered(exchange(fuzzed.port, head(method, path, [])))


@quick
@given(query=st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=40),
       name=st.sampled_from(["since", "wait", "limit", "offset", "state", "tool"]),
       kind=st.sampled_from(["task", "tasks", "events"]))  # fmt: skip
@example("9" * 5000, "since", "task")
@example("9" * 5000, "since", "events")
@example("9" * 5000, "wait", "task")
@example("9" * 5000, "offset", "tasks")
@example("%00%ff%ed%a0%80", "tool", "tasks")
@example("1e400", "limit", "tasks")
def test_queries_of_any_kind(
    fuzzed: GmapiServer, paths: dict[str, str], query: str, name: str, kind: str
) -> None:
    target = f"{paths[kind]}?{name}={''.join(query.split())}"
    assert_answered(exchange(fuzzed.port, head("GET", target, [])))


# -- framing -----------------------------------------------------------------------------------


def test_a_body_may_come_in_chunks(fuzzed: GmapiServer) -> None:
    chunks = b'5;ext="a"\r\n{"out\r\n12\r\nput_format":"mp3"}\r\n0\r\nTrailer: x\r\n\r\n'
    sent = head("POST", "/api/ffmpeg", [("Transfer-Encoding", "chunked")]) + chunks
    assert b"input_url is required" in exchange(fuzzed.port, sent)


@pytest.mark.parametrize("upgrade", ["", "websocket", "h2c"])
def test_a_body_under_an_upgrade_label_is_read(fuzzed: GmapiServer, upgrade: str) -> None:
    # A common proxy configuration marks each request as an upgrade.
    body = b'{"output_format":"mp3"}'
    headers = [("Content-Length", str(len(body))), ("Upgrade", upgrade)]
    request = head("POST", "/api/ffmpeg", headers).replace(
        b"Connection: close", b"Connection: upgrade"
    )
    received = exchange(fuzzed.port, request + body)
    expected = b"is no WebSocket" if upgrade == "websocket" else b"input_url is required"
    assert expected in received


def test_what_is_left_of_a_refused_body_is_not_read_as_a_request(fuzzed: GmapiServer) -> None:
    smuggled = b"GET /health HTTP/1.1\r\n\r\n"
    body = b"0\r\n\r\n" + smuggled
    request = head("POST", "/api/ffmpeg", [("Transfer-Encoding", "gzip, chunked")]).replace(
        b"Connection: close\r\n", b""
    )
    received = exchange(fuzzed.port, request + body)
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("name", "value", "piece"),
    [
        ("Content-Length", "9" * 12, b"x" * 65_536),
        ("Transfer-Encoding", "chunked", b"10000\r\n" + b"x" * 65_536 + b"\r\n"),
    ],
)
def test_an_endless_body_is_refused_and_not_read_for_ever(
    fuzzed: GmapiServer, name: str, value: str, piece: bytes
) -> None:
    request = head("POST", "/api/ffmpeg", [(name, value)])
    with GameCall.bare(fuzzed.port, request + piece * 3, patience=PATIENCE) as endless:
        # The answer comes although the body goes on.
        endless.read_until(lambda: endless.received.endswith(b"}"))
        with pytest.raises(OSError):
            endless.send(piece * 500)
        reply = endless.finish()
    assert reply.status == 413
    assert reply.json()["error_code"] == "too_large"


def test_an_absolute_address_in_the_request_line(fuzzed: GmapiServer) -> None:
    # RFC 9112, 3.2.2: proxies ask like this, and servers must understand it.
    received = exchange(fuzzed.port, head("GET", "http://elsewhere:1/health?x=1", []))
    assert received.startswith(b"HTTP/1.1 200 ")


def test_a_client_that_waits_for_100_continue(fuzzed: GmapiServer) -> None:
    headers = [("Expect", "100-continue"), ("Content-Length", "2")]
    with GameCall.bare(fuzzed.port, head("POST", "/api/ffmpeg", headers)) as waiting:
        waiting.read_until(lambda: b"100 Continue\r\n\r\n" in waiting.received)
        waiting.received.clear()
        waiting.send(b"{}")
        assert waiting.finish().status == 400


def test_the_server_is_well_after_all_this(fuzzed: GmapiServer) -> None:
    assert fuzzed.get("/health").status == 200
    assert "Traceback" not in fuzzed.log_text()
    assert "internal error" not in fuzzed.log_text()
