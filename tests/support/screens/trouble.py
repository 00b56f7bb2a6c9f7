"""Odd requests to `sanjuuni` and damaged sources for it, random, but the same ones every time."""

from __future__ import annotations

import math
from random import Random
from typing import Any

from support.screens.wishes import Wish, fine_wish

_JUNK: list[Any] = [
    -1, 0, 1e9, 65535, 65536, math.nan, 2.5, "", "x", "٣", "1e3", True, [], {}, [[]], {"a": 1},
    ["-W"], "\x00", "a" * 300, "8x6@0.7", "9x9", "#12", "exact", "default", "none", "32vid", "gif",
    "mp4", 1 / 3, 10**30, ["ff0000"] * 17,
]  # fmt: skip
_WORDS = [
    "-W", "-H -3", "-W0", "-W 65535 -H 65535", "-W=20000 -H=3", "-P", "-P red", "-cfoo", "-M9x9",
    "-M1x1@5", "-i /etc/passwd", "-o x", "-s 80", "-q", "--s", "-38", "-p -p", "-p -8 -k", "-t -O",
    "--width=", "'", "\\", "--", "-S x.ass", "-M -r", "-d -m", "-L -p", "-h", "\u202e-p", "-W٣",
    "-lua", "-c none -c ans", "-M 2x2@0.5 --trim", "-H 1", "-W 1",
]  # fmt: skip
_FIELDS = [
    "output_format", "args", "width", "height", "monitor", "fit", "quality", "dither", "palette",
    "colors", "compression", "audio", "fps", "background", "index", "subtitles", "headers",
    "no_cache", "max_age",
]  # fmt: skip


def wild_wish(number: int) -> Wish:
    """A request with something odd in it, which may be refused."""
    wish = fine_wish(number)
    random = Random(-number - 1)
    for _ in range(random.randint(1, 2)):
        if random.random() < 0.5:
            wish.words.append(random.choice(_WORDS))
        else:
            wish.fields[random.choice(_FIELDS)] = random.choice(_JUNK)
    if random.random() < 0.1:
        wish.subtitles = random.choice(["", "no subtitles", "WEBVTT", "[Script Info]\nFormat:,,\n"])
    return wish


def damaged(random: Random, data: bytes) -> bytes:
    """A file's bytes with some of them changed, left out, made zero or doubled."""
    found = bytearray(data)
    for _ in range(random.randint(1, 3)):
        if not found:
            break
        at = random.randrange(len(found))
        # Much of a header is in its first bytes.
        if random.random() < 0.4:
            at = random.randrange(min(len(found), 200))
        length = random.choice([1, 4, 30, 300, len(found) // 3 + 1])
        way = random.randrange(5)
        if way == 0:
            for place in (random.randrange(len(found)) for _ in range(random.choice([1, 10, 100]))):
                found[place] = random.randrange(256)
        elif way == 1:
            del found[at + 1 :]
        elif way == 2:
            found[at : at + length] = bytes(len(found[at : at + length]))
        elif way == 3:
            found[at:at] = found[at : at + length]
        else:
            del found[at : at + length]
    return bytes(found)
