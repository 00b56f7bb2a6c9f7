"""The page of FFmpeg's arguments. What an option takes is read from how it refuses nonsense."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gmapi.errors import GmapiError
from gmapi.media.arguments import ARGUMENT_BYTES_MAX, ARGUMENTS_MAX
from gmapi.media.filter_table import ALLOWED
from gmapi.media.filtergraph import Place
from gmapi.media.option_table import INPUT_OPTIONS, OUTPUT_OPTIONS, Option
from reference_pages.markdown import code, page, table, wrapped

NONSENSE = "?!"
# Sentences that refuse a value, and what each says of the values that are taken.
_SAYINGS = (
    (re.compile(r" needs a value such as (?:bt709|main), not \?!$"), "a word"),
    (re.compile(r" needs (.+), not \?!$"), "{}"),
    (re.compile(r"one of the allowed values: (.+)\.$"), "{}"),
    (re.compile(r"use (?:flags|names) such as ([^ ]+?),? or leave"), "words such as {}"),
    (re.compile(r"is not an encoder"), "an encoder, or copy"),
    (re.compile(r"does not take the key"), "key=value, joined by :"),
    (re.compile(r"one of the allowed values\.$"), "a name"),
)


def arguments_page() -> str:
    """The options and filters that requests may use."""
    return page(
        "FFmpeg's arguments",
        "What `args` and `input_args` of `/api/ffmpeg` may hold, at most "
        f"{ARGUMENTS_MAX} words of {ARGUMENT_BYTES_MAX:,} bytes each; everything else is refused. "
        "[Convert with FFmpeg](../convert-with-ffmpeg.md) tells what the options are for and what "
        "is left out above all. Where `:v` stands after an option, it may be followed by a choice "
        "of streams, as in `-b:v` or `-c:a:0`.",
        "## `args`",
        _options(OUTPUT_OPTIONS),
        "## `input_args`",
        _options(INPUT_OPTIONS),
        "## Filters",
        f"All {len(ALLOWED)}. One that the installed FFmpeg does not have is refused by FFmpeg.",
        wrapped(sorted(ALLOWED)),
    )


def _options(options: Mapping[str, Option]) -> str:
    rows, left_out = [], []
    for name, option in sorted(options.items()):
        if option.dropped:
            left_out.append(code(f"-{name}"))
            continue
        streams = " `:v`" if option.streams or option.metadata else ""
        same = f"; the same as {code('-' + option.becomes)}" if option.becomes else ""
        rows.append((code(f"-{name}") + streams, takes(name, option) + same))
    note = f"Taken and left out, since the server decides it: {', '.join(left_out)}."
    return table(["option", "takes"], rows) + (f"\n\n{note}" if left_out else "")


def takes(name: str, option: Option) -> str:
    """What values an option has, in words."""
    if option.graph:
        return "a filter graph"
    if option.read is None:
        return "nothing"
    try:
        option.read(NONSENSE, Place("args", f"-{name}"))
    except GmapiError as refused:
        for pattern, words in _SAYINGS:
            if match := pattern.search(refused.message):
                return words.format(*match.groups())
        raise AssertionError(f"-{name} refuses in words of its own: {refused}") from refused
    raise AssertionError(f"-{name} takes anything")
