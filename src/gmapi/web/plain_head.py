"""Header lines as nearly all clients send them, read without the parser for e-mail.

That one took a third of a poll. What is no plain line is left to it, with all that it knows of
folded lines, missing colons and bare line breaks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Self

# Names are tokens, values printable ASCII; the empty line that ends them is there.
_PLAIN = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[ -~\t]*+\r\n)*+\r\n")

_LENGTH = re.compile(r"[0-9]{1,18}")


class PlainHead:
    """What gevent's handler asks a parsed head for, of one in which `check_head` finds nothing."""

    status = ""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    @classmethod
    def parse(cls, data: bytes) -> tuple[Self, int] | None:
        """The head that `data` begins with, and its length.

        None if it is not whole yet or not plain: a header comes twice, or the body is framed by
        other than a length.
        """
        match = _PLAIN.match(data)
        if match is None:
            return None
        lines = match[0].decode("ascii").split("\r\n")
        del lines[-2:]
        values = {}
        for line in lines:
            name, _, value = line.partition(":")
            values[name.lower()] = value.lstrip(" \t")
        is_plain = len(values) == len(lines) and "transfer-encoding" not in values
        if not is_plain or not _LENGTH.fullmatch(values.get("content-length", "0")):
            return None
        return cls(values), match.end()

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of a header."""
        return self._values.get(name.lower(), default)

    getheader = get

    @property
    def headers(self) -> Iterator[str]:
        """All lines."""
        return (f"{name}: {value}\r\n" for name, value in self._values.items())

    @property
    def typeheader(self) -> str | None:
        """The media type of the body."""
        return self._values.get("content-type")
