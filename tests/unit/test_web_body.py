"""Bodies are JSON objects whatever they are labelled, or refused with a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import RequestError, TooLargeError
from gmapi.web.body import DEPTH_MAX, JsonRequest, parse_object

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab"), inner, max_size=4),
    max_leaves=12,
)


def refusal(data: bytes) -> str:
    with pytest.raises(RequestError) as caught:
        parse_object(data)
    assert caught.value.status == 400
    return caught.value.message


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON_VALUES))
def test_every_object_is_read_as_it_was_written(value: dict[str, Any]) -> None:
    for ascii_only in (True, False):
        assert parse_object(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


def test_a_byte_order_mark_and_white_space_are_forgiven() -> None:
    assert parse_object(b'\xef\xbb\xbf \r\n{"a": 1}\n') == {"a": 1}


@given(st.binary())
def test_any_bytes_are_an_object_or_refused_with_one_sentence(data: bytes) -> None:
    try:
        assert isinstance(parse_object(data), dict)
    except RequestError as error:
        assert error.message.endswith(".")
        assert len(error.message) < 400


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "has no body"),
        (b" \n", "has no body"),
        (b"input_url=http%3A%2F%2Fx&output_format=mp3", "Expecting value at line 1, column 1"),
        (b'{"a": 1,}', "line 1, column"),
        (b'{"a": 1} {"b": 2}', "Extra data at line 1, column 10"),
        (b"[]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"12", "not a JSON object"),
        (b'{"a": \xff}', "not UTF-8"),
        (b'{"a": "\\ud83d"}', "half of a surrogate pair"),
        (b'{"\\udc00": 1}', "half of a surrogate pair"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": -Infinity}', "-Infinity is not a number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"a": ' + b"9" * 101 + b"}", "too many digits"),
        (b'{"a": ' + b"[" * 200_000, "nested too deeply"),
        (b'{"a": ' + b"[" * 33 + b"]" * 33 + b"}", "nested too deeply"),
        (b'{"a": [' + b"[]," * 300_000 + b"1]}", "too many values"),
        (b'{"a": [' + b"{}," * 300_000 + b"1]}", "too many values"),
        (b'{"a": [' + b"1," * 300_000 + b"1]}", "too many values"),
        (b'{"a": [' + (b"[" * 900 + b"]" * 900 + b",") * 500 + b"1]}", "too many values"),
        (b'{"a": ' + b'{"b":' * 900 + b"1" + b"}" * 901, "nested too deeply"),
    ],
)
def test_refusals_say_what_is_wrong_and_what_to_send(data: bytes, words: str) -> None:
    message = refusal(data)
    assert words in message
    assert any(remedy in message for remedy in ("; send", "; leave", "levels are allowed"))


def test_a_text_may_hold_any_number_of_commas_and_brackets() -> None:
    """What is wrong with it is told with its field, by whoever knows what it is for."""
    text = 'null,[a]\\"' * 20_000
    assert parse_object(json.dumps({"args": ["-vf", text]}).encode()) == {"args": ["-vf", text]}


def test_many_texts_are_many_values() -> None:
    assert "too many values" in refusal(b'{"a": [' + b'"",' * 250_000 + b'""]}')
    assert "too many values" in refusal(b'{"a": [' + b'"[",' * 9_000 + b'""]}')


@pytest.mark.parametrize("word", ["nan", "-nan", "inf", "-inf"])
def test_the_games_not_a_number_is_named(word: str) -> None:
    # The game writes 0/0 and 1/0 like this; "Expecting value" would leave its user in the dark.
    assert f"{word} is not a number" in refusal(b'{"w": ' + word.encode() + b"}")


@given(st.integers(1, 3 * DEPTH_MAX), st.booleans())
def test_nesting_is_bounded_the_same_for_lists_and_objects(depth: int, lists: bool) -> None:
    opening, closing = (b"[", b"]") if lists else (b'{"k":', b"}")
    data = b'{"a":' + opening * depth + b"1" + closing * depth + b"}"
    if depth < DEPTH_MAX:
        assert "a" in parse_object(data)
    else:
        assert "nested too deeply" in refusal(data)


def request_of(**options: Any) -> JsonRequest:
    app = Flask(__name__)
    app.request_class = JsonRequest
    app.config["MAX_CONTENT_LENGTH"] = 16
    with app.test_request_context("/", method="POST", **options) as context:
        assert isinstance(context.request, JsonRequest)
        context.request.get_data(cache=True)
        return context.request


@pytest.mark.parametrize("label", [None, "", "text/plain", "application/x-www-form-urlencoded"])
def test_the_content_type_does_not_matter(label: str | None) -> None:
    request = request_of(data=b'{"a": 1}', content_type=label)
    assert request.is_json
    assert request.get_json(silent=True) == {"a": 1}


def test_silence_does_not_hide_a_broken_body() -> None:
    with pytest.raises(RequestError):
        request_of(data=b"{").get_json(silent=True)


@pytest.mark.parametrize(("size", "fits"), [(16, True), (17, False), (32, False)])
def test_a_body_without_a_length_is_not_cut_at_the_limit(size: int, fits: bool) -> None:
    app = Flask(__name__)
    app.request_class = JsonRequest
    app.config["MAX_CONTENT_LENGTH"] = 16
    # Cut at 16 bytes, `{"a":1}` and blanks would pass for the whole body.
    body = b'{"a":1}'.ljust(size)
    with app.test_request_context("/", method="POST", data=body) as context:
        context.request.environ["wsgi.input_terminated"] = True
        del context.request.environ["CONTENT_LENGTH"]
        if fits:
            assert context.request.get_json() == {"a": 1}
        else:
            with pytest.raises(TooLargeError, match="larger than the 16 bytes"):
                context.request.get_json()
