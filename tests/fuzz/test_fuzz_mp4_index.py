"""Fuzz target: whoever reads the index of an MP4 before the rest is here."""

from __future__ import annotations

import struct
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gmapi.media.mp4 import fast_start, layout, picture_tables, sound_alone, sound_tables
from gmapi.media.mp4.boxes import IndexUnusable
from gmapi.sandbox.feeding import Span
from support.fuzzing import fuzz
from support.media.mp4_files import FTYP, Looks, Made, film, full, one_film, rows
from support.media.odd_files import box

PICTURES = Made(
    [[b"I" * 9, b"P" * 5], [b"B" * 3], [b"I" * 20, b"B"]],
    keys=[0, 3],
    delays=[(1, 200), (1, 500), (1, 0), (2, 200)],
    edits=[(100, -1), (300, 200)],
)
SOUND = Made([[b"s" * 4] * 3, [b"t" * 4] * 2], b"soun", b"mp4a", ticks=8000, edits=[(4000, 64)])
PLAIN = struct.pack(">HHIHHHHI", 0, 0, 0, 2, 16, 0, 0, 0)
PCM = replace(
    SOUND,
    form=b"sowt",
    others={
        b"stsz": full(b"stsz", struct.pack(">II", 4, 5)),
        b"stsd": full(b"stsd", struct.pack(">I", 1), box(b"sowt", bytes(8), PLAIN)),
    },
)
SEEDS = [
    film([PICTURES, SOUND]),
    film([PICTURES, SOUND], first=True),
    film([replace(PICTURES, is_wide=True), PCM], before=[], cut_at=3, after=[box(b"free")]),
    one_film(extra=box(b"udta", bytes(9)), between=[box(b"wide"), box(b"uuid", bytes(30))]),
    film([SOUND, Made([[b""], [b"", b""]], b"soun", b"mp4a"), Made([], b"soun", b"mp4a")]),
    film([SOUND, replace(SOUND, steps=[(4, 1024), (1, 204)])], after=[bytes(4)]),
    FTYP + box(b"moov", box(b"mvex"), full(b"mvhd", bytes(96))) + box(b"moof", bytes(9)),
    film([replace(PICTURES, others={b"stco": rows(b"stco", [(1 << 31,), (5,), (1,)])})]),
]
NUMBERS = [0, 1, 2, 7, 8, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]
KINDS = [b"moov", b"trak", b"stco", b"co64", b"mdat", b"free", b"stts", b"edts", b"mvex", b"stz2"]


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A film with up to five edits: numbers and kinds exchanged, bytes put in or taken out."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(data)))
        # Sizes, counts and most values begin at each fourth byte.
        word = at // 4 * 4
        how = draw(st.integers(0, 4))
        if how == 0:
            data[word : word + 4] = struct.pack(">I", draw(st.sampled_from(NUMBERS)))
        elif how == 1:
            data[word : word + 4] = draw(st.sampled_from(KINDS))
        elif how == 2:
            data[at : at + 1] = draw(st.binary(max_size=2))
        elif how == 3:
            data[word : word + 4] = struct.pack(">I", draw(st.integers(0, len(data))))
        else:
            data[at : at + draw(st.integers(0, 40))] = data[word : word + 8]
    return bytes(data)


@fuzz
@given(changed(), st.sampled_from([8, 60, 65_536]), st.none() | st.integers(0, 1), st.booleans())
def test_any_index_is_used_or_not(
    data: bytes, head: int, number: int | None, exact_last: bool
) -> None:
    looks = Looks(data)
    try:
        found = layout.find(data[:head], len(data), looks)
    except IndexUnusable as error:
        assert str(error).isprintable()
        return
    assert len(looks.asked) <= 16
    assert sum(length for _, length in looks.asked) <= 2 * len(data) + 16 * 65_536
    try:
        for piece in fast_start.plan(found):
            if isinstance(piece, Span) and piece.length is not None:
                assert 0 <= piece.first <= piece.first + piece.length <= len(data)
    except IndexUnusable as error:
        assert str(error).isprintable()
    try:
        sound = sound_alone.of(found, number)
        assert sound.size <= 2 * len(data)
        assert all(0 <= first < first + size <= len(data) for first, size in sound.ranges)
    except IndexUnusable as error:
        assert str(error).isprintable()
    for index in range(3):
        try:
            times = picture_tables.times(found, index, exact_last=exact_last)
            assert times is None or (times.end >= 0 and times.count <= len(data))
            end = sound_tables.end(found, index, exact_last=exact_last)
            assert end is None or end >= 0
        except IndexUnusable as error:
            assert str(error).isprintable()
