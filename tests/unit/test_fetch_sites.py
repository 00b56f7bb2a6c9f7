"""Web pages: the choice among formats, the messages, and what the reading program may not do."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import SettingsError, SourceError
from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.site_door import Found, PageLimits, SiteDoor, talk
from gmapi.fetch.site_reader import choose
from gmapi.hosts import parse_allow
from gmapi.settings import load_settings
from support.http.origin import Exchange, Origin, redirect, status


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as started:
        yield started


def _door(origin: Origin | None = None, **limits: Any) -> SiteDoor:
    allow = parse_allow([origin.authority] if origin else [])
    rules = FetchRules(allow, 10**6, 10, 5)
    return SiteDoor(rules, PageLimits(**limits), time.monotonic() + 10, lambda: False)


def _ask(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Any:
    return {
        "method": method,
        "url": url,
        "headers": list(headers.items()),
        "body": None if body is None else base64.b64encode(body).decode(),
    }


def test_an_answer_of_any_status_is_handed_on_with_its_body(origin: Origin) -> None:
    door = _door(origin)
    origin.add("/a", lambda exchange: exchange.send(200, {"Set-Cookie": "c=1", "X-Y": "z"}, b"hi"))
    answer = door.answer(_ask(origin.url("/a"), Referer="http://a.example/"))
    assert (answer["status"], base64.b64decode(answer["body"])) == (200, b"hi")
    assert ["Set-Cookie", "c=1"] in answer["headers"]
    assert origin.requests[0].headers["referer"] == "http://a.example/"
    origin.add("/gone", status(404))
    assert door.answer(_ask(origin.url("/gone")))["status"] == 404
    # Redirects are the program's business; each of its requests is checked.
    origin.add("/moved", redirect("http://127.0.0.1:1/"))
    assert door.answer(_ask(origin.url("/moved")))["status"] == 302
    assert "private" in door.answer(_ask("http://127.0.0.1:1/"))["refused"]


def test_what_is_posted_arrives(origin: Origin) -> None:
    def echo(exchange: Exchange) -> None:
        exchange.send(200, {}, exchange.request.method.encode() + exchange.body())

    origin.add("/api", echo)
    message = _ask(origin.url("/api"), "POST", b'{"a":1}', **{"Content-Type": "application/json"})
    answer = _door(origin).answer(message)
    assert base64.b64decode(answer["body"]) == b'POST{"a":1}'


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "http://169.254.169.254/", "http://127.1/", "ftp://a.example/",
     "http://user:pw@a.example/", "http://[::1]:1/", "http://10.0.0.1/", ""],
)  # fmt: skip
def test_forbidden_addresses_are_refused(origin: Origin, url: str) -> None:
    assert _door(origin).answer(_ask(url))["refused"].endswith(".")


def test_other_methods_and_headers_are_not_sent(origin: Origin) -> None:
    origin.add("/a", b"\0")
    door = _door(origin)
    assert "PUT is not allowed" in door.answer(_ask(origin.url("/a"), "PUT"))["refused"]
    bad = {"Host": "b.example", "Transfer-Encoding": "chunked", "X-A": "b\r\nX: y", "a b": "c"}
    door.answer(_ask(origin.url("/a"), **bad))
    (request,) = origin.requests
    assert request.headers["host"] == origin.authority
    assert not {"transfer-encoding", "x-a", "x", "a b"} & set(request.headers)


def test_requests_and_bytes_are_counted(origin: Origin) -> None:
    origin.add("/a", bytes(600))
    url = origin.url("/a")
    assert "too large" in _door(origin, answer_bytes=599).answer(_ask(url))["refused"]
    door = _door(origin, all_bytes=1000)
    assert door.answer(_ask(url))["status"] == 200
    assert "too large" in door.answer(_ask(url))["refused"]
    door = _door(origin, requests=1)
    assert door.answer(_ask(url))["status"] == 200
    assert "too many" in door.answer(_ask(url))["refused"]


def test_a_compressed_answer_is_refused(origin: Origin) -> None:
    origin.add("/a", b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert "compressed" in _door(origin).answer(_ask(origin.url("/a")))["refused"]


def _talk(door: SiteDoor, *messages: Any) -> tuple[Found, list[Any]]:
    incoming = iter(
        message if isinstance(message, bytes) else json.dumps(message).encode()
        for message in messages
    )
    sent: list[Any] = []
    found = talk(
        lambda: next(incoming, None),
        lambda data: sent.append(json.loads(data)),
        door,
        "http://a.example/page",
    )
    return found, sent


def test_a_conversation_ends_with_what_was_found(origin: Origin) -> None:
    origin.add("/a", b"\0")
    found, sent = _talk(
        _door(origin),
        {"request": _ask(origin.url("/a"))},
        {"found": {"url": "http://a.example/v.mp4", "headers": {"Referer": "x"}}},
    )
    assert found == Found("http://a.example/v.mp4", {"Referer": "x"})
    assert sent[0] == {"page": "http://a.example/page"}
    assert sent[1]["status"] == 200


@pytest.mark.parametrize(
    "message",
    [{"failed": "Unsupported URL"}, {"request": {}}, {"request": 5}, {"found": {}}, {"found": None},
     [], 5, None, b"{", b"[" * 100_000, {"request": {"method": [], "url": {}, "headers": 1}},
     {"request": {"method": "GET", "url": "http://a.example/", "headers": [[1, 2]]}},
     {"request": {"method": "POST", "url": "http://a.example/", "headers": [], "body": "é"}}],
)  # fmt: skip
def test_a_program_that_fails_or_raves_found_nothing(message: Any) -> None:
    with pytest.raises(SourceError, match="web page, and no media") as caught:
        _talk(_door(), message)
    assert caught.value.code == "source_page"


def _format(protocol: str, **values: Any) -> dict[str, Any]:
    return {"protocol": protocol, "url": f"http://a.example/{protocol}", **values}


SEPARATE = [_format("https", acodec="none", height=1080), _format("https", vcodec="none")]


@pytest.mark.parametrize(
    ("formats", "url"),
    [
        ([_format("http", height=360), _format("http", url="best", height=720)], "best"),
        ([_format("http", url="good", height=720), _format("http", height=2160)], "good"),
        ([*SEPARATE, _format("m3u8_native", manifest_url="master")], "master"),
        ([*SEPARATE, _format("m3u8_native")], "http://a.example/m3u8_native"),
        ([_format("http_dash_segments", manifest_url="mpd")], "mpd"),
        ([_format("rtmp"), _format("https", vcodec="none", url="sound")], "sound"),
        ([_format("websocket_frag"), _format("http")], "http://a.example/http"),
    ],
)
def test_the_choice_is_one_file_or_one_playlist(formats: list[Any], url: str) -> None:
    assert choose({"formats": formats})["url"] == url


@pytest.mark.parametrize(
    "formats", [[_format("rtmp")], [_format("http_dash_segments")], [_format("f4m")], [{}]]
)
def test_no_choice_is_an_error(formats: list[Any]) -> None:
    with pytest.raises(ValueError, match="no format"):
        choose({"formats": formats})


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5))
def test_whatever_a_program_says_is_an_answer_or_nothing(message: Any) -> None:
    with pytest.raises(SourceError):
        _talk(_door(), message)


ATTEMPTS = [
    "socket.create_connection(('127.0.0.1', 1))",
    "socket.getaddrinfo('localhost', 1)",
    "socket.socket().connect(('127.0.0.1', 1))",
    "socket.socket().bind(('127.0.0.1', 0))",
    "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 1))",
    "urllib.request.urlopen('http://127.0.0.1:1/')",
    "subprocess.run(['/bin/true'])",
    "os.system('true')",
    "os.execv('/bin/true', ['true'])",
    "os.fork()",
    "os.posix_spawn('/bin/true', ['true'], {})",
    "open('written', 'w')",
    "open('written', 'ab')",
    "open('there', 'r+')",
    "os.open('written', os.O_WRONLY | os.O_CREAT)",
    "os.remove('there')",
    "os.rename('there', 'away')",
    "os.mkdir('folder')",
    "os.kill(os.getppid(), 0)",
    "ctypes.CDLL(None)",
    "sqlite3.connect('written')",
]
_TRY = """
import ctypes, os, socket, sqlite3, subprocess, sys, urllib.request
from gmapi.fetch.site_reader import forbid
forbid()
for number, text in enumerate({attempts!r}):
    try:
        eval(text)
    except PermissionError:
        pass
    except BaseException as error:
        # What wraps the refusal.
        assert isinstance(getattr(error, "reason", None), PermissionError), (text, error)
    else:
        sys.exit(text)
print(open("there").read())
"""


def test_the_reading_program_can_do_nothing_but_read(tmp_path: Any) -> None:
    (tmp_path / "there").write_text("still there")
    done = subprocess.run(
        [sys.executable, "-B", "-c", _TRY.format(attempts=ATTEMPTS)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "still there\n"), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_it_is_on_only_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().sites == "off"
    assert load_settings({"sites": "on"}).sites == "on"
    monkeypatch.setattr("gmapi.settings.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"needs the extra gmapi\[sites\]"):
        load_settings({"sites": "on"})
