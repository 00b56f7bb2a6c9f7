"""What `sanjuuni` is asked and what it answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from gmapi.computercraft.monitor import SIDE_MAX
from gmapi.computercraft.options import Audio, Compression, Dither, PaletteSource, Quality
from gmapi.tools.base import FileResult
from gmapi.tools.fields import (
    OUTPUT_NAME,
    LuaFlag,
    LuaFloat,
    LuaStrings,
    OutputName,
    Sometimes,
    SourceAddress,
    ToolRequest,
    whole_number,
)

Side = Annotated[int, Field(ge=1, le=SIDE_MAX), BeforeValidator(whole_number)]


def _color_list(value: Any) -> Any:
    """Colours may also come in one text, as after -P."""
    return value.split(",") if isinstance(value, str) else value


Colors = Annotated[LuaStrings, BeforeValidator(_color_list)]


class SanjuuniRequest(ToolRequest):
    """Convert a picture or video to a ComputerCraft format."""

    input_url: SourceAddress = Field(
        description="Address of the source (http or https).",
        examples=["http://127.0.0.1:8000/picture.png"],
    )
    args: LuaStrings = Field(
        default_factory=list,
        description="The flags of the sanjuuni program, such as --width=102, -p or -t.",
        examples=[["--width=102", "--height=57"]],
    )
    output_format: str | None = Field(
        None,
        description="lua, nfp, raw, bimg, 32vid = 32v, or gif and png for a preview of what the "
        "game will show; a format flag in args will do instead.",
        examples=["bimg"],
    )
    output_name: OutputName | None = Field(None, description=OUTPUT_NAME)
    width: Side | None = Field(
        None,
        description="Width in pixels; a cell is 2 pixels wide. A missing side follows from the "
        "other, both from the source.",
    )
    height: Side | None = Field(None, description="Height in pixels; a cell is 3 pixels high.")
    monitor: str | None = Field(
        None,
        description="Size of a screen instead of width and height: computer, pocket, turtle, or "
        "the blocks and text scale of a monitor, such as 8x6@0.5.",
    )
    fit: Literal["contain", "cover", "stretch"] | None = Field(
        None,
        description="How the picture fills width x height: all of it with bars (default with "
        "monitor), filled and cut, or distorted (default with width and height).",
    )
    quality: Quality | None = Field(
        None,
        description="best is our own converter; exact gives what the sanjuuni program gives, and "
        "is the default with one of its flags -p -P -t -O -L -8 -k.",
    )
    dither: Dither | None = Field(None, description="How colours between those there are shown.")
    palette: PaletteSource | None = Field(
        None,
        description="Where the 16 colours come from: default is the game's own; the names of "
        "methods mean exact quality.",
    )
    colors: Colors = Field(
        default_factory=list,
        max_length=16,
        description="Up to 16 colours such as #f0f0f0 for the slots from 0 on; X leaves one free.",
    )
    compression: Compression | None = Field(None, description="Of the pictures in 32vid.")
    audio: Audio | None = Field(None, description="Sound in 32vid: pcm (8-bit), dfpwm or none.")
    fps: LuaFloat | None = Field(
        None,
        ge=0.1,
        le=255,
        allow_inf_nan=False,
        description="Pictures a second, 0.1 to 255; default: all.",
    )
    background: str | None = Field(
        None, description="Colour behind transparency and bars, such as #000000 (default)."
    )
    index: LuaFlag = Field(False, description="Add an index of the pictures to 32vid.")
    subtitle_url: SourceAddress | None = Field(
        None, description="Address of subtitles: ASS, SSA, SRT or WebVTT."
    )
    subtitles: Literal["burn", "events"] | None = Field(
        None,
        description="Draw subtitles into the pictures (in letters of 6 x 9 pixels for 32vid, "
        "else of a cell), or leave them to the player as 32vid events (default for 32vid).",
    )

    @field_validator("output_format")
    @classmethod
    def _plain_format(cls, value: str | None) -> str | None:
        return value if value is None else value.strip().lower().removeprefix(".")

    def sources(self) -> list[tuple[str, str]]:
        given = [("input_url", self.input_url)]
        return given + ([("subtitle_url", self.subtitle_url)] if self.subtitle_url else [])


class ScreenResult(FileResult):
    """Where the output is and what it holds; the address can be read while the file grows."""

    format: str = Field(description="The format it has.")
    size: int = Field(description="Bytes so far; exact when completed.")
    columns: int = Field(description="Cells from left to right.")
    rows: int = Field(description="Cells from top to bottom.")
    width: int = Field(description="Pixels from left to right, of which each cell takes two.")
    height: int = Field(description="Pixels from top to bottom, of which each cell takes three.")
    frames: int = Field(description="Pictures so far; exact when completed.")
    fps: float = Field(description="Pictures a second.")
    quality: Quality = Field(description="The quality it was made in.")
    growing: bool = Field(default=False, description="The file is still being written.")
    parts: Sometimes[list[str]] = Field(
        default=None,
        description="Addresses of parts below 16 MiB each, to be played one after another; only "
        "when the file is larger than that.",
    )
