"""Fuzz target: request bodies, and the repair of what the game's JSON writer does (rule R6)."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import RequestError
from gmapi.tools.ffmpeg import FfmpegRequest
from gmapi.tools.fields import repair, repair_text
from gmapi.web.body import DEPTH_MAX, parse_object
from support.fuzzing import fuzz, mutated
from support.http.raw_http import lua_json

ALPHABET = '{}[]":,\\u0019dDeE+-.nulltrefasNI \t\n\x00\x1f\ufeff\u00e9'
SEEDS = [
    '{"input_url": "http://127.0.0.1/x", "args": ["-vn", "-ar", "48000"], "output_format": "mp3"}',
    '{"urls": ["/frames/0123456789abcdef0123456789abcdef/frame_000001.png"]}',
    '{"a": [1, -2.5e3, true, false, null, {"b": {}}], "c": "\\u00e9\\u009f\\u00b3\\ud83d\\ude00"}',
    '{"w": nan, "h": 1e999}', '{"a": 1, "a": 2}', "[]", '{"a": [[[[[[[[]]]]]]]]}', '"x"', "{}",
]  # fmt: skip
TEXTS = st.text(max_size=20)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=5)
BODIES = st.one_of(
    mutated(SEEDS, ALPHABET).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text(ALPHABET, max_size=40).map(str.encode),
    st.binary(max_size=40),
    st.builds(lambda depth: b'{"a":' + b"[" * depth + b"]" * depth + b"}", st.integers(0, 2000)),
)


def depth(value: Any) -> int:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth, inner), default=0)
    return 0


@fuzz
@given(BODIES)
def test_a_body_is_an_object_or_refused(body: bytes) -> None:
    try:
        found = parse_object(body)
    except RequestError as error:
        assert error.message.isprintable()
        return
    assert isinstance(found, dict)
    assert depth(found) <= DEPTH_MAX + 1
    assert found == json.loads(body.decode("utf-8-sig"))
    # No lone surrogates and, but for numbers too large for a float, nothing that is no JSON.
    written = json.dumps(found, ensure_ascii=False).encode()
    if b"Infinity" not in written:
        assert parse_object(written) == found


@fuzz
@given(OBJECTS)
def test_what_a_client_means_arrives(values: dict[str, Any]) -> None:
    for body in (
        json.dumps(values),
        json.dumps(values, ensure_ascii=False),
        json.dumps(values, indent=1),
    ):
        assert parse_object(body.encode()) == values
    assert parse_object(b"\xef\xbb\xbf" + json.dumps(values).encode()) == values


LUA_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4)
        | st.dictionaries(st.text("abc", min_size=1), inner, min_size=1, max_size=4)
    ),
    max_leaves=10,
)


@fuzz
@given(st.dictionaries(st.text("abc", min_size=1), LUA_VALUES, min_size=1, max_size=4))
def test_repair_undoes_what_the_game_writes(values: dict[str, Any]) -> None:
    assert repair(parse_object(lua_json(values))) == values


@fuzz
@given(st.text(max_size=30) | st.text(st.characters(max_codepoint=255), max_size=30))
def test_repair_of_a_text(text: str) -> None:
    repaired = repair_text(text)
    assert repair_text(text.encode().decode("latin-1")) == text
    if any(character > "\xff" for character in text) or text.isascii():
        assert repaired == text
    if repaired == text:
        return
    # Only texts change that were bytes of UTF-8, and nothing is lost.
    assert repaired.encode().decode("latin-1") == text
    assert len(repaired) < len(text)


@fuzz
@given(TEXTS, st.lists(TEXTS, max_size=3))
def test_a_stored_request_is_not_repaired_twice(url: str, args: list[str]) -> None:
    fields = {"input_url": f"http://127.0.0.1/{url}", "args": args, "output_format": "mp3"}
    try:
        request = FfmpegRequest.model_validate(fields)
    except ValueError:
        return
    assert FfmpegRequest.restore(request.normalised()) == request
