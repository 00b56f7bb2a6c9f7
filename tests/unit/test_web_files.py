"""Sending files: headers, ranges, HEAD, and that every opened file is closed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask, Response, request
from hypothesis import given
from hypothesis import strategies as st

from gmapi.storage.base import OpenFile, Slice, new_file_id
from gmapi.storage.local import LocalStorage
from gmapi.web.files import (
    READ_BYTES,
    FileBody,
    binary_type,
    body_answer,
    file_answer,
    slice_answer,
)

CONTENT = bytes(range(256)) * 40


def nobody_asks() -> None:
    """For files whose access is not counted."""


@pytest.fixture
def publish(tmp_path: Path) -> Callable[[bytes], OpenFile]:
    storage = LocalStorage(tmp_path / "files")

    def make(content: bytes) -> OpenFile:
        source = tmp_path / "source"
        source.write_bytes(content)
        file_id = new_file_id()
        storage.publish(file_id, "output.dfpwm", source)
        return storage.open(file_id, "output.dfpwm")

    return make


def sent(opened: OpenFile, method: str = "GET", **headers: str) -> tuple[Response, bytes]:
    """The response to a request with these headers (`If_Range="..."`), and its body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with Flask(__name__).test_request_context("/", method=method, headers=named):
        response = file_answer(
            request.environ, opened, "application/octet-stream", nobody_asks
        ).response()
        body = b"".join(response.response)  # type: ignore[arg-type]
        response.close()
    return response, body


def is_closed(opened: OpenFile) -> bool:
    try:
        opened.fileno()
    except ValueError:
        return True
    return False


def test_a_whole_file(publish: Callable[[bytes], OpenFile]) -> None:
    opened = publish(CONTENT)
    response, body = sent(opened)
    assert (response.status_code, body) == (200, CONTENT)
    headers = dict(response.headers)
    assert headers["Content-Length"] == str(len(CONTENT))
    assert headers["Content-Type"] == "application/octet-stream; charset=ISO-8859-1"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["ETag"] == opened.stored.etag
    assert headers["Last-Modified"].endswith("GMT")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert is_closed(opened)


def test_a_range(publish: Callable[[bytes], OpenFile]) -> None:
    opened = publish(CONTENT)
    response, body = sent(opened, Range="bytes=5-9")
    assert (response.status_code, body) == (206, CONTENT[5:10])
    assert response.headers["Content-Range"] == f"bytes 5-9/{len(CONTENT)}"
    assert response.content_length == 5
    assert is_closed(opened)


def test_a_range_of_another_version_is_the_whole_file(
    publish: Callable[[bytes], OpenFile],
) -> None:
    response, body = sent(publish(CONTENT), Range="bytes=5-9", If_Range='"other"')
    assert (response.status_code, body) == (200, CONTENT)
    assert "Content-Range" not in response.headers


def test_a_range_beyond_the_end(publish: Callable[[bytes], OpenFile]) -> None:
    opened = publish(CONTENT)
    response, body = sent(opened, Range=f"bytes={len(CONTENT)}-")
    assert (response.status_code, body) == (416, b"")
    assert response.headers["Content-Range"] == f"bytes */{len(CONTENT)}"
    assert is_closed(opened)


def test_nothing_new(publish: Callable[[bytes], OpenFile]) -> None:
    opened = publish(CONTENT)
    response, body = sent(opened, If_None_Match=opened.stored.etag)
    assert (response.status_code, body) == (304, b"")
    assert response.headers["ETag"] == opened.stored.etag
    assert response.content_length is None
    assert is_closed(opened)


def test_head_tells_the_length_and_sends_nothing(publish: Callable[[bytes], OpenFile]) -> None:
    opened = publish(CONTENT)
    response, body = sent(opened, "HEAD")
    assert (response.status_code, body, response.content_length) == (200, b"", len(CONTENT))
    assert is_closed(opened)


def test_an_empty_file(publish: Callable[[bytes], OpenFile]) -> None:
    response, body = sent(publish(b""))
    assert (response.status_code, body, response.content_length) == (200, b"", 0)


