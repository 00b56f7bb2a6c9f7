"""Parts of a source that are read ahead of their turn, from servers of several manners."""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import SourceError
from gmapi.fetch.address import check_url
from gmapi.fetch.arrival import Beginning
from gmapi.fetch.parts import BATCH, Parts
from gmapi.fetch.ranges import cut_parts, multipart_boundary, sent_part
from gmapi.fetch.terms import FetchRules
from gmapi.hosts import parse_allow
from support.http.byte_ranges import asked_parts, partial
from support.http.origin import Exchange, Origin
from support.http.slow_origin import SlowFile

BODY = bytes(range(256)) * 4000
RANGES = [(at, 70 + at % 90) for at in range(5, 900_000, 3_001)]


def parts_of(origin: Origin, film: SlowFile, *, etag: str | None = '"1"') -> Parts:
    url = origin.add("/film", film)
    film.release_all()
    beginning = Beginning(Path("unused"), url, len(BODY), etag)
    rules = FetchRules(parse_allow([origin.authority]), 10**8, deadline=60.0, stall=20.0)
    return Parts(beginning, check_url(url), {"X-Key": "a"}, rules, lambda: False)


def cut(ranges: list[tuple[int, int]]) -> list[bytes]:
    return [BODY[first : first + length] for first, length in ranges]


def test_a_part_is_read(own_origin: Origin) -> None:
    film = SlowFile(BODY)
    parts = parts_of(own_origin, film)
    assert parts.read(1000, 50) == BODY[1000:1050]
    assert parts.read(len(BODY) - 10, 50) == BODY[-10:]
    assert parts.read(len(BODY), 50) == b""
    assert film.requests[0].headers["if-range"] == '"1"'
    assert film.requests[0].headers["x-key"] == "a"


def test_many_parts_come_a_hundred_at_a_time(own_origin: Origin) -> None:
    film = SlowFile(BODY)
    assert parts_of(own_origin, film).gather(RANGES, 4) == cut(RANGES)
    assert len(film.requests) == -(-len(RANGES) // BATCH)


def test_where_several_do_not_come_at_once_each_is_asked_for(own_origin: Origin) -> None:
    film = SlowFile(BODY, most_parts=1)
    few = RANGES[:40]
    assert parts_of(own_origin, film).gather(few, 4) == cut(few)
    assert len(film.requests) == 1 + len(few)


def test_too_many_are_not_asked_for_one_by_one(own_origin: Origin) -> None:
    film = SlowFile(BODY, most_parts=1)
    many = [(at, 10) for at in range(0, 310_000, 1000)]
    with pytest.raises(SourceError):
        parts_of(own_origin, film).gather(many, 4)
    assert len(film.requests) == 1


@pytest.mark.parametrize(
    "film", [SlowFile(BODY, etag='"2"'), SlowFile(BODY, etag=None), SlowFile(BODY, ranges=False)]
)
def test_parts_of_another_version_are_none(own_origin: Origin, film: SlowFile) -> None:
    parts = parts_of(own_origin, film)
    with pytest.raises(SourceError):
        parts.read(1000, 50)
    with pytest.raises(SourceError):
        parts.gather(RANGES, 4)


def test_the_headers_of_the_caller_stay_with_its_origin(own_origin: Origin) -> None:
    film = SlowFile(BODY)
    url = own_origin.add("/film", film)
    film.release_all()
    rules = FetchRules(parse_allow([own_origin.authority]), 10**8, deadline=60.0, stall=20.0)
    asked = check_url(f"http://other.example:{urlsplit(url).port}/film")
    parts = Parts(Beginning(Path("x"), url, len(BODY), '"1"'), asked, {"X-Key": "a"}, rules, _never)
    assert parts.read(0, 10) == BODY[:10]
    assert "x-key" not in film.requests[0].headers


def _never() -> bool:
    return False


def test_a_flood_of_parts_is_cut_off(own_origin: Origin) -> None:
    def flood(exchange: Exchange) -> None:
        kind = "multipart/byteranges; boundary=x"
        exchange.head(206, {"Content-Type": kind, "ETag": '"1"', "Content-Length": str(10**7)})
        exchange.raw(b"x" * 10**6)

    url = own_origin.add("/flood", flood)
    rules = FetchRules(parse_allow([own_origin.authority]), 10**8, deadline=60.0, stall=20.0)
    parts = Parts(Beginning(Path("x"), url, len(BODY), '"1"'), check_url(url), {}, rules, _never)
    with pytest.raises(SourceError):
        parts.gather(RANGES, 4)


@given(
    apart=st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 10)), min_size=2, max_size=20, unique=True
    ),
    shuffled=st.randoms(use_true_random=False),
)
def test_parts_may_come_in_any_order(apart: list[tuple[int, int]], shuffled: random.Random) -> None:
    ends = list(accumulate(gap + length for gap, length in apart))
    ranges = [(end - length, length) for end, (_, length) in zip(ends, apart, strict=True)]
    body = bytes(number % 251 for number in range(1000))
    listed = ",".join(f"{first}-{first + length - 1}" for first, length in ranges)
    parts = asked_parts(f"bytes={listed}", len(body))
    assert parts is not None
    shuffled.shuffle(parts)
    headers, pieces = partial(parts, len(body), "video/mp4")
    sent = b"".join(p if isinstance(p, bytes) else body[p.first : p.end] for p in pieces)
    boundary = multipart_boundary(headers)
    assert boundary is not None
    assert cut_parts(sent, boundary, ranges) == [body[a : a + n] for a, n in ranges]


@given(st.binary(max_size=300), st.integers(0, 50))
def test_anything_else_is_refused(data: bytes, first: int) -> None:
    with pytest.raises(ValueError, match="part"):
        cut_parts(data, b"mark", [(first, 10)])


@pytest.mark.parametrize("told", ["500-1/9999", "500-499/9999", "1-0/*"])
def test_a_part_that_ends_before_it_begins_is_none(told: str) -> None:
    # It would lead back to where it was found, for ever.
    assert sent_part({"Content-Range": f"bytes {told}"}) is None
    body = f"--mark\r\nContent-Range: bytes {told}\r\n\r\nxxxx\r\n--mark--".encode()
    with pytest.raises(ValueError, match="part"):
        cut_parts(body, b"mark", [(500, 4)])


def test_parts_are_given_up_when_all_has_come(own_origin: Origin) -> None:
    asked = threading.Event()

    def trickle(exchange: Exchange) -> None:
        asked.set()
        exchange.head(206, {"Content-Range": f"bytes 0-999/{len(BODY)}", "ETag": '"1"'})
        with suppress(OSError):
            while not exchange.origin.closing.is_set():
                exchange.raw(b"x")
                exchange.wait(0.1)

    url = own_origin.add("/film", trickle)
    rules = FetchRules(parse_allow([own_origin.authority]), 10**8, deadline=50.0, stall=50.0)
    beginning = Beginning(Path("unused"), url, len(BODY), '"1"')
    parts = Parts(beginning, check_url(url), {}, rules, _never, has_come=asked.is_set)
    for get in (lambda: parts.read(0, 1000), lambda: parts.gather([(0, 1000)], 4)):
        asked.clear()
        with pytest.raises(SourceError, match="came sooner"):
            get()
