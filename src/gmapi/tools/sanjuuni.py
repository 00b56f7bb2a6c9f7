"""`sanjuuni`: pictures and videos for ComputerCraft screens.

The address is part of the API; this version answers it with a clear refusal.
"""

from __future__ import annotations

from typing import NoReturn

from pydantic import Field

from gmapi.errors import NotAvailableError
from gmapi.tools.base import Tool, ToolResult, Work
from gmapi.tools.fields import LuaStrings, ToolRequest


class SanjuuniRequest(ToolRequest):
    """Convert a picture or video to a ComputerCraft format."""

    input_url: str = Field(
        description="Address of the source (http or https).",
        examples=["http://127.0.0.1:8000/picture.png"],
    )
    args: LuaStrings = Field(default_factory=list, description="The converter's flags.")
    output_format: str = Field(description="lua, nfp, raw, bimg or 32vid.", examples=["bimg"])

    def sources(self) -> list[tuple[str, str]]:
        return [("input_url", self.input_url)]


def check(_request: SanjuuniRequest) -> NoReturn:
    """Refuse every request before it is queued."""
    raise NotAvailableError(
        "This version has no ComputerCraft converter yet; /api/ffmpeg and /api/video_frame work."
    )


def run(_work: Work, request: SanjuuniRequest) -> NoReturn:
    """Never reached by a request that `check` has seen."""
    check(request)


SANJUUNI = Tool(
    name="sanjuuni",
    summary="Convert to ComputerCraft formats (not in this version)",
    description="Answers 501 in this version.",
    request=SanjuuniRequest,
    result=ToolResult,
    check=check,
    run=run,
)