def test_a_file_is_closed_when_the_answer_is_broken_off(
    publish: Callable[[bytes], OpenFile],
) -> None:
    opened = publish(CONTENT)
    with Flask(__name__).test_request_context("/"):
        response = file_answer(request.environ, opened, "audio/mpeg", nobody_asks).response()
    assert not is_closed(opened)
    response.close()
    assert is_closed(opened)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30))
def test_any_range_gives_an_exact_part_or_all(
    tmp_path_factory: pytest.TempPathFactory, value: str
) -> None:
    path = tmp_path_factory.mktemp("range") / "file"
    path.write_bytes(CONTENT)
    with (
        path.open("rb", buffering=0) as source,
        Flask(__name__).test_request_context("/", headers={"Range": f"bytes={value}"}),
    ):
        response = slice_answer(
            request.environ,
            *(Slice(source, 0, len(CONTENT)), '"e"', 1.0, "image/png"),
            *(lambda: None, nobody_asks),
        ).response()
        body = b"".join(response.response)  # type: ignore[arg-type]
        if response.status_code == 206:
            unit, _, rest = response.headers["Content-Range"].partition(" ")
            span, _, total = rest.partition("/")
            first, _, last = span.partition("-")
            assert (unit, total) == ("bytes", str(len(CONTENT)))
            assert body == CONTENT[int(first) : int(last) + 1]
            assert response.content_length == len(body)
        else:
            assert (response.status_code, body) in [(200, CONTENT), (416, b"")]


def test_a_body_of_parts_is_sent_in_order_and_closed_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT * 60)
    closed: list[bool] = []
    with path.open("rb", buffering=0) as source:
        parts = [b"head", Slice(source, 10, 5), b"", Slice(source, 0, len(CONTENT) * 60)]
        response = body_answer(
            parts, 9, "image/png", lambda: closed.append(True), nobody_asks
        ).response()
        assert isinstance(response.response, FileBody)
        pieces = list(response.response)
        response.close()
    assert b"".join(pieces) == b"head" + CONTENT[10:15] + CONTENT * 60
    assert max(map(len, pieces)) <= 256 * 1024
    assert closed == [True]


@pytest.mark.parametrize(
    ("media_type", "labelled"),
    [
        ("image/png", "image/png; charset=ISO-8859-1"),
        ("text/vtt; charset=utf-8", "text/vtt; charset=utf-8"),
    ],
)
def test_old_game_versions_need_a_charset(media_type: str, labelled: str) -> None:
    assert binary_type(media_type) == labelled


def test_a_file_counts_as_used_all_the_while_it_is_sent(
    publish: Callable[[bytes], OpenFile],
) -> None:
    opened = publish(bytes(4 * READ_BYTES))
    used: list[int] = []
    with Flask(__name__).test_request_context("/"):
        response = file_answer(
            request.environ, opened, "audio/mpeg", lambda: used.append(1)
        ).response()
        sent_so_far = 0
        for piece in response.response:
            sent_so_far += len(piece)
        assert sent_so_far == 4 * READ_BYTES
        response.close()
    assert len(used) == 4


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "condition", [{"If_Match": '"other"'}, {"If_Unmodified_Since": "Tue, 14 Nov 2000 22:13:20 GMT"}]
)
def test_nothing_is_sent_when_a_condition_does_not_hold(
    publish: Callable[[bytes], OpenFile], condition: dict[str, str], method: str
) -> None:
    opened = publish(CONTENT)
    response, body = sent(opened, method, Range="bytes=5-9", **condition)
    assert (response.status_code, body) == (412, b"")
    assert response.headers["ETag"] == opened.stored.etag
    assert response.headers["Cache-Control"] == "no-store"
    assert "Content-Range" not in response.headers
    assert is_closed(opened)


def test_a_range_of_the_file_that_is_meant(publish: Callable[[bytes], OpenFile]) -> None:
    opened = publish(CONTENT)
    response, body = sent(opened, Range="bytes=5-9", If_Match=opened.stored.etag)
    assert (response.status_code, body) == (206, CONTENT[5:10])
