"""Whether a file may tell its title and the like only behind its pictures and sound, told by its
first bytes: who reads it as it arrives does not learn that in time."""

from __future__ import annotations

from collections.abc import Iterator

# ID3v1, APE and RIFF tags, and those of IFF and CAF, usually stand behind the sound.
_BEHIND = frozenset({"wav", "w64", "aiff", "caf", "tta"})
_ID3 = b"ID3"

# Matroska, RFC 9559: what the list of a segment's parts may name.
_SEGMENT, _SEEK_HEAD, _SEEK, _SEEK_ID, _SEEK_POSITION = (
    0x18538067, 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC,
)  # fmt: skip
_CLUSTER = 0x1F43B675
_TELLING = frozenset({
    0x1254C367,  # tags
    0x1941A469,  # attachments, such as covers
    0x1043A770,  # chapters
    _SEEK_HEAD,
})  # fmt: skip
_PARTS_MAX = 1000


def may_follow(kind: str, head: bytes) -> bool:
    """Whether a file of a `streamable.kind` that begins so may have tags, chapters or a cover that
    ffmpeg finds only in the whole file."""
    if kind == "matroska":
        return any(at >= len(head) for at in _told_places(head))
    return kind in _BEHIND or (kind == "mp3" and not head.startswith(_ID3))


def _told_places(head: bytes) -> Iterator[int]:
    """Where in a Matroska file the parts are that tell about it, by the list at its beginning."""
    for identity, begin, _ in _parts(head, 0, len(head)):
        if identity != _SEGMENT:
            continue
        for part, at, end in _parts(head, begin, len(head)):
            if part == _CLUSTER:
                return
            if part == _SEEK_HEAD:
                for offset in _listed(head, at, end):
                    yield begin + offset
        return


def _listed(head: bytes, at: int, end: int) -> Iterator[int]:
    for seek, first, last in _parts(head, at, end):
        if seek != _SEEK:
            continue
        found = {
            part: int.from_bytes(head[begin : min(stop, begin + 8)])
            for part, begin, stop in _parts(head, first, last)
        }
        if found.get(_SEEK_ID) in _TELLING:
            yield found.get(_SEEK_POSITION, 0)


def _parts(head: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The elements between two offsets: identity, and where their content begins and ends; of the
    last one that may be beyond what is there."""
    end = min(end, len(head))
    for _ in range(_PARTS_MAX):
        if at >= end:
            return
        length = _width(head[at])
        identity = int.from_bytes(head[at : at + length])
        at += length
        if at >= end:
            return
        length = _width(head[at])
        size = int.from_bytes(head[at : at + length]) & ((1 << 7 * length) - 1)
        at += length
        yield identity, at, at + size
        at += size


def _width(first: int) -> int:
    """How many bytes a number has that begins with this one."""
    return 9 - first.bit_length()
