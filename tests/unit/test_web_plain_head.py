"""Heads that are read plainly say what the parser for e-mail would, and are sound."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import gevent.pywsgi
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gmapi.web.plain_head import PlainHead
from gmapi.web.protocol import check_head

ORDINARY = (
    b"Host: 127.0.0.1:5000\r\nUser-Agent: computercraft/1.113\r\nAccept-Charset: UTF-8\r\n"
    b"Content-Type: application/json\r\ncontent-length: 2\r\nConnection: close\r\n\r\n"
)


def by_email(head: bytes) -> Any:
    """The head as gevent reads it."""
    return gevent.pywsgi.headers_factory(io.BytesIO(head), 0)


def seen(headers: Any) -> dict[str, Any]:
    """What the application is told of a head, and what gevent itself asks it for."""
    handler = SimpleNamespace(headers=headers)
    asked = ("Connection", "transfer-encoding", "content-length", "Upgrade", "expect", "none")
    return {
        "environ": sorted(gevent.pywsgi.WSGIHandler._headers(handler)),
        "type": headers.typeheader,
        "status": headers.status,
        **{name: (headers.get(name), headers.getheader(name, "-")) for name in asked},
    }


def test_an_ordinary_head_is_read_to_its_end() -> None:
    found = PlainHead.parse(ORDINARY + b"{}GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert found is not None
    head, length = found
    assert length == len(ORDINARY)
    assert head.get("HOST") == "127.0.0.1:5000"
    assert seen(head) == seen(by_email(ORDINARY))
    assert PlainHead.parse(b"\r\n") is not None
    nothing = by_email(b"\r\n")
    assert (nothing.typeheader, list(nothing.headers)) == (None, [])


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"Host: x\r\n",
        b"Host: x\r\nAccept: */*\r",
        b"Host: x\n\n",
        b"Host: x\r\nA: b\n\r\n",
        b"Host: x\r\n folded\r\n\r\n",
        b" Host: x\r\n\r\n",
        b"Host : x\r\n\r\n",
        b"Host\r\n\r\n",
        b": x\r\n\r\n",
        b"H\xc3\xb6st: x\r\n\r\n",
        b"A: \xff\r\n\r\n",
        b"A: b\0c\r\n\r\n",
        b"A: b\x0bc\r\n\r\n",
        b"A: b\rc: d\r\n\r\n",
        b"Host: x\r\nHost: y\r\n\r\n",
        b"Host: x\r\nhOST: x\r\n\r\n",
        b"Cookie: a\r\nCookie: b\r\n\r\n",
        b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"Content-Length: +1\r\n\r\n",
        b"Content-Length: 1 \r\n\r\n",
        b"Content-Length: \r\n\r\n",
        b"Content-Length: 1, 1\r\n\r\n",
        b"Content-Length: 1234567890123456789\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: \r\n\r\n",
        b"From me: x\r\n\r\n",
    ],
)
def test_what_is_not_plain_is_left_to_the_other_reader(head: bytes) -> None:
    assert PlainHead.parse(head) is None


LINE_PARTS = st.sampled_from(
    [b"Host", b"host", b"Content-Length", b"Content-Type", b"Connection", b"Upgrade", b"X_Y", b"A",
     b"Transfer-Encoding", b": ", b":", b" ", b"\t", b"\r\n", b"\n", b"\r", b"x", b"5", b"close",
     b"multipart/mixed; boundary=b", b"\xe9", b"\0", b"\x0c", b"\x1c", b"\x85", b"\r\n\r\n", b"="]
)  # fmt: skip


@given(st.lists(LINE_PARTS, max_size=24).map(b"".join))
@example(b"Content-Type: multipart/mixed; boundary=b\r\nContent-Length: 5\r\n\r\n")
@example(b"X_Y: 1\r\nX-Y: 2\r\nA:\t b \t \r\n\r\n")
@example(b"content-length: 05\r\nConnection: close \r\nA:\r\n\r\n")
def test_both_readers_say_the_same(start: bytes) -> None:
    data = start + b"\r\n\r\nrest"
    found = PlainHead.parse(data)
    if found is None:
        return
    head, length = found
    plain = by_email(data)
    check_head(plain)
    assert seen(head) == seen(plain)
    read = io.BytesIO(data)
    gevent.pywsgi.headers_factory(read, 0)
    assert read.tell() == length
