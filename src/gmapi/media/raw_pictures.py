"""Commands that hand a video's pictures to our own converter as plain bytes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from gmapi.media import command, pictures, shapes

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg
    from gmapi.media.selection import Selection
    from gmapi.media.shapes import PictureSize
    from gmapi.media.timing import PictureTimes


@dataclass(frozen=True)
class Look:
    """How pictures are made of what is decoded.

    `fps` resamples in time, None keeps every decoded picture. `faithful` is the reference's way:
    stored orientation and pixel shape, one colour matrix for all, transparency ignored.
    `is_small` when one thread decodes the source about as fast as pictures are converted; it costs
    less in all than several. `background` is (red, green, blue) behind transparency, and beside
    the picture. `shrinks` when the picture is not larger than its source.
    """

    size: PictureSize
    fps: Fraction | None = None
    faithful: bool = False
    background: tuple[int, int, int] = (0, 0, 0)
    one: bool = False
    shrinks: bool = True
    is_small: bool = False


def decoded(
    ffmpeg: Ffmpeg,
    chosen: Selection,
    look: Look,
    *,
    times: PictureTimes | None = None,
    max_pixels: int,
    progress_fd: int,
) -> list[str]:
    """The command that writes pictures to stdout and nothing else; the first one stands for
    `pictures.lead` more.

    For a faithful look three bytes a pixel, row by row, blue, green, red (formats document,
    section 2.3); else three planes of a byte a pixel, red, green, blue. Only in planes does the
    scaler give each pixel a colour of its own (measured: an error of 0.3 levels instead of 4.9),
    and it is faster there.
    """
    words = command.head(ffmpeg, progress_fd, "warning")
    if look.faithful:
        words.append("-noautorotate")
    # Pictures of this size are scaled by one thread in the time that it takes to share them out.
    words += ["-filter_threads", "1"]
    if look.is_small:
        words += ["-threads", "1"]
    words += pictures.source(chosen, look.size, max_pixels)
    words += ["-map", chosen.picture_map, "-vf", ",".join(_filters(ffmpeg, chosen, look, times))]
    if look.one:
        words += ["-frames:v", "1"]
    pixels = "bgr24" if look.faithful else "gbrp"
    return [
        *words, "-fps_mode", "passthrough", "-pix_fmt", pixels, "-f", "rawvideo", "pipe:1",
        *chosen.beside(chosen.picture),
    ]  # fmt: skip


def _filters(
    ffmpeg: Ffmpeg, chosen: Selection, look: Look, times: PictureTimes | None
) -> list[str]:
    size = look.size
    colour = "0x{:02X}{:02X}{:02X}".format(*look.background)
    chain = pictures.rhythm(chosen, size, times, look.fps)
    scale = f"scale={shapes.scale(size, stored=look.faithful)}"
    if look.faithful:
        chain.append(f"{scale}:flags=bicubic:in_color_matrix=bt601")
    else:
        if chosen.has_alpha:
            chain.append(shapes.over(look.background))
        kernel = "area" if look.shrinks else "bicubic"
        chain += [f"{scale}:flags={kernel}", *pictures.sdr(ffmpeg, chosen)]
    if size.is_cut:
        chain.append(f"crop={size.width}:{size.height}")
    if size.has_bars:
        chain.append("format=bgr24" if look.faithful else "format=gbrp")
        chain.append(shapes.pad(size, colour))
    if not look.faithful:
        # ffmpeg's order of planes is green, blue, red.
        chain.append("format=gbrp,shuffleplanes=2:0:1")
    return chain


GIF_FPS_MAX = 50
"""Browsers show a picture of a GIF that is to go sooner ten times as long."""


def gif_of_pngs(
    ffmpeg: Ffmpeg,
    input: Path,
    output: Path,
    *,
    fps: Fraction,
    max_pixels: int,
    progress_fd: int,
) -> list[str]:
    """The command that turns PNG pictures with palettes, one after another in a file, into a GIF
    with a palette for each. `fps` is at most `GIF_FPS_MAX`."""
    return [
        *command.head(ffmpeg, progress_fd, "warning"),
        "-f", "png_pipe", "-framerate", str(fps),
        *command.guarded_input(input, max_pixels),
        "-map", "0:v:0", "-fps_mode", "passthrough",
        "-c:v", "gif", "-f", "gif", f"file:{output}",
    ]  # fmt: skip
