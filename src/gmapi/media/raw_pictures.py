"""Commands that hand a video's pictures to our own converter as plain bytes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gmapi.media import command

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg

Fit = Literal["contain", "cover", "stretch"]


@dataclass(frozen=True)
class PictureSize:
    """`width` x `height` pixels; `inner` is what the picture is scaled to before it is cut to
    that size, or set in the middle of it."""

    width: int
    height: int
    inner: tuple[int, int]

    @classmethod
    def fitted(cls, width: int, height: int, source: tuple[int, int], fit: Fit) -> PictureSize:
        """A source of the size `source` brought to `width` x `height`: "contain" shows all of it
        with bars, "cover" fills everything and cuts what is too much, "stretch" distorts."""
        across, down = width / source[0], height / source[1]
        if fit == "stretch" or across == down:
            return cls(width, height, (width, height))
        factor = min(across, down) if fit == "contain" else max(across, down)
        wide = max(1, round(source[0] * factor))
        high = max(1, round(source[1] * factor))
        return cls(width, height, (wide, high))


@dataclass(frozen=True)
class Look:
    """How pictures are made of what is decoded.

    `fps` resamples in time, None keeps every decoded picture. `faithful` is the reference's way:
    stored orientation and pixel shape, one colour matrix for all, transparency ignored.
    `is_small` when one thread decodes the source about as fast as pictures are converted; it costs
    less in all than several. `background` is (red, green, blue) behind transparency, which is
    there where `has_alpha`, and beside the picture. `shrinks` when the picture is not larger than
    its source.
    """

    size: PictureSize
    fps: Fraction | None = None
    faithful: bool = False
    background: tuple[int, int, int] = (0, 0, 0)
    one: bool = False
    shrinks: bool = True
    has_alpha: bool = False
    is_small: bool = False


def pictures(
    ffmpeg: Ffmpeg, input: Path, look: Look, *, max_pixels: int, progress_fd: int
) -> list[str]:
    """The command that writes pictures to stdout and nothing else.

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
    words += command.guarded_input(input, max_pixels)
    words += ["-map", "0:V:0", "-vf", ",".join(_filters(look))]
    if look.one:
        words += ["-frames:v", "1"]
    pixels = "bgr24" if look.faithful else "gbrp"
    return [
        *words, "-fps_mode", "passthrough", "-pix_fmt", pixels, "-f", "rawvideo", "pipe:1",
    ]  # fmt: skip


def _filters(look: Look) -> list[str]:
    size = look.size
    colour = "0x{:02X}{:02X}{:02X}".format(*look.background)
    chain = []
    if look.fps is not None:
        # Picture n is what is seen at n / fps from the start, even where the video starts late.
        chain.append(f"fps=fps={look.fps}:start_time=0:eof_action=pass")
    scale = f"scale={size.inner[0]}:{size.inner[1]}"
    if look.faithful:
        chain.append(f"{scale}:flags=bicubic:in_color_matrix=bt601")
    else:
        if look.has_alpha:
            chain.append(command.over(look.background))
        kernel = "area" if look.shrinks else "bicubic"
        chain.append(f"{scale}:flags={kernel}")
    wide, high = size.inner
    if wide > size.width or high > size.height:
        chain.append(f"crop={size.width}:{size.height}")
    if wide < size.width or high < size.height:
        chain.append("format=bgr24" if look.faithful else "format=gbrp")
        chain.append(f"pad={size.width}:{size.height}:(ow-iw)/2:(oh-ih)/2:{colour}")
    if not look.faithful:
        # ffmpeg's order of planes is green, blue, red.
        chain.append("format=gbrp,shuffleplanes=2:0:1")
    return chain


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
    with a palette for each."""
    return [
        *command.head(ffmpeg, progress_fd, "warning"),
        "-f", "png_pipe", "-framerate", str(fps),
        *command.guarded_input(input, max_pixels),
        "-map", "0:v:0", "-fps_mode", "passthrough",
        "-c:v", "gif", "-f", "gif", f"file:{output}",
    ]  # fmt: skip
