"""The converter's flags in a request's `args`: words to what they ask for.

The spellings are those of the reference (formats document, 1.2): `-W 32`, `-W32`, `-W=32`,
`-W:32`, `--width 32`, `--width=32`, `--wid:32`. Stray words are ignored, `--` ends the flags. It
differs in being strict about values, in taking a size that follows `-M` as its value, and in
telling the two meanings of `-S` apart.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TypeVar

from gmapi.computercraft.flag_table import (
    BY_LETTER,
    BY_NAME,
    FLAGS,
    SEPARATE_STREAMS,
    SUBTITLE,
    Flag,
    Takes,
)
from gmapi.computercraft.monitor import SIDE_MAX, parse_split
from gmapi.computercraft.options import (
    PALETTE_SIZE,
    Audio,
    Compression,
    Dither,
    Format,
    MonitorSplit,
    PaletteSource,
    Rgb,
)
from gmapi.errors import RefusedError, RequestError

WORDS_MAX = 100
WORD_CHARACTERS_MAX = 200
CHARACTERS_MAX = 8000
"""Bounds: words after splitting, characters of one word, characters of all entries."""

_FORMATS = {
    "lua": Format.LUA,
    "nfp": Format.NFP,
    "raw": Format.RAW,
    "blit-image": Format.BIMG,
    "32vid": Format.VID32,
}
# The first that is given decides (formats document, 1.3).
_PALETTES = {
    "default-palette": PaletteSource.DEFAULT,
    "octree": PaletteSource.OCTREE,
    "kmeans": PaletteSource.KMEANS,
}
_DITHERS = {"threshold": Dither.NONE, "ordered": Dither.ORDERED}
_SOUNDS = {"mute": Audio.NONE, "dfpwm": Audio.DFPWM}
_ALGORITHM = {*_PALETTES, *_DITHERS, "palette", "lab-color"}

Choice = TypeVar("Choice")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NUMBER = re.compile(r"([0-9]{1,9})(?:\.0+)?")
_COLOR = re.compile(r"#?([0-9a-fA-F]{6})")
_LOOKS_LIKE_SIZE = re.compile(r"[0-9]+[xX][0-9]+(@.*)?")


@dataclass(frozen=True)
class Flags:
    """What flags say; None is what they do not say. Fields are named as in `Options`.

    `palette` is None when `colors` leaves nothing free, and `lab` when the fixed palette is asked
    for, since neither has an effect then. `trim_borders` is in `split` too when there is one.
    `algorithm` is true when a flag chooses how colours are found, which calls for the reference's
    algorithm.
    """

    format: Format | None = None
    width: int | None = None
    height: int | None = None
    palette: PaletteSource | None = None
    colors: tuple[Rgb | None, ...] | None = None
    dither: Dither | None = None
    lab: bool | None = None
    blocks_only: bool | None = None
    binary: bool | None = None
    compression: Compression | None = None
    audio: Audio | None = None
    separate_streams: bool | None = None
    split: MonitorSplit | None = None
    trim_borders: bool | None = None
    algorithm: bool = False


def parse_flags(words: Sequence[str]) -> Flags:
    """The meaning of a request's `args`; each entry may hold several words, as a shell has them.

    Raises RefusedError for flags that a request cannot have (source, output and server flags) and
    RequestError for what is unknown, malformed, given twice or out of range; both name `args`.
    """
    given = _read(_split(words))
    if "help" in given:
        raise _wrong("-h asks for help; the flags are described in this server's documentation")
    formats = [_FORMATS[name] for name in given if name in _FORMATS]
    colors = _colors(given["palette"]) if "palette" in given else None
    trims = _said(given, "trim-borders")
    split = parse_split(given["monitor-size"]) if "monitor-size" in given else None
    return Flags(
        format=formats[-1] if formats else None,
        width=_side(given, "width"),
        height=_side(given, "height"),
        palette=_first(given, _PALETTES) if colors is None or None in colors else None,
        colors=colors,
        dither=_first(given, _DITHERS),
        lab=_said(given, "lab-color") if "default-palette" not in given else None,
        blocks_only=_said(given, "nfpize"),
        binary=_said(given, "binary"),
        compression=_compression(given),
        audio=_first(given, _SOUNDS),
        separate_streams=_said(given, "separate-streams"),
        split=replace(split, trim_borders=bool(trims)) if split else None,
        trim_borders=trims,
        algorithm=not _ALGORITHM.isdisjoint(given),
    )


def _wrong(sentence: str) -> RequestError:
    return RequestError(f"args: {sentence}", field="args")


def _split(entries: Sequence[str]) -> list[str]:
    if len(entries) > WORDS_MAX or sum(map(len, entries)) > CHARACTERS_MAX:
        raise _wrong(f"at most {WORDS_MAX} words and {CHARACTERS_MAX} characters are allowed")
    words: list[str] = []
    for number, entry in enumerate(entries, 1):
        if _CONTROL.search(entry):
            raise _wrong(f"entry {number} has a control character in it; leave it out")
        try:
            words += shlex.split(entry)
        except ValueError as error:
            raise RequestError(
                f"args: entry {number} has a quotation mark or backslash without its partner; "
                "add the other or leave it out",
                cause=error,
                field="args",
            ) from None
    if len(words) > WORDS_MAX:
        raise _wrong(f"at most {WORDS_MAX} words and {CHARACTERS_MAX} characters are allowed")
    for word in words:
        if len(word) > WORD_CHARACTERS_MAX:
            raise _wrong(
                f"the word beginning with {word[:20]!a} is longer than {WORD_CHARACTERS_MAX} "
                "characters; shorten it"
            )
    return words


def _read(words: Sequence[str]) -> dict[str, str]:
    """Names of the flags in the order given, with their values or ""."""
    given: dict[str, str] = {}
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            break
        if len(word) < 2 or word[0] != "-":
            continue
        flag, value = _find(word, words[at] if at < len(words) else None)
        if flag.refused:
            raise RefusedError(
                f"args: {word[:40]!a} (--{flag.name}) is not for requests: {flag.refused}",
                field="args",
            )
        if flag.name in given:
            raise _wrong(f"--{flag.name} is given twice; give it once")
        following = words[at : at + 1] if value is None else []
        if following and _is_value(following[0], flag):
            value = following[0]
            at += 1
        if value is None and flag.takes is Takes.VALUE:
            raise _wrong(f"{word[:40]!a} lacks its value; write it as --{flag.name}=VALUE")
        if flag.name == "palette" and _goes_on(value or "", words[at : at + 1]):
            raise _wrong("--palette: the colours are one word; leave out the spaces in it")
        given[flag.name] = value or ""
    return given


def _is_value(word: str, flag: Flag) -> bool:
    """Whether the word after a flag is its value; a required one is whatever it looks like."""
    if flag.takes is Takes.OPTIONAL:
        return _LOOKS_LIKE_SIZE.fullmatch(word) is not None
    return flag.takes is Takes.VALUE


def _goes_on(value: str, following: Sequence[str]) -> bool:
    """Whether a list of colours was torn at a space, whose rest would be ignored as stray."""
    if not following or following[0].startswith("-"):
        return False
    return value.endswith(",") or following[0].startswith(",")


def _find(word: str, following: str | None) -> tuple[Flag, str | None]:
    """The flag that a word is, and the value joined to it; None when it has none."""
    name, mark, value = _cut(word[2:] if word.startswith("--") else word[1:])
    joined = value if mark else None
    if word.startswith("--"):
        flag = _by_name(word, name.lower())
    elif word[1] == "S":
        file_follows = following is not None and not following.startswith("-")
        return (SUBTITLE if word != "-S" or file_follows else SEPARATE_STREAMS), None
    else:
        flag = _by_letter(word, name)
        # A word such as -help or -32 is the flag of its letter, written out.
        if len(name) > 1 and not flag.name.startswith(name.lower()):
            joined = word[2:]
    if joined is not None and flag.takes is Takes.NOTHING:
        raise _wrong(
            f"{word[:40]!a} cannot be read: --{flag.name} takes no value, and flags are not "
            f"joined; write -{flag.letter} as a word of its own"
            if flag.letter
            else f"--{flag.name} takes no value; write it alone"
        )
    if joined == "":
        raise _wrong(f"{word[:40]!a} lacks its value; write it as --{flag.name}=VALUE")
    return flag, joined


def _cut(word: str) -> tuple[str, str, str]:
    """A word at its first = or :, as name, sign and value."""
    mark = re.search("[=:]", word)
    return (word[: mark.start()], mark[0], word[mark.end() :]) if mark else (word, "", "")


def _by_name(word: str, name: str) -> Flag:
    if name in BY_NAME:
        return BY_NAME[name]
    meant = [flag for flag in FLAGS if name and flag.name.startswith(name)]
    if len(meant) > 1:
        names = ", ".join(f"--{flag.name}" for flag in meant)
        raise _wrong(f"{word[:40]!a} can mean {names}; write out the one that is meant")
    if not meant:
        near = get_close_matches(name[:40], BY_NAME, 1, 0.7)
        raise _wrong(
            f"{word[:40]!a} is not a flag of the converter; "
            + (f"did you mean --{near[0]}?" if near else "leave it out")
        )
    return meant[0]


def _by_letter(word: str, name: str) -> Flag:
    written = BY_NAME.get(name.lower())
    if written is not None and written.letter != word[1]:
        raise _wrong(f"{word[:40]!a} has one dash; write it with two, as --{written.name}")
    flag = BY_LETTER.get(word[1])
    if flag is None:
        raise _wrong(f"{word[:40]!a} is not a flag of the converter; leave it out")
    return flag


def _first(given: dict[str, str], choices: dict[str, Choice]) -> Choice | None:
    return next((choices[name] for name in choices if name in given), None)


def _said(given: dict[str, str], name: str) -> bool | None:
    return True if name in given else None


def _side(given: dict[str, str], name: str) -> int | None:
    """Pixels of a side."""
    if name not in given:
        return None
    number = _NUMBER.fullmatch(given[name])
    if number is None or not 1 <= int(number[1]) <= SIDE_MAX:
        raise _wrong(
            f"--{name} is {given[name][:40]!a}; give a whole number of pixels from 1 to {SIDE_MAX}"
        )
    return int(number[1])


def _compression(given: dict[str, str]) -> Compression | None:
    if "compression" not in given:
        return None
    value = given["compression"].lower()
    if value in set(Compression):
        return Compression(value)
    reason = "32vid has no coding of that name, although the original program's check knows it"
    raise _wrong(
        f"--compression is {given['compression'][:40]!a}"
        + (f" ({reason})" if value == "lzw" else "")
        + "; give none, ans, deflate or custom"
    )


def _colors(value: str) -> tuple[Rgb | None, ...]:
    """The 16 entries of a palette, None for those that are free (formats document, 3.6)."""
    texts = value.split(",")
    if len(texts) > PALETTE_SIZE:
        raise _wrong(
            f"--palette has {len(texts)} colours; a palette has {PALETTE_SIZE}, separated by commas"
        )
    found: list[Rgb | None] = []
    for number, text in enumerate(texts, 1):
        color = _COLOR.fullmatch(text)
        if color is None and text not in ("", "X", "x"):
            raise _wrong(
                f"--palette: colour {number} is {text[:40]!a}; give six hexadecimal digits such "
                "as CC4C4C, or X for a free one"
            )
        found.append((*bytes.fromhex(color[1]),) if color else None)
    return (*found, *(None,) * (PALETTE_SIZE - len(found)))
