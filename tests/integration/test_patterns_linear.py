"""Every regular expression of the package takes time in proportion to the text, whatever it is.

What is worse keeps a worker busy for hours with the interpreter's lock held, so that it neither
beats nor can be cancelled: 16 KB were enough for one of three neighbouring repeats.
"""

from __future__ import annotations

import re
import signal

import pytest

from gmapi.terminal import failures
from support.patterns.collected import Pattern, collect, literal_arguments
from support.patterns.trial import slow

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="processor time cannot be bounded"
)


def of_option_values() -> list[Pattern]:
    return [
        Pattern(f"pattern() in line {line}", text, int(re.ASCII), frozenset({"fullmatch"}))
        for file in ("media/option_table.py", "media/option_values.py")
        for line, text in literal_arguments(file, "pattern")
    ]


def of_failures() -> list[Pattern]:
    return [
        Pattern(f"media/failures.py:{line}", text, 0, frozenset({"finditer"}))
        for line, text in literal_arguments("media/failures.py", "_Case")
    ]


def of_terminal() -> list[Pattern]:
    return [
        Pattern("terminal/failures.py", rf"^{re.escape(name)}\b", 0, frozenset({"finditer"}))
        for name in failures._OPTIONS
    ]


SUPPLIERS = {
    "media/option_values.py:pattern": of_option_values,
    "media/failures.py:explain": of_failures,
    "terminal/failures.py:sentence": of_terminal,
}


def test_all_are_linear() -> None:
    found = collect(SUPPLIERS)
    assert not found.unknown, "made of what a function is given: nobody knows what they are"
    assert len(found.patterns) > 150
    assert slow(found.patterns) == []


BAD = [
    # The attributes of playlists as they were read once: three pieces take the same spaces.
    (r'([A-Z0-9-]+)\s*=\s*(?:"([^"]*)"|([^",]*))\s*(?:,\s*|$)', "finditer"),
    (r"\s{6,}.*: rotation of (-?[\d.]+) degrees", "match"),
    (r"(\d+) Hz", "finditer"),
    (r"\s++$", "finditer"),  # possessive, and yet tried from each space on
    (r"Stream map '?([^']*)'? matches no streams", "finditer"),
    (r"(Only \S.* are supported for \w+)", "finditer"),
    (r"(?:a+)+b", "match"),
    (r"(?:a|a)*b", "fullmatch"),
    (r"[a-z]*[a-f]*[0-9]?[a-c]*;", "match"),
    (r"<[^>]*>", "finditer"),
    (r"(?=x*y)x", "finditer"),
]
GOOD = [
    (r"[a-z]++(?:=[0-9]++)?", "fullmatch"),
    (r"\s++$", "match"),
    (r"(?<![0-9])[0-9]++ Hz", "finditer"),
    (r"<[^<>]*+>", "finditer"),
    (r"^[ \t]*+dialogue", "finditer"),
    (r"[0-9]{1,10} Hz", "finditer"),
]


def test_this_test_sees_what_is_not_linear() -> None:
    bad = [Pattern(text, text, 0, frozenset({use})) for text, use in BAD]
    seen = slow(bad, size=1 << 17, seconds=0.15)
    assert [each.where for each in seen] == [text for text, _ in BAD]
    good = [Pattern(text, text, 0, frozenset({use})) for text, use in GOOD]
    assert slow(good) == []
