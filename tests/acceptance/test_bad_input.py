"""Bad input: one clear sentence in `error` and `message`, the field, the remedy, and no file."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from origin import (
    Origin,
    chunked,
    redirect,
    silent,
    slow_headers,
    status,
    trickle,
    truncated,
)
from raw_http import game_call
from server import Answer, GmapiServer, wait_for

POST_ROUTES = [
    f"/api/{tool}{suffix}"
    for tool in ("ffmpeg", "sanjuuni", "video_frame")
    for suffix in ("", "/async")
] + ["/api/framepack"]
TOOL_ROUTES = POST_ROUTES[:-1]
FFMPEG_ROUTES = POST_ROUTES[:2]
FRAME_ROUTES = POST_ROUTES[4:6]

SMALL_FETCH = 300_000
UNKNOWN_ID = "0123456789abcdef" * 2
URL = "http://127.0.0.1:1/x.mp3"
FFMPEG = {"input_url": URL, "output_format": "mp3"}
VIDEO = {"video_url": URL}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GmapiServer]:
    """A server that gives up early on slow and large sources; nothing succeeds on it."""
    folder = tmp_path_factory.mktemp("strict")
    limits = {
        "workers": 4,
        "fetch_max_bytes": SMALL_FETCH,
        "fetch_deadline": 3,
        "fetch_stall": 1.5,
        "body_max_bytes": 20_000,
        "picture_max_pixels": 1_000_000,
    }
    with GmapiServer(folder, **limits) as server:
        yield server


def assert_no_files(server: GmapiServer) -> None:
    """Nothing was published, and no work folder is left behind."""

    def leftovers() -> list[str]:
        return [
            os.path.join(folder, name)
            for top in ("files", "attempts")
            for folder, _, names in os.walk(server.data_dir / top)
            for name in names
        ]

    wait_for(lambda: not leftovers(), 10, f"a folder without {leftovers()}")


def assert_one_sentence(fields: Mapping[str, Any], field: str | None, words: str) -> None:
    """`error` and `message` are the same public sentence; it holds `words`, a pattern."""
    assert fields["status"] == "error"
    message = fields["error"]
    assert message == fields["message"]
    assert re.search(words, message), message
    assert message.endswith((".", "?", "!")), message
    assert "\n" not in message
    assert 15 < len(message) < 400
    assert "/tmp" not in message
    assert "Traceback" not in message
    if field is not None:
        assert fields["field"] == field
        assert field in message


def assert_refused(
    answer: Answer, code: int, error_code: str, field: str | None, words: str
) -> None:
    """A refusal with this status; the reason phrase is the sentence's beginning in ASCII."""
    assert answer.status == code, answer.body
    fields = answer.json()
    assert fields["error_code"] == error_code
    assert_one_sentence(fields, field, words)
    assert answer.reason.isascii()
    start = answer.reason.removesuffix("...").rstrip(".")
    assert fields["error"].encode("ascii", "replace").decode().startswith(start)
    assert answer.headers["Content-Type"] == "application/json"


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


# -- sources -------------------------------------------------------------------------------------


