"""Random requests to `sanjuuni` over the whole grammar, and what must come of them.

Each follows from its number alone. What an output must be is worked out here from the formats
document (sections 2.2 and 5.8), not asked of the product.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from gmapi.computercraft.flag_table import FLAGS
from support.screens.golden_cases import FOLDER

Media = Callable[[str], Path]

FORMATS = ("32vid", "bimg", "lua", "raw", "nfp", "png", "gif")
SPLITTABLE = ("32vid", "bimg", "lua", "png", "gif")
PREVIEWS = ("png", "gif")
_SCREENS = {
    "computer": (102, 57), "Pocket": (52, 60), "turtle": (78, 39),
    "monitor 1x1": (30, 30), "2x1@1": (36, 15), "1x1 @ 1": (14, 15),
}  # fmt: skip
# Blocks and scale of one monitor, and its pixels.
_MONITORS = {"1x1@0.5": (30, 30), "2x1@1": (36, 15), "1x1@1": (14, 15), "1X1": (30, 30)}
_TRIMMED_STEPS = {"1x1@0.5": (42, 42), "2x1@1": (42, 21), "1x1@1": (21, 21), "1X1": (42, 42)}
_WALL_MAX = 8
_NAMES = [flag.name for flag in FLAGS]


@dataclass(frozen=True)
class Sample:
    """A source: stored size, the size it is meant to be seen with, pictures that are stored,
    seconds, and its pictures a second, 0 for a still."""

    name: str
    size: tuple[int, int]
    pictures: int = 1
    seconds: float = 0.04
    rate: float = 0.0
    sounds: bool = False
    seen: tuple[int, int] | None = None
    is_golden: bool = True

    def path(self, media: Media) -> Path:
        return FOLDER / "in" / self.name if self.is_golden else media(self.name)


STILLS = [
    Sample("example_8x6.png", (8, 6)),
    Sample("one_1x1.png", (1, 1)),
    Sample("alpha_64x48.png", (64, 48)),
    Sample("pal8_64x48.png", (64, 48)),
    Sample("cc16_32x24.png", (32, 24)),
    Sample("flat_36x27.png", (36, 27)),
    Sample("graynoise_42x42.png", (42, 42)),
    Sample("plasma_160x120.jpg", (160, 120)),
    Sample("gradient_80x60.png", (80, 60)),
    Sample("tall_37x101.png", (37, 101)),
    Sample("wide_203x31.png", (203, 31)),
    Sample("half_there_palette.png", (40, 20), is_golden=False),
]
FILMS = [
    Sample("anim_48x36.gif", (48, 36), 4, 0.5, 8.0),
    Sample("static_64x48_5fps.mp4", (64, 48), 10, 2.0, 5.0),
    Sample("testsrc2_160x120_10fps.mp4", (160, 120), 16, 1.6, 10.0, sounds=True),
    Sample("sounding.mkv", (64, 48), 17, 1.7, 10.0, sounds=True, is_golden=False),
    Sample("wide_pixels.mkv", (40, 20), 10, 1.0, 10.0, seen=(80, 20), is_golden=False),
    Sample("without_length.webm", (48, 36), 20, 2.0, 10.0, is_golden=False),
]

_LINES = [
    "Hi there",
    "Grüße aus dem Kalender",
    "– „Łódź“ … ♪",
    "\\Nzwei",
    "paint(1, 1, {",
    "😀" * 5,
]
_SRT = "1\n00:00:00,{0:03d} --> 00:00:00,{1:03d}\n{2}\n\n2\n00:00:00,100 --> 00:00:09,000\nx\n"
_VTT = "WEBVTT\n\n00:00.{0:03d} --> 00:00.{1:03d} line:0\n<i>{2}</i>\n"
_ASS = (
    "[Script Info]\nPlayResX: 96\nPlayResY: 72\n\n[V4+ Styles]\n"
    "Format: Name, PrimaryColour, Alignment, MarginL, MarginR, MarginV\n"
    "Style: Default,&H0000FFFF,8,0,0,0\n\n[Events]\nFormat: Layer, Start, End, Style, Text\n"
    "Dialogue: 0,0:00:00.{0:03d},0:00:00.{1:03d},Default,{{\\an5}}{2}\n"
)

# Browsers show a picture of a GIF for two hundredths of a second at least.
_PREVIEW_FPS_MAX = 50.0


@dataclass
class Wish:
    """A request for `sample`: `fields` of it, in which `args` are `words`, and a file of
    subtitles. `is_fine` says whether it must succeed, else it must be refused."""

    sample: Sample
    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    subtitles: str | None = None
    width: int | None = None
    height: int | None = None
    exact: bool = False
    blocks: bool = False
    fixed_palette: bool = False
    separate: bool = False
    trimmed: bool = False
    monitor: str | None = None
    dfpwm: bool = False
    mute: bool = False
    text_at_once: bool = False
    kernels: str = "auto"

    @property
    def values(self) -> dict[str, Any]:
        """All fields of the request."""
        return {**self.fields, "args": self.words} if self.words else dict(self.fields)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of what is made; a side may be 0."""
        wide, high = (not self.exact and self.sample.seen) or self.sample.size
        if self.width is None and self.height is None:
            return wide, high
        if self.height is None:
            return self.width or 0, int((self.width or 0) * (high / wide))
        if self.width is None:
            return int(self.height * (wide / high)), self.height
        return self.width, self.height

    @property
    def wall(self) -> tuple[int, int] | None:
        """Monitors side by side and one above the other."""
        width, height = self.size
        if self.monitor is None:
            return None
        part = _MONITORS[self.monitor]
        if width // 2 <= part[0] // 2 and height // 3 <= part[1] // 3:
            return None
        steps = _TRIMMED_STEPS[self.monitor] if self.trimmed else part
        return _monitors(width, steps[0], 2), _monitors(height, steps[1], 3)

    @property
    def is_fine(self) -> bool:
        width, height = self.size
        if width < 1 or height < 1 or max(self.wall or (1, 1)) > _WALL_MAX:
            return False
        return self.kind not in PREVIEWS or (width >= 2 and height >= 3)

    @property
    def fps(self) -> float | None:
        """Pictures a second in the output; None for those that each have their own time."""
        whole = self.kind == "32vid"
        asked = self.fields.get("fps")
        if self.sample.rate == 0 or self.kind == "png":
            return 25.0
        if asked is not None:
            most = _PREVIEW_FPS_MAX if self.kind == "gif" else math.inf
            return max(1, math.floor(asked + 0.5)) if whole else min(float(asked), most)
        if self.sample.name.endswith(".gif") and not self.exact:
            # The shortest delay is 0.1 s.
            return 10.0 if whole or self.kind == "raw" or self.kind in PREVIEWS else None
        return math.floor(self.sample.rate + 0.5) if whole else self.sample.rate

    def may_have(self, pictures: int) -> bool:
        """Whether the output may have so many pictures."""
        if self.kind == "png" or self.sample.rate == 0:
            return pictures == 1
        if "fps" not in self.fields and (self.exact or self.fps is None):
            return pictures == self.sample.pictures
        return pictures >= 1 and abs(pictures - self.sample.seconds * (self.fps or 0)) <= 1


