"""Section 2 of the client contract: any answer; and P3, that no answer goes silent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.http.origin import Origin, held, status
from support.http.raw_http import GameCall, Reply, game_call
from support.product.server import GmapiServer

DFPWM = {"args": ["-vn", "-ar", "48000", "-ac", "1"], "output_format": "dfpwm"}
NOWHERE = "0" * 32

Request = tuple[str, str, Any, int]

REFUSALS: dict[str, Request] = {
    "no body": ("POST", "/api/ffmpeg", b"", 400),
    "no JSON": ("POST", "/api/ffmpeg", b"input_url=x", 400),
    "a bare nan": ("POST", "/api/video_frame/async", b'{"video_url":"http://x/","w":nan}', 400),
    "a list": ("POST", "/api/ffmpeg", b"[]", 400),
    "a missing field": ("POST", "/api/video_frame/async", {"w": 1}, 400),
    "a wrong type": ("POST", "/api/ffmpeg", {"input_url": 5, **DFPWM}, 400),
    "an unknown format": (
        "POST", "/api/ffmpeg", {"input_url": "http://127.0.0.1/", "output_format": "exe"}, 400,
    ),
    "a file address": (
        "POST", "/api/ffmpeg", {"input_url": "file:///etc/passwd", **DFPWM}, 400,
    ),
    "an unknown task": ("GET", f"/api/task/{NOWHERE}", None, 404),
    "an unknown file": ("GET", f"/download/{NOWHERE}/output.dfpwm", None, 404),
    "an unknown frame": ("GET", f"/frames/{NOWHERE}/frame_000001.png", None, 404),
    "an unknown address": ("GET", "/api/nothing", None, 404),
    "an unknown pack": (
        "POST", "/api/framepack", {"urls": [f"/frames/{NOWHERE}/frame_000001.png"]}, 404,
    ),
    "the wrong method": ("GET", "/api/ffmpeg", None, 405),
    "a huge body": ("POST", "/api/ffmpeg", b"{" + b" " * 2_000_000 + b"}", 413),
}  # fmt: skip


def assert_failure(answer: Any) -> None:
    assert answer["status"] == "error"
    for name in ("error", "message"):
        assert isinstance(answer[name], str)
        assert answer[name].strip()


def nulls(value: Any, path: str = "") -> Iterator[str]:
    """Where in an answer there is a null."""
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from nulls(item, f"{path}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from nulls(item, f"{path}[{number}]")


def test_a1_what_was_made_says_exactly_success(
    server: GmapiServer, origin: Origin, song: dict[str, Any], film: dict[str, Any]
) -> None:
    assert song["status"] == "success"
    values = {"input_url": origin.url("/song.mp3"), "output_format": "mp3"}
    created = game_call(server.port, "POST", "/api/ffmpeg/async", values).json()
    joined = game_call(server.port, "POST", "/api/ffmpeg/async", values).json()
    finished = game_call(server.port, "POST", "/api/ffmpeg", values).json()
    assert [a["status"] for a in (created, joined, finished)] == ["success"] * 3
    assert joined["task_id"] == created["task_id"]


@pytest.mark.parametrize("what", REFUSALS)
def test_a2_a3_a_refusal_says_why_in_error_message_and_reason_phrase(
    server: GmapiServer, what: str
) -> None:
    method, target, body, code = REFUSALS[what]
    reply = game_call(server.port, method, target, body)
    assert reply.status == code
    assert_failure(reply.json())
    start = reply.reason.removesuffix("...")[:40]
    assert len(start) >= 10
    assert reply.json()["message"].encode("ascii", "replace").decode().startswith(start)


@pytest.mark.parametrize("what", ["gone", "text", "nobody there"])
def test_a2_a3_a_conversion_that_failed_is_a_readable_200(
    server: GmapiServer, origin: Origin, what: str
) -> None:
    origin.add("/text.mp3", b"these are words, not sound\n" * 50)
    origin.add("/gone.mp3", status(404))
    urls = {
        "gone": origin.url("/gone.mp3"),
        "text": origin.url("/text.mp3"),
        "nobody there": "http://127.0.0.1:9/song.mp3",
    }
    reply = game_call(server.port, "POST", "/api/ffmpeg", {"input_url": urls[what], **DFPWM})
    assert reply.status == 200
    assert_failure(reply.json())


def test_a4_no_answer_holds_null_and_objects_are_objects(
    server: GmapiServer, origin: Origin, song: dict[str, Any], film: dict[str, Any]
) -> None:
    origin.add("/gone.mp4", status(404))
    values = {"video_url": origin.url("/gone.mp4"), "w": 8, "h": 8}
    failed = game_call(server.port, "POST", "/api/video_frame/async", values).json()
    server.wait_for_task(failed["task_id"])
    paths = [f"/api/task/{task}" for task in (failed["task_id"], film["task_id"])]
    for path in [*paths, "/api/tasks?limit=200", "/health", "/"]:
        text = game_call(server.port, "GET", path).body
        assert list(nulls(json.loads(text))) == [], path
        tasks = [json.loads(text)] if "/task/" in path else json.loads(text).get("tasks", [])
        assert all(isinstance(task["result"], dict) for task in tasks)
    assert list(nulls(song)) == []


def test_a4_a_waiting_task_has_its_result_object(
    server: GmapiServer, origin: Origin, media_dir: Path
) -> None:
    release = threading.Event()
    origin.add("/held_a4.mp4", held((media_dir / "clip.mp4").read_bytes(), 1000, release))
    url = origin.url("/held_a4.mp4")
    # More tasks than workers: the last one waits.
    ids = [
        server.post("/api/video_frame/async", {"video_url": url, "w": 16, "h": n}).json()["task_id"]
        for n in (9, 10, 11, 12)
    ]
    try:
        tasks = [game_call(server.port, "GET", f"/api/task/{i}").json() for i in ids]
        assert tasks[-1]["status"] == "pending"
        for task in tasks:
            assert task["result"] == {}
            assert list(nulls(task)) == []
    finally:
        release.set()
    assert [server.wait_for_task(i)["status"] for i in ids] == ["completed"] * 4


def test_a5_no_address_that_a_client_builds_is_redirected(
    server: GmapiServer, film: dict[str, Any], song: dict[str, Any]
) -> None:
    task, first = film["task_id"], f"/frames/{film['task_id']}/frame_000001.png"
    # The player puts its server's name, which a user typed with a closing slash, in front.
    for path in (f"/api/task/{task}", first, urlsplit(song["download_url"]).path):
        assert game_call(server.port, "GET", path).status == 200
        assert game_call(server.port, "GET", "/" + path).status == 200
    pack = game_call(server.port, "POST", "//api/framepack", {"urls": [first]})
    assert pack.status == 200
    for path in ("/api/task", f"/api/task/{task}/", f"/api//task/{task}", "/download/", "/frames"):
        reply = game_call(server.port, "GET", path)
        assert reply.status == 404, f"{path}: {reply.headers}"
        assert_failure(reply.json())
    assert game_call(server.port, "POST", "/api//ffmpeg", {}).status in (404, 405)


def test_a6_files_have_their_length_and_are_never_compressed(
    server: GmapiServer, film: dict[str, Any], song: dict[str, Any]
) -> None:
    first = f"/frames/{film['task_id']}/frame_000001.png"
    for path in (urlsplit(song["download_url"]).path, first):
        for wanted in ({}, {"Accept-Encoding": "gzip, deflate, br"}, {"Range": "bytes=0-99"}):
            reply = game_call(server.port, "GET", path, headers=wanted)
            assert reply.headers["content-length"] == str(len(reply.body))
            assert "content-encoding" not in reply.headers
            assert "transfer-encoding" not in reply.headers
    pack = game_call(server.port, "POST", "/api/framepack", {"urls": [first]})
    assert pack.headers["content-length"] == str(len(pack.body))
    asked = {"Accept-Encoding": "gzip"}
    pack = game_call(server.port, "POST", "/api/framepack", {"urls": [first]}, headers=asked)
    assert "content-encoding" not in pack.headers
    for path in (f"/api/task/{film['task_id']}", "/health"):
        assert "content-encoding" not in game_call(server.port, "GET", path).headers


def addresses(server: GmapiServer, origin: Origin, **options: Any) -> list[str]:
    """Scheme and authority of all absolute addresses in the answers to one request."""
    values = {"input_url": origin.url("/song.mp3"), **DFPWM}
    port = server.port
    done = game_call(port, "POST", "/api/ffmpeg", values, **options).json()
    begun = game_call(port, "POST", "/api/ffmpeg/async", values, **options).json()
    task = game_call(port, "GET", f"/api/task/{begun['task_id']}", **options).json()
    urls = [done["download_url"], begun["status_url"], task["result"]["download_url"]]
    return ["{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in urls]


def test_a7_addresses_are_built_from_the_host_that_was_asked(
    server: GmapiServer, origin: Origin
) -> None:
    port = server.port
    cases = {
        f"127.0.0.1:{port}": f"http://127.0.0.1:{port}",
        "localhost": f"http://localhost:{port}",
        "[::1]": f"http://[::1]:{port}",
        "[::1]:80": "http://[::1]:80",
    }
    for host, base in cases.items():
        assert addresses(server, origin, host=host) == [base] * 3
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    found = addresses(server, origin, host="localhost", headers=forged)
    assert found == [f"http://localhost:{port}"] * 3


def test_a7_a_server_for_others_takes_any_name_and_repeats_no_nonsense(
    make_server: Callable[..., GmapiServer], origin: Origin
) -> None:
    with make_server(host="0.0.0.0", workers=1) as server:
        port = server.port
        found = addresses(server, origin, host="media.example.org")
        assert found == [f"http://media.example.org:{port}"] * 3
        found = addresses(server, origin, host="media.example.org:8080")
        assert found == ["http://media.example.org:8080"] * 3
        for base in addresses(server, origin, host='a"b<c>/d'):
            assert "media" not in base
            assert urlsplit(base).port == port


def test_a7_a_trusted_proxy_says_which_address_was_asked(
    make_server: Callable[..., GmapiServer], origin: Origin
) -> None:
    headers = {"X-Forwarded-Host": "media.example.org", "X-Forwarded-Proto": "https"}
    with make_server(trusted_proxies="127.0.0.1", workers=1) as server:
        found = addresses(server, origin, host="inner:1", headers=headers)
        assert found == ["https://media.example.org"] * 3
        # Behind a proxy the port of our own socket means nothing to callers.
        assert addresses(server, origin, host="media.example.org") == (
            ["http://media.example.org"] * 3
        )


def test_a7_a_public_address_wins(make_server: Callable[..., GmapiServer], origin: Origin) -> None:
    with make_server(public_url="https://media.example.org/gm/", workers=1) as server:
        values = {"input_url": origin.url("/song.mp3"), **DFPWM}
        answer = game_call(server.port, "POST", "/api/ffmpeg", values).json()
        assert answer["download_url"].startswith("https://media.example.org/gm/download/")


def test_a8_binary_files_carry_the_charset_that_old_game_versions_decode_by(
    server: GmapiServer, origin: Origin, film: dict[str, Any], song: dict[str, Any]
) -> None:
    values = {"input_url": origin.url("/song.mp3"), "output_format": "mp3"}
    other = game_call(server.port, "POST", "/api/ffmpeg", values).json()
    first = f"/frames/{film['task_id']}/frame_000001.png"
    audio = film["result"]["audio_urls"]["audio_dfpwm_left_url"]
    labels = {
        urlsplit(song["download_url"]).path: "application/octet-stream; charset=ISO-8859-1",
        audio: "application/octet-stream; charset=ISO-8859-1",
        first: "image/png; charset=ISO-8859-1",
        urlsplit(other["download_url"]).path: "audio/mpeg; charset=ISO-8859-1",
    }
    for path, label in labels.items():
        assert game_call(server.port, "GET", path).headers["content-type"] == label
        assert game_call(server.port, "HEAD", path).headers["content-type"] == label
        part = game_call(server.port, "GET", path, headers={"Range": "bytes=1-2"})
        assert part.headers["content-type"] == label
    pack = game_call(server.port, "POST", "/api/framepack", {"urls": [first]})
    assert pack.headers["content-type"] == "application/octet-stream; charset=ISO-8859-1"


def test_a9_json_is_ascii_with_nothing_after_it(server: GmapiServer, film: dict[str, Any]) -> None:
    replies: list[Reply] = [
        game_call(server.port, "GET", f"/api/task/{film['task_id']}"),
        game_call(server.port, "GET", "/api/nothing/\u00e9"),
        game_call(server.port, "POST", "/api/ffmpeg", {"input_url": "http://音", "args": "音"}),
    ]
    for reply in replies:
        text = reply.body.decode("ascii")
        value, end = json.JSONDecoder().raw_decode(text)
        assert isinstance(value, dict)
        assert end == len(text)
        assert reply.headers["content-type"].startswith("application/json")


def test_p3_f5_a_long_conversion_sends_white_space_and_then_json(
    server: GmapiServer, origin: Origin, media_dir: Path
) -> None:
    release = threading.Event()
    origin.add("/slow.mp3", held((media_dir / "song.mp3").read_bytes(), 2000, release))
    origin.add("/slow_text.mp3", held(b"no sound " * 999, 2000, release))
    song, text = (
        {"input_url": origin.url(path), **DFPWM} for path in ("/slow.mp3", "/slow_text.mp3")
    )
    # The patience of a call is the rule: it fails when 3 s pass without a byte.
    with (
        GameCall(server.port, "POST", "/api/ffmpeg", song, patience=3.0) as good,
        GameCall(server.port, "POST", "/api/ffmpeg", text, patience=3.0) as bad,
    ):
        try:
            for spaces in (b" ", b"  ", b"   "):
                good.read_until(lambda want=spaces: good.body == want)
                bad.read_until(lambda want=spaces: bad.body == want)
        finally:
            release.set()
        replies = [good.finish(), bad.finish()]
    answers = []
    for reply in replies:
        assert (reply.status, reply.whole) == (200, True)
        content = reply.body.decode("ascii").lstrip(" \r\n")
        value, end = json.JSONDecoder().raw_decode(content)
        assert end == len(content)
        answers.append(value)
    assert answers[0]["status"] == "success"
    sound = game_call(server.port, "GET", urlsplit(answers[0]["download_url"]).path)
    assert len(sound.body) == pytest.approx(36000, rel=0.05)
    assert_failure(answers[1])


def test_f5_p3_a_task_that_runs_already_is_joined_without_silence(
    server: GmapiServer, origin: Origin, media_dir: Path
) -> None:
    release = threading.Event()
    origin.add("/joined.mp3", held((media_dir / "song.mp3").read_bytes(), 2000, release))
    values = {"input_url": origin.url("/joined.mp3"), **DFPWM}
    with (
        GameCall(server.port, "POST", "/api/ffmpeg", values, patience=3.0) as first,
        GameCall(server.port, "POST", "/api/ffmpeg", values, patience=3.0) as second,
    ):
        try:
            second.read_until(lambda: second.body == b" ")
            first.read_until(lambda: first.body == b" ")
        finally:
            release.set()
        answers = [first.finish().json(), second.finish().json()]
    assert answers[0]["status"] == "success"
    assert answers[0] == answers[1]
    assert origin.count("/joined.mp3") == 1
