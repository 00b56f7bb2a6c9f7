"""Parts of files: what is asked for, and what an answer says it is a part of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PART = re.compile(r"\s*+(?i:bytes)[ =]([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}\s*+$)?")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a file: positions of its first and last byte."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class SentPart:
    """The part that an answer holds, and of how many bytes, where it says that."""

    span: Span
    of: int | None

    @property
    def to_the_end(self) -> bool:
        """Whether the file has no more after it."""
        return self.of is not None and self.span.last + 1 == self.of


def sent_part(headers: Mapping[str, str]) -> SentPart | None:
    """What a Content-Range says; None when that is nothing, or no part of bytes."""
    match = _PART.match(headers.get("Content-Range", ""))
    if match is None:
        return None
    return SentPart(Span(int(match[1]), int(match[2])), int(match[3]) if match[3] else None)


def whole_size(headers: Mapping[str, str]) -> int | None:
    """The size of a file that came as a part which nobody asked for, None when it is not told.

    Raises ValueError when that is not all of the file.
    """
    if headers.get("Content-Type", "").lower().startswith("multipart/byteranges"):
        raise ValueError("several parts")
    if "Content-Range" not in headers:
        return None
    part = sent_part(headers)
    if part is None or part.span.first or not part.to_the_end:
        raise ValueError(f"Content-Range {headers['Content-Range']!r}")
    return part.of
