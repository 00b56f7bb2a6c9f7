"""Bytes that a server sends around the content of an answer are counted, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmapi.errors import SourceError
from gmapi.fetch.address import check_url
from gmapi.fetch.answer import AROUND_BYTES_MAX, HEAD_BYTES_MAX
from gmapi.fetch.fetcher import Download, FetchRules, download
from gmapi.hosts import parse_allow
from support.cost import cpu_below
from support.http.origin import Exchange, Handler, Origin, chunked
from support.http.playlist_rooms import Room, media

BODY = bytes(range(256)) * 400


class Flood:
    """A route that sends a head and then a piece again and again until nobody listens; counts."""

    def __init__(self, head: bytes, piece: bytes) -> None:
        self.sent = 0
        self._head = head
        self._piece = piece

    def __call__(self, exchange: Exchange) -> None:
        exchange.raw(self._head)
        many = self._piece * max(1, 4096 // len(self._piece))
        while not exchange.origin.closing.is_set():
            exchange.raw(many)
            self.sent += len(many)


def _get(own_origin: Origin, folder: Path, route: Handler) -> Download:
    return download(
        check_url(own_origin.add("/a", route)),
        folder / "source",
        FetchRules(parse_allow([own_origin.authority]), 10**9, deadline=30.0, stall=10.0),
        cancelled=lambda: False,
        on_progress=lambda received, total: None,
    )


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
FLOODS = {
    "trailers": Flood(CHUNKED + b"1\r\n\x00\r\n0\r\n", b"X-Trailer: x\r\n"),
    "short trailers": Flood(CHUNKED + b"1\r\n\x00\r\n0\r\n", b"a\n"),
    "long trailers": Flood(CHUNKED + b"1\r\n\x00\r\n0\r\n", b"X: " + b"x" * 60_000 + b"\r\n"),
    "extensions": Flood(CHUNKED, b"1;" + b"x" * 1000 + b"\r\n\x00\r\n"),
    "sizes": Flood(CHUNKED, b"0" * 500 + b"1\r\n\x00\r\n"),
    "one long size": Flood(CHUNKED, b"0" * 1000),
    "single bytes": Flood(CHUNKED, b"1\r\n\x00\r\n"),
    "answers before": Flood(b"", b"HTTP/1.1 100 Continue\r\nX: x\r\n\r\n"),
    "headers": Flood(OK, b"X: " + b"x" * 2000 + b"\r\n"),
    "folded header": Flood(OK + b"X: x\r\n", b" " + b"x" * 2000 + b"\r\n"),
    "one long header": Flood(OK + b"X: ", b"x" * 1000),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_around_the_content_ends(own_origin: Origin, tmp_path: Path, flood: Flood) -> None:
    with pytest.raises(SourceError) as caught:
        _get(own_origin, tmp_path, flood)
    assert caught.value.code in ("source_too_large", "source_unreachable", "source_truncated")
    # What the system holds in its buffers on the way was sent, too; for each try.
    assert flood.sent < 64 * 2**20
    assert not (tmp_path / "source").exists()


def test_what_comes_around_has_bounds_of_its_own(own_origin: Origin, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"more than {AROUND_BYTES_MAX} bytes around"):
        _get(own_origin, tmp_path, FLOODS["trailers"])
    with pytest.raises(SourceError, match=f"more than {HEAD_BYTES_MAX} bytes before"):
        _get(own_origin, tmp_path, FLOODS["answers before"])


@pytest.mark.parametrize("size", [8, 100, 10_000])
def test_usual_chunks_and_trailers_are_read(own_origin: Origin, tmp_path: Path, size: int) -> None:
    assert _get(own_origin, tmp_path, chunked(BODY, size)).size == len(BODY)

    def trailing(exchange: Exchange) -> None:
        exchange.raw(CHUNKED + b"3;x=y\r\n\x00\x01\x02\r\n0\r\nX-Checksum: 1\r\n\r\n")

    assert _get(own_origin, tmp_path, trailing).size == 3


def test_a_boundary_is_not_looked_for_in_a_long_type(own_origin: Origin, tmp_path: Path) -> None:
    """The standard library does so in quadratic time."""
    types = [
        b'multipart/x; a="' + b";" * 60_000,
        b'multipart/x; a="' + (b"\r\n " + b";" * 600) * 90,
    ]
    for text in types:
        answer = OK + b"Content-Type: " + text + b"\r\nContent-Length: 1\r\n\r\n\x00"
        with cpu_below(1), pytest.raises(SourceError):
            _get(own_origin, tmp_path, lambda exchange, answer=answer: exchange.raw(answer))
    usual = OK + b"Content-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n\x00"
    done = _get(own_origin, tmp_path, lambda exchange: exchange.raw(usual))
    assert done.content_type == "multipart/x-mixed-replace; boundary=b"


def test_a_segment_with_a_flood_around_it_is_named(own_origin: Origin, tmp_path: Path) -> None:
    own_origin.add("/1.ts", Flood(CHUNKED + b"1\r\n\x00\r\n0\r\n", b"X-Trailer: x\r\n"))
    room = Room(tmp_path, (own_origin.authority,))
    message = room.refused(own_origin.add("/x.m3u8", media("1.ts")), "source_too_large")
    assert "but not segment 1: " in message
    assert "around its content" in message
