"""The options of `gmapi convert` that only concern ComputerCraft screens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

SCREEN_FORMATS = frozenset({"lua", "nfp", "raw", "bimg", "32vid", "32v"})
"""Formats that the `sanjuuni` tool makes, as `--format` names them."""

_CHOICES = {
    "fit": ("contain", "cover", "stretch"),
    "quality": ("best", "exact"),
    "dither": ("diffusion", "ordered", "none"),
    "palette": ("median-cut", "kmeans", "octree", "default"),
    "compression": ("ans", "custom", "deflate", "none"),
    "audio": ("pcm", "dfpwm", "none"),
}

_OPTIONS = (
    click.option("--width", type=int, help="Width in pixels; a cell is 2 pixels wide."),
    click.option("--height", type=int, help="Height in pixels; a cell is 3 pixels high."),
    click.option(
        "--monitor", metavar="SIZE", help="Size of a screen: computer, pocket, turtle or 8x6@0.5."
    ),
    click.option(
        "--fit", type=click.Choice(_CHOICES["fit"]), help="How the picture fills that size."
    ),
    click.option(
        "--quality",
        type=click.Choice(_CHOICES["quality"]),
        help="best, or exact for what the sanjuuni program gives.",
    ),
    click.option("--dither", type=click.Choice(_CHOICES["dither"]), help="How colours are mixed."),
    click.option(
        "--palette", type=click.Choice(_CHOICES["palette"]), help="Where the colours come from."
    ),
    click.option(
        "--colors", metavar="LIST", help="Colours such as #f0f0f0,X,#111111; X leaves one free."
    ),
    click.option(
        "--compression", type=click.Choice(_CHOICES["compression"]), help="Of pictures in 32vid."
    ),
    click.option("--audio", type=click.Choice(_CHOICES["audio"]), help="Sound in 32vid."),
    click.option("--fps", type=float, help="Pictures a second; default: all there are."),
    click.option("--background", metavar="COLOR", help="Colour behind transparency and bars."),
    click.option("--index", is_flag=True, default=None, help="Add an index to 32vid."),
    click.option("--subtitles", metavar="FILE", help="ASS, SRT or WebVTT subtitles, file or URL."),
    click.option("--burn", is_flag=True, help="Draw subtitles into the pictures of 32vid, too."),
    click.option(
        "--preview", is_flag=True, help="With gif or png: show what the game's screen will show."
    ),
)


def screen_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; the command gets all of them as keyword arguments."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def screen_fields(values: dict[str, Any]) -> dict[str, Any]:
    """Fields of the `sanjuuni` tool for what was given; empty when nothing was."""
    fields = {name: value for name, value in values.items() if value is not None}
    subtitles, burn = fields.pop("subtitles", None), fields.pop("burn", False)
    fields.pop("preview", None)
    if subtitles is not None:
        fields["subtitle_url"] = subtitles
    if burn:
        fields["subtitles"] = "burn"
    return fields
