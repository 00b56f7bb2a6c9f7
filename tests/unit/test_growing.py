"""Files that can be read while they grow: writers, readers beside them, deaths and deletions."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmapi.errors import NoSpaceError, NotFoundError
from gmapi.storage import growing
from gmapi.storage.base import new_file_id
from gmapi.storage.growing import BUFFER_BYTES, GrowingReader, Growth, Stage
from gmapi.storage.interface import Storage
from gmapi.storage.local import LocalStorage

NAME = "output.32vid"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def storage(root: Path) -> Storage:
    return LocalStorage(root)


def reader_of(storage: Storage, file_id: str) -> GrowingReader:
    reader = storage.open_growing(file_id, NAME)
    assert reader is not None
    return reader


def content(storage: Storage, file_id: str) -> bytes:
    with storage.open(file_id, NAME) as opened:
        return opened.read(0, opened.stored.size)


def test_a_file_from_its_first_byte_to_publishing(storage: Storage, root: Path) -> None:
    file_id = new_file_id()
    with storage.grow(file_id, NAME) as file, reader_of(storage, file_id) as reader:
        assert reader.look() == Growth(0, Stage.GROWING)
        file.append(b"head")
        assert reader.look().size == 0, "kept back until a flush"
        file.flush()
        file.append(b"-tail")
        assert file.size == 9
        assert reader.look() == Growth(4, Stage.GROWING)
        assert reader.read(1, 100) == b"ead"
        with pytest.raises(NotFoundError):
            storage.open(file_id, NAME)
        stored = file.finish()
        assert reader.look() == Growth(9, Stage.FINISHED)
        assert reader.read(4, 100) == b"-tail"
    assert os.listdir(root / file_id) == [NAME]
    with LocalStorage(root).open(file_id, NAME) as opened:
        assert opened.stored == stored
        assert opened.read(0, 100) == b"head-tail"
    assert storage.open_growing(file_id, NAME) is None


def test_a_slice_holds_what_is_there(storage: Storage) -> None:
    file_id = new_file_id()
    with storage.grow(file_id, NAME) as file, reader_of(storage, file_id) as reader:
        file.append(b"0123")
        file.flush()
        part = reader.slice(1, 3)
        for offset, length in ((1, 4), (5, 0), (-1, 2), (2, -1)):
            with pytest.raises(ValueError, match="outside the 4 bytes"):
                reader.slice(offset, length)
        file.append(b"45")
        file.finish()
        assert part.read() == b"123"
        assert reader.slice(4, 2).read() == b"45"


def test_much_is_shown_without_a_flush(storage: Storage) -> None:
    file_id = new_file_id()
    with storage.grow(file_id, NAME) as file, reader_of(storage, file_id) as reader:
        for _ in range(10):
            file.append(bytes(BUFFER_BYTES))
        assert reader.look().size >= 8 * BUFFER_BYTES


def test_a_growing_file_has_no_public_name_and_counts(storage: Storage, root: Path) -> None:
    file_id = new_file_id()
    with storage.grow(file_id, NAME) as file:
        file.append(bytes(100_000))
        file.flush()
        for name in os.listdir(root / file_id):
            with pytest.raises(NotFoundError):
                storage.open(file_id, name)
        assert storage.size(file_id) >= 100_000
        for path in (root / file_id, *(root / file_id).iterdir()):
            os.utime(path, (1000, 1000))
        file.append(b"more")
        file.flush()
        assert dict(storage.ids())[file_id] > 1000, "growing is a change"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=400),
            st.integers(1, 2 * BUFFER_BYTES),  # so many bytes at once
            st.just("flush"),
            st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=30)),  # a patch
        ),
        max_size=15,
    )
)
def test_any_order_of_writes_gives_the_file_they_describe(storage: Storage, steps: object) -> None:
    file_id, expected = new_file_id(), bytearray()
    with storage.grow(file_id, NAME) as file, reader_of(storage, file_id) as reader:
        for step in steps:  # type: ignore[attr-defined]
            if step == "flush":
                file.flush()
                assert reader.read(0, len(expected) + 1) == expected
            elif isinstance(step, tuple):
                offset = int(step[0] * len(expected))
                if offset + len(step[1]) > len(expected):
                    with pytest.raises(ValueError):
                        file.patch(offset, step[1])
                else:
                    file.patch(offset, step[1])
                    expected[offset : offset + len(step[1])] = step[1]
            else:
                data = step if isinstance(step, bytes) else b"x" * step
                file.append(data)
                expected += data
            assert file.size == len(expected)
        assert file.finish().size == len(expected)
        assert reader.look() == Growth(len(expected), Stage.FINISHED)
    assert content(storage, file_id) == expected
    storage.delete(file_id)


def test_a_patch_is_seen_by_those_who_have_not_read_its_place(storage: Storage) -> None:
    file_id = new_file_id()
    with storage.grow(file_id, NAME) as file, reader_of(storage, file_id) as early:
        file.append(b"count=0000;" + bytes(10))
        file.flush()
        assert early.read(0, 11) == b"count=0000;"
        file.patch(6, b"1234")
        assert early.read(0, 11) == b"count=1234;"
        for offset in (-1, 18):
            with pytest.raises(ValueError):
                file.patch(offset, b"1234")
        file.finish()
        for late in (
            lambda: file.patch(6, b"9999"),
            lambda: file.append(b"x"),
            file.flush,
            file.finish,
        ):
            with pytest.raises(ValueError):
                late()
    assert content(storage, file_id) == b"count=1234;" + bytes(10)


def test_an_error_abandons_the_file(storage: Storage, root: Path) -> None:
    file_id = new_file_id()

    def fail() -> None:
        with storage.grow(file_id, NAME) as file:
            file.append(bytes(200_000))
            file.flush()
            readers.append(reader_of(storage, file_id))
            raise RuntimeError

    readers: list[GrowingReader] = []
    with pytest.raises(RuntimeError):
        fail()
    with readers[0] as reader:
        assert reader.look() == Growth(200_000, Stage.ABANDONED)
        assert reader.read(0, 10) == bytes(10)
    assert os.listdir(root / file_id) == []
    assert storage.open_growing(file_id, NAME) is None
    with storage.grow(file_id, NAME) as again:
        again.append(b"whole")
        again.finish()
    assert content(storage, file_id) == b"whole"


def test_a_file_nobody_finished_is_abandoned(storage: Storage, root: Path) -> None:
    file_id = new_file_id()
    with storage.grow(file_id, NAME) as file:
        file.append(b"some")
        reader = reader_of(storage, file_id)
    with reader:
        assert reader.look().stage is Stage.ABANDONED
    file.abandon()
    assert os.listdir(root / file_id) == []


def test_a_finished_file_stays_whole_to_its_readers_when_it_is_deleted(storage: Storage) -> None:
    file_id = new_file_id()
    with storage.grow(file_id, NAME) as file, reader_of(storage, file_id) as reader:
        file.append(b"abc")
        file.finish()
        storage.delete(file_id)
        assert reader.look() == Growth(3, Stage.FINISHED)
        assert reader.read(0, 3) == b"abc"


def test_deleting_under_the_writer_ends_it_and_its_readers(storage: Storage, root: Path) -> None:
    file_id = new_file_id()
    with storage.grow(file_id, NAME) as file, reader_of(storage, file_id) as reader:
        file.append(bytes(100_000))
        file.flush()
        assert storage.delete(file_id) >= 100_000
        assert reader.look() == Growth(100_000, Stage.ABANDONED)
        assert reader.read(99_990, 100) == bytes(10)
        file.append(b"more")
        for write in (file.flush, file.finish, lambda: file.patch(0, b"x")):
            with pytest.raises(NotFoundError):
                write()
        assert reader.look().stage is Stage.ABANDONED
    assert not (root / file_id).exists()


def test_deleting_just_before_the_rename_is_noticed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = new_file_id()
    real = os.replace

    def replace(old: Path, new: Path) -> None:
        storage.delete(file_id)
        real(old, new)

    with storage.grow(file_id, NAME) as file, reader_of(storage, file_id) as reader:
        file.append(b"abc")
        monkeypatch.setattr(os, "replace", replace)
        with pytest.raises(NotFoundError):
            file.finish()
        assert reader.look().stage is Stage.ABANDONED


def test_one_writer_at_a_time_and_none_after_the_end(storage: Storage, root: Path) -> None:
    file_id = new_file_id()
    with storage.grow(file_id, NAME) as file:
        with pytest.raises(FileExistsError):
            storage.grow(file_id, NAME)
        with storage.grow(file_id, "other.32vid") as other:
            other.append(b"other")
            other.finish()
        file.append(b"one")
        file.finish()
    with pytest.raises(FileExistsError):
        storage.grow(file_id, NAME)
    assert sorted(os.listdir(root / file_id)) == ["other.32vid", NAME]
    assert content(storage, file_id) == b"one"


@pytest.mark.parametrize("name", ["", "..", "../x.mp3", ".output.mp3.part", "a/b.mp3", "output"])
def test_bad_names_grow_nothing(storage: Storage, root: Path, name: str) -> None:
    with pytest.raises(ValueError):
        storage.grow(new_file_id(), name)
    assert storage.open_growing(new_file_id(), name) is None
    assert os.listdir(root) == []


def test_bad_ids_grow_nothing(storage: Storage, root: Path) -> None:
    for file_id in ("", "..", "A" * 32):
        with pytest.raises(ValueError):
            storage.grow(file_id, NAME)
        assert storage.open_growing(file_id, NAME) is None
    assert os.listdir(root) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_writing_can_go_on(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    real = growing.write_at
    full: Iterator[bool] = iter([True, False])

    def full_once(file: FileIO, offset: int, data: bytes | bytearray) -> None:
        if next(full, False):
            real(file, offset, data[: len(data) // 2])
            raise OSError(code, "full")
        real(file, offset, data)

    monkeypatch.setattr(growing, "write_at", full_once)
    file_id = new_file_id()
    with storage.grow(file_id, NAME) as file, reader_of(storage, file_id) as reader:
        file.append(b"0123456789")
        with pytest.raises(NoSpaceError):
            file.flush()
        assert b"0123456789".startswith(reader.read(0, 100))
        file.append(b"abc")
        file.finish()
        assert reader.read(0, 100) == b"0123456789abc"


def test_a_disk_that_stays_full_leaves_nothing(
    storage: Storage, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    file_id = new_file_id()
    with storage.grow(file_id, NAME) as file:
        file.append(b"abc")
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(NoSpaceError):
            file.finish()
    assert os.listdir(root / file_id) == []


@pytest.mark.parametrize("point", ["before the rename", "after the rename"])
def test_a_crash_in_finish_leaves_all_or_nothing(storage: Storage, root: Path, point: str) -> None:
    """A process that ends without a word at each side of the step that publishes."""
    file_id = new_file_id()
    when = "os._exit(7)" if point == "before the rename" else "real(old, new); os._exit(7)"
    program = f"""