def _monitors(size: int, step: int, cell: int) -> int:
    """A rest that is smaller than a cell gets no monitor."""
    count = -(-size // step)
    return count if count < 2 or size - (count - 1) * step >= cell else count - 1


def _any_case(random: Random, text: str) -> str:
    return random.choice([text, text, text.upper(), text.capitalize()])


def _short(random: Random, name: str) -> str:
    """A name or a beginning of it that no other name has."""
    least = next(
        end
        for end in range(1, len(name) + 1)
        if end == len(name) or sum(other.startswith(name[:end]) for other in _NAMES) == 1
    )
    return name[: random.randint(least, len(name))] if random.random() < 0.5 else name


def _spelled(random: Random, letter: str, name: str, value: str | None = None) -> list[str]:
    """A flag as one or two words."""
    long = "--" + _any_case(random, _short(random, name))
    if value is None:
        return [random.choice([f"-{letter}", long]) if letter else long]
    mark = random.choice("=:")
    return random.choice(
        [
            [f"-{letter}{value}"],
            [f"-{letter}", value],
            [f"-{letter}{mark}{value}"],
            [f"{long}{mark}{value}"],
            [long, value],
        ]
    )


class _Maker:
    """Builds one wish, each choice by a flag or by a field."""

    def __init__(self, number: int, *, kernels: str) -> None:
        self.random = Random(number)
        random = self.random
        sample = random.choice(STILLS if random.random() < 0.7 else FILMS)
        self.wish = Wish(sample, FORMATS[number % len(FORMATS)], kernels=kernels)
        self._groups: list[list[str]] = []

    def flag(self, letter: str, name: str, value: str | None = None) -> None:
        self._groups.append(_spelled(self.random, letter, name, value))

    def perhaps(self, chance: float = 0.3) -> bool:
        return self.random.random() < chance

    def make(self) -> Wish:
        """All of it."""
        self._format()
        self._size()
        self._colours()
        self._coding()
        self._time()
        self._text()
        self._finish_words()
        return self.wish

    def _format(self) -> None:
        wish, random = self.wish, self.random
        letters = {"32vid": "3", "bimg": "b", "lua": "l", "raw": "r", "nfp": "n"}
        names = {"bimg": "blit-image"}
        if wish.kind in letters and self.perhaps():
            self.flag(letters[wish.kind], names.get(wish.kind, wish.kind))
            return
        name = "32v" if wish.kind == "32vid" and self.perhaps() else wish.kind
        spelling = random.choice(["{}", "{}", ".{}", " {} "])
        wish.fields["output_format"] = spelling.format(_any_case(random, name))
        if self.perhaps(0.1):
            self.flag("l", "lua")  # the field decides

    def _size(self) -> None:
        wish, random = self.wish, self.random
        most = 40 if wish.kernels == "numpy" else 80
        if self.perhaps(0.15):
            name = random.choice(sorted(_SCREENS))
            wish.fields["monitor"] = name
            wish.width, wish.height = _SCREENS[name]
        else:
            if self.perhaps(0.8):
                wish.width = self._side("W", "width", most)
            if self.perhaps(0.8):
                wish.height = self._side("H", "height", most)
        if self.perhaps(0.5):
            wish.fields["fit"] = random.choice(["contain", "cover", "stretch"])
        if self.perhaps():
            wish.fields["background"] = random.choice(["#cc4c4c", "00FF00", " #ffffff "])
        if wish.kind in SPLITTABLE and self.perhaps(0.25):
            wish.monitor = random.choice(sorted(_MONITORS))
            self.flag("M", "monitor-size", wish.monitor)
            if self.perhaps():
                wish.trimmed = True
                self.flag("", "trim-borders")

    def _side(self, letter: str, name: str, most: int) -> int:
        side = self.random.choice([1, 2, 3, 5, most, *[self.random.randint(1, most)] * 8])
        way = self.random.randrange(3)
        if way != 0:
            self.flag(letter, name, self.random.choice([str(side), f"{side}.0", f"0{side}"]))
        if way != 1:
            self.wish.fields[name] = self.random.choice([side, float(side), str(side)])
        return side

    def _colours(self) -> None:
        wish, random = self.wish, self.random
        if self.perhaps(0.3):
            letter, name = random.choice(
                [("p", "default-palette"), ("8", "octree"), ("k", "kmeans")]
            )
            self.flag(letter, name)
            wish.fixed_palette = letter == "p"
            wish.exact = True
        elif self.perhaps(0.3):
            source = random.choice(["default", "median-cut", "kmeans", "octree"])
            wish.fields["palette"] = source
            wish.fixed_palette = source == "default"
            wish.exact = source != "default"
        if self.perhaps(0.2):
            wish.fixed_palette = False
            colors = [
                random.choice(["X", "x", "", "#ff0000", f"{random.randrange(1 << 24):06X}"])
                for _ in range(random.choice([1, 3, 16]))
            ]
            if self.perhaps(0.5) and any(colors):
                self.flag("P", "palette", ",".join(["X", *colors[1:]]))
                wish.exact = True
            else:
                numbered = {str(number): text for number, text in enumerate(colors, 1)}
                wish.fields["colors"] = random.choice([colors, ",".join(colors), numbered])
        if self.perhaps(0.3):
            self.flag(*random.choice([("t", "threshold"), ("O", "ordered")]))
            wish.exact = True
        elif self.perhaps(0.3):
            wish.fields["dither"] = random.choice(["diffusion", "ordered", "none"])
        if self.perhaps(0.15):
            self.flag("L", "lab-color")
            wish.exact = True
        if self.perhaps(0.3):
            quality = random.choice(["best", "exact"])
            wish.fields["quality"] = quality
            wish.exact = quality == "exact"
        if self.perhaps(0.2):
            wish.blocks = True
            self.flag("N", "nfpize")

    def _coding(self) -> None:
        wish, random = self.wish, self.random
        compression = random.choice(["none", "ans", "deflate", "custom"])
        if self.perhaps():
            self.flag("c", "compression", _any_case(random, compression))
        elif self.perhaps(0.6):
            wish.fields["compression"] = compression
        if self.perhaps(0.25):
            wish.dfpwm, wish.mute = random.choice([(True, False), (False, True)])
            self.flag(*(("d", "dfpwm") if wish.dfpwm else ("m", "mute")))
        elif self.perhaps():
            audio = random.choice(["pcm", "dfpwm", "none"])
            wish.fields["audio"] = audio
            wish.dfpwm, wish.mute = audio == "dfpwm", audio == "none"
        if self.perhaps():
            self.flag("B", "binary")
        if self.perhaps(0.15):
            self.flag("", "disable-opencl")
        if wish.monitor is None and self.perhaps(0.4 if wish.kind == "32vid" else 0.1):
            wish.separate = True
            self.flag("S", "separate-streams")
        elif self.perhaps(0.25):
            wish.fields["index"] = random.choice([True, 1, "true"])

    def _time(self) -> None:
        if self.perhaps(0.4):
            rates = [0.5, 1, 3, 7.5, 12, 29.97]
            if self.wish.kernels != "numpy":
                rates.append(60.0)
            self.wish.fields["fps"] = self.random.choice(rates)

    def _text(self) -> None:
        wish, random = self.wish, self.random
        if self.perhaps(0.25):
            start = random.choice([0, 20, 350])
            form = random.choice([_SRT, _VTT, _ASS])
            wish.subtitles = form.format(start, start + 400, random.choice(_LINES))
            wish.text_at_once = start == 0
            if wish.kind == "32vid":
                wish.fields["subtitles"] = random.choice(["burn", "events"])
            elif self.perhaps():
                wish.fields["subtitles"] = "burn"

    def _finish_words(self) -> None:
        """The flags in any order, several to an entry, with stray words between."""
        random = self.random
        random.shuffle(self._groups)
        for group in self._groups:
            if self.wish.words and self.perhaps():
                self.wish.words[-1] += " " * random.randint(1, 3) + " ".join(group)
            else:
                self.wish.words += group
        if self.perhaps(0.1):
            self.wish.words = random.choice([["stray", "-", "/x"], [""]]) + self.wish.words
        if self.perhaps(0.1):
            self.wish.words += ["--", "-q"]


def fine_wish(number: int) -> Wish:
    """A request whose parts do not contradict each other."""
    return _Maker(number, kernels="numpy" if number % 5 == 4 else "auto").make()
