"""Fields of a request that are not known, and were probably meant to be others.

Unknown fields are ignored (contract rule R5): programs send what they like. But who wrote `arg`
wonders why the arguments have no effect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from gmapi.web.gate import FIELD

FIELDS_LOOKED_AT = 5
NAME_MAX = 40
_LIKENESS = 0.74

# What other programs call such fields; of several the first that the tool has is meant.
_OTHER_WORDS = {
    "arguments": ("args",),
    "flags": ("args",),
    "options": ("args",),
    "params": ("args",),
    "parameters": ("args",),
    "inputurl": ("video_url",),
    "videourl": ("input_url",),
    "file": ("input_url", "video_url"),
    "link": ("input_url", "video_url"),
    "video": ("video_url", "video_track"),
    "source": ("input_url", "video_url"),
    "uri": ("input_url", "video_url"),
    "extension": ("output_format",),
    "type": ("output_format",),
    "filename": ("output_name",),
    "width": ("w", "args"),
    "height": ("h", "args"),
    "framerate": ("fps",),
    "title": ("label",),
}


def warnings(given: Mapping[str, Any], model: type[BaseModel]) -> list[str]:
    """A sentence for each field that `model` does not have and that looks like one it has.

    Looks at the first few unknown fields only: comparing is costly.
    """
    fields = model.model_fields
    unknown = [name for name in given if name not in fields and name != FIELD]
    found = []
    for name in unknown[:FIELDS_LOOKED_AT]:
        meant = _meant(name, list(fields)) if given[name] is not None else None
        if meant is not None:
            found.append(
                f"The field {json.dumps(name)} is not known and was ignored; did you mean {meant}?"
            )
    return found


def _meant(name: str, fields: list[str]) -> str | None:
    plain = _plain(name) if len(name) <= NAME_MAX else ""
    if not plain:
        return None
    names = {_plain(field): field for field in fields}
    near = get_close_matches(plain, names, 1, _LIKENESS)
    if near:
        return names[near[0]]
    others = [
        each
        for word in get_close_matches(plain, _OTHER_WORDS, 1, _LIKENESS)
        for each in _OTHER_WORDS[word]
    ]
    for field in (*others, *_with_word(plain, fields)):
        if field in fields:
            return field
    return None


def _with_word(plain: str, fields: list[str]) -> list[str]:
    """The fields of which `plain` is the last word, then those of which it is the first."""
    words = {field: field.split("_") for field in fields if "_" in field}
    last = [field for field, parts in words.items() if parts[-1] == plain]
    return last + [field for field, parts in words.items() if parts[0] == plain]


def _plain(name: str) -> str:
    """A name without what tells styles of writing names apart."""
    return "".join(c for c in name.lower() if c.isalnum())
