"""Where the boxes of an MP4 lie, and what is refused before all of it is here."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from gmapi.media.mp4 import boxes, fast_start, layout, picture_tables, sound_alone
from gmapi.media.mp4.boxes import IndexUnusable
from gmapi.sandbox.feeding import WHOLE
from support.cost import cpu_below, memory_below
from support.media.mp4_files import (
    FTYP,
    Looks,
    Made,
    film,
    found,
    full,
    index,
    one_film,
    rows,
    trak,
)
from support.media.odd_files import box

FREE = box(b"free", bytes(20))


def test_an_index_in_front_needs_no_look_beyond_the_head() -> None:
    data = one_film(first=True)
    looks = Looks(data)
    seen = layout.find(data[:65536], len(data), looks)
    assert seen.is_first
    assert not looks.asked
    assert [part.kind for part in seen.parts] == [b"ftyp", b"moov", b"mdat"]
    assert fast_start.plan(seen) == WHOLE


def test_an_index_at_the_end_is_found_by_one_look() -> None:
    data = film([Made([[bytes(50_000)] for _ in range(4)])], after=[FREE])
    looks = Looks(data)
    seen = layout.find(data[:65536], len(data), looks)
    assert not seen.is_first
    assert looks.asked == [(seen.place.first, len(data) - seen.place.first)]
    assert [part.kind for part in seen.after] == [b"free"]
    assert seen.begins == FTYP


def test_a_long_index_is_read_in_two_looks() -> None:
    data = film([Made([[b"a" * 20] for _ in range(20_000)])])
    looks = Looks(data)
    seen = layout.find(data[:65536], len(data), looks)
    assert len(seen.index) > 300_000
    assert len(looks.asked) == 2
    assert sum(length for _, length in looks.asked) == len(seen.index)


def test_a_long_index_in_front_is_read_to_its_end() -> None:
    data = film([Made([[b"a" * 20] for _ in range(20_000)])], first=True)
    looks = Looks(data)
    seen = layout.find(data[:65536], len(data), looks)
    assert seen.is_first
    assert looks.asked == [(65536, seen.place.end + 16 - 65536)]


@pytest.mark.parametrize("head", [8, 16, 30, 100, 5000])
def test_any_length_of_the_head_will_do(head: int) -> None:
    data = one_film(before=[FTYP, FREE], between=[FREE], after=[FREE], cut_at=9)
    seen, whole = found(data, head), found(data)
    assert seen == whole
    assert [part.kind for part in seen.parts] == [
        b"ftyp", b"free", b"mdat", b"free", b"moov", b"mdat", b"free",
    ]  # fmt: skip


def test_sizes_of_64_bits_and_to_the_end() -> None:
    data = one_film(first=True)
    at = data.index(b"mdat") - 4
    endless = data[:at] + bytes(4) + data[at + 4 :]
    assert found(endless).parts[-1].end == len(data)
    size = len(data) - at
    wide = data[:at] + struct.pack(">I4sQ", 1, b"mdat", size) + data[at + 16 :]
    assert found(wide).parts[-1].end == len(data)


def test_what_the_reader_raises_passes() -> None:
    def read(first: int, length: int) -> bytes:
        raise ConnectionError("gone")

    data = film([Made([[bytes(70_000)]])])
    with pytest.raises(ConnectionError):
        layout.find(data[:65536], len(data), read)


def test_a_reader_that_gives_less_is_a_file_that_is_shorter() -> None:
    data = film([Made([[bytes(70_000)]])])
    with pytest.raises(IndexUnusable, match="shorter"):
        layout.find(data[:65536], len(data), lambda first, length: data[first : first + length - 1])


def test_fragments_are_read_as_they_come() -> None:
    mvex = box(b"mvex", full(b"trex", bytes(20)))
    moov = index([trak(Made([]), [])], mvex)
    data = FTYP + moov + box(b"moof", bytes(30)) + box(b"mdat", bytes(100))
    seen = found(data)
    assert seen.is_fragmented
    assert fast_start.plan(seen) == WHOLE
    assert picture_tables.times(seen, 0, exact_last=True) is None
    with pytest.raises(IndexUnusable, match="spread"):
        sound_alone.of(seen)


MANY = b"".join(box(b"free") for _ in range(1001))
REFUSED = {
    "nothing": ("no index", b""),
    "no index": ("no index", FTYP + box(b"mdat", bytes(50))),
    "something else": ("longer than the file", b"\x89PNG\r\n\x1a\n" + bytes(100)),
    "an index that is cut": ("longer than the file", one_film()[:-20]),
    "a box beyond the end": (
        "longer than the file",
        FTYP + struct.pack(">I4s", 10_000, b"mdat") + bytes(50),
    ),
    "a box shorter than its head": (
        "torn",
        FTYP + struct.pack(">I4s", 4, b"free") + one_film(before=()),
    ),
    "a long box shorter than its head": ("torn", FTYP + struct.pack(">I4sQ", 1, b"mdat", 9)),
    "too many boxes": ("too many", MANY + one_film()),
    "too many boxes inside": ("too many", one_film(extra=MANY)),
    "two indexes": ("second", one_film(after=[one_film(before=())])),
    "pictures by themselves": ("pictures", one_film(before=[FTYP, full(b"meta", bytes(20))])),
    "a compressed index": ("cmov", one_film(extra=box(b"cmov", bytes(8)))),
    "another file's": ("rmra", one_film(extra=box(b"rmra", bytes(8)))),
    "offsets of its encryption": ("saio", one_film(extra=box(b"saio", bytes(8)))),
    "fragments before their index": ("before", FTYP + box(b"moof", bytes(8)) + one_film(before=())),
    "an index of fragments at the end": ("before", one_film(extra=box(b"mvex"))),
    "a table in an odd place": ("odd places", one_film(extra=box(b"udta", rows(b"stco", [(1,)])))),
    "a torn box inside": ("torn free", one_film(extra=struct.pack(">I4s", 100, b"free"))),
    "an index that is too large": (
        "too large",
        FTYP + struct.pack(">I4s", 17 << 20, b"moov") + bytes(17 << 20),
    ),
    "a box to the end inside": (
        "torn free",
        one_film(extra=struct.pack(">I4s", 0, b"free") + bytes(10)),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_layout(name: str) -> None:
    reason, data = REFUSED[name]
    with pytest.raises(IndexUnusable, match=reason) as told:
        found(data)
    assert len(str(told.value)) < 100


def changed(**words: object) -> bytes:
    """A film with its index at the end, and in its first track something else."""
    return one_film(lambda made: replace(made, **words))  # type: ignore[arg-type]


def tables(**others: bytes) -> bytes:
    return changed(others={name.encode(): data for name, data in others.items()})


# Each chunk of pictures has 30 bytes, and the sound behind it 19.
PLACES = [8 + len(FTYP) + 49 * at for at in range(8)]
UNUSABLE = {
    "places outside": ("outside", tables(stco=rows(b"stco", [(10**6 + n,) for n in PLACES]))),
    "places in front": ("outside", tables(stco=rows(b"stco", [(n - 30,) for n in PLACES]))),
    "places backwards": ("ascend", tables(stco=rows(b"stco", [(n,) for n in reversed(PLACES)]))),
    "places over each other": ("ascend", tables(stco=rows(b"stco", [(PLACES[0],)] * 8))),
    "two tables of places": ("several", tables(co64=rows(b"co64", [(1,)] * 8, "Q"))),
    "no sizes": ("no stsz", tables(stsz=b"")),
    "short sizes": (
        "longer than its box",
        tables(stsz=full(b"stsz", struct.pack(">III", 0, 8, 1))),
    ),
    "compact sizes": ("stz2", tables(stz2=full(b"stz2", struct.pack(">II", 8, 8), bytes(8)))),
    "2^31 samples": (
        "outside",
        tables(
            stsz=full(b"stsz", struct.pack(">II", 1, 1 << 31)),
            stsc=rows(b"stsc", [(1, 1 << 28, 1)]),
            stts=rows(b"stts", [(1 << 31, 1)]),
        ),
    ),
    "2^31 sizes": (
        "longer than its box",
        tables(stsz=full(b"stsz", struct.pack(">II", 0, 1 << 31), bytes(32))),
    ),
    "2^31 places": (
        "longer than its box",
        tables(stco=full(b"stco", struct.pack(">I", 1 << 31), bytes(32))),
    ),
    "2^31 runs": (
        "longer than its box",
        tables(stsc=full(b"stsc", struct.pack(">I", 1 << 31), bytes(36))),
    ),
    "times of others": (
        "times of other",
        tables(stts=rows(b"stts", [((1 << 32) - 1, (1 << 32) - 1)])),
    ),
    "chunks from another": ("without samples", tables(stsc=rows(b"stsc", [(2, 1, 1)]))),
    "chunks out of order": (
        "out of order",
        tables(stsc=rows(b"stsc", [(1, 1, 1), (5, 1, 1), (3, 1, 1)])),
    ),
    "chunks that are not there": (
        "not there",
        tables(stsc=rows(b"stsc", [(1, 1, 1), (1 << 31, 1, 1)])),
    ),
    "data in other files": ("other files", changed(flags=0)),
    "a clock that stands": ("stands still", one_film(lambda made: replace(made, ticks=0))),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_fed(name: str) -> None:
    reason, data = UNUSABLE[name]
    with cpu_below(1), memory_below(40), pytest.raises(IndexUnusable, match=reason):
        fast_start.plan(found(data))


def test_boxes_in_boxes_are_read_to_where_tracks_are() -> None:
    """What is nested deeper is nobody's business here."""
    nested = b""
    for _ in range(5000):
        nested = box(b"trak", nested)
    with pytest.raises(IndexUnusable):
        fast_start.plan(found(one_film(extra=nested)))
    nested = b""
    for _ in range(5000):
        nested = box(b"udta", nested)
    assert fast_start.plan(found(one_film(extra=nested)))


