"""Fuzz target: range and conditional headers."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

from hypothesis import given
from hypothesis import strategies as st

from gmapi.storage.ranges import OpenRange, choose, http_date
from support.fuzzing import fuzz, mutated

ETAG = '"0123-7"'
MODIFIED = 1_700_000_000.5
SEEDS = [
    "bytes=0-", "bytes=0-0", "bytes=5-9", "bytes=-5", "bytes=-0", "bytes=9-5", "bytes= 1-2 ",
    "BYTES=3-4", "bytes=0-0,2-3", "items=0-1", "bytes=", "bytes=-", "bytes", "bytes=1-2-3",
    "bytes=99999999999999999999-", "bytes=-99999999999999999999", "bytes=0x1-2", "bytes=+1-2",
]  # fmt: skip
HEADERS = mutated(SEEDS, "bytes=-, 0123456789\t\u0661") | st.text(max_size=30)
SIZES = st.integers(0, 40) | st.integers(0, 2**63)
DATES = st.sampled_from(
    [http_date(MODIFIED), http_date(MODIFIED - 5), http_date(MODIFIED + 5), "", "0", "Mon, 99 Foo",
     "Sat, 31 Dec 9999999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 +9999999999999"]
)  # fmt: skip
TAGS = st.sampled_from([ETAG, f"W/{ETAG}", '"other"', "*", '"', "", f'"a", {ETAG}'])
CONDITIONS = st.none() | DATES | TAGS | mutated([ETAG, http_date(MODIFIED)], '"W/, *0:GMT')


@fuzz
@given(
    SIZES,
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.none() | HEADERS,
    CONDITIONS,
    CONDITIONS,
    CONDITIONS,
)
def test_what_is_sent_lies_inside_of_the_file(
    size: int,
    method: str,
    range_header: str | None,
    if_range: str | None,
    if_none_match: str | None,
    if_modified_since: str | None,
) -> None:
    chosen = choose(
        size,
        ETAG,
        MODIFIED,
        method=method,
        range_header=range_header,
        if_range=if_range,
        if_none_match=if_none_match,
        if_modified_since=if_modified_since,
    )
    assert 0 <= chosen.offset <= chosen.offset + chosen.length <= size
    if chosen.status == 200:
        assert (chosen.offset, chosen.length, chosen.content_range) == (0, size, None)
    elif chosen.status == 206:
        first, last = chosen.offset, chosen.offset + chosen.length - 1
        assert chosen.content_range == f"bytes {first}-{last}/{size}"
        assert chosen.length > 0
        assert method == "GET"
        assert range_header is not None
        assert if_range is None or if_range.strip() == ETAG or _is_the_date(if_range)
    elif chosen.status == 416:
        assert (chosen.length, chosen.content_range) == (0, f"bytes */{size}")
    else:
        assert (chosen.status, chosen.length) == (304, 0)
        assert if_none_match is not None or if_modified_since is not None


def _is_the_date(text: str) -> bool:
    """Whether this is our date in any of the spellings that the standard library reads."""
    return http_date(parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp()) == http_date(
        MODIFIED
    )


NUMBERS = st.integers(0, 60)


@fuzz
@given(st.binary(max_size=40), st.none() | NUMBERS, st.none() | NUMBERS)
def test_a_range_is_the_slice_that_it_names(
    data: bytes, first: int | None, last: int | None
) -> None:
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    chosen = choose(len(data), ETAG, MODIFIED, method="GET", range_header=header)
    sent = data[chosen.offset : chosen.offset + chosen.length]
    if first is None and last is None:
        assert (chosen.status, sent) == (200, data)
    elif first is None:
        wanted = data[-last:] if last else b""
        assert sent == wanted
        assert chosen.status == (416 if not last else 206 if data else 200)
    elif last is not None and last < first:
        assert (chosen.status, sent) == (200, data)
    else:
        wanted = data[first:] if last is None else data[first : last + 1]
        assert sent == wanted
        assert chosen.status == (206 if first < len(data) else 416)


@fuzz
@given(HEADERS, st.none() | CONDITIONS, SIZES, st.integers(1, 2**24))
def test_a_range_of_what_grows_lies_inside_of_what_is_there(
    header: str, if_range: str | None, size: int, most: int
) -> None:
    wanted = OpenRange.parse(header, if_range)
    if wanted is None:
        return
    assert if_range is None
    chosen = wanted.choose(size, most)
    if chosen is None:
        assert wanted.first >= size
        return
    assert chosen.offset == wanted.first
    assert 0 < chosen.length <= most
    assert chosen.offset + chosen.length <= size
    assert wanted.last is None or chosen.offset + chosen.length - 1 <= wanted.last
    match = re.fullmatch(r"bytes ([0-9]+)-([0-9]+)/\*", chosen.content_range or "")
    assert match is not None
    assert int(match[2]) - int(match[1]) + 1 == chosen.length
