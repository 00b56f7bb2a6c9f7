"""The converter's flags: spellings, values, refusals, and the runs of the reference."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.computercraft.flag_table import FLAGS
from gmapi.computercraft.flags import (
    CHARACTERS_MAX,
    WORD_CHARACTERS_MAX,
    WORDS_MAX,
    Flags,
    parse_flags,
)
from gmapi.computercraft.monitor import fitted
from gmapi.computercraft.options import (
    Audio,
    Compression,
    Dither,
    Format,
    MonitorSplit,
    PaletteSource,
)
from gmapi.errors import RefusedError, RequestError

GOLDENS = Path(__file__).parent.parent / "goldens/sanjuuni"


def cases() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((GOLDENS / "cli_cases.json").read_text())["cases"]
    return found


def without_files(argv: Sequence[str]) -> tuple[str, ...]:
    """A command line without its source and output, which a request gives in fields."""
    kept: list[str] = []
    words = iter(argv)
    for word in words:
        if word in ("-i", "-o", "--input"):
            next(words)
        elif not word.startswith(("-i", "-o", "--in", "--IN")):
            kept.append(word)
    return tuple(kept)


WALL = MonitorSplit()
ONE = MonitorSplit(1, 1)
WHITE_TO_BLACK = ((255, 255, 255), *(None,) * 14, (0, 0, 0))

# What the reference's runs that ended well ask for, word by word.
MEANT: dict[tuple[str, ...], Flags] = {
    (): Flags(),
    ("-W", "20"): Flags(width=20),
    ("-W20",): Flags(width=20),
    ("-W=20",): Flags(width=20),
    ("-W:20",): Flags(width=20),
    ("--width=20",): Flags(width=20),
    ("--width", "20"): Flags(width=20),
    ("--width:20",): Flags(width=20),
    ("--wid=20",): Flags(width=20),
    ("-l", "-3"): Flags(format=Format.VID32),
    ("-3", "-l"): Flags(format=Format.LUA),
    ("-3", "-cans"): Flags(format=Format.VID32, compression=Compression.ANS),
    ("-3", "-c", "custom"): Flags(format=Format.VID32, compression=Compression.CUSTOM),
    ("-3", "--compression=none"): Flags(format=Format.VID32, compression=Compression.NONE),
    ("--separate-streams", "-3"): Flags(format=Format.VID32, separate_streams=True),
    ("--sep", "-3"): Flags(format=Format.VID32, separate_streams=True),
    ("stray",): Flags(),
    ("--", "-3"): Flags(),
    ("-M",): Flags(split=WALL),
    ("-M1x1",): Flags(split=ONE),
    ("--monitor-size=1x1",): Flags(split=ONE),
    ("-M1x1", "-3"): Flags(format=Format.VID32, split=ONE),
    ("--trim-borders",): Flags(trim_borders=True),
    ("-P", "000000"): Flags(colors=((0, 0, 0), *(None,) * 15), algorithm=True),
    ("-P", "#ffffff,,,,,,,,,,,,,,,#000000"): Flags(colors=WHITE_TO_BLACK, algorithm=True),
    ("-8", "-k"): Flags(palette=PaletteSource.OCTREE, algorithm=True),
    ("-t", "-O"): Flags(dither=Dither.NONE, algorithm=True),
    ("-p", "-8"): Flags(palette=PaletteSource.DEFAULT, algorithm=True),
    ("-b",): Flags(format=Format.BIMG),
    ("--blit-image",): Flags(format=Format.BIMG),
    ("--raw",): Flags(format=Format.RAW),
    ("--nfp",): Flags(format=Format.NFP),
    ("--disable-opencl",): Flags(),
    ("-d",): Flags(audio=Audio.DFPWM),
    ("-m",): Flags(audio=Audio.NONE),
    ("-B",): Flags(binary=True),
    ("-N",): Flags(blocks_only=True),
}

# Command lines that mean something else here than in the reference, and why.
TAKEN: dict[tuple[str, ...], tuple[Flags, str]] = {
    ("-3", "-cNone"): (
        Flags(format=Format.VID32, compression=Compression.NONE),
        "the reference keeps ANS without a word; case does not matter here",
    ),
    ("-M", "1x1"): (
        Flags(split=ONE),
        "the reference ignores the size as a stray word and uses 8x6",
    ),
    ("-S",): (
        Flags(separate_streams=True),
        "the reference calls every -S ambiguous; alone it can only mean one thing",
    ),
    ("-M1x1", "-r"): (
        Flags(format=Format.RAW, split=ONE),
        "the field output_format decides the format, so the clash is looked for there",
    ),
    ("-M1x1", "-n"): (
        Flags(format=Format.NFP, split=ONE),
        "the field output_format decides the format, so the clash is looked for there",
    ),
}
REJECTED: dict[tuple[str, ...], tuple[type[Exception], str]] = {
    ("-W", "20.7"): (RequestError, "the reference takes 20 without a word"),
    ("-W", "20abc"): (RequestError, "the reference takes 20 without a word"),
    ("-3", "-clzw"): (RequestError, "the reference writes ANS without a word"),
    ("-f", "png_pipe"): (RefusedError, "the server recognises sources itself"),
    ("-f", "bogus"): (RefusedError, "the server recognises sources itself"),
    ("-h",): (RequestError, "a request cannot show help"),
    ("-help",): (RequestError, "a request cannot show help"),
    ("--help",): (RequestError, "a request cannot show help"),
}
# The reference fails for a source or output that a request gives in fields, which flags do not see.
FIELDS = {
    ("-i", "in/gradient_80x60.png"),
    ("-o", "OUT"),
    (),
    ("-i", "in/nope.png", "-o", "OUT"),
    ("-i", "in/gradient_80x60.png", "-o", "/nonexistent/x"),
    ("-i", "in/gradient_80x60.png", "-o", ""),
}


@pytest.mark.parametrize("case", cases(), ids=lambda case: " ".join(case["argv"]))
def test_runs_of_the_reference(case: dict[str, Any]) -> None:
    words = without_files(case["argv"])
    if tuple(case["argv"]) in FIELDS:
        assert case["exit"] != 0
        assert parse_flags(words) == Flags()
    elif words in TAKEN:
        assert parse_flags(words) == TAKEN[words][0]
    elif words in REJECTED:
        with pytest.raises(REJECTED[words][0]):
            parse_flags(words)
    elif words == ("-W1",):
        # The reference crashes; the number is fine, and wrong for this source alone.
        assert case["exit"] == "signal 11"
        with pytest.raises(RequestError):
            fitted(parse_flags(words).width, None, 80, 60)
    elif case["exit"] == 0:
        flags = parse_flags(words)
        assert (flags.format or Format.LUA).value == case["kind"]
        assert flags == MEANT[words]
    else:
        with pytest.raises((RequestError, RefusedError)):
            parse_flags(words)


def test_every_case_and_every_difference_is_looked_at() -> None:
    seen = {without_files(case["argv"]) for case in cases()}
    assert len(cases()) == 79
    assert seen >= {*MEANT, *TAKEN, *REJECTED}


def test_what_means_the_same_gave_the_same_file() -> None:
    files: dict[Flags, set[str]] = {}
    for case in cases():
        words = without_files(case["argv"])
        if words in MEANT and "sha256" in case:
            flags = parse_flags(words)
            # Lua is the reference's default.
            said = replace(flags, format=flags.format or Format.LUA)
            files.setdefault(said, set()).add(case["sha256"])
    assert len(files) > 15
    assert all(len(hashes) == 1 for hashes in files.values())


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (["-p -8"], Flags(palette=PaletteSource.DEFAULT, algorithm=True)),
        (["-8", "--width=102", "--height=57"],
         Flags(width=102, height=57, palette=PaletteSource.OCTREE, algorithm=True)),
        (["", "  ", "--WIDTH=102"], Flags(width=102)),
        (["--Width '102'", '-H "57"'], Flags(width=102, height=57)),
        (["-W 102.0"], Flags(width=102)),
        (["--hei=1", "-W", "65535"], Flags(width=65535, height=1)),
        (["-", "/x", "-k"], Flags(palette=PaletteSource.KMEANS, algorithm=True)),
        (["-O"], Flags(dither=Dither.ORDERED, algorithm=True)),
        (["-L"], Flags(lab=True, algorithm=True)),
        (["-L", "-p"], Flags(palette=PaletteSource.DEFAULT, algorithm=True)),
        (["-d", "-m"], Flags(audio=Audio.NONE)),
        (["-cDEFLATE"], Flags(compression=Compression.DEFLATE)),
        (["-32"], Flags(format=Format.VID32)),
        (["-lua"], Flags(format=Format.LUA)),
        (["-S", "-3"], Flags(format=Format.VID32, separate_streams=True)),
        (["-M8x6@0.5", "--trim"],
         Flags(split=MonitorSplit(8, 6, 0.5, trim_borders=True), trim_borders=True)),
        (["-M=2x1@1"], Flags(split=MonitorSplit(2, 1, 1.0))),
        (["-M", "-3"], Flags(format=Format.VID32, split=WALL)),
        (["-M", "stray"], Flags(split=WALL)),
        (["-PX,#Ff0000,x"], Flags(colors=(None, (255, 0, 0), *(None,) * 14), algorithm=True)),
    ],
)  # fmt: skip
def test_spellings_and_meanings(words: list[str], flags: Flags) -> None:
    assert parse_flags(words) == flags


def test_a_whole_palette_leaves_no_choice_of_another() -> None:
    value = ",".join(f"{number:06x}" for number in range(16))
    flags = parse_flags(["-p", "-8", f"-P{value}"])
    assert flags.palette is None
    assert flags.colors == tuple((0, 0, number) for number in range(16))
    assert flags.algorithm


@pytest.mark.parametrize(
    ("word", "field"),
    [
        ("-i", "input_url"), ("-ifile:///etc/passwd", "input_url"), ("--in=x", "input_url"),
        ("-o", "output_format"), ("--output=x", "output_format"), ("-f", "output_format"),
        ("-s80", "download_url"), ("--http:80", "download_url"), ("-w", "download_url"),
        ("-u=ws://x", "download_url"), ("--websocket-c=x", "download_url"),
        ("-T", "download_url"), ("--str", "download_url"),
        ("-S=x", "subtitle_url"), ("-Sx.ass", "subtitle_url"), ("--subtitle", "subtitle_url"),
        ("-S x.ass", "subtitle_url"), ("--SUB=x", "subtitle_url"),
    ],
)  # fmt: skip
def test_what_the_server_does_itself_is_refused(word: str, field: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_flags(["-p", word])
    assert caught.value.field == "args"
    assert field in caught.value.message
    assert word.split()[0] in caught.value.message


HOSTILE_VALUES = ["x", "/etc/passwd", "file:///etc/passwd", "ws://127.0.0.1:1", "80", "-", "a.mp4"]


@st.composite
def hostile_words(draw: st.DrawFn) -> list[str]:
    """A refused flag in any spelling that a parser of options might take for it."""
    flag = draw(st.sampled_from([flag for flag in FLAGS if flag.refused]))
    value = draw(st.sampled_from(HOSTILE_VALUES))
    long = flag.name[: draw(st.integers(1, len(flag.name)))]
    long = draw(st.sampled_from([long, long.upper(), long.title()]))
    name = draw(st.sampled_from([f"--{long}", f"-{flag.letter}"]))
    name = draw(st.sampled_from([name, f"'{name}'", f"{name[:1]}''{name[1:]}", f"\\{name}"]))
    joined = draw(st.sampled_from([f"{name}{value}", f"{name}={value}", f"{name}:{value}"]))
    entry = draw(st.sampled_from([joined, f"{name} {value}"]))
    entries = draw(st.sampled_from([[entry], entry.split(), [f"-p {entry}"], ["-p", entry, "-k"]]))
    return list(entries)


@given(hostile_words())
def test_no_spelling_of_a_refused_flag_passes(words: list[str]) -> None:
    try:
        flags = parse_flags(words)
    except (RefusedError, RequestError) as error:
        assert error.field == "args"
    else:
        # A lone -S is the harmless one of its two flags.
        assert flags.separate_streams
        assert shlex.split(words[0] if len(words) == 1 else " ".join(words))[-1] in ("-", "-k")


@pytest.mark.parametrize("word", ["/o", "/o=x", "/input:x", "o=x", "+o", "\u2013o", "\u2212o", "x"])
def test_what_only_looks_like_a_flag_is_ignored(word: str) -> None:
    assert parse_flags([word, "x"]) == Flags()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--bogus"], "--bogus"),
        (["--widht=3"], "did you mean --width"),
        (["-Z"], "-Z"),
        (["-width=3"], "as --width"),
        (["--s", "x"], "--separate-streams"),
        (["--l"], "--lab-color"),
        (["--=3"], "--=3"),
        (["-=3"], "-=3"),
        (["-ln"], "flags are not joined"),
        (["-3d"], "-3 as a word of its own"),
        (["--lua=1"], "takes no value"),
        (["--disable-opencl=1"], "--disable-opencl takes no value"),
        (["-l", "--lua"], "--lua is given twice"),
        (["--width=3", "-W3"], "--width is given twice"),
        (["-W"], "lacks its value"),
        (["--width="], "lacks its value"),
        (["-M="], "lacks its value"),
        (["-W", "-H", "20"], "'-H'"),
        (["-W0"], "1 to 65535"),
        (["-W65536"], "1 to 65535"),
        (["-W-1"], "1 to 65535"),
        (["-W³"], "1 to 65535"),
        (["-clzw"], "no coding of that name"),
        (["-cfoo"], "give none, ans, deflate or custom"),
        (["-P", "red"], "colour 1"),
        (["-P", "000000,12345"], "colour 2"),
        (["-P" + "X," * 16], "17 colours"),
        (["-P 000000, ffffff"], "leave out the spaces"),
        (["-P 000000 ,ffffff"], "leave out the spaces"),
        (["-M9x6"], "8x6"),
        (["-M1x1@6"], "scale"),
        (["-Mbig"], "--monitor-size"),
        (["--height '3"], "quotation mark"),
        (["-p\n-8"], "control character"),
        (["-p\x85"], "control character"),
        (["x" * (WORD_CHARACTERS_MAX + 1)], "longer than 200"),
        (["-p"] * (WORDS_MAX + 1), "100 words"),
        (["x " * (WORDS_MAX + 1)], "100 words"),
        (["x" * (CHARACTERS_MAX + 1)], "8000 characters"),
        (["--help"], "documentation"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(words: list[str], part: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_flags(words)
    assert part in caught.value.message
    assert caught.value.field == "args"
    assert caught.value.status == 400


WORDS = st.one_of(
    st.text(max_size=30),
    st.text("-=:@x,#' 0123456789abWHMPSc", max_size=20),
    st.builds(
        str.__add__,
        st.sampled_from([f"--{flag.name}" for flag in FLAGS])
        | st.sampled_from([f"-{flag.letter}" for flag in FLAGS]),
        st.text("=: 1x@.-\"", max_size=6),
    ),
)  # fmt: skip


@given(st.lists(WORDS, max_size=8))
def test_any_words_are_understood_or_rejected(words: list[str]) -> None:
    try:
        flags = parse_flags(words)
    except (RequestError, RefusedError) as error:
        assert error.field == "args"
        assert error.message.startswith("args: ")
        assert error.message.isascii()
    else:
        for side in (flags.width, flags.height):
            assert side is None or 1 <= side <= 65535
        assert flags.colors is None or len(flags.colors) == 16


@given(
    st.integers(1, 65535),
    st.sampled_from(["-W {}", "-W{}", "-W=%", "-W:{}", "--width {}", "--WIDTH={}", "--wid:{}"]),
)
def test_all_spellings_of_a_value_mean_the_same(width: int, spelling: str) -> None:
    text = spelling.replace("%", "{}").format(width)
    assert parse_flags([text]) == parse_flags(text.split()) == Flags(width=width)