def test_lists_of_quicktime_end_with_a_zero() -> None:
    data = one_film(lambda made: replace(made, extra=bytes(4)), extra=bytes(4))
    assert boxes.rewritten(found(data).index, found(data).tree, {}) == found(data).index


def test_a_million_places_are_moved_quickly() -> None:
    """As packet by packet in a film of nine hours."""
    count = 500_000
    sizes = full(b"stsz", struct.pack(">II", 0, count), struct.pack(">I", 100) * count)

    def made(kind: bytes, form: bytes, at: int) -> bytes:
        places = struct.pack(f">{count}I", *range(at, at + 200 * count, 200))
        others = {
            b"stsz": sizes,
            b"stsc": rows(b"stsc", [(1, 1, 1)]),
            b"stts": rows(b"stts", [(count, 100)]),
            b"stco": full(b"stco", struct.pack(">I", count), places),
        }
        return trak(Made([], kind, form, others=others), [])

    start = len(FTYP) + 8
    moov = index([made(b"vide", b"avc1", start), made(b"soun", b"mp4a", start + 100)])
    head = (FTYP + struct.pack(">I4s", 8 + 200 * count, b"mdat")).ljust(65_536, b"\0")
    at = start + 200 * count
    with cpu_below(3):
        seen = layout.find(head, at + len(moov), lambda a, n: moov[a - at : a - at + n])
        index_now = fast_start.plan(seen)[0]
    assert isinstance(index_now, bytes)
    assert len(index_now) == len(FTYP) + len(moov)


