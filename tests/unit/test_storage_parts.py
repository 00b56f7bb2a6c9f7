"""Numbered parts of a stream: windows, readers beside the writer, deaths and deletions."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import NoSpaceError, NotFoundError
from gmapi.storage import parts
from gmapi.storage.base import new_file_id
from gmapi.storage.interface import Storage
from gmapi.storage.local import LocalStorage
from gmapi.storage.parts import MissingPart


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path)


def read(storage: Storage, file_id: str, number: int) -> bytes:
    with storage.part_reader(file_id, "sound") as reader:
        return reader.part(number).read()


def test_a_part_can_be_read_as_soon_as_it_is_written(storage: Storage) -> None:
    file_id = new_file_id()
    with storage.part_reader(file_id, "sound") as reader:
        assert reader.bounds() is None
        with pytest.raises(MissingPart):
            reader.part(1)
    with storage.part_writer(file_id, "sound") as writer:
        assert writer.append(b"one") == 1
        assert read(storage, file_id, 1) == b"one"
        assert writer.append(b"") == 2
        assert read(storage, file_id, 2) == b""
        with storage.part_reader(file_id, "sound") as reader:
            assert reader.bounds() == (1, 2)
    assert read(storage, file_id, 1) == b"one"
    assert {name for name, _ in storage.ids()} == {file_id}
    assert storage.size(file_id) > 0


def test_a_window_drops_the_oldest_and_who_reads_them_goes_on(storage: Storage) -> None:
    file_id = new_file_id()
    with storage.part_writer(file_id, "sound", first=10_000_001, window=3) as writer:
        writer.append(b"first")
        with storage.part_reader(file_id, "sound") as reader:
            held = reader.part(10_000_001)
            for _ in range(4):
                writer.append(b"later")
            assert reader.bounds() == (10_000_003, 10_000_005)
            assert held.read() == b"first"
            with pytest.raises(MissingPart):
                reader.part(10_000_002)


def test_streams_of_one_id_are_apart_and_have_one_writer_each(storage: Storage) -> None:
    file_id = new_file_id()
    with storage.part_writer(file_id, "sound") as sound:
        sound.append(b"sound")
        with storage.part_writer(file_id, "pictures") as pictures:
            pictures.append(b"picture")
        with pytest.raises(FileExistsError):
            storage.part_writer(file_id, "sound")
    assert read(storage, file_id, 1) == b"sound"
    assert storage.delete(file_id) > 0
    assert list(storage.ids()) == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "1", ".a", "a" * 41, "a\n"])
def test_only_words_name_streams(storage: Storage, name: str) -> None:
    with pytest.raises(ValueError, match="stream"):
        storage.part_writer(new_file_id(), name)
    with pytest.raises(NotFoundError):
        storage.part_reader(new_file_id(), name)
    with pytest.raises(NotFoundError):
        storage.part_reader("../../etc", "sound")


@pytest.mark.parametrize("number", [0, -1, parts.NUMBER_MAX + 1])
def test_numbers_that_cannot_be_are_not_there(storage: Storage, number: int) -> None:
    with pytest.raises(MissingPart):
        read(storage, new_file_id(), number)


def test_a_writer_whose_id_is_deleted_finds_out(storage: Storage) -> None:
    file_id = new_file_id()
    writer = storage.part_writer(file_id, "sound")
    writer.append(b"one")
    storage.delete(file_id)
    with pytest.raises(NotFoundError):
        writer.append(b"two")
    writer.close()
    assert list(storage.ids()) == []


def test_a_full_disk_takes_no_part_and_it_can_be_tried_again(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = new_file_id()
    with storage.part_writer(file_id, "sound") as writer:
        whole = parts.write_at

        def half(file: Any, offset: int, data: bytes) -> None:
            whole(file, offset, data[:2])
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr(parts, "write_at", half)
        with pytest.raises(NoSpaceError):
            writer.append(b"sound")
        with pytest.raises(MissingPart):
            read(storage, file_id, 1)
        monkeypatch.setattr(parts, "write_at", whole)
        assert writer.append(b"sound") == 1
    assert read(storage, file_id, 1) == b"sound"


DYING = """
import os, signal, sys
from pathlib import Path
from gmapi.storage import parts
writer = parts.PartWriter(Path(sys.argv[1]))
writer.append(b"whole")
write = parts.write_at
def die(file, offset, data):
    write(file, offset, data[:3])
    os.kill(os.getpid(), signal.SIGKILL)
parts.write_at = die
writer.append(b"never whole")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_a_writer_killed_in_the_middle_leaves_nothing_that_looks_whole(
    storage: Storage, tmp_path: Path
) -> None:
    file_id = new_file_id()
    folder = tmp_path / file_id / parts.PARTS_FOLDER / "sound"
    done = subprocess.run([sys.executable, "-c", DYING, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(folder)) == 2
    with storage.part_reader(file_id, "sound") as reader:
        assert reader.bounds() == (1, 1)
        assert reader.part(1).read() == b"whole"
        with pytest.raises(MissingPart):
            reader.part(2)
    # What is left goes with its id.
    assert storage.delete(file_id) > 0
    assert list(storage.ids()) == []


def test_parts_are_made_sure_of_in_lots_and_at_the_end(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(parts, "_sync_file", lambda path: synced.append(path.name))
    with storage.part_writer(new_file_id(), "sound") as writer:
        for _ in range(parts.SYNCED_EVERY + 2):
            writer.append(b"x")
        assert len(synced) == parts.SYNCED_EVERY
    assert len(synced) == parts.SYNCED_EVERY + 2