import os
from pathlib import Path
from gmapi.storage.local import LocalStorage

real = os.replace
def replace(old, new):
    {when}
file = LocalStorage(Path({str(root)!r})).grow({file_id!r}, {NAME!r})
file.append(b"whole")
os.replace = replace
file.finish()
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 7
    if point == "before the rename":
        with pytest.raises(NotFoundError):
            storage.open(file_id, NAME)
        with reader_of(storage, file_id) as reader:
            assert reader.look() == Growth(5, Stage.GROWING)
    else:
        assert content(storage, file_id) == b"whole"
        assert storage.open_growing(file_id, NAME) is None
    storage.delete(file_id)
    assert not (root / file_id).exists()


def test_a_killed_writer_leaves_a_prefix_that_ends_with_its_id(
    storage: Storage, root: Path
) -> None:
    file_id = new_file_id()
    program = f"""
import sys
from pathlib import Path
from gmapi.storage.local import LocalStorage

file = LocalStorage(Path({str(root)!r})).grow({file_id!r}, {NAME!r})
file.append(b"begun")
file.flush()
file.append(b"unseen")
print(flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline()
        reader = reader_of(storage, file_id)
        os.kill(writer.pid, signal.SIGKILL)
    with reader:
        assert reader.look() == Growth(5, Stage.GROWING)
        storage.delete(file_id)
        assert reader.look() == Growth(5, Stage.ABANDONED)
        assert reader.read(0, 100) == b"begun"


def test_readers_beside_a_writer_read_what_it_wrote(storage: Storage) -> None:
    """Each reads on as it can, from another start in time, until the file is finished."""
    file_id = new_file_id()
    pieces = [bytes([n % 251]) * (1 + n * 7919 % 9000) for n in range(400)]
    whole = b"".join(pieces)
    found: list[bytes] = []
    started = threading.Barrier(5)

    def follow() -> None:
        got = bytearray()
        with reader_of(storage, file_id) as reader:
            started.wait()
            while True:
                growth = reader.look()
                while len(got) < growth.size:
                    got += reader.read(len(got), min(50_000, growth.size - len(got)))
                if growth.stage is not Stage.GROWING:
                    break
        assert growth.stage is Stage.FINISHED
        found.append(bytes(got))

    threads = [threading.Thread(target=follow) for _ in range(4)]
    with storage.grow(file_id, NAME) as file:
        for thread in threads:
            thread.start()
        started.wait()
        for number, piece in enumerate(pieces):
            file.append(piece)
            if number % 7 == 0:
                file.flush()
        file.finish()
    for thread in threads:
        thread.join()
    assert found == [whole] * 4
    assert content(storage, file_id) == whole


def test_a_reader_that_opens_at_the_end_finds_the_file_one_way_or_the_other(
    storage: Storage,
) -> None:
    """Whoever looks for the growing file and then for the published one finds one of them."""
    for _ in range(40):
        file_id = new_file_id()
        file = storage.grow(file_id, NAME)
        file.append(b"abc")
        thread = threading.Thread(target=file.finish)
        thread.start()
        reader = storage.open_growing(file_id, NAME)
        if reader is None:
            assert content(storage, file_id) == b"abc"
        else:
            thread.join()
            assert reader.look() == Growth(3, Stage.FINISHED)
            reader.close()
        thread.join()
        storage.delete(file_id)
