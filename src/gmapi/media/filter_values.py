"""What values of filters may say: sizes, rates, numbers of pictures, and expressions that end."""

from __future__ import annotations

import re

from gmapi.media.filter_table import words

_HUGE = re.compile(r"[0-9]{5}|[0-9.][eE]\+?[0-9]|[0-9.]\s*[kKMGTPEZY]|(?<![0-9])0[xX]")
_RATE = re.compile(r"([0-9]{1,8}(?:\.[0-9]+)?)(?:[/:]([0-9]{1,8}(?:\.[0-9]+)?))?")
_RATE_OF_SOURCE = re.compile(r"source_fps(?:\s*[*/]\s*[0-9]{1,2}(?:\.[0-9]+)?)?")
_LAYOUT = re.compile(r"([0-9]{1,3})x([0-9]{1,3})")
TILES_MAX = 100
_LOOPS = ("while", "taylor", "root")
LOOPS = (
    "an expression with while, taylor or root, which is not allowed: it may never end; use if, "
    "between or mod"
)
RATE_MAX = 1000
RATE_NAMES = words("ntsc pal qntsc qpal sntsc spal film ntsc-film")
SIZE_NAMES = RATE_NAMES | words("""
    sqcif qcif cif 4cif 16cif qqvga qvga vga svga xga uxga qxga sxga qsxga hsxga wvga wxga wsxga
    wuxga woxga wqsxga wquxga whsxga whuxga cga ega hd480 hd720 hd1080 2k 2kflat 2kscope 4k 4kflat
    4kscope nhd hqvga wqvga fwqvga hvga qhd 2kdci 4kdci uhd2160 uhd4320
    """)
"""Names that ffmpeg takes instead of WxH (libavutil/parseutils.c); all are below 40 megapixels."""


def is_huge(value: str) -> bool:
    """Whether a size has a whole number of five or more digits, in any of ffmpeg's notations."""
    if value in SIZE_NAMES:
        return False
    # Digits after the point do not count: iw*0.33333 is a small number.
    return _HUGE.search(re.sub(r"\.[0-9]+(?![0-9eEkKMGTPEZY])", "", value)) is not None


def is_layout(value: str) -> bool:
    """Whether this is a number of columns and rows, such as 4x3, of at most 100 pictures."""
    match = _LAYOUT.fullmatch(value)
    return match is not None and 1 <= int(match[1]) * int(match[2]) <= TILES_MAX


def has_loop(value: str) -> bool:
    """Whether an expression may have a function that never ends, or takes very long: loops and
    series, which can be put into each other.

    ffmpeg drops spaces anywhere in an expression, takes for a function's name what stands before
    any character that is none of a name, and skips all else up to the next bracket, so that
    `whi le?2+x(1,1)` is a loop (libavutil/eval.c). Quotes and backslashes vanish on each of the
    levels that a value passes, and none of these adds or moves a character.
    """
    text = bare(value)
    last = text.rfind("(")
    return any(0 <= text.find(name) < last for name in _LOOPS)


def bare(value: str) -> str:
    """A value without spaces, quotes and backslashes."""
    return "".join(value.split()).replace("\\", "").replace("'", "")


def is_rate(value: str) -> bool:
    """Whether this is a number of pictures per second above 0 and at most 1,000."""
    if value in RATE_NAMES or value == "auto" or _RATE_OF_SOURCE.fullmatch(value):
        return True
    match = _RATE.fullmatch(value)
    if match is None:
        return False
    over = float(match[2]) if match[2] else 1.0
    return over > 0 and 0 < float(match[1]) / over <= RATE_MAX
