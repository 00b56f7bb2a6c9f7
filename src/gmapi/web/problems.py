"""Validation errors as one sentence that names the field and the remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from gmapi.validation import words_of

PROBLEMS_MAX = 3
VALUE_MAX = 60
NAME_MAX = 60


def describe(
    error: ValidationError, models: Mapping[str, type[BaseModel]] | None = None
) -> tuple[str, str | None]:
    """A sentence about the first few problems, and the first field at fault.

    `models` by class name give the examples for fields that are missing.
    """
    items = error.errors(include_url=False, include_context=True)
    model = (models or {}).get(error.title)
    sentences = [_sentence(item, model) for item in items[:PROBLEMS_MAX]]
    if len(items) > PROBLEMS_MAX:
        sentences.append(f"{len(items) - PROBLEMS_MAX} more problems")
    return "; ".join(sentences) + ".", _field(items[0])


def _field(item: Mapping[str, Any]) -> str | None:
    location: tuple[Any, ...] = item["loc"]
    name = location[0] if location else (item.get("ctx") or {}).get("field")
    return None if name is None else str(name)


def _sentence(item: Mapping[str, Any], model: type[BaseModel] | None) -> str:
    kind, context = item["type"], item.get("ctx") or {}
    place = _place(item["loc"]) or str(context.get("field", ""))
    if kind == "missing":
        return f"{place} is required{_example(model, item['loc'])}"
    if kind == "field_error":
        return f"{place} {context['error']}"
    text = words_of(item)
    if kind == "value_error":
        return f"{place}: {text}" if place else text
    return f"{place} {text} (got {_shown(item['input'])})"


def _place(location: tuple[int | str, ...]) -> str:
    """`args[2]` and the like; counted from 1, as Lua does."""
    place = ""
    for step in location:
        place += f"[{step + 1}]" if isinstance(step, int) else f".{_cut(step, NAME_MAX)}"
    return place.removeprefix(".")


def _example(model: type[BaseModel] | None, location: tuple[int | str, ...]) -> str:
    """A remedy from the model's own examples."""
    field = model.model_fields.get(str(location[0])) if model and len(location) == 1 else None
    if field is None or not field.examples:
        return ""
    return f"; give for example {json.dumps(field.examples[0])}"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        value = value[: VALUE_MAX + 1]
    return _cut(json.dumps(value, default=str), VALUE_MAX)


def _cut(text: str, length: int) -> str:
    text = "".join(c if c.isprintable() else "?" for c in text[: length + 1])
    return text if len(text) <= length else text[:length] + "..."
