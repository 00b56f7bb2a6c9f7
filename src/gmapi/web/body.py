"""Request bodies: JSON whatever the Content-Type says (contract rule R1), with clear refusals."""

from __future__ import annotations

import json
import re
import string
from typing import Any, NoReturn
from urllib.parse import quote

from flask import Request

from gmapi.errors import RequestError, TooLargeError

DEPTH_MAX = 32
"""Deepest nesting of lists and objects; the requests of this API need three levels."""

VALUES_MAX = 8192
"""Most commas and brackets: what is to be parsed costs by its values, not by its bytes. The largest
sensible requests have a few hundred."""

DIGITS_MAX = 100
"""Longest whole number: to read one takes the square of its length."""

NAME_SHOWN = 60
_ASCII = string.printable
REMEDY = 'send the fields as one JSON object, such as {"name": "value"}; /docs lists them'

# One that has no end goes to the end, so that nobody looks for it again from each quote in it.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)

# What the game's JSON writer makes of numbers that are none (contract, P13).
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

_LUA_NOT_A_NUMBER = re.compile(r"-?(?:nan|inf)", re.IGNORECASE)


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object in a request body.

    Raises RequestError for anything else: no JSON, not-a-number, nesting or numbers beyond
    reason, fields that are given twice, characters that are no text.
    """
    if not data.strip():
        raise RequestError(f"The request has no body; {REMEDY}.")
    if _has_too_many_values(data):
        raise RequestError(
            "The request body has too many values or is nested too deeply; send at most "
            f"{VALUES_MAX:,} commas and brackets."
        )
    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            parse_constant=_refuse_constant,
            parse_int=_whole_number,
            object_pairs_hook=_once_each,
        )
        _check_depth(value)
        # Half a surrogate pair parses, yet it is no text and nothing could store it.
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError:
        raise RequestError("The request body is not UTF-8 text; send JSON in UTF-8.") from None
    except UnicodeEncodeError:
        raise RequestError(
            "The request body holds half of a surrogate pair, which is no character; leave it out."
        ) from None
    except RecursionError:
        raise RequestError(
            f"The request body is nested too deeply; {DEPTH_MAX} levels are allowed."
        ) from None
    except ValueError as error:
        raise RequestError(f"The request body is not JSON: {_short(error)}; {REMEDY}.") from None
    if not isinstance(value, dict):
        raise RequestError(f"The request body is not a JSON object; {REMEDY}.")
    return value


def _has_too_many_values(data: bytes) -> bool:
    if _marks(data) <= VALUES_MAX:
        return False
    # A text may hold as many as it likes, and be refused by its field; many texts are many values.
    return data.count(b'"') > 4 * VALUES_MAX or _marks(_TEXT.sub(b"", data)) > VALUES_MAX


def _marks(data: bytes) -> int:
    return sum(map(data.count, (b",", b"[", b"{")))


def _check_depth(value: Any) -> None:
    """Raise RecursionError beyond DEPTH_MAX, before anything walks the value by recursion."""
    level, depth = [value], 0
    while level:
        if depth > DEPTH_MAX:
            raise RecursionError
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        level, depth = below, depth + 1


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Fields as a dict. Of one given twice nobody knows which is meant: that is refused."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                shown = json.dumps(name[:NAME_SHOWN])
                raise RequestError(f"The request body gives {shown} twice; leave one out.")
            seen.add(name)
    return found


def _whole_number(text: str) -> int:
    if len(text) > DIGITS_MAX:
        raise ValueError("a number has too many digits")
    return int(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _short(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        found = _LUA_NOT_A_NUMBER.match(error.doc, error.pos)
        problem = f"{found[0]} is not a number" if found else error.msg
        return f"{problem} at line {error.lineno}, column {error.colno}"
    return str(error)


class JsonRequest(Request):
    """A request whose body is an object in JSON, however it is labelled."""

    parsed: dict[str, Any] | None = None
    """The body, as soon as it has been read and was an object."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Bytes that should have been escaped; werkzeug fails on those that are no UTF-8.
        if not self.query_string.isascii():
            self.query_string = quote(self.query_string, safe=_ASCII).encode("ascii")

    @property
    def is_json(self) -> bool:
        return True

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body as a dict; raises RequestError or TooLargeError, `silent` or not."""
        if self.parsed is not None:
            return self.parsed
        data = self.get_data(cache=cache)
        # A body without Content-Length is cut at the limit without a word.
        if len(data) == self.max_content_length and self.environ["wsgi.input"].read(1):
            raise too_large(self.max_content_length)
        self.parsed = parse_object(data)
        return self.parsed


def too_large(limit: int | None) -> TooLargeError:
    """The refusal of a body of more than `limit` bytes."""
    return TooLargeError(
        f"The request body is larger than the {limit or 0:,} bytes that this server accepts; "
        "send less, or ask its operator for more."
    )