def unused_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def sources(origin: Origin, media_dir: Any) -> dict[str, tuple[str, str, str]]:
    """Address, error code and a pattern of the sentence of each source that cannot be had."""
    song = (media_dir / "song.mp3").read_bytes()
    film = (media_dir / "clip.mp4").read_bytes()
    noise = bytes((i * 7919 + i // 3) % 256 for i in range(50_000))
    large = b"\0" * (SMALL_FETCH + 1)
    add = origin.add
    html = b"<!doctype html><html><body>Sign in</body></html>"
    return {
        "unreachable": (f"http://127.0.0.1:{unused_port()}/a.mp3", "source_unreachable", "check"),
        "private": ("http://10.255.255.1/a.mp3", "source_refused", "GMAPI_FETCH_ALLOW="),
        "metadata": ("http://169.254.169.254/x", "source_refused", "GMAPI_FETCH_ALLOW="),
        "404": (origin.url("/none.mp3"), "source_status", "404"),
        "403": (add("/bad/403", status(403)), "source_status", "403"),
        "500": (add("/bad/500", status(500)), "source_status", "500"),
        "page": (add("/bad/page", html, content_type="text/html"), "source_not_media",
                 "a web page.*give"),
        "json": (add("/bad/json", b'{"error": "no"}'), "source_not_media", "JSON.*give"),
        "playlist": (add("/bad/list", b"#EXTM3U\nhttp://127.0.0.1/a.ts\n"), "source_not_media",
                     "playlist.*give"),
        "empty": (add("/bad/empty", b""), "source_empty", "empty"),
        "truncated": (add("/bad/cut", truncated(song, 3000)), "source_", "broke off|ended|again"),
        "unfinished chunks": (add("/bad/chunks", chunked(song, finish=False)), "source_",
                              "broke off|ended|again"),
        "too large": (add("/bad/large", large), "source_too_large", "300"),
        "too large in chunks": (add("/bad/large2", chunked(large)), "source_too_large", "300"),
        "trickle": (add("/bad/slow", trickle(song, 0.2)), "source_too_slow", "slow|took|long"),
        "silent": (add("/bad/silent", silent), "source_too_slow", "slow|sent|took|long"),
        "slow headers": (add("/bad/headers", slow_headers(0.2)), "source_", "slow|took|long"),
        "redirect in circles": (add("/bad/circle", redirect("/bad/circle")), "source_",
                                "redirect"),
        "redirect inside": (add("/bad/inside", redirect("http://10.0.0.1/")), "source_refused",
                            "GMAPI_FETCH_ALLOW="),
        "redirect to a file": (add("/bad/file", redirect("file:///etc/passwd")), "source_",
                               "redirects.*give"),
        "noise": (add("/bad/noise", noise), "", "not|no media|damaged|could not"),
        "damaged film": (add("/bad/film", film[:2000] + noise), "", "damaged|incomplete|could"),
    }  # fmt: skip


TOOLS: dict[str, dict[str, Any]] = {
    "ffmpeg": {"output_format": "dfpwm", "args": ["-vn", "-ac", "1"]},
    "video_frame": {"w": 64, "h": 48},
}


@pytest.fixture(scope="module")
def failed(
    strict: GmapiServer, sources: dict[str, tuple[str, str, str]]
) -> dict[tuple[str, str], Answer]:
    """The answers of both tools to all these sources, asked for at the same time."""

    def ask(case: tuple[str, str]) -> Answer:
        tool, name = case
        field = "video_url" if tool == "video_frame" else "input_url"
        return strict.post(f"/api/{tool}", {field: sources[name][0], **TOOLS[tool]})

    cases = [(tool, name) for tool in TOOLS for name in sources]
    with ThreadPoolExecutor(len(cases)) as pool:
        return dict(zip(cases, pool.map(ask, cases), strict=True))


SOURCE_NAMES = [
    "unreachable", "private", "metadata", "404", "403", "500", "page", "json",
    "playlist", "empty", "truncated", "unfinished chunks", "too large", "too large in chunks",
    "trickle", "silent", "slow headers", "redirect in circles", "redirect inside",
    "redirect to a file", "noise", "damaged film",
]  # fmt: skip


@pytest.mark.parametrize("name", SOURCE_NAMES)
@pytest.mark.parametrize("tool", TOOLS)
def test_a_source_that_cannot_be_had(
    strict: GmapiServer,
    failed: dict[tuple[str, str], Answer],
    sources: dict[str, tuple[str, str, str]],
    tool: str,
    name: str,
) -> None:
    answer = failed[tool, name]
    _, error_code, words = sources[name]
    assert answer.status == 200, answer.body
    fields = answer.json()
    assert fields["error_code"].startswith(error_code), fields
    assert_one_sentence(fields, None, words)
    # The same story by the task's own address.
    task = strict.task(fields["task_id"])
    assert task["status"] == "error"
    assert task["result"] == {}
    assert (task["error"], task["message"]) == (fields["error"], fields["error"])
    assert_no_files(strict)


def test_all_sources_are_tested(sources: dict[str, tuple[str, str, str]]) -> None:
    assert list(sources) == SOURCE_NAMES


MISFITS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no sound": ("/silent.mp4", {"output_format": "dfpwm"}, "no sound"),
    "no picture": ("/song.mp3", {"output_format": "png"}, "no picture"),
    "no subtitles": ("/clip.mp4", {"output_format": "srt"}, "no subtitles"),
    "no such stream": ("/song.mp3", {"output_format": "mp3", "args": ["-map", "0:v"]}, "-map"),
    "all left out": ("/clip.mp4", {"output_format": "mp4", "args": ["-vn", "-an"]}, "-vn"),
    "beyond the end": ("/song.mp3", {"output_format": "mp3", "input_args": ["-ss", "999"]}, "-ss"),
    "odd size": ("/clip.mp4", {"output_format": "mp4", "args": ["-vf", "scale=33:33"]}, "even"),
    "codec of another format": (
        "/clip.mp4", {"output_format": "wav", "args": ["-c:a", "libopus"]}, "codec"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_a_source_that_does_not_fit_the_arguments(
    strict: GmapiServer, origin: Origin, name: str
) -> None:
    path, values, words = MISFITS[name]
    answer = strict.post("/api/ffmpeg", {"input_url": origin.url(path), **values})
    assert answer.status == 200, answer.body
    assert_one_sentence(answer.json(), None, words)
    assert_no_files(strict)


def test_a_picture_beyond_the_limit(
    strict: GmapiServer, contract_media: Callable[[str], str], origin: Origin
) -> None:
    # A PNG's head alone: 30,000 x 30,000 pixels.
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (30_000).to_bytes(4) * 2 + b"\x08\x02\0\0\0"
    url = origin.add("/bad/giant.png", head + b"\0" * 4000)
    for route, values in (
        ("/api/ffmpeg", {"input_url": url, "output_format": "png"}),
        ("/api/video_frame", {"video_url": url}),
    ):
        fields = strict.post(route, values).json()
        assert_one_sentence(fields, None, "limit|damaged|could not|no video|picture")
    assert_no_files(strict)


def test_video_frames_of_a_song(strict: GmapiServer, origin: Origin) -> None:
    fields = strict.post("/api/video_frame", {"video_url": origin.url("/song.mp3")}).json()
    assert fields["error_code"] == "no_video"
    assert_one_sentence(fields, None, "use /api/ffmpeg")
    # Frames of a task that failed will never exist.
    frame = f"/frames/{fields['task_id']}/frame_000001.png"
    for answer in (strict.get(frame), strict.post("/api/framepack", {"urls": [frame]})):
        assert_refused(answer, 404, "not_found", None, "no frame|[Ff]rames are called")
    assert_no_files(strict)


# -- tasks, frames and files that are not there ------------------------------------------------


@pytest.mark.parametrize(
    "task_id",
    [UNKNOWN_ID, UNKNOWN_ID.upper(), "0", "x" * 32, "..%2f..", "%00", "%ff" * 32, "٣" * 32],
)
@pytest.mark.parametrize("route", ["", "/events", "/ws", "/cancel"])
def test_an_unknown_task(server: GmapiServer, task_id: str, route: str) -> None:
    method = "POST" if route == "/cancel" else "GET"
    reply = game_call(server.port, method, f"/api/task/{quoted(task_id)}{route}")
    assert reply.status == 404
    fields = reply.json()
    assert fields["error_code"] in ("not_found", "http_404")
    assert_one_sentence(fields, None, "never existed|documentation")


def quoted(text: str) -> str:
    return "".join(c if c.isascii() else "".join(f"%{b:02X}" for b in c.encode()) for c in text)


def test_a_task_that_has_expired(make_server: Callable[..., GmapiServer], origin: Origin) -> None:
    with make_server(file_expiry=0.5, cleanup_interval=0.2) as server:
        values = {"video_url": origin.url("/clip.mp4"), "w": 32, "h": 32}
        accepted = server.post("/api/video_frame/async", values).json()
        path = f"/api/task/{accepted['task_id']}"
        wait_for(lambda: server.get(path).status == 404, 30, "the task's expiry")
        frame = f"/frames/{accepted['task_id']}/frame_000001.png"
        for answer in (
            server.get(path),
            server.get(frame),
            server.post("/api/framepack", {"urls": [frame]}),
        ):
            assert_refused(answer, 404, "not_found", None, "its time has run out")
        assert_no_files(server)


@pytest.mark.parametrize("number", [281, 999_999])
def test_frames_that_will_never_exist(
    server: GmapiServer, film: dict[str, Any], number: int
) -> None:
    good, bad = (f"/frames/{film['task_id']}/frame_{n:06d}.png" for n in (1, number))
    assert_refused(server.get(bad), 404, "not_found", None, f"no frame {number}")
    pack = server.post("/api/framepack", {"urls": [good, bad]})
    assert_refused(pack, 404, "not_found", None, f"no frame {number}")


@pytest.mark.parametrize("name", ["frame_1.png", "frame_000000.png", "frame_000001.jpg", "x"])
def test_frames_of_other_names(server: GmapiServer, film: dict[str, Any], name: str) -> None:
    answer = server.get(f"/frames/{film['task_id']}/{name}")
    assert_refused(answer, 404, "not_found", None, "frame_000001.png")


def test_frames_of_a_task_that_has_none(server: GmapiServer, song: dict[str, Any]) -> None:
    frame = f"/frames/{song['task_id']}/frame_000001.png"
    for answer in (server.get(frame), server.post("/api/framepack", {"urls": [frame]})):
        assert_refused(answer, 404, "not_found", None, "no frame")


TRAVERSALS = [
    "../gmapi.db", "..%2fgmapi.db", "%2e%2e/gmapi.db", "%2e%2e%2fgmapi.db", "..%252fgmapi.db",
    "..%5cgmapi.db", "..\\gmapi.db", "....//gmapi.db", "%c0%ae%c0%ae/gmapi.db", "/etc/passwd",
    "%2fetc%2fpasswd", "//etc/passwd", "..%00/gmapi.db", "output.mp3%00.png", ".", "..", "%2e",
    "frames", "frames/0.pack", "frames%2f0.pack", "output.mp3/", "output.mp3/../../gmapi.db",
    "..;/gmapi.db", "%uff0e%uff0e/gmapi.db", "．．/gmapi.db", "con", "output.mp3:stream", "~root",
    "a" * 300, "output.MP3", ".output.mp3", "output..mp3",
]  # fmt: skip


@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_way_out_of_the_folders(
    server: GmapiServer, film: dict[str, Any], song: dict[str, Any], name: str
) -> None:
    file_id = song["file_id"]
    for start in (
        f"/download/{file_id}/", f"/frames/{film['task_id']}/", f"/download/{UNKNOWN_ID}/",
        "/download/", "/frames/", "/docs/",
    ):  # fmt: skip
        reply = game_call(server.port, "GET", start + quoted(name))
        fields = reply.json()
        assert reply.status == 404, (start, reply.body)
        assert_one_sentence(fields, None, "no |nothing|called")
    for url in (f"/frames/{film['task_id']}/{name}", f"http://h/frames/../{name}", name):
        answer = server.post("/api/framepack", {"urls": [url]})
        assert_refused(answer, 400, "bad_request", "urls", "such as /frames/")


# -- no room -----------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["queue_max", "queue_max_per_client"])
def test_a_full_queue(make_server: Callable[..., GmapiServer], origin: Origin, limit: str) -> None:
    with make_server(workers=1, **{limit: 1}) as server:

        def submit(number: int) -> Answer:
            url = origin.add(f"/wait/{number}", silent)
            return server.post("/api/ffmpeg/async", {**FFMPEG, "input_url": url})

        first = submit(1).json()["task_id"]
        wait_for(lambda: server.task(first)["status"] == "running", 20, "the first job's start")
        second = submit(2).json()["task_id"]
        full = submit(3)
        assert_refused(full, 429, "queue_full", None, "[Tt]ry again")
        assert int(full.headers["Retry-After"]) > 0
        # What exists already may be joined all the same.
        assert submit(2).json()["task_id"] == second
        for task_id in (second, first):
            assert server.post(f"/api/task/{task_id}/cancel").json()["status"] == "cancelled"
        assert submit(4).status == 202
        assert_no_files(server)


def test_a_full_disk_budget(make_server: Callable[..., GmapiServer]) -> None:
    with make_server(disk_budget=1) as server:
        kept = server.data_dir / "files" / UNKNOWN_ID
        kept.mkdir()
        (kept / "output.mp3").write_bytes(b"x" * 5000)
        for route in FFMPEG_ROUTES:
            answer = server.post(route, FFMPEG)
            assert_refused(answer, 507, "storage_full", None, "Try again later")
            assert int(answer.headers["Retry-After"]) > 0
        assert os.listdir(server.data_dir / "attempts") == []


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
    assert options.headers["access-control-allow-headers"] == "*"


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
