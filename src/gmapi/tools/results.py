"""What tools answer."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gmapi.tools.fields import Sometimes

GAME_REPLY_MAX = 16 * 1024**2
"""A game computer accepts at most this many bytes in one reply (contract, P2)."""

WARNINGS = (
    "Sentences about what did not come out as one may think: a source that could be read in part "
    "only, a track taken among several, an output that the game cannot play."
)


class ToolResult(BaseModel):
    """Base of what tools answer. Addresses in it begin with `/`; the web layer knows the host."""

    model_config = ConfigDict(defer_build=True)

    message: str = Field(default="", description="A sentence for people.")
    warnings: Sometimes[list[str]] = Field(default=None, description=WARNINGS)

    def values(self) -> dict[str, Any]:
        """The result as it is stored and sent; its message goes a way of its own."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"message"})


class FileResult(ToolResult):
    """The answer of a tool that makes one file."""

    download_url: str = Field(description="Where the file is, as a whole address.")
    file_id: str = Field(description="The id in that address.")
    file_name: str = Field(description="The name in that address, which ends in the format.")
    size: int = Field(description="Bytes; so far, while the file grows.")
    media_type: str = Field(description="The Content-Type it is sent with.")
    duration: Sometimes[float] = Field(default=None, description="Seconds of sound or video.")
    width: Sometimes[int] = Field(default=None, description="Pixels from left to right.")
    height: Sometimes[int] = Field(default=None, description="Pixels from top to bottom.")
    frames: Sometimes[int] = Field(default=None, description="How many pictures it has.")
    growing: Sometimes[bool] = Field(
        default=None,
        description="The file is still being written, and can be read already; only meanwhile.",
    )
