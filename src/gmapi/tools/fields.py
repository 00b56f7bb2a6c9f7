"""Request fields as game computers write them: forgiving types and the base of all requests."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


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


def _lua_list(value: Any) -> Any:
    """An empty Lua table is written `{}`; a sparse one has keys "1", "2", … (rule R4)."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) and key.isdecimal() for key in value):
            raise ValueError('give a list, such as ["-vn"]')
        return [value[key] for key in sorted(value, key=int)]
    return value


def _lua_int(value: Any) -> Any:
    """Lua has one number type: 20.0 is 20 and other floats are rounded (rule R5)."""
    if isinstance(value, float) and math.isfinite(value) and not isinstance(value, bool):
        return round(value)
    return value


def _lua_flag(value: Any) -> Any:
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    return value


LuaStrings = Annotated[list[Annotated[str, Field(strict=True)]], BeforeValidator(_lua_list)]
LuaInt = Annotated[int, BeforeValidator(_lua_int)]
LuaFlag = Annotated[bool, BeforeValidator(_lua_flag)]


class LuaModel(BaseModel):
    """A request body: unknown fields are ignored (rule R5), texts are repaired (rule R6)."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _repair(cls, value: Any) -> Any:
        return repair(value)


class ToolRequest(LuaModel, ABC):
    """Base of the requests of all tools."""

    no_cache: LuaFlag = Field(
        False,
        description="Run even when the same request has been answered already, "
        "and fetch the source anew.",
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="Request headers for fetching the source, such as Referer.",
    )

    @abstractmethod
    def sources(self) -> list[tuple[str, str]]:
        """Field and URL of each source."""

    def normalised(self) -> dict[str, Any]:
        """The request as it is stored and run."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def key(self, tool: str) -> str | None:
        """The same for all requests that give the same result; None when each must run."""
        if self.no_cache:
            return None
        text = json.dumps([tool, self.normalised()], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
