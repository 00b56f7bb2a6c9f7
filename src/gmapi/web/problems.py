"""Validation errors as one sentence that names the field and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

PROBLEMS_MAX = 3
VALUE_MAX = 60

_TEXTS = {
    "missing": "is required",
    "string_type": "must be a text",
    "list_type": "must be a list of texts",
    "dict_type": "must be an object",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is a number beyond all bounds",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
    "string_too_long": "must have at most {max_length} characters",
}


def describe(error: ValidationError) -> tuple[str, str | None]:
    """A sentence about the first few problems, and the first field at fault."""
    items = error.errors(include_url=False, include_context=True)
    sentences = [_sentence(item) for item in items[:PROBLEMS_MAX]]
    if len(items) > PROBLEMS_MAX:
        sentences.append(f"{len(items) - PROBLEMS_MAX} more problems")
    location = items[0]["loc"]
    return "; ".join(sentences) + ".", str(location[0]) if location else None


def _sentence(item: Mapping[str, Any]) -> str:
    place = ""
    for step in item["loc"]:
        place += f"[{step + 1}]" if isinstance(step, int) else (f".{step}" if place else str(step))
    kind, context = item["type"], item.get("ctx") or {}
    if kind == "value_error":
        text = str(context.get("error", item["msg"])).rstrip(".")
        return f"{place}: {text}" if place else text
    text = _TEXTS.get(kind, item["msg"]).format_map(_Bounds(context))
    if kind == "missing":
        return f"{place} {text}"
    return f"{place} {text} (got {_shown(item['input'])})"


def _shown(value: Any) -> str:
    text = ascii(value) if not isinstance(value, str) else ascii(value)[1:-1]
    return text if len(text) <= VALUE_MAX else text[:VALUE_MAX] + "..."


class _Bounds(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "its bound"
