"""Texts on which a regular expression takes longest, made from the expression itself.

Each repeated piece gets a long run of what it accepts, behind what leads to it and before what
makes the match fail; so do neighbouring pieces together, and runs of beginnings.
"""

from __future__ import annotations

import re._parser as sre  # type: ignore[import-not-found]
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_POOL = " \t\n\r,;:=\"'[](){}<>\\/.-_+|&%#@$!*?059afgAFXZ\x00\x1f\xe9\u2028"
_SAMPLES = 5
_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
_LONG = 8
"""A piece that is repeated at most this often makes no long run."""
_ENDS = ("", "\x00", "\n", '"', "a")
_CATEGORIES = {
    sre.CATEGORY_SPACE: str.isspace,
    sre.CATEGORY_DIGIT: str.isdigit,
    sre.CATEGORY_WORD: lambda c: c.isalnum() or c == "_",
    sre.CATEGORY_NOT_SPACE: lambda c: not c.isspace(),
    sre.CATEGORY_NOT_DIGIT: lambda c: not c.isdigit(),
    sre.CATEGORY_NOT_WORD: lambda c: not (c.isalnum() or c == "_"),
}


@dataclass(frozen=True)
class _Piece:
    """A repeated piece: what leads to it, what it accepts, what may follow."""

    before: str
    accepts: tuple[str, ...]
    after: str


@dataclass(frozen=True)
class Recipe:
    """A text of any size: a start, two runs of the same length, a rest and an end."""

    start: str
    first: str
    unit: str
    rest: str
    end: str

    def text(self, size: int) -> str:
        """About `size` characters."""
        room = max(1, size - len(self.start))
        first = ""
        if self.first:
            room //= 2
            first = self.first * max(1, room // len(self.first))
        return (
            self.start + first + self.unit * max(1, room // len(self.unit)) + self.rest + self.end
        )


def recipes(pattern: str | bytes, flags: int) -> list[Recipe]:
    """What is hard for an expression, and some more."""
    tree = sre.parse(pattern, flags)
    pieces = list(_pieces(tree, "", ""))
    if not pieces:  # each place is over after a few steps
        return [Recipe("", "", c, "", "") for c in " a0:"]
    runs = [("", "", c, "") for c in _POOL]
    runs += [("", "", piece.before, "") for piece in pieces if piece.before]
    for piece in pieces:
        before, after = piece.before, piece.after
        for body in piece.accepts:
            runs += [
                (before, "", body, ""),
                ("", "", body, ""),
                ("", "", before + body, ""),
                (before, "", body, after),
                ("", "", before + body + after, ""),
                ("", before, body, ""),
            ]
    for one, other in pairwise(pieces):
        for left in one.accepts[:2]:
            for right in other.accepts[:2]:
                runs += [(one.before, "", left + right, ""), (one.before, left, right, "")]
                runs += [(other.before, "", left + right, ""), ("", one.before + left, right, "")]
    ends = dict.fromkeys([*_ENDS, *sorted(set(_literals(tree)))[:9]])
    return [Recipe(*run, end) for run in dict.fromkeys(runs) for end in ends]


def _pieces(items: Iterable[Any], before: str, after: str) -> Iterator[_Piece]:
    items = list(items)
    for at, (kind, value) in enumerate(items):
        lead = before + _sample(items[:at])
        rest = _sample(items[at + 1 :]) + after
        if kind in _REPEATS:
            _, most, body = value
            if most == sre.MAXREPEAT or most > _LONG:
                yield _Piece(lead, tuple(filter(None, _variants(body))), rest)
            yield from _pieces(body, lead, rest)
        elif kind is sre.SUBPATTERN:
            yield from _pieces(value[3], lead, rest)
        elif kind is sre.ATOMIC_GROUP:
            yield from _pieces(value, lead, rest)
        elif kind is sre.BRANCH:
            for branch in value[1]:
                yield from _pieces(branch, lead, rest)
        elif kind in (sre.ASSERT, sre.ASSERT_NOT):
            yield from _pieces(value[1], lead, rest)


def _sample(items: Iterable[Any]) -> str:
    """One text that these parts accept, repeats as short as they may be."""
    return "".join((_variants([item]) or [""])[0] for item in items)


def _variants(items: Iterable[Any]) -> list[str]:
    """A few different texts that these parts accept."""
    found = [""]
    for kind, value in items:
        choices = _choices(kind, value) or [""]
        found = [
            found[at % len(found)] + choices[at % len(choices)]
            for at in range(max(len(found), min(len(choices), _SAMPLES)))
        ]
    return list(dict.fromkeys(found))


def _choices(kind: Any, value: Any) -> list[str]:
    if kind is sre.LITERAL:
        return [chr(value)]
    if kind is sre.NOT_LITERAL:
        return [c for c in _POOL if ord(c) != value][:_SAMPLES]
    if kind is sre.ANY:
        return [" ", "a", ":", "("]
    if kind is sre.IN:
        return _members(value)
    if kind in _REPEATS:
        least, _, body = value
        return [text * least for text in _variants(body)] if least else [""]
    if kind is sre.SUBPATTERN:
        return _variants(value[3])
    if kind is sre.ATOMIC_GROUP:
        return _variants(value)
    if kind is sre.BRANCH:
        return [text for branch in value[1] for text in _variants(branch)]
    return [""]


def _members(items: list[Any]) -> list[str]:
    """A few characters of a set: of those that make trouble, and of its own."""
    negated = items[0][0] is sre.NEGATE
    own = [chr(v if k is sre.LITERAL else v[0]) for k, v in items if k in (sre.LITERAL, sre.RANGE)]
    fits = [c for c in _POOL if any(_is_member(c, k, v) for k, v in items) != negated]
    chosen = fits if negated else [*fits, *own]
    return chosen[:: max(1, len(chosen) // _SAMPLES)][: _SAMPLES + 1]


def _is_member(c: str, kind: Any, value: Any) -> bool:
    if kind is sre.LITERAL:
        return ord(c) == value
    if kind is sre.RANGE:
        return bool(value[0] <= ord(c) <= value[1])
    if kind is sre.CATEGORY:
        test = _CATEGORIES.get(value)
        return test is not None and bool(test(c))
    return False


def _literals(items: Iterable[Any]) -> Iterator[str]:
    """The characters that an expression names."""
    for kind, value in items:
        if kind is sre.LITERAL:
            yield chr(value)
        elif kind in _REPEATS:
            yield from _literals(value[2])
        elif kind is sre.SUBPATTERN:
            yield from _literals(value[3])
        elif kind is sre.BRANCH:
            for branch in value[1]:
                yield from _literals(branch)
        elif kind in (sre.IN, sre.ATOMIC_GROUP):
            yield from _literals(value)
