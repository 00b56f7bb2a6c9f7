"""The local storage: publishing, opening, deleting, counting."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import NoSpaceError, NotFoundError
from gmapi.storage.base import (
    check_file_id,
    check_name,
    new_file_id,
    space_errors,
)
from gmapi.storage.interface import Storage
from gmapi.storage.local import LocalStorage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path / "files")


def make(folder: Path, content: bytes, name: str = "work.out") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_publish_open_and_restart(storage: Storage, tmp_path: Path) -> None:
    file_id = new_file_id()
    stored = storage.publish(file_id, "output.dfpwm", make(tmp_path, b"0123456789"))
    assert (stored.file_id, stored.name, stored.size) == (file_id, "output.dfpwm", 10)
    assert stored.etag.startswith('"')
    assert stored.etag.endswith('"')
    assert not (tmp_path / "work.out").exists()
    restarted = LocalStorage(tmp_path / "files")
    with restarted.open(file_id, "output.dfpwm") as file:
        assert file.stored == stored
        assert file.read(0, 100) == b"0123456789"
        assert file.read(8, 100) == b"89"
        assert file.slice(2, 3).read() == b"234"
        assert file.slice(2, 3).source.fileno() == file.fileno()
        if sys.platform != "win32":
            assert file.slice(2, 3).source.tell() == 0, "readers share no position"
        for offset, length in ((-1, 2), (0, -1), (8, 3)):
            with pytest.raises(ValueError):
                file.slice(offset, length)
    assert storage.address(file_id, "output.dfpwm") == f"/download/{file_id}/output.dfpwm"


def test_etags_differ_by_id_name_and_size(storage: Storage, tmp_path: Path) -> None:
    one, two = new_file_id(), new_file_id()
    tags = {
        storage.publish(file_id, name, make(tmp_path, content)).etag
        for file_id, name, content in (
            (one, "a.mp3", b"x"),
            (one, "b.mp3", b"x"),
            (two, "a.mp3", b"x"),
            (two, "a.mp3", b"xy"),
        )
    }
    assert len(tags) == 4


def test_publish_across_file_systems(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(tmp_path, b"content")
    real = os.replace

    def replace(old: Path, new: Path) -> None:
        if Path(old) == source:
            raise OSError(errno.EXDEV, "cross-device link")
        real(old, new)

    monkeypatch.setattr(os, "replace", replace)
    file_id = new_file_id()
    storage.publish(file_id, "output.mp3", source)
    assert not source.exists()
    assert os.listdir(tmp_path / "files" / file_id) == ["output.mp3"]
    with storage.open(file_id, "output.mp3") as file:
        assert file.read(0, 100) == b"content"


@pytest.mark.skipif(
    not os.access("/dev/shm", os.W_OK)
    or os.stat("/dev/shm").st_dev == os.stat(tempfile.gettempdir()).st_dev,
    reason="needs two file systems",
)
def test_publish_from_another_file_system(storage: Storage) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        file_id = new_file_id()
        storage.publish(file_id, "output.mp3", make(Path(folder), b"content"))
        assert os.listdir(folder) == []
    with storage.open(file_id, "output.mp3") as file:
        assert file.read(0, 100) == b"content"


def test_a_copy_that_fails_leaves_nothing(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(tmp_path, b"content")

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    def other_device(*args: object) -> None:
        raise OSError(errno.EXDEV, "cross-device link")

    monkeypatch.setattr("shutil.copyfile", full)
    monkeypatch.setattr(os, "replace", other_device)
    file_id = new_file_id()
    with pytest.raises(NoSpaceError):
        storage.publish(file_id, "output.mp3", source)
    assert os.listdir(tmp_path / "files" / file_id) == []
    assert source.read_bytes() == b"content"


def test_links_and_folders_are_not_published(storage: Storage, tmp_path: Path) -> None:
    secret = make(tmp_path, b"secret", "secret")
    link = tmp_path / "link"
    link.symlink_to(secret)
    for source in (link, tmp_path):
        with pytest.raises(ValueError):
            storage.publish(new_file_id(), "output.mp3", source)
    assert list(storage.ids()) == []


def test_an_open_download_outlives_deletion(storage: Storage, tmp_path: Path) -> None:
    file_id = new_file_id()
    storage.publish(file_id, "output.mp3", make(tmp_path, b"x" * 100_000))
    with storage.open(file_id, "output.mp3") as file:
        part = file.slice(50_000, 10)
        assert storage.delete(file_id) >= 100_000
        assert part.read() == b"x" * 10
    with pytest.raises(NotFoundError):
        storage.open(file_id, "output.mp3")
    assert list(storage.ids()) == []
    assert storage.delete(file_id) == 0


def test_files_and_frames_of_an_id_are_counted_and_deleted_together(
    storage: Storage, tmp_path: Path
) -> None:
    one, two = sorted((new_file_id(), new_file_id()))
    storage.publish(one, "audio.dfpwm", make(tmp_path, b"x" * 50_000))
    with storage.frame_writer(one) as writer:
        for _ in range(250):
            writer.append(b"y" * 1000)
    storage.publish(two, "output.mp3", make(tmp_path, b"z" * 10_000))
    (tmp_path / "files" / "not-an-id").mkdir()
    assert storage.size(one) >= 300_000
    assert storage.used_bytes() == storage.size(one) + storage.size(two)
    os.utime(tmp_path / "files" / two / "output.mp3", (1000, 1000))
    os.utime(tmp_path / "files" / two, (2000, 2000))
    assert [file_id for file_id, _ in storage.ids()] == [one, two]
    assert dict(storage.ids())[two] == 2000
    with storage.frame_reader(one) as reader:
        assert reader.count() == 250
    size = storage.size(one)
    assert storage.delete(one) == size
    assert [file_id for file_id, _ in storage.ids()] == [two]
    assert storage.size(one) == 0


def test_growing_frames_are_a_change(storage: Storage, tmp_path: Path) -> None:
    file_id = new_file_id()
    with storage.frame_writer(file_id) as writer:
        writer.append(b"frame")
        writer.flush()
        folder = tmp_path / "files" / file_id
        for path in (folder, *folder.rglob("*")):
            os.utime(path, (1000, 1000))
        assert dict(storage.ids())[file_id] == 1000
        writer.append(b"frame")
        writer.flush()
        assert dict(storage.ids())[file_id] > 1000


BAD_NAMES = [
    "",
    ".",
    "..",
    "../output.mp3",
    "..\\output.mp3",
    "a/b.mp3",
    "/etc/passwd",
    ".hidden.mp3",
    "output",
    "output.",
    "a..mp3",
    "output.mp3\n",
    "output.mp3\0",
    "a b.mp3",
    "C:a.mp3",
    "\u00e9.mp3",
    "output.MP3",
    "x" * 101 + ".mp3",
    "frames/frames.index",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_reach_nothing(storage: Storage, tmp_path: Path, name: str) -> None:
    assert not check_name(name)
    with pytest.raises(NotFoundError):
        storage.open(new_file_id(), name)
    with pytest.raises(ValueError):
        storage.publish(new_file_id(), name, make(tmp_path, b""))


@pytest.mark.parametrize(
    "file_id", ["", "..", "a" * 31, "A" * 32, "a" * 32 + "\n", "../" + "a" * 29]
)
def test_bad_ids_reach_nothing(storage: Storage, tmp_path: Path, file_id: str) -> None:
    assert not check_file_id(file_id)
    with pytest.raises(NotFoundError):
        storage.open(file_id, "output.mp3")
    with pytest.raises(NotFoundError):
        storage.frame_reader(file_id)
    for write in (storage.frame_writer, lambda i: storage.publish(i, "a.b", make(tmp_path, b""))):
        with pytest.raises(ValueError):
            write(file_id)
    assert storage.delete(file_id) == 0
    assert storage.size(file_id) == 0


@given(st.text() | st.text("./\\ab\0%~:-_", max_size=12))
def test_a_name_that_passes_stays_in_its_folder(name: str) -> None:
    if check_name(name):
        assert name.isascii()
        assert os.path.normpath(name) == name == os.path.basename(name)
        assert "\\" not in name
        assert ":" not in name
        assert not name.startswith(".")


def test_good_names_and_ids() -> None:
    for name in ("output.dfpwm", "audio_left.dfpwm", "a-b.tar.gz", "output.32vid", "x.mp3"):
        assert check_name(name)
    ids = {new_file_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(map(check_file_id, ids))


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_device_is_no_space() -> None:
    with (
        open("/dev/full", "wb", buffering=0) as full,
        pytest.raises(NoSpaceError) as caught,
        space_errors(),
    ):
        full.write(b"x")
    assert isinstance(caught.value.cause, OSError)
    with pytest.raises(PermissionError), space_errors():
        raise PermissionError(errno.EACCES, "no")
