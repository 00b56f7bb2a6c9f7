"""Commands that hand a source's pictures on: which ones, in which rhythm, in which look."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from gmapi.media import command, shapes, tones
from gmapi.media.timing import corrected_count

if TYPE_CHECKING:
    from pathlib import Path

    from gmapi.media.binaries import Ffmpeg
    from gmapi.media.selection import Selection
    from gmapi.media.shapes import PictureSize
    from gmapi.media.timing import PictureTimes


Written = Literal["rgb", "gray", "jpeg"]
"""How pictures are handed on: three bytes a pixel, or one, row by row; or as JPEG files."""

# A picture is not to wait for the next ones, which may come late.
_RAW = ["-c:v", "rawvideo", "-f", "rawvideo", "-flush_packets", "1"]

_WRITTEN: dict[Written, tuple[list[str], list[str]]] = {
    "rgb": ([], _RAW),
    "gray": (["format=gray"], _RAW),
    # All of the colours: a pixel of pictures this small is large, and half of them cost up to
    # 15 dB to save a third of the bytes.
    "jpeg": (
        ["scale=out_color_matrix=bt601:out_range=full", "format=yuv444p",
         "setparams=colorspace=bt470bg:range=pc"],
        # Full range in this pixel format is not official to older versions.
        ["-c:v", "mjpeg", "-strict", "unofficial", "-q:v", "3", "-f", "image2pipe"],
    ),
}  # fmt: skip
"""Filters after those that all have, and the options of the output."""


def live_on(chosen: Selection, size: PictureSize) -> bool:
    """Whether the filters live on when the pictures change on the way.

    Filters that are made anew lose a picture and pad from 0 again, but the crop filter takes all
    pictures to be as large as the first, and others cannot bear a change either.
    """
    return chosen.may_change and not size.is_cut


def source(chosen: Selection, size: PictureSize, max_pixels: int) -> list[str]:
    """The input options and the input of commands that show pictures in this size."""
    steady = ["-reinit_filter", "0"] if live_on(chosen, size) else []
    return [*steady, *chosen.input_words, *command.guarded_input(chosen.path, max_pixels)]


def rhythm(
    chosen: Selection,
    size: PictureSize,
    times: PictureTimes | None,
    fps: Fraction | float | None,
    last: str = "pass",
) -> list[str]:
    """Filters after which picture n + `lead` is what is seen at n / `fps` from the start; with
    None, and of a still, they stay as many as they are.

    `times` tell of pictures without times, which come at a rate of their own. `last` is what
    happens with the last picture, see the fps filter.
    """
    chain = []
    if times is not None and times.rate is not None:
        chain.append(f"setpts=N/({times.rate:.6f}*TB)")
    if fps is None or chosen.is_still:
        return chain
    shown = f"{fps:g}" if isinstance(fps, float) else str(fps)
    padded = ":start_time=0" if live_on(chosen, size) else ""
    chain.append(f"fps=fps={shown}{padded}:eof_action={last}")
    if times is None or last != "pass":
        return chain
    if (count := corrected_count(times, float(fps))) is not None:
        count -= lead(chosen, size, times, fps)
        chain += held(count) if times.is_held else [f"trim=end_frame={max(1, count)}"]
    return chain


def held(count: int) -> list[str]:
    """Filters that show the last picture again until there are `count`."""
    return ["tpad=stop=-1:stop_mode=clone", f"trim=end_frame={max(1, count)}"]


def lead(
    chosen: Selection,
    size: PictureSize,
    times: PictureTimes | None,
    fps: Fraction | float | None,
) -> int:
    """How often the first picture has to be shown before all others, so that pictures which start
    late are in step with the sound."""
    if fps is None or times is None or not times.starts or live_on(chosen, size):
        return 0
    return max(0, round(times.starts[0] * float(fps)))


def sdr(ffmpeg: Ffmpeg, chosen: Selection) -> list[str]:
    """Filters that bring pictures of HDR to a usual screen; none for others."""
    if chosen.hdr is None or not tones.can_map(ffmpeg):
        return []
    return ["format=gbrp16le", tones.to_sdr(chosen.hdr)]


def frames(
    ffmpeg: Ffmpeg,
    chosen: Selection,
    size: PictureSize,
    *,
    times: PictureTimes | None = None,
    start: float = 0.0,
    duration: float | None = None,
    fps: float,
    written: Written = "rgb",
    max_pixels: int,
    progress_fd: int,
) -> list[str]:
    """The command that writes `fps` pictures a second to stdout and nothing else, all of this size.

    They have 8 bits, square pixels, are rotated as the source says, and over black where the
    source has transparency. The first one stands for `lead` more.
    """
    # A whole source gives one picture even when it is shorter than that, as a still is; a part of
    # one gives no picture beyond its end.
    last = "pass" if duration is None else "round"
    chain = [
        *rhythm(chosen, size, times, fps, last),
        *([shapes.over((0, 0, 0))] if chosen.has_alpha else []),
        f"scale={shapes.scale(size)}",
        *sdr(ffmpeg, chosen),
        "format=rgb24",
        "setsar=1",
    ]
    if size.has_bars:
        chain.append(shapes.pad(size, "black"))
    filters, words = _WRITTEN[written]
    return [
        *command.head(ffmpeg, progress_fd, "warning"),
        *command.span(start, duration),
        *source(chosen, size, max_pixels),
        "-map", chosen.picture_map, "-vf", ",".join([*chain, *filters]), "-fps_mode", "passthrough",
        # A still has its picture and perhaps others beside it.
        *(["-frames:v", "1"] if chosen.is_still else []),
        *words, "pipe:1",
        *chosen.beside(chosen.picture),
    ]  # fmt: skip


def assembled(ffmpeg: Ffmpeg, chosen: Selection, output: Path, *, max_pixels: int) -> list[str]:
    """The command that puts a picture together of its tiles, or with its transparency: a still
    becomes a PNG picture, pictures that move lossless video."""
    assert chosen.picture is not None
    graph = f"[0:g:{chosen.picture.tile_group}]null[whole]"
    if chosen.alpha is not None:
        graph = f"[{chosen.picture_map}][0:{chosen.alpha.index}]alphamerge[whole]"
    kind = ["-frames:v", "1", "-c:v", "png", "-compression_level", "1", "-f", "image2pipe"]
    if not chosen.is_still:
        kind = ["-fps_mode", "passthrough", "-c:v", "ffv1", "-f", "matroska"]
    return [
        *command.head(ffmpeg, None, "warning"),
        *command.guarded_input(chosen.path, max_pixels),
        "-filter_complex", graph, "-map", "[whole]", *kind, f"file:{output}",
    ]  # fmt: skip
