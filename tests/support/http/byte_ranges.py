"""What a server makes of a Range header: none, one or several parts of a file."""

from __future__ import annotations

import re
from dataclasses import dataclass

BOUNDARY = "THIS_STRING_SEPARATES"


@dataclass(frozen=True)
class Part:
    """The bytes from `first` on, `length` of them."""

    first: int
    length: int

    @property
    def end(self) -> int:
        """The position behind its last byte."""
        return self.first + self.length


Piece = Part | bytes
"""What a body is made of: parts of the file, and what stands between them."""


class Unsatisfiable(Exception):
    """None of the parts asked for is in the file: 416."""


def asked_parts(header: str, size: int) -> list[Part] | None:
    """The parts that a Range header names; None where it is to be ignored (RFC 9110, 14.2).

    Raises Unsatisfiable.
    """
    unit, equals, specs = header.partition("=")
    if unit.strip().lower() != "bytes" or not equals:
        return None
    parts = []
    for spec in specs.split(","):
        found = re.fullmatch(r"\s*(\d*)-(\d*)\s*", spec)
        if not found or not any(found.groups()):
            return None
        if not found[1]:
            first, end = max(0, size - int(found[2])), size
        else:
            first, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
            if found[2] and int(found[2]) < first:
                return None
        if first < end:
            parts.append(Part(first, end - first))
    if not parts:
        raise Unsatisfiable(header)
    return parts


def partial(parts: list[Part], size: int, content_type: str) -> tuple[dict[str, str], list[Piece]]:
    """The headers and the body of a 206 for these parts of a file of `size` bytes."""
    if len(parts) == 1:
        headers = {"Content-Type": content_type, "Content-Range": _content_range(parts[0], size)}
        return _with_length(headers, [*parts])
    pieces: list[Piece] = []
    for part in parts:
        head = (
            f"\r\n--{BOUNDARY}\r\nContent-Type: {content_type}\r\n"
            f"Content-Range: {_content_range(part, size)}\r\n\r\n"
        )
        pieces += [head.encode(), part]
    pieces.append(f"\r\n--{BOUNDARY}--\r\n".encode())
    return _with_length({"Content-Type": f"multipart/byteranges; boundary={BOUNDARY}"}, pieces)


def _content_range(part: Part, size: int) -> str:
    return f"bytes {part.first}-{part.end - 1}/{size}"


def _with_length(
    headers: dict[str, str], pieces: list[Piece]
) -> tuple[dict[str, str], list[Piece]]:
    length = sum(len(p) if isinstance(p, bytes) else p.length for p in pieces)
    return {**headers, "Content-Length": str(length)}, pieces
