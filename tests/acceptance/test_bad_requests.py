"""Bad requests: one clear sentence in `error` and `message`, the field, the remedy, and no file."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from support.http.raw_http import game_call
from support.http.refusals import (
    FFMPEG,
    FFMPEG_ROUTES,
    FRAME_ROUTES,
    POST_ROUTES,
    UNKNOWN_ID,
    URL,
    VIDEO,
    assert_no_files,
    assert_one_sentence,
    assert_refused,
)
from support.product.server import GmapiServer

# -- bodies that no route takes ------------------------------------------------------------------

BODIES: dict[str, tuple[bytes, int, str, str]] = {
    "nothing": (b"", 400, "bad_request", "no body; send"),
    "blanks": (b" \r\n ", 400, "bad_request", "no body; send"),
    "form": (b"input_url=http%3A%2F%2Fx", 400, "bad_request", "not JSON: .*; send"),
    "plain text": (b"hello", 400, "bad_request", "not JSON: .* line 1, column 1; send"),
    "half": (b'{"input_url": "http://', 400, "bad_request", "not JSON: Unterminated.*; send"),
    "two": (b"{}{}", 400, "bad_request", "not JSON: Extra data.*; send"),
    "list": (b"[]", 400, "bad_request", "not a JSON object; send"),
    "text": (b'"x"', 400, "bad_request", "not a JSON object; send"),
    "number": (b"7", 400, "bad_request", "not a JSON object; send"),
    "null": (b"null", 400, "bad_request", "not a JSON object; send"),
    "nan": (b'{"w": nan}', 400, "bad_request", "nan is not a number at line 1, column 7"),
    "NaN": (b'{"w": NaN}', 400, "bad_request", "NaN is not a number"),
    "digits": (b'{"w": ' + b"1" * 5000 + b"}", 400, "bad_request", "too many digits.*; send"),
    "latin": (b'{"input_url": "\xe9"}', 400, "bad_request", "not UTF-8 text; send"),
    "utf-16": ("{}".encode("utf-16"), 400, "bad_request", "not UTF-8 text; send"),
    "surrogate": (b'{"input_url": "\\ud800"}', 400, "bad_request", "surrogate.*; leave it out"),
    "deep": (b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", 400, "bad_request", "32 levels"),
    "deeper": (b'{"a":' * 3000, 400, "bad_request", "32 levels"),
    "large": (b'{"a": "' + b"x" * 20_000 + b'"}', 413, "too_large", "20,000 bytes.*; send less"),
}


@pytest.mark.parametrize("route", POST_ROUTES)
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_request(strict: GmapiServer, route: str, name: str) -> None:
    body, code, error_code, words = BODIES[name]
    assert_refused(strict.post(route, body=body), code, error_code, None, words)
    assert_no_files(strict)


@pytest.mark.parametrize("route", POST_ROUTES)
def test_a_large_body_in_chunks_is_refused_too(strict: GmapiServer, route: str) -> None:
    # The first 20,000 bytes alone are a whole request and blanks.
    body = json.dumps({**FFMPEG, **VIDEO, "urls": []}).encode().ljust(60_000)
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part)
        for part in (body[start : start + 7000] for start in range(0, len(body), 7000))
    )
    reply = game_call(
        strict.port,
        "POST",
        route,
        chunks + b"0\r\n\r\n",
        headers={"Transfer-Encoding": "chunked"},
    )
    assert (reply.status, reply.json()["error_code"]) == (413, "too_large")
    assert_no_files(strict)


# -- fields --------------------------------------------------------------------------------------

Row = tuple[list[str], dict[str, Any], int, str, str | None, str]
REQUESTS: dict[str, Row] = {
    "no url": (FFMPEG_ROUTES, {"output_format": "mp3"}, 400, "bad_request", "input_url",
               "is required; give"),
    "null url": (FFMPEG_ROUTES, {**FFMPEG, "input_url": None}, 400, "bad_request", "input_url",
                 "is required; give"),
    "empty url": (FFMPEG_ROUTES, {**FFMPEG, "input_url": ""}, 400, "bad_request", "input_url",
                  "give"),
    "no video url": (FRAME_ROUTES, {"w": 10}, 400, "bad_request", "video_url",
                     "is required; give"),
    "empty video url": (FRAME_ROUTES, {"video_url": ""}, 400, "bad_request", "video_url", "give"),
    "no format": (FFMPEG_ROUTES, {"input_url": URL}, 400, "bad_request", "output_format",
                  'is required; give for example "dfpwm"'),
    "empty format": (FFMPEG_ROUTES, {**FFMPEG, "output_format": " "}, 400, "bad_request",
                     "output_format", "give a name such as dfpwm"),
    "unknown format": (FFMPEG_ROUTES, {**FFMPEG, "output_format": "mp33"}, 400, "bad_request",
                       "output_format", "did you mean .*mp3"),
    "page as format": (FFMPEG_ROUTES, {**FFMPEG, "output_format": "html"}, 400, "bad_request",
                       "output_format", "popular formats are"),
    "path as format": (FFMPEG_ROUTES, {**FFMPEG, "output_format": "../../x"}, 400, "bad_request",
                       "output_format", "popular formats are"),
    "format of another type": (FFMPEG_ROUTES, {**FFMPEG, "output_format": ["mp3"]}, 400,
                               "bad_request", "output_format", "must be a text"),
    "url of another type": (FFMPEG_ROUTES, {**FFMPEG, "input_url": {"a": 1}}, 400, "bad_request",
                            "input_url", "must be a text"),
    "urls of another type": (FFMPEG_ROUTES, {**FFMPEG, "input_urls": URL}, 400, "bad_request",
                             "input_urls", "must be a list"),
    "too many urls": (FFMPEG_ROUTES, {**FFMPEG, "input_urls": [URL] * 9}, 400, "bad_request",
                      "input_urls", "at most 8"),
    "one url too many": (FFMPEG_ROUTES, {**FFMPEG, "input_urls": [URL] * 8}, 400, "bad_request",
                         "input_urls", "[Aa]t most 8"),
    "args of another type": (FFMPEG_ROUTES, {**FFMPEG, "args": "-vn"}, 400, "bad_request", "args",
                             "must be a list"),
    "args of numbers": (FFMPEG_ROUTES, {**FFMPEG, "args": ["-ar", 48000]}, 400, "bad_request",
                        "args", r"args\[2\] must be a text"),
    "args as a map": (FFMPEG_ROUTES, {**FFMPEG, "args": {"ar": "48000"}}, 400, "bad_request",
                      "args", "give a list"),
    "a thousand args": (FFMPEG_ROUTES, {**FFMPEG, "args": ["-vn"] * 1001}, 400, "bad_request",
                        "args", "at most 1000"),
    "headers as a text": (FFMPEG_ROUTES, {**FFMPEG, "headers": "A: b"}, 400, "bad_request",
                          "headers", "must be an object"),
    "header with a break": (FFMPEG_ROUTES, {**FFMPEG, "headers": {"A": "b\r\nC: d"}}, 400,
                            "bad_request", "headers", "only printable ASCII"),
    "a header of ours": (FFMPEG_ROUTES, {**FFMPEG, "headers": {"Host": "x"}}, 400, "bad_request",
                         "headers", "leave it out"),
    "age below zero": (FFMPEG_ROUTES, {**FFMPEG, "max_age": -1}, 400, "bad_request", "max_age",
                       "must be at least 0"),
    "flag": (FFMPEG_ROUTES, {**FFMPEG, "no_cache": "perhaps"}, 400, "bad_request", "no_cache",
             "must be true or false"),
    "scheme": (FFMPEG_ROUTES, {**FFMPEG, "input_url": "file:///etc/passwd"}, 400, "bad_request",
               "input_url", "must begin with http"),
    "no scheme": (FFMPEG_ROUTES, {**FFMPEG, "input_url": "example.org/a.mp3"}, 400, "bad_request",
                  "input_url", "must begin with http"),
    "space": (FFMPEG_ROUTES, {**FFMPEG, "input_url": "http://x/a b"}, 400, "bad_request",
              "input_url", "write a space as %20"),
    "password": (FFMPEG_ROUTES, {**FFMPEG, "input_url": "http://me:secret@x/"}, 400,
                 "bad_request", "input_url", "leave out"),
    "nonsense host": (FFMPEG_ROUTES, {**FFMPEG, "input_url": "http://[::g]/"}, 400,
                      "bad_request", "input_url", "give one like"),
    "no host": (FFMPEG_ROUTES, {**FFMPEG, "input_url": "http:///x"}, 400, "bad_request",
                "input_url", "give one like"),
    "bad second url": (FFMPEG_ROUTES, {**FFMPEG, "input_urls": ["nonsense"]}, 400, "bad_request",
                       "input_urls[1]", "must begin with http"),
    "width zero": (FRAME_ROUTES, {**VIDEO, "w": 0}, 400, "bad_request", "w", "at least 1"),
    "width minus": (FRAME_ROUTES, {**VIDEO, "w": -5}, 400, "bad_request", "w", "at least 1"),
    "height huge": (FRAME_ROUTES, {**VIDEO, "h": 4097}, 400, "bad_request", "h", "at most 4096"),
    "height absurd": (FRAME_ROUTES, {**VIDEO, "h": 1e300}, 400, "bad_request", "h",
                      "at most 4096"),
    "width text": (FRAME_ROUTES, {**VIDEO, "w": "wide"}, 400, "bad_request", "w",
                   "must be a whole number"),
    "width flag": (FRAME_ROUTES, {**VIDEO, "w": True}, 400, "bad_request", "w", "give a number"),
    "fps zero": (FRAME_ROUTES, {**VIDEO, "fps": 0}, 400, "bad_request", "fps", "at least 0.1"),
    "fps huge": (FRAME_ROUTES, {**VIDEO, "fps": 1e9}, 400, "bad_request", "fps", "at most 60"),
    "fps list": (FRAME_ROUTES, {**VIDEO, "fps": [20]}, 400, "bad_request", "fps",
                 "must be a number"),
    "padding": (FRAME_ROUTES, {**VIDEO, "pad_to_target": 3}, 400, "bad_request", "pad_to_target",
                "must be true or false"),
    "sound for a screen": (POST_ROUTES[2:4], {"input_url": URL, "output_format": "dfpwm"}, 400,
                           "bad_request", "output_format", "use /api/ffmpeg"),
    "output flag": (POST_ROUTES[2:4], {"input_url": URL, "args": ["-o", "x"]}, 403, "refused",
                    "args", "not for requests"),
    "colour": (POST_ROUTES[2:4], {"input_url": URL, "output_format": "nfp", "background": "red"},
               400, "bad_request", "background", "six hexadecimal digits"),
    "no frames": (["/api/framepack"], {}, 400, "bad_request", "urls", "is required; give"),
    "empty pack": (["/api/framepack"], {"urls": []}, 400, "bad_request", "urls", "at least 1"),
    "large pack": (["/api/framepack"], {"urls": [f"/frames/{UNKNOWN_ID}/frame_000001.png"] * 257},
                   400, "bad_request", "urls", "at most 256"),
    "frames of numbers": (["/api/framepack"], {"urls": [1, 2]}, 400, "bad_request", "urls",
                          r"urls\[1\] must be a text"),
    "other file": (["/api/framepack"], {"urls": ["/download/x/output.png"]}, 400, "bad_request",
                   "urls", "such as /frames/"),
    "frame zero": (["/api/framepack"], {"urls": [f"/frames/{UNKNOWN_ID}/frame_000000.png"]}, 400,
                   "bad_request", "urls", "such as /frames/"),
    "unknown frame": (["/api/framepack"], {"urls": [f"/frames/{UNKNOWN_ID}/frame_000001.png"]},
                      404, "not_found", None, "no task with this id"),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_a_field_that_is_wrong(strict: GmapiServer, name: str) -> None:
    routes, values, code, error_code, field, words = REQUESTS[name]
    for route in routes:
        assert_refused(strict.post(route, values), code, error_code, field, words)
    assert_no_files(strict)


REFUSED_ARGUMENTS = [
    ["-i", "/etc/passwd"],
    ["output.mp3"],
    ["-f", "tee"],
    ["-filter_complex", "movie=/etc/passwd"],
    ["-vf", "drawtext=textfile=/etc/passwd"],
    ["-vf", "scale=99999:99999"],
    ["-no_such_option"],
    ["-t"],
    ["-s", "0x0"],
    ["-ar", "-5"],
    ["-c:a", "nonsense"],
    ["-map", "nonsense"],
]


@pytest.mark.parametrize("args", REFUSED_ARGUMENTS, ids=" ".join)
@pytest.mark.parametrize("route", FFMPEG_ROUTES)
def test_an_argument_that_is_not_allowed(strict: GmapiServer, route: str, args: list[str]) -> None:
    answer = strict.post(route, {**FFMPEG, "args": args})
    assert answer.status in (400, 403), answer.body
    fields = answer.json()
    assert fields["error_code"] in ("bad_request", "refused")
    assert fields["field"].startswith("args")
    assert_one_sentence(fields, None, re.escape(args[0]) + "|" + re.escape(args[-1][:5]))
    assert_no_files(strict)


# -- methods and addresses ----------------------------------------------------------------------

PLAIN = ["/", "/health", "/api/tasks", "/docs", "/docs/", "/openapi.json"]
ROUTES: dict[str, set[str]] = {
    **{path: {"POST"} for path in POST_ROUTES},
    f"/api/task/{UNKNOWN_ID}": {"GET", "DELETE"},
    f"/api/task/{UNKNOWN_ID}/events": {"GET"},
    f"/api/task/{UNKNOWN_ID}/cancel": {"POST"},
    f"/api/task/{UNKNOWN_ID}/ws": {"GET"},
    f"/download/{UNKNOWN_ID}/output.mp3": {"GET"},
    f"/frames/{UNKNOWN_ID}/frame_000001.png": {"GET"},
    **{path: {"GET"} for path in PLAIN},
    "/docs/openapi.json": {"GET"},
    "/docs/swagger-ui.css": {"GET"},
}
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "FOO"]


@pytest.mark.parametrize("path", ROUTES)
def test_methods(server: GmapiServer, path: str) -> None:
    allowed = ROUTES[path]
    for method in METHODS:
        if method in allowed:
            continue
        reply = game_call(server.port, method, path)
        assert reply.status == 405, (method, reply.body)
        listed = set(reply.headers["allow"].split(", "))
        assert listed >= allowed | {"OPTIONS"}
        assert method not in listed
        assert reply.json()["error_code"] == "http_405"
        assert_one_sentence(reply.json(), None, f"use .*{min(allowed)}")
    options = game_call(server.port, "OPTIONS", path)
    assert options.status == 200
    assert set(options.headers["allow"].split(", ")) >= allowed
    assert options.headers["access-control-allow-origin"] == "*"
    assert options.headers["access-control-allow-headers"] == "Authorization, *"


@pytest.mark.parametrize("path", [path for path in ROUTES if "GET" in ROUTES[path]])
def test_head_is_get_without_a_body(server: GmapiServer, path: str) -> None:
    if path.endswith("/events"):
        return  # a stream; its task is unknown here and tested above
    head, get = (game_call(server.port, method, path) for method in ("HEAD", "GET"))
    assert (head.status, head.body) == (get.status, b"")
    for name in ("content-type", "content-length"):
        # The length of /health changes with the free space of the disk.
        if (path, name) != ("/health", "content-length"):
            assert head.headers.get(name) == get.headers.get(name), name


@pytest.mark.parametrize(
    "path",
    [
        "/nothing", "/api", "/api/", "/api/ffmpeg/", "/api//ffmpeg", "/API/FFMPEG",
        "/api/ffmpeg/async/x", "/frames", "/download/x", "/docs/none.js", "/%00", "/%ff", "/*",
        "/a%0d%0aX-Evil:%201", "/index.php?x=/etc/passwd", "/.git/config", "/%E9%9F%B3", "/\xe9",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_addresses(server: GmapiServer, method: str, path: str) -> None:
    reply = game_call(server.port, method, path, {} if method == "POST" else None)
    assert reply.status in (404, 405)
    assert "x-evil" not in reply.headers
    assert_one_sentence(reply.json(), None, "/docs|use GET")


@pytest.mark.parametrize("label", ["application/json", "multipart/form-data", "nonsense", ""])
def test_a_get_with_a_content_type_and_a_body(server: GmapiServer, label: str) -> None:
    for path in ("/", "/api/tasks", f"/api/task/{UNKNOWN_ID}"):
        plain = game_call(server.port, "GET", path)
        odd = game_call(server.port, "GET", path, b"{broken", headers={"Content-Type": label})
        assert (odd.status, odd.headers["content-type"]) == (200, "application/json") or (
            odd.status == plain.status == 404
        )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("offset=99999999999999999999999", "offset"),
        ("state=done", "state"),
    ],
)
def test_the_list_of_tasks(server: GmapiServer, query: str, field: str) -> None:
    answer = server.get(f"/api/tasks?{query}")
    assert_refused(answer, 400, "bad_request", field, "must be")


@pytest.mark.parametrize(
    ("query", "field"),
    [("since=x", "since"), ("since=-1", "since"), ("wait=-1", "wait"), ("wait=nan", "wait"),
     ("wait=inf", "wait"), ("wait=soon", "wait"), ("since=%D9%A3", "since")],
)  # fmt: skip
def test_a_poll(server: GmapiServer, song: dict[str, Any], query: str, field: str) -> None:
    answer = server.get(f"/api/task/{song['task_id']}?{query}")
    assert_refused(answer, 400, "bad_request", field, "give")