def test_what_belongs_together_lies_apart() -> None:
    pictures = Made([[bytes(400_000)] for _ in range(4)], step=1000)
    sound = Made([[bytes(1000)] for _ in range(4)], b"soun", b"mp4a", step=1000)
    apart = film([pictures, sound], order=[0, 0, 0, 0, 1, 1, 1, 1], first=True)
    with pytest.raises(IndexUnusable, match="apart"):
        fast_start.plan(found(apart))
    assert fast_start.plan(found(film([pictures, sound], first=True))) == WHOLE
    # Text is not read, wherever it is.
    text = replace(sound, kind=b"text", form=b"tx3g")
    assert fast_start.plan(found(film([pictures, text], order=[0] * 4 + [1] * 4, first=True)))


def test_sound_may_begin_later_and_end_earlier() -> None:
    pictures = Made([[bytes(400_000)] for _ in range(12)], step=1000)
    sound = Made([[bytes(1000)] for _ in range(3)], b"soun", b"mp4a", step=1000)
    early = [0, 1, 0, 1, 0, 1, *[0] * 9]
    assert fast_start.plan(found(film([pictures, sound], order=early, first=True))) == WHOLE
    late = replace(sound, edits=[(9000, -1), (3000, 0)])
    order = [*[0] * 9, 1, 0, 1, 0, 1, 0]
    assert fast_start.plan(found(film([pictures, late], order=order, first=True))) == WHOLE
    with pytest.raises(IndexUnusable, match="apart"):
        fast_start.plan(found(film([pictures, late], order=early, first=True)))
    with pytest.raises(IndexUnusable, match="apart"):
        fast_start.plan(found(film([pictures, sound], order=order, first=True)))
