"""Addresses that must not be reached, each given to the real fetcher beside a real listener.

Rows name loopback in the spellings, by the names, through the redirects and by the schemes that
have opened other fetchers; `{port}` is the listener's.
"""

from __future__ import annotations

import contextlib
import socket
import urllib.request
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from gmapi.errors import RequestError, SourceError
from gmapi.fetch.address import check_url
from gmapi.fetch.fetcher import Download, FetchRules, download
from gmapi.hosts import AllowEntry, parse_allow
from support.http.canary import Canary
from support.http.origin import Origin, redirect

SPELLINGS = [
    "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/", "http://0.0.0.0:{port}/", "http://127.0.0.1.:{port}/",
    "http://127.1:{port}/", "http://127.0.1:{port}/", "http://0:{port}/",
    "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://0x7f.0.0.1:{port}/",
    "http://0x7f.1:{port}/", "http://0177.0.0.1:{port}/", "http://017700000001:{port}/",
    "http://00127.0.0.1:{port}/", "http://127.0.0.01:{port}/", "http://127.0.0.1%00:{port}/",
    "http://[::1]:{port}/", "http://[0:0:0:0:0:0:0:1]:{port}/", "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/", "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/", "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/", "http://[2001:0:7f00:1::]:{port}/",
    "http://[::1%25lo]:{port}/", "http://[::1%lo]:{port}/",
    # digits and dots that are not ASCII, and what they turn into
    "http://１２７.０.０.１:{port}/", "http://①②⑦.⓪.⓪.①:{port}/", "http://127。0。0。1:{port}/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/", "http://127.0.0.1\u00ad:{port}/",
]  # fmt: skip
CONFUSIONS = [
    "http://example.org@127.0.0.1:{port}/", "http://user:pw@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@example.org/", "http://127.0.0.1:{port}\\@example.org/",
    "http://example.org\\@127.0.0.1:{port}/", "http://127.0.0.1:{port}#@example.org/",
    "http://127.0.0.1:{port}?@example.org/", "http:127.0.0.1:{port}/", "http:/127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/", "//127.0.0.1:{port}/", "http://127.0.0.1\t:{port}/",
    "http://127.0.0.1\r\nX: y:{port}/", " http://127.0.0.1:{port}/", "http://127.0.0.1 :{port}/",
    "http://127.0.0.1:{port}:80/", "http://127.0.0.1:0{port}/", "http://127.0.0.1:{port}//x",
    "HTTP://127.0.0.1:{port}/",
]  # fmt: skip
SCHEMES = [
    "https://127.0.0.1:{port}/", "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_x",
    "dict://127.0.0.1:{port}/", "ldap://127.0.0.1:{port}/", "tcp://127.0.0.1:{port}",
    "rtmp://127.0.0.1:{port}/", "rtsp://127.0.0.1:{port}/", "hls+http://127.0.0.1:{port}/",
    "async:http://127.0.0.1:{port}/", "cache:http://127.0.0.1:{port}/", "ws://127.0.0.1:{port}/",
    "concat:http://127.0.0.1:{port}/|x", "url:http://127.0.0.1:{port}/", "file:///etc/passwd",
    "jar:http://127.0.0.1:{port}/!/", "netdoc:///etc/passwd", "data:text/plain,x",
]  # fmt: skip
DIRECT = SPELLINGS + CONFUSIONS + SCHEMES
# By these, links lead to the same places.
LOCATIONS = [*DIRECT, "//localhost:{port}/", "///127.0.0.1:{port}/", "\\\\127.0.0.1:{port}/"]

NAMES = {
    "loopback": ["127.0.0.1"],
    "loopback-six": ["::1"],
    "mapped": ["::ffff:127.0.0.1"],
    "unspecified": ["0.0.0.0"],
    "mixed-last": ["93.184.216.34", "127.0.0.1"],
    "mixed-first": ["127.0.0.1", "93.184.216.34"],
    "mixed-six": ["2606:2800:220:1::1", "::1"],
    "metadata": ["169.254.169.254"],
    "private": ["10.0.0.1", "192.168.0.1", "172.16.0.1"],
    "nat64": ["64:ff9b::7f00:1"],
}


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    with Canary() as listening:
        yield listening


def _get(url: str, folder: Path, allow: tuple[AllowEntry, ...] = ()) -> Download:
    rules = FetchRules(allow, max_bytes=10**6, deadline=10, stall=5)
    return download(
        check_url(url),
        folder / "source",
        rules,
        cancelled=lambda: False,
        on_progress=lambda received, total: None,
    )


@pytest.fixture
def no_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but loopback may be connected to, should a check fail."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: tuple[str, int]) -> None:
        there = ip_address(address[0])
        there = getattr(there, "ipv4_mapped", None) or there
        if not (there.is_loopback or there.is_unspecified):
            raise PermissionError(f"a test would have connected to {there}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def test_there_are_enough_of_them() -> None:
    assert len(DIRECT) + len(NAMES) + len(LOCATIONS) > 41


@pytest.mark.parametrize("target", DIRECT)
@pytest.mark.usefixtures("no_other_way")
def test_none_is_reached(target: str, canary: Canary, tmp_path: Path) -> None:
    url = target.format(port=canary.port)
    with pytest.raises((RequestError, SourceError)) as caught:
        _get(url, tmp_path)
    assert caught.value.code in ("bad_request", "source_refused")
    assert canary.visits() == 0
    assert not (tmp_path / "source").exists()


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.usefixtures("no_other_way")
def test_none_is_reached_by_a_redirect(location: str, canary: Canary, tmp_path: Path) -> None:
    if "\r" in location:
        location = location.replace("\r\n", "%0d%0a")
    with Origin() as origin:
        moved = redirect(location.format(port=canary.port))
        url = origin.add("/moved", moved)
        # What stays on the origin itself finds nothing there.
        with pytest.raises(SourceError):
            _get(url, tmp_path, parse_allow([origin.authority]))
    assert canary.visits() == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("no_other_way")
def test_none_is_reached_by_a_name(
    name: str, canary: Canary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolver(monkeypatch, [NAMES[name]])
    with pytest.raises(SourceError) as caught:
        _get(f"http://{name}.example:{canary.port}/", tmp_path)
    assert caught.value.code == "source_refused"
    assert canary.visits() == 0


@pytest.mark.usefixtures("no_other_way")
def test_a_name_that_changes_its_meaning_is_looked_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer leads to a listener; the first one is the origin."""
    with Origin() as origin, Canary("127.0.0.2", origin.port) as second:
        origin.add("/x", b"\x00media")
        asked = _resolver(monkeypatch, [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]])
        allow = parse_allow([f"127.0.0.1:{origin.port}"])
        _get(f"http://changing.example:{origin.port}/x", tmp_path, allow)
        assert asked == ["changing.example"]
        # The next download looks it up again, and is refused by the new answer.
        with pytest.raises(SourceError):
            _get(f"http://changing.example:{origin.port}/x", tmp_path, allow)
        assert second.visits() == 0
        assert origin.count("/x") == 1


@pytest.mark.usefixtures("no_other_way")
def test_an_unchecked_client_reaches_the_listener_by_many_of_them() -> None:
    """Without this, a listener that hears nothing would prove nothing."""
    numbers = [target for target in SPELLINGS[:21] if "%00" not in target]
    with Canary() as other:
        for target in numbers:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(target.format(port=other.port), timeout=0.05)
        assert other.visits() >= len(numbers) // 2


def _resolver(monkeypatch: pytest.MonkeyPatch, answers: list[list[str]]) -> list[str]:
    """Let the system's resolver give these answers in turn; returns the names asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(0, 0, 0, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked
