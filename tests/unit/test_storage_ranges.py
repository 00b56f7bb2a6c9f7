"""Conditional and range requests against a table and a byte-by-byte model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.storage.ranges import Choice, OpenRange, choose, http_date

ETAG = '"abc"'
MODIFIED = 1_700_000_000.75
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
LATER = "Tue, 14 Nov 2023 22:13:21 GMT"
EARLIER = "Tue, 14 Nov 2023 22:13:19 GMT"
WHOLE = Choice(200, 0, 1000)
NOT_MODIFIED = Choice(304, 0, 0)
BEYOND = Choice(416, 0, 0, "bytes */1000")
PART = Choice(206, 10, 10, "bytes 10-19/1000")


def ask(size: int = 1000, method: str = "GET", **headers: str | None) -> Choice:
    return choose(size, ETAG, MODIFIED, method=method, **headers)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, WHOLE),
        ("bytes=10-19", PART),
        ("BYTES=10-19", PART),
        ("bytes= 10-19 ", PART),
        ("bytes=0-0", Choice(206, 0, 1, "bytes 0-0/1000")),
        ("bytes=0-999", Choice(206, 0, 1000, "bytes 0-999/1000")),
        ("bytes=990-", Choice(206, 990, 10, "bytes 990-999/1000")),
        ("bytes=990-5000", Choice(206, 990, 10, "bytes 990-999/1000")),
        ("bytes=0-" + "9" * 100, Choice(206, 0, 1000, "bytes 0-999/1000")),
        ("bytes=-500", Choice(206, 500, 500, "bytes 500-999/1000")),
        ("bytes=-1000", Choice(206, 0, 1000, "bytes 0-999/1000")),
        ("bytes=-5000", Choice(206, 0, 1000, "bytes 0-999/1000")),
        ("bytes=-0", BEYOND),
        ("bytes=-000", BEYOND),
        ("bytes=1000-", BEYOND),
        ("bytes=1000-2000", BEYOND),
        ("bytes=" + "9" * 100 + "-", BEYOND),
        ("bytes=20-10", WHOLE),
        ("bytes=2000-1999", WHOLE),
        ("bytes=0-1,5-6", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=", WHOLE),
        ("bytes", WHOLE),
        ("", WHOLE),
        ("bytes=a-b", WHOLE),
        ("bytes=+1-2", WHOLE),
        ("bytes=1-2\n", WHOLE),
        ("bytes=--5", WHOLE),
        ("bytes=1-2-3", WHOLE),
        ("bytes=\u0661-\u0662", WHOLE),
        ("lines=0-5", WHOLE),
        ("bytes=" + "1" * 5000 + "-", WHOLE),
    ],
)
def test_range(header: str | None, expected: Choice) -> None:
    assert ask(range_header=header) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, Choice(200, 0, 0)),
        ("bytes=0-", Choice(416, 0, 0, "bytes */0")),
        ("bytes=0-0", Choice(416, 0, 0, "bytes */0")),
        ("bytes=-0", Choice(416, 0, 0, "bytes */0")),
        ("bytes=-5", Choice(200, 0, 0)),
        ("bytes=-", Choice(200, 0, 0)),
    ],
)
def test_range_of_an_empty_file(header: str | None, expected: Choice) -> None:
    assert ask(0, range_header=header) == expected


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        (ETAG, True),
        (f" {ETAG}", True),
        ('"other"', False),
        (f"W/{ETAG}", False),
        ("abc", False),
        ("*", False),
        ("", False),
        (DATE, True),
        (EARLIER, False),
        (LATER, False),
        ("Tuesday, 14-Nov-23 22:13:20 GMT", True),
        ("Tue Nov 14 22:13:20 2023", True),
        ("9" * 5000, False),
    ],
)
def test_if_range(value: str, allowed: bool) -> None:
    assert ask(range_header="bytes=10-19", if_range=value) == (PART if allowed else WHOLE)


def test_if_range_guards_an_unsatisfiable_range_and_means_nothing_alone() -> None:
    assert ask(range_header="bytes=5000-", if_range='"other"') == WHOLE
    assert ask(if_range='"other"') == WHOLE


def test_a_weak_etag_never_allows_a_range() -> None:
    choice = choose(
        1000, 'W/"abc"', MODIFIED, method="GET", range_header="bytes=10-19", if_range='W/"abc"'
    )
    assert choice == WHOLE


@pytest.mark.parametrize(
    ("value", "same"),
    [
        (ETAG, True),
        (f"W/{ETAG}", True),
        (f'"x", "y,z" ,W/{ETAG}', True),
        ("*", True),
        (" * ", True),
        ('"other"', False),
        ("abc", False),
        ('"ABC"', False),
        ('"x,"abc', False),
        ("", False),
    ],
)
def test_if_none_match_wins_over_date_and_range(value: str, same: bool) -> None:
    choice = ask(
        if_none_match=value,
        if_modified_since=EARLIER if same else LATER,
        range_header="bytes=10-19",
        if_range='"other"' if same else None,
    )
    assert choice == (NOT_MODIFIED if same else PART)


@pytest.mark.parametrize(
    ("value", "same"),
    [
        (DATE, True),
        (LATER, True),
        (EARLIER, False),
        ("yesterday", False),
        ("", False),
        ("Tue, 14 Nov 99999 22:13:20 GMT", False),
        ("Tue, 14 Nov 2023 22:13:20 +9999", False),
        ("Tue, 99 Nov 2023 22:13:20 GMT", False),
    ],
)
def test_if_modified_since(value: str, same: bool) -> None:
    assert ask(if_modified_since=value) == (NOT_MODIFIED if same else WHOLE)


def test_methods() -> None:
    assert ask(method="HEAD", range_header="bytes=10-19") == WHOLE
    assert ask(method="HEAD", if_none_match=ETAG) == NOT_MODIFIED
    assert ask(method="POST", range_header="bytes=10-19", if_none_match=ETAG) == WHOLE


def test_the_date_sent_is_the_date_understood() -> None:
    assert http_date(MODIFIED) == DATE
    assert ask(if_modified_since=http_date(MODIFIED)) == NOT_MODIFIED


def model(size: int, first: int | None, last: int | None) -> tuple[int, list[int]]:
    """RFC 9110 section 14.1.2, position by position."""
    if first is None:
        assert last is not None
        wanted = list(range(size))[-last:] if last else []
        if size == 0 and last:
            return 200, []
    elif last is not None and last < first:
        return 200, list(range(size))
    else:
        wanted = [n for n in range(size) if n >= first and (last is None or n <= last)]
    return (206, wanted) if wanted else (416, [])


@given(
    size=st.integers(0, 60),
    first=st.none() | st.integers(0, 70),
    last=st.none() | st.integers(0, 70),
    zeros=st.sampled_from(["", "0", "000"]),
)
def test_one_range_equals_the_model(
    size: int, first: int | None, last: int | None, zeros: str
) -> None:
    if first is None and last is None:
        return
    a = "" if first is None else f"{zeros}{first}"
    b = "" if last is None else f"{zeros}{last}"
    choice = ask(size, range_header=f"bytes={a}-{b}")
    status, wanted = model(size, first, last)
    assert choice.status == status
    assert list(range(choice.offset, choice.offset + choice.length)) == wanted
    if status == 206:
        assert choice.content_range == f"bytes {wanted[0]}-{wanted[-1]}/{size}"
    else:
        assert choice.content_range == (f"bytes */{size}" if status == 416 else None)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=10-19", OpenRange(10, 19)),
        ("bytes=10-", OpenRange(10, None)),
        ("bytes=0-0", OpenRange(0, 0)),
        ("bytes=10-10", OpenRange(10, 10)),
        ("bytes=-5", None),
        ("bytes=-0", None),
        ("bytes=-", None),
        ("bytes=10-9", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-5", None),
        ("bytes=" + "1" * 5000 + "-", None),
    ],
)
def test_a_range_of_unknown_length(header: str | None, expected: OpenRange | None) -> None:
    assert OpenRange.parse(header, None) == expected
    for if_range in (ETAG, DATE, ""):
        assert OpenRange.parse(header, if_range) is None


@given(
    size=st.integers(0, 60),
    first=st.integers(0, 70),
    last=st.none() | st.integers(0, 70),
    most=st.integers(1, 80),
)
def test_a_range_of_unknown_length_equals_the_model(
    size: int, first: int, last: int | None, most: int
) -> None:
    wanted = OpenRange.parse(f"bytes={first}-{'' if last is None else last}", None)
    if wanted is None:
        assert last is not None
        assert last < first
        return
    status, positions = model(size, first, last)
    choice = wanted.choose(size, most)
    if status == 416:
        assert choice is None
        return
    assert choice is not None
    sent = list(range(choice.offset, choice.offset + choice.length))
    assert sent == positions[:most]
    assert choice.content_range == f"bytes {sent[0]}-{sent[-1]}/*"


@given(
    st.integers(0, 100),
    *[st.none() | st.text() | st.text('bytes=-,0123456789 "W/*') for _ in range(4)],
)
def test_no_header_breaks_it(
    size: int, ranges: str | None, if_range: str | None, tags: str | None, since: str | None
) -> None:
    choice = ask(
        size,
        range_header=ranges,
        if_range=if_range,
        if_none_match=tags,
        if_modified_since=since,
    )
    assert 0 <= choice.offset <= choice.offset + choice.length <= size
    assert (choice.status in (206, 416)) == (choice.content_range is not None)


# -- conditions that must hold -------------------------------------------------------------------

FAILED = Choice(412, 0, 0)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"if_match": ETAG}, WHOLE),
        ({"if_match": "*"}, WHOLE),
        ({"if_match": f'"x", {ETAG} , "y"'}, WHOLE),
        ({"if_match": '"x"'}, FAILED),
        ({"if_match": f"W/{ETAG}"}, FAILED),  # only strong ones are the same bytes
        ({"if_match": f'W/"abc", {ETAG}'}, WHOLE),
        ({"if_match": "abc"}, FAILED),
        ({"if_match": ""}, FAILED),
        ({"if_unmodified_since": DATE}, WHOLE),
        ({"if_unmodified_since": LATER}, WHOLE),
        ({"if_unmodified_since": EARLIER}, FAILED),
        ({"if_unmodified_since": "yesterday"}, WHOLE),
        # If-Match goes before: the date is not looked at.
        ({"if_match": ETAG, "if_unmodified_since": EARLIER}, WHOLE),
        ({"if_match": '"x"', "if_unmodified_since": LATER}, FAILED),
        # What must hold goes before what saves sending it, and both before the range.
        ({"if_match": '"x"', "if_none_match": ETAG}, FAILED),
        ({"if_match": ETAG, "if_none_match": ETAG}, NOT_MODIFIED),
        ({"if_unmodified_since": EARLIER, "if_modified_since": DATE}, FAILED),
        ({"if_match": ETAG, "range_header": "bytes=10-19"}, PART),
        ({"if_match": '"x"', "range_header": "bytes=10-19"}, FAILED),
        ({"if_match": '"x"', "range_header": "bytes=5000-"}, FAILED),
        ({"if_match": ETAG, "range_header": "bytes=5000-"}, BEYOND),
        ({"if_match": ETAG, "if_range": '"x"', "range_header": "bytes=10-19"}, WHOLE),
        ({"if_unmodified_since": DATE, "range_header": "bytes=10-19"}, PART),
        ({"if_unmodified_since": EARLIER, "range_header": "bytes=10-19"}, FAILED),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_must_hold_goes_first(headers: dict[str, str], expected: Choice, method: str) -> None:
    if method == "HEAD" and expected in (PART, BEYOND):
        expected = WHOLE  # a range is for GET only
    assert ask(method=method, **headers) == expected
