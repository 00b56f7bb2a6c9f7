"""32vid files: headers, streams, sub-chunks and what is patched at the end."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmapi.computercraft.formats.vid32 import UNKNOWN, Vid32Writer
from gmapi.computercraft.formats.writer import Ending, Film, Tally, TextEvent
from gmapi.computercraft.monitor import Wall
from gmapi.computercraft.options import Compression
from gmapi.computercraft.screen import Screen
from support.screens import vid32_decoder as decoder
from support.screens.kernel_choices import NUMPY
from support.screens.strategies import screens

SIZE = (3, 5)
FILM = Film(columns=5, rows=3, fps=20)
EVENT = TextEvent(start=2, length=7, x=34, y=36, colors=0xF9, text=b"Hello world")
HEADERS = 21
"""Bytes of the file header and that of the first stream."""


def writer(film: Film = FILM, **wishes: object) -> Vid32Writer:
    plain: dict[str, object] = {"compression": Compression.ANS, "dfpwm": False}
    return Vid32Writer(film, kernels=NUMPY, **(plain | wishes))  # type: ignore[arg-type]


def screen_of(seed: int, rows: int = 3, columns: int = 5) -> Screen:
    random = np.random.default_rng(seed)
    characters, colors = random.integers(0, 256, (2, rows, columns), np.uint8)
    return Screen(characters, colors, random.integers(0, 256, (16, 3), np.uint8))


def completed(start: bytes, chunks: list[bytes], ending: Ending) -> bytes:
    data = bytearray(start + b"".join(chunks) + ending.trailer)
    for offset, patch in ending.patches:
        assert offset + len(patch) <= len(data)
        data[offset : offset + len(patch)] = patch
    return bytes(data)


def tally_of(chunks: list[bytes], frames: int, **more: object) -> Tally:
    return Tally(frames, len(chunks), sum(map(len, chunks)), **more)  # type: ignore[arg-type]


# -- pictures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("compression", list(Compression))
@given(shown=st.lists(screens(SIZE), max_size=4))
@settings(max_examples=25, deadline=None)
def test_pictures_come_back(compression: Compression, separate: bool, shown: list[Screen]) -> None:
    subject = writer(compression=compression, separate=separate)
    start = subject.header()
    chunks = [subject.frame([screen], 0.05) for screen in shown]
    data = completed(start, chunks, subject.finish(tally_of(chunks, len(shown))))
    file = decoder.parse(data)
    assert file.compression is compression
    (stream,) = file.streams
    assert (stream.size, stream.count) == (len(stream.data), len(shown))
    if separate:
        assert stream.kind == decoder.VIDEO
        found = decoder.row_of_pictures(stream.data, 5, 3, compression)
    else:
        found = file.pictures()
    assert len(found) == len(shown)
    assert all(one.shows(other) for one, other in zip(found, shown, strict=True))


@pytest.mark.parametrize("compression", list(Compression))
def test_a_film_without_cells(compression: Compression) -> None:
    subject = writer(Film(0, 2, 10), compression=compression)
    empty = np.empty((2, 0), np.uint8)
    chunk = subject.frame([Screen(empty, empty, np.zeros((1, 3), np.uint8))], 0.1)
    file = decoder.parse(completed(subject.header(), [chunk], subject.finish(tally_of([chunk], 1))))
    (picture,) = file.pictures()
    assert picture.codes.shape == (2, 0)


def test_deflated_pictures_are_one_stream_when_separate_and_one_each_when_combined() -> None:
    same = [screen_of(1, 30, 40)] * 6
    film = Film(40, 30, 20)
    combined = writer(film, compression=Compression.DEFLATE)
    separate = writer(film, compression=Compression.DEFLATE, separate=True)
    alone = [combined.frame([screen], 0.05) for screen in same]
    assert len(set(alone)) == 1
    together = [separate.frame([screen], 0.05) for screen in same]
    ending = separate.finish(tally_of(together, 6))
    assert sum(map(len, together)) + len(ending.trailer) < 2 * len(alone[0])


# -- header and ending --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fps", "stored"),
    [(25, 25), (29.97, 30), (12.5, 13), (0.2, 1), (0, 1), (254.6, 255), (1000, 255)],
)
def test_pictures_a_second_are_rounded_into_a_byte(fps: float, stored: int) -> None:
    assert decoder.parse(writer(Film(5, 3, fps)).header()).fps == stored


@pytest.mark.parametrize("dfpwm", [False, True])
def test_header_of_a_growing_file(dfpwm: bool) -> None:
    file = decoder.parse(writer(dfpwm=dfpwm).header())
    assert (file.columns, file.rows, file.dfpwm, file.wall) == (5, 3, dfpwm, None)
    assert [(stream.kind, stream.size, stream.count) for stream in file.streams] == [
        (decoder.COMBINED, UNKNOWN, UNKNOWN)
    ]
    expected = decoder.parse(writer(expected_chunks=70).header())
    assert expected.streams[0].count == 70


def test_a_growing_file_can_be_read_so_far() -> None:
    subject = writer()
    grown = subject.header() + subject.sound(b"\x80" * 9) + subject.frame([screen_of(1)], 0.05)
    file = decoder.parse(grown)
    assert file.sound() == b"\x80" * 9
    assert file.pictures()[0].shows(screen_of(1))


def test_parts_are_files_of_the_same_chunks() -> None:
    subject = writer()
    shown = [screen_of(seed) for seed in range(5)]
    chunks = [subject.frame([screen], 0.05) for screen in shown]
    for part in (slice(0, 5), slice(0, 2), slice(2, 5)):
        own = chunks[part]
        data = completed(subject.header(), own, subject.finish(tally_of(own, len(own))))
        file = decoder.parse(data)
        assert file.streams[0].count == len(own)
        found = file.pictures()
        assert all(one.shows(other) for one, other in zip(found, shown[part], strict=True))


def test_what_is_too_much_for_its_field_stays_unknown() -> None:
    ending = writer().finish(Tally(frames=1, chunks=1, size=1 << 33))
    assert ending.patches == ((12, struct.pack("<IIB", UNKNOWN, 1, decoder.COMBINED)),)


# -- sound and text -----------------------------------------------------------------------------


def test_chunks_keep_their_order() -> None:
    subject = writer()
    assert subject.interleaved
    shown = [screen_of(1), screen_of(2)]
    chunks = [
        subject.sound(b"one"),
        subject.frame([shown[0]], 0.05),
        subject.text(EVENT),
        subject.frame([shown[1]], 0.05),
        subject.sound(b"two"),
    ]
    file = decoder.parse(completed(subject.header(), chunks, subject.finish(tally_of(chunks, 2))))
    assert [chunk.kind for chunk in file.chunks] == [1, 0, 8, 0, 1]
    assert file.streams[0].count == 5
    assert file.sound() == b"onetwo"


def test_bytes_of_a_subtitle() -> None:
    expected = "1b000000 08 02000000 07000000 2200 2400 f9 00 0b00" + b"Hello world".hex()
    assert writer().text(EVENT) == bytes.fromhex(expected)


def test_a_subtitle_beyond_the_fields_is_moved_to_their_limits() -> None:
    event = TextEvent(start=0, length=1, x=-4, y=70000, colors=0xF0, text=b"x" * 70000)
    (found,) = decoder.events(writer().text(event)[5:])
    assert (found.x, found.y, found.text) == (0, 65535, b"x" * 65535)


# -- walls --------------------------------------------------------------------------------------


def test_a_wall_has_a_chunk_for_each_monitor() -> None:
    film = Film(columns=13, rows=7, fps=20, wall=Wall(columns=3, rows=2, scale=0.5))
    subject = writer(film)
    assert subject.chunks_per_frame == 6
    widths, heights = (5, 5, 3), (4, 3)
    shown = [screen_of(number, heights[number // 3], widths[number % 3]) for number in range(6)]
    chunk = subject.frame(shown, 0.05)
    tally = Tally(frames=1, chunks=6, size=len(chunk))
    file = decoder.parse(completed(subject.header(), [chunk], subject.finish(tally)))
    assert (file.columns, file.rows, file.wall) == (13, 7, (3, 2))
    assert file.streams[0].count == len(file.chunks) == 6
    assert [chunk.kind for chunk in file.chunks] == [64, 72, 80, 65, 73, 81]
    for found, screen in zip(file.pictures(), shown, strict=True):
        assert found.shows(screen)


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (8, 8), (1, 8), (8, 1)])
def test_walls_up_to_eight_by_eight(columns: int, rows: int) -> None:
    film = Film(columns=40, rows=40, fps=20, wall=Wall(columns, rows, 0.5))
    assert decoder.parse(writer(film).header()).wall == (columns, rows)


# -- separate streams ---------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [Compression.CUSTOM, Compression.DEFLATE])
@pytest.mark.parametrize("dfpwm", [False, True])
def test_separate_streams(compression: Compression, dfpwm: bool) -> None:
    subject = writer(compression=compression, dfpwm=dfpwm, separate=True)
    assert not subject.interleaved
    shown = [screen_of(1), screen_of(2)]
    start = subject.header()
    chunks = [
        subject.frame([shown[0]], 0.05),
        subject.text(EVENT),
        subject.frame([shown[1]], 0.05),
        subject.sound(b"one"),
        subject.sound(b"two"),
        subject.text(EVENT),
    ]
    file = decoder.parse(completed(start, chunks, subject.finish(tally_of(chunks, 2))))
    video, sound, text = file.streams
    assert [(stream.kind, stream.count) for stream in file.streams] == [
        (decoder.VIDEO, 2),
        (decoder.AUDIO, 48 if dfpwm else 6),
        (decoder.TEXT, 2),
    ]
    found = decoder.row_of_pictures(video.data, 5, 3, compression)
    assert all(one.shows(other) for one, other in zip(found, shown, strict=True))
    assert sound.data == b"onetwo"
    assert [event.text for event in decoder.events(text.data)] == [b"Hello world"] * 2


def test_separate_streams_without_sound() -> None:
    subject = writer(separate=True)
    start = subject.header()
    chunks = [subject.frame([screen_of(1)], 0.05), subject.text(EVENT)]
    file = decoder.parse(completed(start, chunks, subject.finish(tally_of(chunks, 1))))
    assert [stream.kind for stream in file.streams] == [decoder.VIDEO, decoder.TEXT]


def test_a_frame_after_the_sound_is_refused() -> None:
    subject = writer(separate=True)
    subject.sound(b"\x80")
    with pytest.raises(ValueError, match="after the sound"):
        subject.frame([screen_of(1)], 0.05)


def test_separate_streams_have_no_parts() -> None:
    subject = writer(separate=True)
    chunks = [subject.frame([screen_of(seed)], 0.05) for seed in range(2)]
    with pytest.raises(ValueError, match="part"):
        subject.finish(tally_of(chunks[:1], 1))


# -- index --------------------------------------------------------------------------------------


def test_the_index_points_at_frames() -> None:
    film = Film(columns=5, rows=3, fps=2)
    subject = writer(film, index=True)
    shown = [screen_of(seed) for seed in range(7)]
    chunks: list[bytes] = []
    offsets = []
    for screen in shown:
        chunks.append(subject.sound(b"\x80" * 3))
        offsets.append(HEADERS + sum(map(len, chunks)))
        chunks.append(subject.frame([screen], 0.5))
    ending = subject.finish(tally_of(chunks, 7, offsets=offsets))
    data = completed(subject.header(), chunks, ending)
    file = decoder.parse(data)
    combined, index = file.streams
    assert (combined.kind, index.kind) == (decoder.COMBINED, decoder.INDEX)
    per_entry, *entries = struct.unpack(f"<B{index.count}I", index.data)
    assert per_entry == 2
    starts = [chunk.offset for chunk in file.chunks if chunk.kind == decoder.VIDEO]
    assert entries == starts[::2]


def test_the_index_leaves_out_what_no_offset_reaches() -> None:
    subject = writer(Film(5, 3, 1), index=True)
    ending = subject.finish(Tally(3, 3, 1 << 33, offsets=(21, 1 << 31, 1 << 32)))
    assert ending.trailer == struct.pack("<IIBBII", 9, 2, decoder.INDEX, 1, 21, 1 << 31)


# -- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("film", "wishes", "words"),
    [
        (Film(65536, 1, 20), {}, "65535 columns"),
        (Film(1, 65536, 20), {}, "65535 columns"),
        (Film(9, 9, 20, wall=Wall(9, 1, 0.5)), {}, "8 x 8 monitors"),
        (Film(9, 9, 20, wall=Wall(1, 9, 0.5)), {}, "8 x 8 monitors"),
        (Film(9, 9, 20, wall=Wall(2, 2, 0.5)), {"separate": True}, "wall"),
        (FILM, {"separate": True, "index": True}, "index"),
    ],
)
def test_what_the_format_cannot_hold(film: Film, wishes: dict[str, bool], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        writer(film, **wishes)


def test_screens_of_another_film_are_refused() -> None:
    with pytest.raises(ValueError, match="4 x 3"):
        writer().frame([screen_of(1, 3, 4)], 0.05)
    wall = writer(Film(9, 9, 20, wall=Wall(2, 1, 0.5)))
    with pytest.raises(ValueError, match="2 monitors"):
        wall.frame([screen_of(1)], 0.05)
