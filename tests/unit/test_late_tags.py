"""Whether a title may stand behind what is heard and seen, told by a file's first bytes."""

from __future__ import annotations

import random

import pytest

from gmapi.media.late_tags import may_follow

EBML = bytes.fromhex("1a45dfa3 84 42868101")
SEGMENT = bytes.fromhex("18538067 01ffffffffffffff")
VOID = bytes.fromhex("ec 83 000000")
INFO = bytes.fromhex("1549a966 83 000000")
CLUSTER = bytes.fromhex("1f43b675 ff")
TAGS, ATTACHMENTS, CHAPTERS, CUES, LIST = (
    bytes.fromhex(each) for each in ("1254c367", "1941a469", "1043a770", "1c53bb6b", "114d9b74")
)


def _element(identity: str, content: bytes) -> bytes:
    return bytes.fromhex(identity) + (0x4000 | len(content)).to_bytes(2) + content


def _film(*entries: tuple[bytes, int], before: bytes = VOID) -> bytes:
    """The beginning of one whose list names parts at places counted from the segment's content."""
    seeks = [
        _element("4dbb", _element("53ab", part) + _element("53ac", at.to_bytes(4)))
        for part, at in entries
    ]
    listed = _element("114d9b74", b"".join(seeks))
    return EBML + SEGMENT + before + listed + INFO + bytes.fromhex("ec7ffa") + bytes(0x3FFA)


def test_a_film_tells_by_its_list_where_its_tags_are() -> None:
    assert not may_follow("matroska", _film((CUES, 10**6)))
    assert not may_follow("matroska", _film((TAGS, 200), (CUES, 10**6)))
    for part in (TAGS, ATTACHMENTS, CHAPTERS, LIST):
        assert may_follow("matroska", _film((CUES, 10**6), (part, 10**6)))
    length = len(_film((TAGS, 0)))
    start = len(EBML + SEGMENT)
    assert not may_follow("matroska", _film((TAGS, length - start - 1)))
    assert may_follow("matroska", _film((TAGS, length - start)))


def test_a_film_without_a_list_in_front_has_none_that_ffmpeg_finds() -> None:
    assert not may_follow("matroska", EBML + SEGMENT + INFO + CLUSTER + bytes(1000))
    late = _film((TAGS, 10**6), before=CLUSTER)
    assert not may_follow("matroska", late)


@pytest.mark.parametrize("kind", ["wav", "w64", "aiff", "caf", "tta", "mp3"])
def test_sound_files_may_have_them_behind(kind: str) -> None:
    assert may_follow(kind, bytes(1000))


@pytest.mark.parametrize("kind", ["mp4", "asf", "flv", "mpegts", "mpeg", "avi", "au", "amr"])
def test_others_have_them_in_front(kind: str) -> None:
    assert not may_follow(kind, bytes(1000))


def test_mp3_with_a_tag_in_front_has_it_there() -> None:
    assert not may_follow("mp3", b"ID3\x04" + bytes(1000))


def test_whatever_the_bytes_are_the_answer_comes() -> None:
    rng = random.Random(3)
    film = _film((TAGS, 10**6), (CUES, 5), (LIST, 100))
    for _ in range(20_000):
        torn = bytearray(film[: rng.randrange(len(film))] if rng.random() < 0.3 else film[:200])
        for _ in range(rng.randrange(6)):
            if torn:
                torn[rng.randrange(len(torn))] = rng.randrange(256)
        may_follow("matroska", bytes(torn))
