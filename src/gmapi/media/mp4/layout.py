"""Where the boxes of a file lie, found with few looks at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from gmapi.media.mp4 import boxes
from gmapi.media.mp4.boxes import Box, IndexUnusable
from gmapi.media.mp4.tracks import Track

Read = Callable[[int, int], bytes]
"""Gives bytes of the file: from the first one on, so many, or fewer at its end."""

INDEX_BYTES_MAX = 16 << 20
"""Two hours have some 5 MB."""
# What a look at a distant place brings: the head of a box, and mostly the index behind it.
_LOOK_BYTES = 65_536
# Each look at a distant place is a request to an origin.
_LOOKS_MAX = 16
_HEAD_BYTES = 16

# What films begin with, or have between their parts.
_KNOWN = frozenset(
    {
        b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"udta", b"pnot", b"PICT",
        b"styp", b"sidx", b"moof", b"mfra", b"ssix", b"prft", b"emsg", b"pdin", b"meco", b"junk",
    }
)  # fmt: skip
_FRAGMENTS = frozenset({b"styp", b"sidx", b"moof"})
# A compressed index, alternatives to it in other files, and offsets other than the tables'.
_BEYOND = (b"cmov", b"rmra", b"saio", b"iloc")


@dataclass(frozen=True, slots=True)
class Part:
    """A top-level box, bytes of the file from `first` to before `end`."""

    kind: bytes
    first: int
    end: int


@dataclass(frozen=True)
class Layout:
    """A file of `total` bytes: its index, which is the part number `at` of `parts`, and what is
    known of the rest. Where the index comes first only one part after it is looked for."""

    total: int
    index: bytes
    parts: tuple[Part, ...]
    at: int
    begins: bytes
    """The `ftyp` box of the file, empty without one in front."""

    @property
    def place(self) -> Part:
        """Where the index is."""
        return self.parts[self.at]

    @property
    def before(self) -> tuple[Part, ...]:
        """What stands before the index."""
        return self.parts[: self.at]

    @property
    def after(self) -> tuple[Part, ...]:
        """What stands behind it."""
        return self.parts[self.at + 1 :]

    @property
    def is_first(self) -> bool:
        """Whether the index comes before all that it is about."""
        return not any(part.kind == b"mdat" for part in self.before)

    @property
    def is_fragmented(self) -> bool:
        """Whether more of the index is spread over the file."""
        return self.tree.find(b"mvex") is not None or any(
            part.kind in _FRAGMENTS for part in self.parts
        )

    @cached_property
    def tree(self) -> Box:
        """The boxes of the index."""
        return boxes.tree(self.index)

    @cached_property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks, in the order in which ffmpeg numbers them."""
        return tuple(Track(self.index, box) for box in self.tree.all(b"trak"))


def find(head: bytes, total: int, read: Read) -> Layout:
    """The layout of a file that begins with `head` and is `total` bytes long. Whatever lies beyond
    the head is read by `read`: the index, and where it is not first the head of each part.

    Raises IndexUnusable for all that cannot be used, and what `read` raises.
    """
    pieces = _Pieces(head, total, read)
    parts: list[Part] = []
    index, at = b"", -1
    while pieces.at < total:
        part = pieces.next()
        if not parts and part.kind not in _KNOWN:
            raise IndexUnusable(f"it begins with {boxes.name(part.kind)}")
        if len(parts) >= boxes.BOXES_MAX:
            raise IndexUnusable("too many boxes")
        if part.kind == b"meta":
            raise IndexUnusable("it holds pictures by themselves")
        if part.kind == b"moov":
            if at >= 0:
                raise IndexUnusable("a second index")
            at, index = len(parts), pieces.whole(part)
        parts.append(part)
        if at >= 0 and len(parts) > at + 1 and not any(p.kind == b"mdat" for p in parts[:at]):
            break
    if at < 0:
        raise IndexUnusable("no index")
    begins = pieces.whole(parts[0]) if parts[0].kind == b"ftyp" else b""
    found = Layout(total, index, tuple(parts), at, begins)
    _check(found)
    return found


def _check(found: Layout) -> None:
    for kind in _BEYOND:
        if kind in found.index:
            raise IndexUnusable(f"there may be a {boxes.name(kind)} box")
    # Wherever else ffmpeg might find one.
    tables = sum(len(track.offset_tables) for track in found.tracks)
    if found.index.count(b"stco") + found.index.count(b"co64") != tables:
        raise IndexUnusable("tables of offsets in odd places")
    if any(part.kind == b"moof" for part in found.before) or (
        found.is_fragmented and not found.is_first
    ):
        raise IndexUnusable("fragments before their index")


class _Pieces:
    """A walk over the top-level boxes of a file."""

    def __init__(self, head: bytes, total: int, read: Read) -> None:
        self._first, self._data = 0, head[:total]
        self._total = total
        self._read = read
        self._looks = _LOOKS_MAX
        self._begin = self._data
        self.at = 0

    def next(self) -> Part:
        """The part at this place, which becomes the one behind it."""
        rest = self._total - self.at
        head = self._bytes(self.at, min(_HEAD_BYTES, rest))
        # What is too short for a box is of no matter at the end of a file.
        kind, _, size = boxes.head_of(head, 0) if rest >= 8 else (b"", 0, None)
        size = rest if size is None else size
        if size > rest:
            raise IndexUnusable(f"the {boxes.name(kind)} box is longer than the file")
        part = Part(kind, self.at, self.at + size)
        self.at = part.end
        return part

    def whole(self, part: Part) -> bytes:
        """All bytes of a part."""
        if part.end - part.first > INDEX_BYTES_MAX:
            raise IndexUnusable(f"the {boxes.name(part.kind)} box is too large")
        length = part.end - part.first
        # The head of the next one is wanted soon.
        more = min(_HEAD_BYTES, self._total - part.end)
        return self._bytes(part.first, length + more)[:length]

    def _bytes(self, first: int, length: int) -> bytes:
        if first + length <= len(self._begin):
            return self._begin[first : first + length]
        start, end = first - self._first, first - self._first + length
        if 0 <= start < len(self._data) and end > len(self._data):
            # More of what is here already.
            self._data = self._data[start:] + self._look(
                self._first + len(self._data), end - len(self._data)
            )
            self._first = first
        elif not 0 <= start <= end <= len(self._data):
            self._data = self._look(first, max(length, min(_LOOK_BYTES, self._total - first)))
            self._first = first
        start = first - self._first
        return self._data[start : start + length]

    def _look(self, first: int, length: int) -> bytes:
        self._looks -= 1
        if self._looks < 0:
            raise IndexUnusable("its parts are too many and far apart")
        data = self._read(first, length)
        if len(data) < length:
            raise IndexUnusable("it is shorter than it should be")
        return data[:length]
