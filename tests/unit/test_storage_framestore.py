"""Frames in pack chunks: round trips, readers beside writers, deletion, full disks."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import tempfile
import threading
from collections.abc import Iterator
from io import FileIO
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmapi.errors import NoSpaceError, NotFoundError
from gmapi.storage import framestore
from gmapi.storage.framestore import (
    FRAMES_PER_CHUNK,
    INDEX_NAME,
    FrameReader,
    FrameWriter,
    MissingFrame,
    Pack,
    frame_name,
    parse_frame_name,
)


def png(number: int, size: int) -> bytes:
    """Bytes that tell their own number, so that no frame can pass for another."""
    return (struct.pack(">I", number) * (size // 4 + 1))[:size]


def write(folder: Path, sizes: list[int]) -> list[bytes]:
    frames = [png(n, size) for n, size in enumerate(sizes, 1)]
    with FrameWriter(folder) as writer:
        assert [writer.append(frame) for frame in frames] == list(range(1, len(frames) + 1))
    return frames


def sent(pack: Pack) -> bytes:
    return pack.header + b"".join(part.read() for part in pack.slices)


def wire(frames: list[bytes]) -> bytes:
    return struct.pack(">I", len(frames)) + b"".join(
        struct.pack(">I", len(frame)) + frame for frame in frames
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 300), max_size=250), st.data())
def test_what_is_written_is_read(sizes: list[int], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        frames = write(Path(folder), sizes)
        with FrameReader(Path(folder)) as reader:
            assert reader.count() == len(frames)
            numbers = data.draw(
                st.lists(st.integers(1, len(frames)), max_size=40) if frames else st.just([])
            )
            pack = reader.pack(numbers)
            assert sent(pack) == wire([frames[n - 1] for n in numbers])
            assert pack.length == len(sent(pack))
            assert [reader.frame(n).read() for n in numbers] == [frames[n - 1] for n in numbers]
            assert [reader.frame(n).length for n in numbers] == [sizes[n - 1] for n in numbers]
            for absent in (0, -1, len(frames) + 1, 1 << 70):
                with pytest.raises(MissingFrame) as caught:
                    reader.pack([*numbers, absent])
                assert caught.value.number == absent


def test_neighbours_are_one_slice_and_a_chunk_is_the_wire_format(tmp_path: Path) -> None:
    frames = write(tmp_path, [50] * (FRAMES_PER_CHUNK + 20))
    with FrameReader(tmp_path) as reader:
        assert len(reader.pack(range(1, 21)).slices) == 1
        assert len(reader.pack(range(FRAMES_PER_CHUNK - 9, FRAMES_PER_CHUNK + 11)).slices) == 2
        assert len(reader.pack([5, 5]).slices) == 2
        assert len(reader.pack([6, 5]).slices) == 2
    chunk = tmp_path / "chunk-000000.pack"
    assert chunk.read_bytes() == wire(frames[:FRAMES_PER_CHUNK])[4:]


def test_frames_appear_at_flush_and_large_ones_without(tmp_path: Path) -> None:
    with FrameReader(tmp_path / "job") as reader, FrameWriter(tmp_path / "job") as writer:
        assert reader.count() == 0
        writer.append(png(1, 100))
        assert reader.count() == 0
        writer.flush()
        assert reader.count() == 1
        for number in range(2, 50):
            writer.append(png(number, 100_000))
        assert 40 < reader.count() < 50
        assert reader.frame(40).read() == png(40, 100_000)


@pytest.mark.parametrize("extra", range(1, 12))
def test_a_torn_index_record_is_absent(tmp_path: Path, extra: int) -> None:
    write(tmp_path, [10, 20, 30])
    with open(tmp_path / INDEX_NAME, "ab") as index:
        index.write(b"\x00" * extra)
    with FrameReader(tmp_path) as reader:
        assert reader.count() == 3
        assert reader.frame(3).read() == png(3, 30)
        with pytest.raises(MissingFrame):
            reader.frame(4)


def test_an_index_ahead_of_its_chunk_gives_no_torn_frame(tmp_path: Path) -> None:
    write(tmp_path, [10, 20, 30])
    chunk = tmp_path / "chunk-000000.pack"
    os.truncate(chunk, chunk.stat().st_size - 1)
    with FrameReader(tmp_path) as reader:
        assert reader.frame(2).read() == png(2, 20)
        with pytest.raises(MissingFrame):
            reader.frame(3)


def test_a_reader_beside_a_writer_sees_whole_frames_only(tmp_path: Path) -> None:
    total = 3 * FRAMES_PER_CHUNK + 50
    sizes = [1 + (n * 7919) % 9000 for n in range(1, total + 1)]
    stop = threading.Event()

    def produce() -> None:
        with FrameWriter(tmp_path) as writer:
            for number, size in enumerate(sizes, 1):
                writer.append(png(number, size))
                if number % 7 == 0:
                    writer.flush()
                if stop.is_set():
                    return

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        seen = 0
        with FrameReader(tmp_path) as reader:
            while seen < total and (thread.is_alive() or reader.count() == total):
                count = reader.count()
                assert count >= seen
                numbers = range(seen + 1, count + 1)
                assert sent(reader.pack(numbers)) == wire([png(n, sizes[n - 1]) for n in numbers])
                seen = count
        assert seen == total
    finally:
        stop.set()
        thread.join()


def test_slices_outlive_deletion(tmp_path: Path) -> None:
    frames = write(tmp_path, [5000] * 30)
    with FrameReader(tmp_path) as reader:
        pack = reader.pack(range(1, 31))
        for path in tmp_path.iterdir():
            path.unlink()
        assert sent(pack) == wire(frames)
        assert reader.frame(7).read() == frames[6]
    with FrameReader(tmp_path) as reader:
        assert reader.count() == 0


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [10])
    with pytest.raises(FileExistsError):
        FrameWriter(tmp_path)


def test_a_writer_whose_folder_is_deleted_finds_out(tmp_path: Path) -> None:
    writer = FrameWriter(tmp_path / "job")
    writer.append(b"one")
    writer.flush()
    shutil.rmtree(tmp_path / "job")
    for _ in range(FRAMES_PER_CHUNK - 1):
        writer.append(b"more")
    with pytest.raises(NotFoundError):
        writer.append(b"the next chunk's first")
    writer.close()


def test_an_error_inside_leaves_what_was_flushed(tmp_path: Path) -> None:
    def fail() -> None:
        with FrameWriter(tmp_path) as writer:
            writer.append(b"one")
            writer.flush()
            writer.append(b"two")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with FrameReader(tmp_path) as reader:
        assert reader.count() == 1


def test_an_empty_frame_is_refused(tmp_path: Path) -> None:
    with FrameWriter(tmp_path) as writer, pytest.raises(ValueError):
        writer.append(b"")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("at_write", [0, 1])
def test_a_full_disk_is_told_and_the_flush_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, at_write: int
) -> None:
    """The disk fills halfway through the frame's bytes (write 0) or its index record (write 1)."""
    real = framestore.write_at
    calls: Iterator[int] = iter(range(1000))

    def full_once(file: FileIO, offset: int, data: bytearray) -> None:
        if next(calls) == at_write:
            real(file, offset, data[: len(data) // 2])
            raise OSError(code, "full")
        real(file, offset, data)

    monkeypatch.setattr(framestore, "write_at", full_once)
    with FrameWriter(tmp_path) as writer, FrameReader(tmp_path) as reader:
        writer.append(png(1, 5000))
        with pytest.raises(NoSpaceError):
            writer.flush()
        assert reader.count() == 0
        writer.append(png(2, 5000))
        writer.flush()
        assert sent(reader.pack([1, 2])) == wire([png(1, 5000), png(2, 5000)])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 130), st.integers(1, 60)), max_size=5), st.data())
