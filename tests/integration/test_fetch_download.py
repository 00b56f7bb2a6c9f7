"""Downloads from loopback origins, well-behaved and not."""

from __future__ import annotations

import random
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from gmapi import __version__
from gmapi.errors import GmapiError, JobCancelled, NoSpaceError, RequestError
from gmapi.fetch.fetcher import Download, FetchRules, Validators
from gmapi.hosts import parse_allow
from gmapi.settings import Settings
from support.http.download_rooms import Room
from support.http.origin import (
    Exchange,
    Origin,
    broken_once,
    chunked,
    content,
    redirect,
    silent,
    slow_headers,
    status,
    trickle,
    truncated,
)

BODY = b"\x00" + random.Random(1).randbytes(299_999)


@pytest.fixture
def room(tmp_path: Path, own_origin: Origin) -> Room:
    return Room(tmp_path, own_origin.authority)


def test_rules_come_from_the_settings() -> None:
    settings = Settings(fetch_allow=("nas.lan:80",), fetch_max_bytes=5, fetch_deadline=2.5)
    assert FetchRules.from_settings(settings) == FetchRules(
        parse_allow(["nas.lan:80"]), 5, 2.5, settings.fetch_stall
    )


def test_a_file_comes_whole_with_what_its_server_says(own_origin: Origin, room: Room) -> None:
    url = own_origin.add(
        "/a b.mp3".replace(" ", "%20"), BODY, etag='"1"', content_type="audio/mpeg"
    )
    done = room.get(url + "?sig=x%2Fy&z", headers={"X-Token": "t"})
    assert room.target.read_bytes() == BODY
    assert done == Download(url + "?sig=x%2Fy&z", len(BODY), '"1"', None, "audio/mpeg", False, True)
    assert room.progress[-1] == (len(BODY), len(BODY))
    (request,) = own_origin.requests
    assert request.path == "/a%20b.mp3?sig=x%2Fy&z"
    assert request.headers["host"] == own_origin.authority
    assert request.headers["user-agent"] == f"GMapiServer/{__version__}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["x-token"] == "t"


def test_the_caller_may_name_another_user_agent(own_origin: Origin, room: Room) -> None:
    room.get(own_origin.add("/a", BODY), headers={"user-agent": "Game/1"})
    assert own_origin.requests[0].headers["user-agent"] == "Game/1"


def test_bad_headers_are_refused_before_anything_is_sent(own_origin: Origin, room: Room) -> None:
    with pytest.raises(RequestError):
        room.get(own_origin.add("/a", BODY), headers={"Range": "bytes=1-"})
    assert own_origin.requests == []


def test_a_chunked_answer_without_a_length_is_read_to_its_end(
    own_origin: Origin, room: Room
) -> None:
    assert room.get(own_origin.add("/a", chunked(BODY))).size == len(BODY)
    assert room.target.read_bytes() == BODY
    assert room.progress[-1] == (len(BODY), None)
    room.refused(own_origin.add("/b", chunked(BODY, finish=False)), "source_truncated")


def test_no_store_is_reported(own_origin: Origin, room: Room) -> None:
    url = own_origin.add("/a", BODY, headers={"Cache-Control": "private, No-Store"})
    assert not room.get(url).cacheable


def test_a_file_without_allow_entry_is_refused_unasked(own_origin: Origin, tmp_path: Path) -> None:
    url = own_origin.add("/a", BODY)
    message = Room(tmp_path).refused(url, "source_refused")
    assert f"GMAPI_FETCH_ALLOW={own_origin.authority}" in message
    Room(tmp_path, "127.0.0.1:1").refused(url, "source_refused")
    assert own_origin.requests == []


