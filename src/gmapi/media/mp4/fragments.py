"""Where the parts of a fragmented MP4 end, in a beginning of it that stands in memory."""

from __future__ import annotations

_HEAD_BYTES = 8
_PARTS_MAX = 10_000


def whole(head: bytes) -> int:
    """How many of these bytes are whole parts up to one with media; 0 when there is none yet, or
    parts of unknown length."""
    at = end = 0
    for _ in range(_PARTS_MAX):
        kind = head[at + 4 : at + _HEAD_BYTES]
        size = int.from_bytes(head[at : at + 4])
        if size == 1:
            size = int.from_bytes(head[at + 8 : at + 16])
        if len(kind) < 4 or size < _HEAD_BYTES or at + size > len(head):
            break
        at += size
        if kind == b"mdat":
            end = at
    return end
