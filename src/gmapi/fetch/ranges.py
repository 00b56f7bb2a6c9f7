"""Parts of files: what is asked for, and what an answer says it is a part of."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PART = re.compile(r"\s*+(?i:bytes)[ =]([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}\s*+$)?")


_BOUNDARY = re.compile(r'\bboundary="?+([0-9A-Za-z\'()+_,./:=?-]{1,70})')

Range = tuple[int, int]
"""A part of a file: where it begins and how many bytes it has."""


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
    if match is None or int(match[2]) < int(match[1]):
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


def multipart_boundary(headers: Mapping[str, str]) -> bytes | None:
    """What stands between the parts of an answer of several (RFC 9110, 14.6)."""
    kind = headers.get("Content-Type", "")
    match = _BOUNDARY.search(kind[:200])
    if not kind.lower().startswith("multipart/byteranges") or match is None:
        return None
    return match[1].encode("ascii")


def cut_parts(body: bytes, boundary: bytes, wanted: Sequence[Range]) -> list[bytes]:
    """The parts that were `wanted`, out of an answer of several, which may have been sent in
    another order or together. Raises ValueError when one is not there."""
    found: list[tuple[int, bytes]] = []
    mark = b"--" + boundary
    at = 0
    while (at := body.find(mark, at)) >= 0:
        at += len(mark)
        end = body.find(b"\r\n\r\n", at, at + 1024)
        if end < 0:
            break
        lines = body[at:end].decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        told = next((value for name, _, value in pairs if name.lower() == "content-range"), "")
        part = sent_part({"Content-Range": told})
        if part is None:
            raise ValueError("a part does not say which it is")
        begin = end + 4
        at = begin + part.span.size
        found.append((part.span.first, body[begin:at]))
    found.sort(key=lambda part: part[0])
    firsts = [first for first, _ in found]
    cut = []
    for first, length in wanted:
        number = bisect_right(firsts, first) - 1
        if number < 0:
            raise ValueError("a part is missing")
        begin = first - firsts[number]
        data = found[number][1][begin : begin + length]
        if len(data) != length:
            raise ValueError("a part is missing")
        cut.append(data)
    return cut
