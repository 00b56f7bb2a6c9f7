"""Where the parts of a fragmented MP4 end, in a beginning of it that stands in memory."""

from __future__ import annotations

from collections.abc import Iterator

_HEAD_BYTES = 8
_PARTS_MAX = 10_000


def whole(head: bytes) -> int:
    """How many of these bytes are whole parts up to one with media; 0 when there is none yet, or
    parts of unknown length."""
    return max(
        (end for kind, end in _parts(head) if kind == b"mdat" and end <= len(head)), default=0
    )


def filled(head: bytes, most: int) -> bytes | None:
    """The beginning of a fragment with nothing in place of the media that is missing, by which its
    times can be read; None when it is not clear where its media ends, or beyond `most` bytes."""
    ends = [end for kind, end in _parts(head) if kind == b"mdat"]
    if len(ends) != 1 or not len(head) < ends[0] <= most:
        return None
    return head + bytes(ends[0] - len(head))


def _parts(head: bytes) -> Iterator[tuple[bytes, int]]:
    """Each part that begins here, and where it ends."""
    at = 0
    for _ in range(_PARTS_MAX):
        kind = head[at + 4 : at + _HEAD_BYTES]
        size = int.from_bytes(head[at : at + 4])
        if size == 1:
            size = int.from_bytes(head[at + 8 : at + 16])
        if len(kind) < 4 or size < _HEAD_BYTES:
            return
        at += size
        yield kind, at
