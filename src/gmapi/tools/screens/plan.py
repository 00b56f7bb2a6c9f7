"""From a request's flags and fields to one plan; everything that can be wrong with it is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeVar

from gmapi.computercraft.flags import Flags, parse_flags
from gmapi.computercraft.monitor import screen_pixels
from gmapi.computercraft.options import (
    PALETTE_SIZE,
    Audio,
    Compression,
    Dither,
    Format,
    Options,
    PaletteSource,
    Quality,
    Rgb,
)
from gmapi.errors import RequestError
from gmapi.media.shapes import Fit
from gmapi.tools.fields import file_name
from gmapi.tools.screens.request import SanjuuniRequest

PREVIEWS = ("gif", "png")
FORMATS = {
    "lua": Format.LUA,
    "nfp": Format.NFP,
    "raw": Format.RAW,
    "bimg": Format.BIMG,
    "32vid": Format.VID32,
    "32v": Format.VID32,
}
_SPLITTABLE = (Format.LUA, Format.BIMG, Format.VID32)
_COLOR = re.compile(r"#?([0-9A-Fa-f]{6})")

Value = TypeVar("Value")


@dataclass(frozen=True)
class ScreenPlan:
    """A conversion with all choices made that do not need the source.

    `preview` is "gif" or "png" where a picture of the screen is wanted instead of a file for it.
    `burn` draws subtitles into the pictures. `audio_track` and `video_track` are as asked for.
    """

    options: Options
    fit: Fit
    file_name: str
    preview: str | None = None
    fps: float | None = None
    background: Rgb = (0, 0, 0)
    burn: bool = True
    audio_track: int | str | None = None
    video_track: int | str | None = None


def make_plan(request: SanjuuniRequest) -> ScreenPlan:
    """Raises RequestError, or RefusedError for a flag that is not allowed."""
    flags = parse_flags(request.args)
    preview, target = _target(request.output_format, flags)
    palette = _one("palette", flags.palette, request.palette)
    dither = _one("dither", flags.dither, request.dither)
    colors = _colors(request, flags)
    audio = _one("audio", flags.audio, request.audio)
    compression = _one("compression", flags.compression, request.compression)
    width, height, fit = _size(request, flags)
    named = request.palette not in (None, PaletteSource.DEFAULT)
    quality = request.quality or (Quality.EXACT if flags.algorithm or named else Quality.BEST)
    if target is Format.NFP:
        # The format has no palette: whoever draws it uses the default one (contract, S5).
        palette, colors = PaletteSource.DEFAULT, ()
    options = Options(
        format=target,
        quality=quality,
        width=width,
        height=height,
        palette=palette or PaletteSource.MEDIAN_CUT,
        colors=colors,
        dither=dither or Dither.DIFFUSION,
        lab=bool(flags.lab),
        blocks_only=bool(flags.blocks_only),
        binary=bool(flags.binary),
        compression=compression or Compression.ANS,
        audio=audio or Audio.PCM,
        separate_streams=bool(flags.separate_streams),
        index=request.index,
        split=flags.split,
    )
    if options.split is not None and preview is None and target not in _SPLITTABLE:
        raise RequestError(
            f"args: -M splits a picture among monitors, which {target.value} cannot store; "
            "ask for lua, bimg or 32vid.",
            field="args",
        )
    combined = options.index or options.split is not None
    if options.separate_streams and combined and target is Format.VID32 and preview is None:
        field = "index" if options.index else "args"
        raise RequestError(
            f"{field}: an index and several monitors need one combined stream; leave out "
            "--separate-streams.",
            field=field,
        )
    events = target is Format.VID32 and preview is None
    if request.subtitles == "events" and not events:
        raise RequestError(
            "subtitles: only 32vid can leave them to the player; ask for burn.", field="subtitles"
        )
    return ScreenPlan(
        options=options,
        fit=fit,
        file_name=file_name(request.output_name, preview or target.extension),
        preview=preview,
        fps=request.fps,
        background=_color(request.background, "background") if request.background else (0, 0, 0),
        burn=request.subtitles == "burn" or not events,
        audio_track=request.audio_track,
        video_track=request.video_track,
    )


def _target(name: str | None, flags: Flags) -> tuple[str | None, Format]:
    """Kind of preview, if one is asked for, and the format."""
    if name is None:
        if flags.format is None:
            raise RequestError(
                "output_format is required; give lua, nfp, raw, bimg, 32vid, gif or png.",
                field="output_format",
            )
        return None, flags.format
    if name in PREVIEWS:
        return name, Format.BIMG
    if name not in FORMATS:
        raise RequestError(
            "output_format: this tool makes lua, nfp, raw, bimg and 32vid, and gif or png as a "
            "preview; for other formats use /api/ffmpeg.",
            field="output_format",
        )
    return None, FORMATS[name]


def _one(field: str, flag: Value | None, value: Value | None) -> Value | None:
    """What a flag or a field says; RequestError when they say different things."""
    if flag is not None and value is not None and flag != value:
        raise RequestError(
            f"{field}: the flags in args say something else; give it once.", field=field
        )
    return flag if value is None else value


def _size(request: SanjuuniRequest, flags: Flags) -> tuple[int | None, int | None, Fit]:
    width = _one("width", flags.width, request.width)
    height = _one("height", flags.height, request.height)
    if request.monitor is None:
        return width, height, request.fit or "stretch"
    if width is not None or height is not None:
        raise RequestError(
            "monitor gives width and height; leave those out or leave it out.", field="monitor"
        )
    width, height = screen_pixels(request.monitor)
    return width, height, request.fit or "contain"


def _colors(request: SanjuuniRequest, flags: Flags) -> tuple[Rgb | None, ...]:
    given = flags.colors or ()
    if not request.colors:
        return given
    listed = [
        None if text.strip() in ("", "x", "X") else _color(text, f"colors[{number}]")
        for number, text in enumerate(request.colors, 1)
    ]
    listed += [None] * (PALETTE_SIZE - len(listed))
    return _one("colors", given or None, tuple(listed)) or ()


def _color(text: str, field: str) -> Rgb:
    match = _COLOR.fullmatch(text.strip())
    if match is None:
        raise RequestError(
            f"{field} is no colour; write six hexadecimal digits such as #f0f0f0.",
            field=field.partition("[")[0],
        )
    red, green, blue = bytes.fromhex(match[1])
    return red, green, blue
