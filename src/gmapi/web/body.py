"""Request bodies: JSON whatever the Content-Type says (contract rule R1), with clear refusals."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from flask import Request

from gmapi.errors import RequestError

EXAMPLE = '{"input_url": "http://…", "output_format": "dfpwm"}'


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object in a request body.

    Raises RequestError for anything else: no JSON, not-a-number, nesting or numbers beyond
    reason, characters that are no text.
    """
    if not data.strip():
        raise RequestError(f"The request has no body; send a JSON object such as {EXAMPLE}.")
    try:
        value = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant)
        # Half a surrogate pair parses, yet it is no text and nothing could store it.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError:
        raise RequestError("The request body is not UTF-8 text.") from None
    except UnicodeEncodeError:
        raise RequestError("The request body has a broken character (a lone surrogate).") from None
    except RecursionError:
        raise RequestError("The request body is nested too deeply.") from None
    except ValueError as error:
        raise RequestError(f"The request body is not JSON: {_short(error)}.") from None
    if not isinstance(value, dict):
        raise RequestError(f"The request body must be a JSON object such as {EXAMPLE}.")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _short(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return "a number has too many digits" if "digits" in str(error) else str(error)


class JsonRequest(Request):
    """A request whose body is an object in JSON, however it is labelled."""

    @property
    def is_json(self) -> bool:
        return True

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body as a dict; raises RequestError, `silent` or not."""
        return parse_object(self.get_data(cache=cache))
