"""Request fields as game computers write them: forgiving types and the base of all requests."""

from __future__ import annotations

import hashlib
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from gmapi.errors import RequestError
from gmapi.fetch.address import trim_address

ENTRIES_MAX = 1000
"""Most entries of any list or object in a request; each field has its own, lower bound."""

LABEL_MAX = 200
_LABEL_LOOKED_AT = 10 * LABEL_MAX

_STORED: Mapping[str, Any] = {"stored": True}

# Fields that say when to do the work, not what it is.
_ABOUT_THE_CACHE = frozenset({"no_cache", "max_age"})

# Keys of a list that a Lua table with holes became.
_INDEX = re.compile(r"[1-9][0-9]{0,5}")

TRACK_MAX = 999
_TRACK_NUMBER = re.compile(r"[0-9]{1,3}(?:\.0{1,3})?")
# A language by its code, such as eng, en or pt-br (RFC 5646).
_LANGUAGE = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8}){0,4}")

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}(?:\.[A-Za-z0-9]{1,8})?")
# Names of devices on Windows, whatever ends them.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


def repair_text(text: str) -> str:
    """Undo the byte-wise `\\u00XX` escapes of the game's JSON writer (contract rule R6).

    A text of characters up to U+00FF whose Latin-1 bytes are valid UTF-8 with at least one
    multi-byte sequence is that UTF-8 text; any other text stays as it is.
    """
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def repair(value: Any) -> Any:
    """`repair_text` on every text value of parsed JSON."""
    if isinstance(value, str):
        return repair_text(value)
    if isinstance(value, list):
        return [repair(item) for item in value]
    if isinstance(value, dict):
        return {key: repair(item) for key, item in value.items()}
    return value


def field_error(field: str, text: str) -> PydanticCustomError:
    """What a validator of a whole request raises about one of its fields."""
    return PydanticCustomError("field_error", "{error}", {"field": field, "error": text})


