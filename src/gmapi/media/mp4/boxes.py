"""The boxes of an index, read in bounds and written again with some of them changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BOXES_MAX = 1000
"""Boxes that are looked at in one file."""
_HEAD_BYTES, _LONG_HEAD_BYTES = 8, 16
_LONG = 1
_SIZE_MAX = 1 << 32
# Boxes that hold boxes, each with those in it that do so too: what is elsewhere stays as it is, so
# that nothing is nested deeper than this.
_CONTAINERS: Mapping[bytes, frozenset[bytes]] = {
    b"moov": frozenset({b"trak"}),
    b"trak": frozenset({b"mdia", b"edts"}),
    b"mdia": frozenset({b"minf"}),
    b"minf": frozenset({b"stbl", b"dinf"}),
}


class IndexUnusable(Exception):
    """The index of a file cannot be used before all of the file is there; why, in words for the
    log."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box of some data: it begins at `first`, what is in it at `body`, and ends before `end`.
    `inner` are the boxes in it, None where it is not known to hold any."""

    kind: bytes
    first: int
    body: int
    end: int
    inner: tuple[Box, ...] | None = None

    def all(self, kind: bytes) -> list[Box]:
        """The boxes of a kind right within it."""
        return [box for box in self.inner or () if box.kind == kind]

    def find(self, *path: bytes) -> Box | None:
        """The only box at the end of a path of kinds, None where there is none. Raises
        IndexUnusable where there are several: programs do not agree about which counts."""
        found: Box | None = self
        for kind in path:
            several = found.all(kind) if found is not None else []
            if len(several) > 1:
                raise IndexUnusable(f"several {name(kind)} boxes in one")
            found = several[0] if several else None
        return found

    def need(self, *path: bytes) -> Box:
        """The only box at the end of a path of kinds. Raises IndexUnusable without one."""
        found = self.find(*path)
        if found is None:
            raise IndexUnusable(f"no {name(path[-1])} box")
        return found


def name(kind: bytes) -> str:
    """What a box is called, whatever bytes that are."""
    return ascii(kind.decode("latin-1"))[1:-1]


def head_of(data: bytes, at: int) -> tuple[bytes, int, int | None]:
    """The kind of the box at `at`, the length of its head and of all of it, None when it goes on
    to the end of the file. Raises IndexUnusable for a torn one."""
    head = data[at : at + _LONG_HEAD_BYTES]
    size, length = int.from_bytes(head[:4]), _HEAD_BYTES
    if size == _LONG:
        size, length = int.from_bytes(head[8:]), _LONG_HEAD_BYTES
    if len(head) < length or 0 < size < length:
        raise IndexUnusable("a torn box")
    return head[4:8], length, size or None


def tree(data: bytes) -> Box:
    """An index, which is a single `moov` box, with all boxes in it that the tracks are in.

    Raises IndexUnusable when it is torn, or has more than `BOXES_MAX` boxes.
    """
    kind, head, size = head_of(data, 0)
    if kind != b"moov" or size != len(data):
        raise IndexUnusable("no index")
    left = BOXES_MAX

    def inside(kind: bytes, first: int, end: int) -> tuple[Box, ...]:
        nonlocal left
        holding = _CONTAINERS.get(kind, frozenset())
        found: list[Box] = []
        at = first
        # Movies of QuickTime end some lists of boxes with a zero.
        while at < end and not (end - at == 4 and data[at:end] == bytes(4)):
            left -= 1
            if left < 0:
                raise IndexUnusable("too many boxes")
            kind, head, size = head_of(data[at : min(end, at + _LONG_HEAD_BYTES)], 0)
            if size is None or at + size > end:
                raise IndexUnusable(f"a torn {name(kind)} box")
            body, at_end = at + head, at + size
            inner = inside(kind, body, at_end) if kind in holding else None
            found.append(Box(kind, at, body, at_end, inner))
            at = at_end
        return tuple(found)

    return Box(kind, 0, head, len(data), inside(b"moov", head, len(data)))


def rewritten(data: bytes, box: Box, others: Mapping[int, bytes]) -> bytes:
    """A box of `data` with `others` in place of those in it that begin there; no bytes leave one
    out.

    Raises IndexUnusable when it gets larger than its head can say.
    """
    if box.first in others:
        return others[box.first]
    if box.inner is None:
        return data[box.first : box.end]
    parts = [rewritten(data, each, others) for each in box.inner]
    # The zero at the end of some lists.
    parts.append(data[box.inner[-1].end if box.inner else box.body : box.end])
    is_long = box.body - box.first > _HEAD_BYTES
    return b"".join([opening(box.kind, sum(map(len, parts)), is_long=is_long), *parts])


def opening(kind: bytes, length: int, *, is_long: bool = False) -> bytes:
    """The head of a box with so many bytes in it, where wished of the long form.

    Raises IndexUnusable when that is more than a head can say.
    """
    size = length + (_LONG_HEAD_BYTES if is_long else _HEAD_BYTES)
    if size >= _SIZE_MAX:
        raise IndexUnusable("a box that is too large")
    return _LONG.to_bytes(4) + kind + size.to_bytes(8) if is_long else size.to_bytes(4) + kind


def full(kind: bytes, body: bytes) -> bytes:
    """A box of its own of version 0 without flags."""
    return opening(kind, 4 + len(body)) + bytes(4) + body
