"""Answers that say something else than they are, and are taken as what they are all the same."""

from __future__ import annotations

import gzip
import random
import zlib
from pathlib import Path

import pytest

from gmapi.fetch.terms import FetchRules
from support.http.download_rooms import Room
from support.http.origin import Exchange, Handler, Origin, broken_once, content, truncated

SONG = b"ID3\x04\0\0\0\0\0\0" + random.Random(2).randbytes(19_990)
PICTURE = b"\x89PNG\r\n\x1a\n" + random.Random(3).randbytes(9_992)


@pytest.fixture
def room(tmp_path: Path, own_origin: Origin) -> Room:
    return Room(tmp_path, own_origin.authority)


@pytest.mark.parametrize(
    "coding",
    ["none", "identity, utf-8", "binary", "aws-chunked", "UTF-8", "", "8bit", "aws-chunked,none",
     "gzip", "x-gzip", "zstd", "compress", "br", "deflate", "aws-chunked, gzip", "br, deflate"],
)  # fmt: skip
@pytest.mark.parametrize("body", [SONG, PICTURE, SONG[:20]], ids=["song", "picture", "short"])
def test_a_plain_file_is_taken_whatever_it_is_said_to_be_packed_with(
    coding: str, body: bytes, own_origin: Origin, room: Room
) -> None:
    room.get(own_origin.add("/a", content(body, headers={"Content-Encoding": coding})))
    assert room.target.read_bytes() == body


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(SONG)),
        ("X-GZIP", gzip.compress(SONG)),
        ("deflate, gzip", gzip.compress(zlib.compress(SONG))),
        ("gzip, identity", gzip.compress(SONG)),
        ("gzip, aws-chunked", gzip.compress(SONG)),
        ("deflate", zlib.compress(SONG)),
        ("deflate", zlib.compress(SONG)[2:-4]),
        ("br", b"\x8b\x80\x80" + SONG),
        ("zstd", b"\x28\xb5\x2f\xfd" + SONG),
        ("zstd", b"\x50\x2a\x4d\x18" + SONG),
        ("compress", b"\x1f\x9d\x90" + SONG),
    ],
)
def test_what_is_packed_is_refused_and_never_unpacked(
    coding: str, body: bytes, own_origin: Origin, room: Room
) -> None:
    url = own_origin.add("/a", content(body, headers={"Content-Encoding": coding}))
    assert "compressed" in room.refused(url, "source_refused")


def test_a_line_that_is_packed_itself_is_refused(own_origin: Origin, room: Room) -> None:
    for coding in ("gzip, chunked", "gzip", "chunked, gzip"):
        head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n".encode()
        url = own_origin.add("/a", lambda exchange, head=head: exchange.raw(head + SONG))
        assert "compressed" in room.refused(url, "source_refused")


def test_a_page_is_a_page_whatever_it_is_said_to_be_packed_with(
    own_origin: Origin, room: Room
) -> None:
    url = own_origin.add(
        "/a",
        content(b"<html>no", content_type="text/html", headers={"Content-Encoding": "gzip"}),
    )
    room.refused(url, "source_not_media")


def test_a_file_said_to_be_packed_is_resumed(own_origin: Origin, room: Room) -> None:
    said = {"Content-Encoding": "gzip", "ETag": '"1"'}
    first = truncated(SONG, 9_000, **said)
    rest = content(SONG, etag='"1"', headers={"Content-Encoding": "gzip"})
    answers = iter([first])
    room.get(own_origin.add("/a", lambda exchange: next(answers, rest)(exchange)))
    assert room.target.read_bytes() == SONG


@pytest.mark.parametrize(
    "head",
    [
        b"ICY 200 OK\r\nicy-name:Test\r\nContent-Type:audio/mpeg\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"ICY 200\r\nicy-notice1:<BR>This stream requires a player<BR>\r\n\r\n",
    ],
)
def test_the_status_line_of_shoutcast_is_one(head: bytes, own_origin: Origin, room: Room) -> None:
    done = room.get(own_origin.add("/a", lambda exchange: exchange.raw(head + SONG)))
    assert room.target.read_bytes() == SONG
    assert done.untold
    assert "icy-metadata" not in own_origin.requests[0].headers


def test_the_status_of_shoutcast_counts(own_origin: Origin, room: Room) -> None:
    answer = b"ICY 404 Resource Not Found\r\nicy-notice1:no\r\n\r\n"
    url = own_origin.add("/a", lambda exchange: exchange.raw(answer))
    assert "404" in room.refused(url, "source_status")
    url = own_origin.add("/b", lambda exchange: exchange.raw(b"ICY-ish\r\n\r\n" + SONG))
    room.refused(url, "source_unreachable")


def _part(headers: dict[str, str], body: bytes = SONG) -> Handler:
    return lambda exchange: exchange.send(206, headers, body)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": f"bytes 0-{len(SONG) - 1}/{len(SONG)}"},
        {"Content-Range": f"Bytes 0-{len(SONG) - 1}/{len(SONG)} "},
        {"Content-Range": f"bytes=0-{len(SONG) - 1}/{len(SONG)}"},
        {},
    ],
)
def test_a_whole_file_may_come_as_a_part(
    headers: dict[str, str], own_origin: Origin, room: Room
) -> None:
    done = room.get(own_origin.add("/a", _part(headers)))
    assert room.target.read_bytes() == SONG
    assert not done.is_part
    assert not done.untold


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": f"bytes 0-{len(SONG) - 1}/{len(SONG) + 1}"},
        {"Content-Range": f"bytes 1-{len(SONG)}/{len(SONG) + 1}"},
        {"Content-Range": f"bytes 0-{len(SONG) - 1}/*"},
        {"Content-Range": "bytes */20000"},
        {"Content-Range": "items 0-1/2"},
        {"Content-Type": "multipart/byteranges; boundary=x"},
    ],
)
def test_a_part_that_nobody_asked_for_is_refused(
    headers: dict[str, str], own_origin: Origin, room: Room
) -> None:
    assert "a part of the file" in room.refused(
        own_origin.add("/a", _part(headers)), "source_truncated"
    )


def test_a_whole_file_that_came_as_a_part_must_be_whole(own_origin: Origin, room: Room) -> None:
    def route(exchange: Exchange) -> None:
        span = f"bytes 0-{len(SONG) - 1}/{len(SONG)}"
        exchange.head(206, {"Content-Range": span, "Transfer-Encoding": "chunked"})
        exchange.raw(b"%x\r\n%s\r\n0\r\n\r\n" % (1000, SONG[:1000]))

    assert "1000 bytes" in room.refused(own_origin.add("/a", route), "source_truncated")
    assert room.get(own_origin.add("/b", broken_once(SONG, 5000, etag='"1"'))).size == len(SONG)


def test_browsers_follow_as_many_redirects() -> None:
    assert FetchRules((), 1, 1.0, 1.0).max_redirects == 20
