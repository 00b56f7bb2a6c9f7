"""The folder watch: each limit is noticed, once, and nothing else is."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from gmapi.sandbox.folder_watch import FolderWatch

BLOCK = 1 << 16
PATIENCE = 20.0


class Watched:
    """A watch whose calls can be awaited; a limit that is not named is out of reach."""

    def __init__(
        self,
        folders: Sequence[Path],
        max_bytes: int = 1 << 40,
        max_files: int = 1 << 30,
        deadline_seconds: float = 3600.0,
    ) -> None:
        self.calls: list[str] = []
        self.called = threading.Event()
        self.watch = FolderWatch(
            folders, max_bytes, max_files, deadline_seconds, self._note, interval=0.01
        )

    def _note(self, what: str) -> None:
        self.calls.append(what)
        self.called.set()


def write(path: Path, size: int) -> None:
    path.write_bytes(os.urandom(size))
    with path.open("rb") as file:
        os.fsync(file.fileno())  # blocks may be counted only once they are allocated


def test_bytes_of_all_folders_at_any_depth_add_up(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b" / "c" / "d"
    first.mkdir()
    second.mkdir(parents=True)
    watched = Watched([first, tmp_path / "b"], max_bytes=6 * BLOCK)
    with watched.watch:
        write(first / "one", 4 * BLOCK)
        assert not watched.called.wait(0.1)
        write(second / "two", 4 * BLOCK)
        assert watched.called.wait(PATIENCE)
    assert watched.calls == ["bytes"]
    assert watched.watch.exceeded == "bytes"


def test_sparse_files_count_what_they_take(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    watched = Watched([tmp_path], max_bytes=1 << 20)
    with watched.watch:
        assert not watched.called.wait(0.1)
        write(tmp_path / "real", 2 << 20)
        assert watched.called.wait(PATIENCE)
    assert watched.calls == ["bytes"]


def test_files_and_folders_are_counted(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    for number in range(9):
        (inner / str(number)).touch()
    watched = Watched([tmp_path], max_files=10)
    with watched.watch:
        assert not watched.called.wait(0.1)
        (inner / "deeper").mkdir()
        assert watched.called.wait(PATIENCE)
    assert watched.calls == ["files"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    write(outside / "big", 8 * BLOCK)
    (inside / "file").symlink_to(outside / "big")
    (inside / "folder").symlink_to(outside)
    watched = Watched([inside], max_bytes=4 * BLOCK, max_files=2)
    with watched.watch:
        assert not watched.called.wait(0.1)
    assert watched.watch.exceeded is None


def test_time_is_up(tmp_path: Path) -> None:
    watched = Watched([tmp_path], deadline_seconds=0.05)
    with watched.watch:
        assert watched.called.wait(PATIENCE)
    assert watched.calls == ["time"]


def test_a_long_interval_delays_neither_deadline_nor_exit(tmp_path: Path) -> None:
    called = threading.Event()
    with FolderWatch([tmp_path], 1, 1, 0.05, lambda what: called.set(), interval=3600):
        assert called.wait(PATIENCE)
    # The test's own time limit fails this one if leaving waited for the interval.
    with FolderWatch([tmp_path], 1, 1, 3600, lambda what: called.set(), interval=3600):
        pass


def test_files_that_come_and_go_are_no_trouble(tmp_path: Path) -> None:
    watched = Watched([tmp_path, tmp_path / "never made"], max_files=1000)
    with watched.watch:
        for number in range(200):
            folder = tmp_path / f"f{number}"
            folder.mkdir()
            (folder / "file").touch()
            (folder / "file").unlink()
            folder.rmdir()
        assert not watched.calls
        for number in range(1001):
            (tmp_path / str(number)).touch()
        assert watched.called.wait(PATIENCE)
    assert watched.calls == ["files"]


def test_a_folder_that_may_not_be_read_is_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Permissions do not bind root, who may be running this, so the refusal is brought about here.
    closed = tmp_path / "closed"
    closed.mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path == str(closed):
            raise PermissionError(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    watched = Watched([tmp_path])
    with watched.watch:
        assert watched.called.wait(PATIENCE)
    assert watched.calls == ["files"]