def _lua_list(value: Any) -> Any:
    """An empty Lua table is written `{}`; a sparse one has keys "1", "2", … (rule R4)."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) and _INDEX.fullmatch(key) for key in value):
            raise ValueError('give a list in square brackets, such as ["-vn"]')
        value = [value[key] for key in sorted(value, key=int)]
    if isinstance(value, list) and len(value) > ENTRIES_MAX:
        raise ValueError(f"give at most {ENTRIES_MAX} entries")
    return value


def _lua_map(value: Any) -> Any:
    """An empty table is an empty object however it is written (rule R4)."""
    if isinstance(value, list) and not value:
        return {}
    if isinstance(value, dict) and len(value) > ENTRIES_MAX:
        raise ValueError(f"give at most {ENTRIES_MAX} entries")
    return value


def whole_number(value: Any) -> Any:
    """Lua has one number type: 20.0 is 20 and other floats are rounded (rule R5)."""
    if isinstance(value, float) and math.isfinite(value):
        return round(value)
    return _lua_number(value)


def _lua_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("give a number, not true or false")
    return value


def _lua_flag(value: Any) -> Any:
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    return value


def _track(value: Any) -> Any:
    """A track's number, however it is written, or its language in small letters."""
    if isinstance(value, str):
        text = value.strip().lower().replace("_", "-")
        value = int(float(text)) if _TRACK_NUMBER.fullmatch(text) else text
    elif not isinstance(value, bool):
        value = whole_number(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if is_number and 1 <= value <= TRACK_MAX:
        return value
    if isinstance(value, str) and _LANGUAGE.fullmatch(value):
        return value
    raise ValueError("give the number of a track, counted from 1, or a language such as eng")


def _clean_line(value: Any) -> Any:
    """A text as one line without control characters; None when nothing is left."""
    if not isinstance(value, str) or len(value) > _LABEL_LOOKED_AT:  # too long, spaces or not
        return value
    plain = "".join(c if c.isprintable() else " " for c in value)
    return " ".join(plain.split()) or None


def _check_file_name(value: str) -> str:
    if not _FILE_NAME.fullmatch(value) or _DEVICE.fullmatch(value):
        raise ValueError(
            "give up to 80 letters (a-z), digits, - and _, such as my-song, and no name of a device"
        )
    return value


def file_name(asked: str | None, ending: str) -> str:
    """The name of an output that ends in `.ending`: as asked for in `output_name`, or `output`.

    Raises RequestError when the caller asks for another ending.
    """
    stem, dot, given = (asked or "output").partition(".")
    if dot and given.lower() != ending:
        raise RequestError(
            f"output_name: the file will end in .{ending}; leave the ending out, or ask for "
            "another output_format",
            field="output_name",
        )
    return f"{stem}.{ending}"


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


T = TypeVar("T")
# A field that is left out where there is nothing to say: no answer holds null (rule A4).
Sometimes = Annotated[T | SkipJsonSchema[None], Field(json_schema_extra=_without_default)]

LuaStrings = Annotated[
    list[Annotated[str, Field(strict=True)]],
    FailFast(),
    BeforeValidator(_lua_list),
]
LuaMap = Annotated[dict[str, str], BeforeValidator(_lua_map)]
LuaFloat = Annotated[float, BeforeValidator(_lua_number)]
LuaFlag = Annotated[bool, BeforeValidator(_lua_flag)]
SourceAddress = Annotated[str, AfterValidator(trim_address)]
SourceAddresses = Annotated[
    list[Annotated[str, Field(strict=True), AfterValidator(trim_address)]],
    FailFast(),
    BeforeValidator(_lua_list),
]
Track = Annotated[
    Annotated[int, Field(ge=1, le=TRACK_MAX)]
    | Annotated[
        str,
        Field(
            json_schema_extra={
                "pattern": "^([1-9][0-9]{0,2}|[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4})$"
            }
        ),
    ],
    BeforeValidator(_track),
]
OutputName = Annotated[
    str,
    AfterValidator(_check_file_name),
    Field(json_schema_extra={"pattern": f"^{_FILE_NAME.pattern}$"}),
]
OUTPUT_NAME = (
    "Name of the output in its address, with or without the ending: up to 80 letters, digits, "
    "- and _; default: output."
)


def _add_example(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """An example of the whole body from those of its fields."""
    schema["example"] = {
        name: field.examples[0] for name, field in model.model_fields.items() if field.examples
    }


_BODY = {"description": "One JSON object, whatever Content-Type says; unknown fields are ignored."}


class LuaModel(BaseModel):
    """A request body: unknown fields are ignored (rule R5), texts are repaired (rule R6), and
    null counts as not given, since Lua has no other way to write it."""

    # Built when first used: the command line uses one of them.
    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra=_add_example,
        defer_build=True,
        openapi_extra=_BODY,  # type: ignore[typeddict-unknown-key]
    )

    @model_validator(mode="before")
    @classmethod
    def _repair(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, dict) or info.context is _STORED:
            return value
        given = {key: value[key] for key in cls.model_fields if value.get(key) is not None}
        return repair(given)


class ToolRequest(LuaModel, ABC):
    """Base of the requests of all tools."""

    no_cache: LuaFlag = Field(
        False,
        description="Run even when the same request has been answered already, "
        "and fetch the source anew.",
    )
    max_age: LuaFloat | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Oldest result that is taken instead of a new one, in seconds since it was "
        "finished; default: what the server says (`GMAPI_RESULT_MAX_AGE`). 0 takes none, but "
        "still joins a task that is under way.",
    )
    headers: LuaMap = Field(
        default_factory=dict,
        description="Request headers for fetching the source, such as Referer.",
    )
    max_duration: LuaFloat | None = Field(
        None,
        ge=1,
        le=3600,
        allow_inf_nan=False,
        description="Seconds, 1 to 3600, that are taken of a source that is a playlist (HLS or "
        "DASH), to the end of a segment, or whose server tells no length, such as a radio station; "
        "default: all of it, and 60 of what has no end.",
    )
    audio_track: Track | None = Field(
        None,
        description="Which sound is taken of a source with several: its number, counted from 1, "
        "or its language, such as eng; default: the one the source marks as its default, else the "
        "first that is no commentary.",
    )
    video_track: Track | None = Field(
        None,
        description="Which pictures are taken of a source with several video tracks: a number or "
        "a language likewise; default: those the source means to be shown, never a cover.",
    )

    label: Annotated[str, Field(max_length=LABEL_MAX)] | None = Field(
        None,
        description=f"What you call this task, up to {LABEL_MAX} characters; shown with it and in "
        "lists, and of no other effect.",
    )

    @field_validator("label", mode="before")
    @classmethod
    def _one_line(cls, value: Any) -> Any:
        return _clean_line(value)

    @abstractmethod
    def sources(self) -> list[tuple[str, str]]:
        """Field and URL of each source."""

    def normalised(self) -> dict[str, Any]:
        """The request as it is stored and run."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"label"})

    @classmethod
    def restore(cls, stored: Mapping[str, Any]) -> Self:
        """The request that `normalised` gave: its texts are not repaired a second time."""
        return cls.model_validate(stored, context=_STORED)

    def identity(self, tool: str) -> str:
        """The same for all requests that give the same result."""
        values = {k: v for k, v in self.normalised().items() if k not in _ABOUT_THE_CACHE}
        text = json.dumps([tool, values], sort_keys=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def key(self, tool: str) -> str | None:
        """What requests are joined by: their `identity`; None when each must run."""
        return None if self.no_cache else self.identity(tool)