def test_the_environment_names_no_proxy(
    own_origin: Origin, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert room.get(own_origin.add("/a", BODY)).size == len(BODY)


def test_the_host_is_looked_up_once_and_that_address_is_used(
    own_origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.9"
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    own_origin.add("/a", BODY)
    room = Room(tmp_path, "name.example")
    room.get(own_origin.url("/a", host="name.example"))
    assert asked == ["name.example"]
    assert own_origin.requests[0].headers["host"] == f"name.example:{own_origin.port}"


def test_the_next_address_is_tried_when_one_does_not_answer(
    own_origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", (address, port)) for address in ("127.0.0.9", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    own_origin.add("/a", BODY)
    assert Room(tmp_path, "name.example").get(own_origin.url("/a", host="name.example")).size


def test_a_closed_port_is_unreachable(room: Room, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    message = Room(tmp_path, "127.0.0.1").refused(f"http://127.0.0.1:{port}/", "source_unreachable")
    assert f"127.0.0.1:{port}" in message


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.0\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx"]
)
def test_what_is_no_http_is_unreachable(own_origin: Origin, room: Room, answer: bytes) -> None:
    url = own_origin.add("/a", lambda exchange: exchange.raw(answer))
    room.refused(url, "source_unreachable")


@pytest.mark.parametrize(
    ("code", "words"),
    [(404, "404 Not Found"), (403, "403 Forbidden"), (500, "HTTP 500"), (599, "HTTP 599"),
     (204, "204"), (304, "304"), (300, "300")],
)  # fmt: skip
def test_a_status_is_named(own_origin: Origin, room: Room, code: int, words: str) -> None:
    assert words in room.refused(own_origin.add("/a", status(code)), "source_status")


def test_redirects_are_followed_and_the_last_address_is_named(
    own_origin: Origin, room: Room
) -> None:
    own_origin.add("/end/ü.mp3".replace("ü", "%C3%BC"), BODY)
    own_origin.add("/2", redirect("end/ü.mp3?x=a b", 307))
    done = room.get(own_origin.add("/1", redirect(own_origin.url("/2"), 301)))
    assert done.url == own_origin.url("/end/%C3%BC.mp3?x=a%20b")
    assert room.target.read_bytes() == BODY


def test_endless_redirects_end(own_origin: Origin, room: Room) -> None:
    url = own_origin.add("/loop", redirect("/loop"))
    assert "loop" in room.refused(url, "source_status")
    assert own_origin.count("/loop") == 21


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:1/", "http://localhost:1/a", "http://127.0.0.9:{port}/a",
     "http://[::1]:{port}/a", "http://169.254.169.254/latest/meta-data/", "http://2130706433/",
     "file:///etc/passwd", "ftp://127.0.0.1/", "http://u:p@127.0.0.1:{port}/a", "http://[::1/",
     "http://0.0.0.0:{port}/a", "\\\\127.0.0.1\\a", "http://[::ffff:127.0.0.1]:{port}/a"],
)  # fmt: skip
def test_each_redirect_is_checked(own_origin: Origin, room: Room, location: str) -> None:
    own_origin.add("/a", BODY)
    url = own_origin.add("/1", redirect(location.format(port=own_origin.port)))
    room.refused(url, "source_refused")
    assert own_origin.count("/a") == 0


def test_credentials_stay_with_their_origin(own_origin: Origin, tmp_path: Path) -> None:
    with Origin() as other:
        other.add("/a", BODY)
        own_origin.add("/2", redirect(other.url("/a")))
        headers = {"Authorization": "x", "Cookie": "c", "X-Key": "k", "Referer": "http://r/"}
        room = Room(tmp_path, "127.0.0.1")
        room.get(own_origin.add("/1", redirect("/2")), headers=headers)
        assert {"authorization", "cookie", "x-key"} <= set(own_origin.requests[1].headers)
        elsewhere = other.requests[0].headers
        assert not {"authorization", "cookie", "x-key"} & set(elsewhere)
        assert elsewhere["referer"] == "http://r/"


def test_a_length_beyond_the_cap_is_refused_before_the_body(own_origin: Origin, room: Room) -> None:
    def handle(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": "1000001"})
        exchange.origin.closing.wait()

    assert "1000000 bytes" in room.refused(own_origin.add("/a", handle), "source_too_large")
    room.refused(
        own_origin.add("/b", lambda e: e.head(200, {"Content-Length": "9" * 5000})),
        "source_too_large",
    )


def test_the_running_count_rules_without_a_length(own_origin: Origin, room: Room) -> None:
    url = own_origin.add("/a", chunked(BODY))
    room.refused(url, "source_too_large", max_bytes=len(BODY) - 1)
    assert room.get(url, max_bytes=len(BODY)).size == len(BODY)


def test_an_empty_file_is_an_error(own_origin: Origin, room: Room) -> None:
    room.refused(own_origin.add("/a", b""), "source_empty")
    room.refused(own_origin.add("/b", chunked(b"")), "source_empty")


@pytest.mark.parametrize("size", [20, 5000])
def test_a_web_page_is_named(own_origin: Origin, room: Room, size: int) -> None:
    url = own_origin.add("/a", b"<!doctype html>".ljust(size), content_type="text/html")
    assert "web page" in room.refused(url, "source_not_media")


@pytest.mark.parametrize("length", [True, False])
def test_a_trickling_body_ends_at_the_deadline(
    own_origin: Origin, room: Room, length: bool
) -> None:
    url = own_origin.add("/a", trickle(BODY, 0.05, length=length))
    assert "0.4 seconds" in room.refused(url, "source_too_slow", deadline=0.4)


def test_trickling_headers_end_at_the_deadline(own_origin: Origin, room: Room) -> None:
    room.refused(own_origin.add("/a", slow_headers(0.05)), "source_too_slow", deadline=0.4)


def test_a_silent_source_ends_at_the_stall_limit(own_origin: Origin, room: Room) -> None:
    message = room.refused(own_origin.add("/a", silent), "source_too_slow", stall=0.3)
    assert "nothing for 0.3 seconds" in message

    def halfway(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(len(BODY)), "ETag": '"1"'})
        exchange.raw(BODY[:1000])
        exchange.origin.closing.wait()

    room.refused(own_origin.add("/b", halfway), "source_too_slow", stall=0.3)


@pytest.mark.parametrize("route", [silent, slow_headers(0.05), trickle(BODY, 0.05)])
def test_a_cancelled_download_stops_at_once(own_origin: Origin, room: Room, route: Any) -> None:
    asked: list[bool] = []

    def cancelled() -> bool:
        asked.append(bool(own_origin.requests))
        return asked[-1]

    with pytest.raises(JobCancelled):
        room.get(own_origin.add("/a", route), cancelled=cancelled, deadline=60, stall=60)
    assert not room.target.exists()
    assert "gmapi-fetch" not in [thread.name for thread in threading.enumerate()]


def test_what_a_callback_raises_ends_the_download(own_origin: Origin, room: Room) -> None:
    class Handed(Exception):
        pass

    def cancelled() -> bool:
        if own_origin.requests:
            raise Handed
        return False

    with pytest.raises(Handed):
        room.get(own_origin.add("/a", silent), cancelled=cancelled, deadline=60, stall=60)
    assert "gmapi-fetch" not in [thread.name for thread in threading.enumerate()]


def test_a_cancel_comes_before_a_slow_name_server(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = threading.Event(), threading.Event()

    def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.set()
        answer.wait(60)
        return [(0, 0, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(JobCancelled):
        room.get("http://slow.example/", cancelled=asked.is_set)
    (looking,) = (thread for thread in threading.enumerate() if thread.name == "gmapi-fetch")
    answer.set()
    looking.join(10)
    assert not looking.is_alive()
    assert not room.target.exists()


def test_a_short_body_is_an_error(own_origin: Origin, room: Room) -> None:
    message = room.refused(own_origin.add("/a", truncated(BODY, 1000)), "source_truncated")
    assert "1000 bytes" in message
    room.refused(own_origin.add("/b", truncated(BODY, 1000, ETag='W/"1"')), "source_truncated")
    assert own_origin.count("/b") == 1


@pytest.mark.parametrize("sent", [1000, 100_000])
def test_a_broken_transfer_is_resumed(own_origin: Origin, room: Room, sent: int) -> None:
    done = room.get(own_origin.add("/a", broken_once(BODY, sent, etag='"1"')))
    assert room.target.read_bytes() == BODY
    assert (done.size, done.etag) == (len(BODY), '"1"')
    again = own_origin.requests[1].headers
    assert (again["range"], again["if-range"]) == (f"bytes={sent}-", '"1"')


def test_a_transfer_that_keeps_breaking_is_resumed_three_times(
    own_origin: Origin, room: Room
) -> None:
    def handle(exchange: Exchange) -> None:
        start = int(exchange.request.headers.get("range", "bytes=0-")[6:-1])
        span = f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
        exchange.head(
            206 if start else 200,
            {"ETag": '"1"', "Content-Range": span, "Content-Length": str(len(BODY) - start)},
        )
        exchange.raw(BODY[start : start + 10])

    assert "40 bytes" in room.refused(own_origin.add("/a", handle), "source_truncated", deadline=20)
    assert own_origin.count("/a") == 4


def test_a_whole_answer_to_a_resumption_starts_again(own_origin: Origin, room: Room) -> None:
    url = own_origin.add("/a", broken_once(BODY, 1000, etag='"1"', ranges=False))
    assert room.get(url).size == len(BODY)
    assert room.target.read_bytes() == BODY

    new, first = BODY[::-1] + b"new", truncated(BODY, 100_000, ETag='"1"')
    answers = iter([first, content(new, etag='"2"')])
    done = room.get(own_origin.add("/b", lambda exchange: next(answers)(exchange)))
    assert room.target.read_bytes() == new
    assert done.etag == '"2"'


@pytest.mark.parametrize(
    "headers",
    [{"Content-Range": "bytes 999-2999/3000"}, {"Content-Range": "bytes 1000-2999/4000"}, {},
     {"Content-Range": "bytes 1000-2999/*"}, {"Content-Range": "bytes 1000-1999/3000"},
     {"Content-Range": "bytes 1000-2999/3000", "ETag": '"2"'}],
)  # fmt: skip
def test_a_rest_that_does_not_fit_is_refused(
    own_origin: Origin, room: Room, headers: dict[str, str]
) -> None:
    answers = iter(
        [
            truncated(BODY[:3000], 1000, ETag='"1"'),
            lambda exchange: exchange.send(206, headers, BODY[1000:3000]),
        ]
    )
    url = own_origin.add("/a", lambda exchange: next(answers)(exchange))
    room.refused(url, "source_truncated")


def test_validators_ask_for_a_newer_version(own_origin: Origin, room: Room) -> None:
    url = own_origin.add("/a", BODY, etag='"2"', last_modified=0)
    same = room.get(url, validators=Validators('"2"', None))
    assert same.not_modified
    assert not room.target.exists()
    assert not room.get(url, validators=Validators('"1"', None)).not_modified
    assert room.target.read_bytes() == BODY
    date = "Thu, 01 Jan 1970 00:00:00 GMT"
    assert room.get(url, validators=Validators(None, date)).not_modified


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_not_the_fault_of_the_source(own_origin: Origin, room: Room) -> None:
    room.target.symlink_to("/dev/full")
    with pytest.raises(NoSpaceError):
        room.get(own_origin.add("/a", BODY))
    assert not room.target.is_symlink()


def test_an_unwritable_target_is_not_the_fault_of_the_source(
    own_origin: Origin, room: Room
) -> None:
    room.target = room.target / "missing" / "source"
    with pytest.raises(OSError) as caught:
        room.get(own_origin.add("/a", BODY))
    assert not isinstance(caught.value, GmapiError)
