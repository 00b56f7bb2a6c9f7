"""What is said of a value that fits no field, in requests, settings and the command line alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXTS = {
    "string_type": "must be a text",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length}",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
    "byte_size": "must be a size such as 500MB or 2GiB",
    "byte_size_unit": "must be a size such as 500MB or 2GiB",
    "path_type": "must be a path",
}


def words_of(item: Mapping[str, Any]) -> str:
    """What the value of one entry of pydantic's list of errors must be, such as "must be at most
    5"; for a check of our own what that said."""
    context = item.get("ctx") or {}
    if item["type"] == "value_error":
        return str(context.get("error", item["msg"])).rstrip(".")
    return _TEXTS.get(item["type"], str(item["msg"])).format_map(_Bounds(context))


class _Bounds(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "its bound"