def test_equal_neighbours_may_share_their_bytes(
    runs: list[tuple[int, int]], data: st.DataObject
) -> None:
    frames = [png(n, size) for n, (count, size) in enumerate(runs) for _ in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        with FrameWriter(Path(folder), share_equal=True) as writer:
            for n, frame in enumerate(frames, 1):
                assert writer.append(bytes(bytearray(frame))) == n
                if data.draw(st.booleans()):
                    writer.flush()
        stored = sum(path.stat().st_size for path in Path(folder).glob("*.pack"))
        assert stored == writer.size
        # Once in each chunk that it is in.
        places = ((n // FRAMES_PER_CHUNK, frame) for n, frame in enumerate(frames))
        assert stored == sum(4 + len(frame) for (_, frame), _ in groupby(places))
        with FrameReader(Path(folder)) as reader:
            assert reader.count() == len(frames)
            numbers = data.draw(
                st.lists(st.integers(1, len(frames)), max_size=40) if frames else st.just([])
            )
            some = range(1, min(len(frames), 256) + 1)
            for asked in (numbers, some):
                pack = reader.pack(asked)
                assert sent(pack) == wire([frames[n - 1] for n in asked])
                assert pack.length == len(sent(pack))
            assert [reader.frame(n).read() for n in numbers] == [frames[n - 1] for n in numbers]


def test_equal_neighbours_have_bytes_of_their_own_unless_asked_for(tmp_path: Path) -> None:
    with FrameWriter(tmp_path) as writer, FrameReader(tmp_path) as reader:
        for _ in range(20):
            writer.append(png(1, 50))
        writer.flush()
        assert writer.size == 20 * 54
        assert len(reader.pack(range(1, 21)).slices) == 1


def test_frames_that_are_shared_are_counted_too(tmp_path: Path) -> None:
    with FrameWriter(tmp_path, share_equal=True) as writer:
        for _ in range(5 * FRAMES_PER_CHUNK + 1):
            writer.append(b"x")
        room = writer.room
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 7
    assert room == sum(sizes) + 6 * 4096


def test_a_full_disk_spoils_no_frame_that_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, fails = framestore.write_at, [False]

    def full(file: FileIO, offset: int, data: bytearray) -> None:
        if fails[0]:
            raise OSError(errno.ENOSPC, "full")
        real(file, offset, data)

    monkeypatch.setattr(framestore, "write_at", full)
    with FrameWriter(tmp_path, share_equal=True) as writer, FrameReader(tmp_path) as reader:
        for _ in range(FRAMES_PER_CHUNK):
            writer.append(png(1, 50))
        fails[0] = True
        with pytest.raises(NoSpaceError):
            writer.append(png(1, 50))
        fails[0] = False
        assert writer.append(png(1, 50)) == FRAMES_PER_CHUNK + 1
        writer.flush()
        assert sent(reader.pack([1, 100, 101])) == wire([png(1, 50)] * 3)


@given(st.integers(1, 999_999_999), st.sampled_from(["png", "jpg"]))
def test_frame_names_round_trip(number: int, ending: str) -> None:
    assert parse_frame_name(frame_name(number, ending)) == number


@given(st.from_regex(r"frame_[0-9]{1,12}\.(png|jpg)", fullmatch=True) | st.text())
def test_a_frame_has_one_name_of_each_ending(text: str) -> None:
    number = parse_frame_name(text)
    assert number is None or (number >= 1 and frame_name(number, text[-3:]) == text)


@pytest.mark.parametrize(
    "text",
    [
        "frame_000000.png",
        "frame_00001.png",
        "frame_0000001.png",
        "frame_1000000000.png",
        "frame_000001.PNG",
        "frame_000001.jpeg",
        "frame_000001.png\n",
        "../frame_000001.png",
        "frame_00000\u0661.png",
        "frame_-00001.png",
    ],
)
def test_names_that_are_no_frames(text: str) -> None:
    assert parse_frame_name(text) is None
