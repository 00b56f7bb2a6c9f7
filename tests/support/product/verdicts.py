"""Whether what a tool made of an odd source is right, by readers that the product does not ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from support.media import readers
from support.media.made_files import ffprobe
from support.media.making import COLORS, Maker
from support.media.oddities import Oddity, Truth
from support.media.readers import Film, Sound
from support.product.outcomes import Refused, heard, seen, tried
from support.product.tools import Ran, Tools

WAYS = ("dfpwm", "mp3", "mp4", "png", "gif", "32vid", "bimg", "lua", "nfp", "frames")
"""Formats of the three tools; `mp3` to `gif` are of ffmpeg."""

_SONGS = ("dfpwm", "mp3")
_SOUNDING = ("dfpwm", "mp3", "mp4", "32vid", "frames")
_SCREENS = ("32vid", "bimg", "lua", "nfp")
_STILLS = ("png", "nfp")
_SILENT = ("gif", "bimg", "lua", "nfp", "png")
SCREEN_WIDTH = 40
STEP = 0.12
"""Seconds that a length may be off: a tenth, and what a picture or a packet rounds."""


def ways(oddity: Oddity) -> tuple[str, ...]:
    """Those that tell something about it: a song is no picture, and has one way to be refused."""
    if oddity.truth.size is None:
        return ("dfpwm", "mp3", "mp4", "png", "32vid", "frames")
    if oddity.truth.seconds is None:
        return ("dfpwm", "mp4", "png", "gif", "bimg", "nfp", "frames")
    return WAYS


def verdict(tools: Tools, make: Maker, oddity: Oddity, way: str) -> list[str]:
    """What is wrong; nothing when it is right or refused for a reason."""
    source = oddity.write(make)
    fields: dict[str, Any] = {}
    if way in _SCREENS and oddity.truth.size is not None:
        fields["width"] = SCREEN_WIDTH
    made = tried(tools, way, source, **fields)
    if isinstance(made, Refused):
        if oddity.truth.is_new and tools.ffmpeg_program.major == 5:
            return []
        return _of_refusal(oddity.truth, way, made)
    return [*_of_pictures(oddity.truth, way, made), *_of_sound(oddity.truth, way, made)]


def _of_refusal(truth: Truth, way: str, refused: Refused) -> list[str]:
    lacks = not truth.tones if way in _SONGS else truth.size is None
    return [] if lacks or truth.may_be_refused else [f"refused: {refused.message}"]


# -- pictures ------------------------------------------------------------------------------------


def _of_pictures(truth: Truth, way: str, made: Ran) -> list[str]:
    if truth.size is None or way in _SONGS:
        return []
    wrong = list(_of_size(truth, way, made))
    if way == "nfp":
        return wrong
    found = seen(made)
    wide, high = found.size
    if way not in _SCREENS and (made.result.width, made.result.height) != (wide, high):
        wrong.append(f"told {made.result.width}x{made.result.height}, is {wide}x{high}")
    if truth.colors == ("corners",):
        return [*wrong, *_of_corners(found.pictures[0], truth.by)]
    if way in _STILLS:
        return [*wrong, *_of_color(found.pictures[0], truth.colors[0], 0.0, truth.by)]
    if way == "gif" and truth.colors[0] == "*" and truth.tones:
        return [*wrong, *_of_color(found.pictures[0], "*", 0.0, truth.by)]
    return [*wrong, *_of_length(truth, way, made, found), *_of_colors(truth, found)]


def _of_size(truth: Truth, way: str, made: Ran) -> list[str]:
    assert truth.size is not None
    width, height = truth.size
    if way in _SCREENS:
        width, height = SCREEN_WIDTH, max(1, round(SCREEN_WIDTH * height / width))
    if way == "frames" and (width > 1280 or height > 720):
        return []
    told = (made.result.width or 0, made.result.height or 0)
    least = 2 if way == "mp4" else 1
    if abs(told[0] - max(width, least)) <= 1 and abs(told[1] - max(height, least)) <= 1:
        return []
    return [f"size {told[0]}x{told[1]}, right {width}x{height}"]


def _of_length(truth: Truth, way: str, made: Ran, found: Film) -> list[str]:
    if truth.seconds is None:
        one = len(found.pictures) == 1 or way in ("mp4", "32vid")
        return [] if one else [f"{len(found.pictures)} pictures of one"]
    if way in _SILENT and truth.tones and (len(truth.colors) == 1 or truth.colors[0] == "*"):
        return []  # without the sound there is nothing to wait for
    wrong = []
    # How long the last picture lasts is in MP4 told of the whole alone.
    end = float(ffprobe(made.path)["format"]["duration"]) if way == "mp4" else found.end
    short = truth.seconds - end
    if truth.ends_early and short > STEP:
        if not made.warnings and not truth.promises_nothing:
            wrong.append(f"ends after {end:.2f} s without a word")
    elif len(truth.colors) > 1 and abs(short) > STEP:
        # The one picture of a song may last as long as it likes.
        wrong.append(f"{end:.2f} s of pictures, right {truth.seconds:.2f} s")
    told = made.result.duration
    if told is None or (not truth.ends_early and abs(told - truth.seconds) > STEP + 0.03):
        wrong.append(f"told a duration of {told}, right {truth.seconds:.2f}")
    return wrong


def _of_colors(truth: Truth, found: Film) -> list[str]:
    each = truth.length / len(truth.colors)
    wrong: list[str] = []
    for number, name in enumerate(truth.colors):
        second = (number + 0.5) * each
        if truth.ends_early and second > found.end - 0.2:
            break
        at = max(n for n, start in enumerate(found.starts) if start <= second + 1e-6 or n == 0)
        wrong += _of_color(found.pictures[at], name, second, truth.by)
    return wrong


def _of_color(picture: readers.U8, name: str, second: float, by: int) -> list[str]:
    if name == "*":
        return [] if second or np.any(picture > 30) else ["all black"]
    # In the upper half: the lower one may have what is not to be seen.
    color = readers.color(picture, 0.5, 0.4)
    if readers.near(color, COLORS[name], by):
        return []
    return [f"{color} at {second:.1f} s, right {name}"]


def _of_corners(picture: readers.U8, by: int) -> list[str]:
    places = [(x, y) for y in (0.25, 0.75) for x in (0.2, 0.8)]
    found = [readers.color(picture, x, y) for x, y in places]
    wanted = [COLORS[name] for name in ("red", "lime", "blue", "yellow")]
    if all(readers.near(one, two, by) for one, two in zip(found, wanted, strict=True)):
        return []
    return [f"corners {found}"]


# -- sound ---------------------------------------------------------------------------------------


def _of_sound(truth: Truth, way: str, made: Ran) -> list[str]:
    if way not in _SOUNDING or (truth.size is None and way == "frames"):
        return []
    if way == "mp4" and not has_sound(made.path):
        return ["no sound"] if truth.tones else []
    found = heard(made)
    if found is None:
        return ["no sound"] if truth.tones else []
    if not truth.tones:
        return ["sound made of nothing"]
    return [*_of_sound_length(truth, way, made, found), *_of_tones(truth, found)]


def _of_sound_length(truth: Truth, way: str, made: Ran, found: Sound) -> list[str]:
    wrong = []
    length = truth.length
    if truth.ends_early and found.duration < length - STEP:
        if not made.warnings and not truth.promises_nothing:
            wrong.append(f"the sound ends after {found.duration:.2f} s without a word")
    elif abs(found.duration - length) > STEP:
        wrong.append(f"{found.duration:.2f} s of sound, right {length:.2f} s")
    if way in _SONGS and abs((made.result.duration or 0) - found.duration) > STEP:
        wrong.append(f"told a duration of {made.result.duration}, is {found.duration:.2f}")
    return wrong


def _of_tones(truth: Truth, found: Sound) -> list[str]:
    each = truth.length / len(truth.tones)
    wrong = []
    for number, tone in enumerate(truth.tones):
        start, end = (number + 0.25) * each, (number + 0.75) * each
        if truth.ends_early and end > found.duration:
            break
        if tone == 0:
            if found.loudness(start, end) > 0.03:
                wrong.append(f"{start:.1f} s is not silent")
        elif abs(found.tone(start, end) - tone) > 6:
            wrong.append(f"{found.tone(start, end):.0f} Hz at {start:.1f} s, right {tone}")
    return wrong


def has_sound(path: Path) -> bool:
    return any(stream["codec_type"] == "audio" for stream in ffprobe(path)["streams"])
