"""The tag in the first frame of an MP3 that says how long it is, as programs by the names of Xing
and LAME write it.

By it ffmpeg leaves out what an encoder put behind the last sample. But when the size of the file
is not known to it, as of one that comes through a pipe, the size in the tag makes it distrust all
of the tag; without that size it takes the rest as it is. Of a file in which much more follows,
such as another song, it distrusts the tag as well.
"""

from __future__ import annotations

JUNK_BYTES_MAX = 64 * 1024
"""Within so many bytes ffmpeg looks for the first frame."""
_TAGS_MAX = 16
_ID3_HEAD_BYTES, _ID3_FOOT = 10, 0x10
_HAS_FRAMES, _HAS_SIZE = 1, 2
_LAYER_3, _MONO = 1, 3
# A file that is longer than its tag says by more than this part is more than one song.
_LONGER_SHIFT = 4
# What two frames of one stream have in common: sync, version, layer and sampling rate.
_SAME = 0xFFFE0C00
_RATES = (44_100, 48_000, 32_000)
# By the version's two bits: 2.5, none, 2, 1.
_RATE_SHIFTS = (2, 0, 1, 0)
_KILOBITS = (
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)


class HeadTooShort(Exception):
    """The tag, if there is one, lies beyond the given head: at least `needed` bytes are."""

    def __init__(self, needed: int) -> None:
        super().__init__(f"{needed} bytes are needed")
        self.needed = needed


def unpromised(head: bytes, total: int | None) -> bytes | None:
    """The head of an MP3 of `total` bytes whose tag does not say the size of the file any more;
    None where it does not say it anyway, or one that ffmpeg does not believe: that of the first of
    many segments, of which nobody tells the total. Raises HeadTooShort where the tag, or the frame
    behind it, is not in it."""
    at = _first_frame(head, _behind_id3(head))
    if at is None:
        return None
    version, is_mono = head[at + 1] >> 3 & 3, head[at + 3] >> 6 == _MONO
    side = (17 if is_mono else 32) if version == 3 else (9 if is_mono else 17)
    tag = at + 4 + side
    if head[tag : tag + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(head[tag + 4 : tag + 8])
    size = tag + 8 + (4 if flags & _HAS_FRAMES else 0)
    if total is None or not flags & _HAS_SIZE or head[size : size + 4] == bytes(4):
        return None
    told, there = int.from_bytes(head[size : size + 4]), total - at - 4
    if there - told > min(there, told) >> _LONGER_SHIFT:
        return None
    return head[:size] + bytes(4) + head[size + 4 :]


def _behind_id3(head: bytes) -> int:
    """Where the tags with title and cover end."""
    at = 0
    for _ in range(_TAGS_MAX):
        start = _slice(head, at, _ID3_HEAD_BYTES)
        if start[:3] != b"ID3" or 0xFF in start[3:5] or max(start[6:]) > 0x7F:
            break
        size = 0
        for byte in start[6:]:
            size = size << 7 | byte
        foot = _ID3_HEAD_BYTES if start[5] & _ID3_FOOT else 0
        at += _ID3_HEAD_BYTES + size + foot
    return at


def _first_frame(head: bytes, start: int) -> int | None:
    """Where the first frame begins that another one of the same kind follows."""
    at = start
    while (at := head.find(b"\xff", at, start + JUNK_BYTES_MAX)) >= 0:
        size = _frame_bytes(_slice(head, at, 4))
        if size is not None:
            following = int.from_bytes(_slice(head, at + size, 4))
            if following & _SAME == int.from_bytes(head[at : at + 4]) & _SAME:
                return at
        at += 1
    if len(head) < start + JUNK_BYTES_MAX:
        raise HeadTooShort(start + JUNK_BYTES_MAX)
    return None


def _slice(head: bytes, at: int, length: int) -> bytes:
    found = head[at : at + length]
    if len(found) < length:
        raise HeadTooShort(at + length)
    return found


def _frame_bytes(start: bytes) -> int | None:
    """How long a frame of layer III is that begins so; None where it is none."""
    word = int.from_bytes(start)
    version, layer = word >> 19 & 3, word >> 17 & 3
    bits, rate, pad = word >> 12 & 15, word >> 10 & 3, word >> 9 & 1
    if word >> 21 != 0x7FF or version == 1 or layer != _LAYER_3 or bits in (0, 15) or rate == 3:
        return None
    is_first = version == 3
    kilobits = _KILOBITS[is_first][bits - 1]
    hertz = _RATES[rate] >> _RATE_SHIFTS[version]
    return (144_000 if is_first else 72_000) * kilobits // hertz + pad
