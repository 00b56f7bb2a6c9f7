"""The file whose bytes go out by the word of a test."""

from __future__ import annotations

import contextlib
import email
import http.client
import random
from collections.abc import Iterator

import pytest

from support.http.byte_ranges import Part, Unsatisfiable, asked_parts
from support.http.origin import Origin
from support.http.slow_origin import SlowFile

BODY = random.Random(1).randbytes(102_400)


@pytest.fixture
def served() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


@contextlib.contextmanager
def asking(
    origin: Origin, method: str = "GET", **headers: str
) -> Iterator[http.client.HTTPResponse]:
    """A request for the file, answered as far as its head."""
    connection = http.client.HTTPConnection(*origin.authority.split(":"), timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, "/film", headers=named)
    with contextlib.closing(connection), connection.getresponse() as answer:
        yield answer


def whole(origin: Origin, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body of an answer that comes to its end."""
    with asking(origin, **headers) as answer:
        return answer.status, answer.headers, answer.read()


def test_bytes_go_out_as_far_as_they_are_released(served: Origin) -> None:
    film = SlowFile(BODY)
    served.add("/film", film)
    film.release(1000)
    with asking(served) as answer:
        assert (answer.status, answer.headers["ETag"]) == (200, '"1"')
        assert int(answer.headers["Content-Length"]) == len(BODY)
        assert answer.read(1000) == BODY[:1000]
        film.await_sent(1000)
        assert (film.furthest, film.requests[0].sent, film.requests[0].ended) == (1000, 1000, "")
        film.release(500)  # takes nothing back
        film.release(70_000)
        assert answer.read(69_000) == BODY[1000:70_000]
        film.await_sent(70_000)
        assert film.furthest == 70_000
        film.release_all()
        assert answer.read() == BODY[70_000:]
        film.await_silence()
        assert film.requests[0].ended == "whole"


def test_other_parts_come_at_once_and_a_resumption_does_not(served: Origin) -> None:
    film = SlowFile(BODY)
    served.add("/film", film)
    film.release(1000)
    film.break_off()
    with asking(served) as answer:
        with pytest.raises(http.client.IncompleteRead) as broken:
            answer.read()
        assert broken.value.partial == BODY[:1000]
        assert whole(served, Range="bytes=-10")[2] == BODY[-10:]
    with asking(served, Range="bytes=1000-", If_Range='"1"') as answer:
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes 1000-{len(BODY) - 1}/{len(BODY)}"
        film.release(1500)
        assert answer.read(500) == BODY[1000:1500]
        film.await_sent(1500)
        assert film.furthest == 1500
        film.release_all()
        assert answer.read() == BODY[1500:]
        film.await_silence()
        assert [each.ended for each in film.requests] == ["broken", "whole", "whole"]
        assert film.requests[1].parts == (Part(len(BODY) - 10, 10),)


def test_parts_can_be_held_too(served: Origin) -> None:
    film = SlowFile(BODY, hold_parts=True)
    served.add("/film", film)
    film.release(100)
    with asking(served, Range="bytes=50-199") as answer:
        assert answer.read(50) == BODY[50:100]
        film.await_requests(1)
        assert not film.requests[0].ended
        film.release(200)
        assert answer.read() == BODY[100:200]


def test_each_of_several_downloads_can_be_broken_off(served: Origin) -> None:
    film = SlowFile(BODY)
    served.add("/film", film)
    film.break_off(times=2)
    film.release(300)
    for first in (0, 300):
        with pytest.raises(http.client.IncompleteRead):
            whole(served, Range=f"bytes={first}-")
    film.release_all()
    assert whole(served, Range="bytes=300-")[2] == BODY[300:]


def test_a_stall_holds_heads_and_parts(served: Origin) -> None:
    film = SlowFile(BODY)
    served.add("/film", film)
    film.release_all()
    film.stall()
    connection = http.client.HTTPConnection(*served.authority.split(":"), timeout=0.2)
    connection.request("GET", "/film", headers={"Range": "bytes=1-2"})
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    film.await_silence()
    assert film.requests[0].ended == "abandoned"
    film.go_on()
    assert whole(served)[2] == BODY


def test_a_client_that_leaves_is_seen(served: Origin) -> None:
    film = SlowFile(BODY)
    served.add("/film", film)
    film.release(10)
    with asking(served) as answer:
        answer.read(10)
        answer.close()
    film.await_silence()
    assert film.requests[0].ended == "abandoned"


def test_a_change_is_seen_by_the_next_request(served: Origin) -> None:
    film = SlowFile(BODY)
    served.add("/film", film)
    film.release(100)
    with asking(served) as answer:
        answer.read(100)
        film.change(b"other", '"2"')
        film.release_all()
        assert answer.read() == BODY[100:]
    status, headers, body = whole(served, Range="bytes=100-", If_Range='"1"')
    assert (status, headers["ETag"], body) == (200, '"2"', b"other")
    assert whole(served, Range="bytes=1-2", If_Range='"2"')[2] == b"th"
    assert whole(served, If_None_Match='"2"')[0] == 304
    assert film.size == 5


def test_several_parts_come_as_multipart(served: Origin) -> None:
    film = SlowFile(BODY, content_type="video/mp4", most_parts=3)
    served.add("/film", film)
    status, headers, body = whole(served, Range="bytes=0-9, 700-799,-5")
    assert status == 206
    assert int(headers["Content-Length"]) == len(body)
    message = email.message_from_bytes(
        f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + body
    )
    parts = message.get_payload()
    assert isinstance(parts, list)
    assert [part["Content-Range"] for part in parts] == [
        f"bytes 0-9/{len(BODY)}",
        f"bytes 700-799/{len(BODY)}",
        f"bytes {len(BODY) - 5}-{len(BODY) - 1}/{len(BODY)}",
    ]
    assert {part["Content-Type"] for part in parts} == {"video/mp4"}
    assert BODY[:10] in body
    assert BODY[700:800] in body
    film.release_all()
    assert whole(served, Range="bytes=0-0,2-2,4-4,6-6")[0] == 200
    assert film.requests[0].range == "bytes=0-9, 700-799,-5"


def test_a_file_can_be_poor_in_words(served: Origin) -> None:
    film = SlowFile(BODY, etag=None, ranges=False, length=False)
    served.add("/film", film)
    film.release_all()
    status, headers, body = whole(served, Range="bytes=5-")
    assert (status, body) == (200, BODY)
    assert not {"ETag", "Accept-Ranges", "Content-Length"} & set(headers)


def test_a_file_can_lie_about_its_length(served: Origin) -> None:
    film = SlowFile(BODY, length=len(BODY) + 1)
    served.add("/film", film)
    film.release_all()
    with pytest.raises(http.client.IncompleteRead) as short:
        whole(served)
    assert short.value.partial == BODY


def test_no_part_of_a_weak_version_is_sent_on(served: Origin) -> None:
    film = SlowFile(BODY, etag='W/"1"')
    served.add("/film", film)
    film.release_all()
    assert whole(served, Range="bytes=5-", If_Range='W/"1"')[0] == 200
    assert whole(served, Range="bytes=5-")[0] == 206


def test_a_head_and_a_part_behind_the_end(served: Origin) -> None:
    film = SlowFile(BODY)
    served.add("/film", film)
    with asking(served, "HEAD", Range="bytes=5-") as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(BODY)))
    assert whole(served, Range=f"bytes={len(BODY)}-")[0] == 416


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        ("bytes=0-", [Part(0, 100)]),
        ("bytes=90-200", [Part(90, 10)]),
        ("bytes=-200", [Part(0, 100)]),
        ("Bytes = 1-1 ,300-, -1", [Part(1, 1), Part(99, 1)]),
        ("bytes=2-1", None),
        ("bytes=-", None),
        ("bytes=1", None),
        ("lines=1-2", None),
        ("bytes", None),
    ],
)
def test_range_headers_are_read_as_servers_do(header: str, parts: list[Part] | None) -> None:
    assert asked_parts(header, 100) == parts


def test_parts_that_are_not_there_are_refused() -> None:
    for header in ("bytes=100-", "bytes=-0", "bytes=200-300"):
        with pytest.raises(Unsatisfiable):
            asked_parts(header, 100)
