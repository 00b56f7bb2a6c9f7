"""Redirects and the cookies that servers set on the way, between loopback origins."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from support.http.download_rooms import Room
from support.http.origin import Exchange, Handler, Origin, redirect

BODY = b"\0\1\2\3" * 1000


@pytest.fixture
def room(tmp_path: Path, own_origin: Origin) -> Room:
    return Room(tmp_path, own_origin.authority)


def setting(location: str, *cookies: str, code: int = 302) -> Handler:
    """A redirect that sets cookies."""
    lines = "".join(f"Set-Cookie: {cookie}\r\n" for cookie in cookies)
    answer = f"HTTP/1.1 {code} Found\r\nContent-Length: 0\r\nLocation: {location}\r\n{lines}\r\n"
    return lambda exchange: exchange.raw(answer.encode("latin-1"))


def gate(cookie: str, body: bytes = BODY) -> Handler:
    """The file for who brings the cookie; others are sent back with one."""
    name = cookie.partition("=")[0]

    def handle(exchange: Exchange) -> None:
        if cookie in exchange.request.headers.get("cookie", "").split("; "):
            exchange.send(200, {}, body)
        else:
            setting(exchange.request.path, f"{cookie}; Path=/; HttpOnly", f"{name}2=x")(exchange)

    return handle


def cookies(own_origin: Origin, path: str) -> str | None:
    """The cookies that came with the last request for this path."""
    found = [request for request in own_origin.requests if request.path == path]
    return found[-1].headers.get("cookie")


def test_twenty_redirects_are_followed(own_origin: Origin, room: Room) -> None:
    own_origin.add("/0", BODY)
    for number in range(1, 22):
        own_origin.add(f"/{number}", redirect(f"/{number - 1}"))
    assert room.get(own_origin.url("/20")).size == len(BODY)
    assert "more than 20 times" in room.refused(own_origin.url("/21"), "source_status")


def test_a_loop_is_told_as_one(own_origin: Origin, room: Room) -> None:
    own_origin.add("/b", redirect("/c"))
    own_origin.add("/c", redirect("/b"))
    assert "loop" in room.refused(own_origin.add("/a", redirect("/b")), "source_status")


def test_a_cookie_comes_back_to_who_set_it(own_origin: Origin, room: Room) -> None:
    assert room.get(own_origin.add("/song", gate("seen=1"))).size == len(BODY)
    assert own_origin.count("/song") == 2
    # Another download begins without it.
    room.get(own_origin.url("/song"))
    assert own_origin.requests[2].headers.get("cookie") is None


def test_the_caller_s_cookies_go_along(own_origin: Origin, room: Room) -> None:
    room.get(own_origin.add("/song", gate("seen=1")), headers={"cookie": "own=a; seen=0"})
    assert own_origin.requests[0].headers["cookie"] == "own=a; seen=0"
    assert set(own_origin.requests[1].headers["cookie"].split("; ")) == {
        "own=a",
        "seen=1",
        "seen2=x",
    }


def test_a_cookie_stays_within_its_path(own_origin: Origin, room: Room) -> None:
    own_origin.add("/in/a", BODY)
    own_origin.add("/out/a", redirect("/in/a"))
    url = own_origin.add("/in/b", setting("/out/a", "deep=1; Path=/in", "all=1; Path=/", "here=1"))
    room.get(url)
    assert cookies(own_origin, "/out/a") == "all=1"
    assert set((cookies(own_origin, "/in/a") or "").split("; ")) == {"deep=1", "all=1", "here=1"}


def test_cookies_go_to_no_other_host_or_port(own_origin: Origin, tmp_path: Path) -> None:
    with Origin() as other:
        other.add("/a", BODY)
        back = own_origin.add("/back", BODY)
        everywhere = [
            "a=1; Path=/", "b=1; Domain=127.0.0.1", "c=1; Domain=localhost",
            "d=1; Domain=.1", "e=1; Domain=", "f=1; Path=/; Port", "g=1; Domain=.0.0.1",
        ]  # fmt: skip
        own_origin.add("/to", BODY)
        room = Room(tmp_path, "127.0.0.1", "localhost")
        room.get(own_origin.add("/1", setting(other.url("/a"), *everywhere)))
        assert cookies(other, "/a") is None
        room.get(
            own_origin.add("/2", setting(own_origin.url("/to", host="localhost"), *everywhere))
        )
        assert cookies(own_origin, "/to") is None
        other.add("/to-back", redirect(back))
        room.get(own_origin.add("/3", setting(other.url("/to-back"), "a=1; Path=/")))
        assert cookies(own_origin, "/back") == "a=1"
        # What somebody else sets for it does not come.
        other.add("/b", setting(back, "x=1; Path=/", "y=1; Domain=127.0.0.1; Path=/"))
        room.get(own_origin.add("/4", redirect(other.url("/b"))))
        assert cookies(own_origin, "/back") is None


def test_names_share_cookies_as_in_browsers(
    own_origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    hosts = ("example.org", "cdn.example.org", "example.net", "badexample.org")
    room = Room(tmp_path, *hosts)
    sent = ["own=1; Path=/", "shared=1; Path=/; Domain=example.org", "all=1; Domain=org",
            "safe=1; Path=/; Secure", "foreign=1; Domain=example.net"]  # fmt: skip
    for number, host in enumerate(hosts):
        own_origin.add(f"/at{number}", BODY)
        url = own_origin.url(f"/at{number}", host=host)
        own_origin.add(f"/{number}", setting(url, *sent))
        room.get(own_origin.url(f"/{number}", host="example.org"))
    assert set((cookies(own_origin, "/at0") or "").split("; ")) == {"own=1", "shared=1"}
    assert cookies(own_origin, "/at1") == "shared=1"
    assert cookies(own_origin, "/at2") is None
    assert cookies(own_origin, "/at3") is None


def test_cookies_are_bounded(own_origin: Origin, room: Room) -> None:
    many = [f"c{number}={'x' * 100}; Path=/" for number in range(80)]
    long = f"long={'x' * 5000}; Path=/"
    own_origin.add("/a", BODY)
    room.get(own_origin.add("/1", setting("/a", long, "strange=\x01; Path=/", *many)))
    sent = cookies(own_origin, "/a") or ""
    assert 10 <= sent.count("=") <= 50
    assert len(sent) <= 16_384
    assert "long" not in sent
    assert "strange" not in sent

    # Over many hops, too.
    for hop in range(20):
        fresh = [f"h{hop}n{number}={'x' * 300}; Path=/" for number in range(20)]
        own_origin.add(f"/hop{hop}", setting("/a" if hop == 19 else f"/hop{hop + 1}", *fresh))
    room.get(own_origin.url("/hop0"))
    assert len(cookies(own_origin, "/a") or "") <= 16_384
