"""The lock of one file path."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from gmapi import filelock
from gmapi.filelock import FileLock


@pytest.fixture(params=[True, False], ids=["flock", "in-process"])
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if not request.param:
        monkeypatch.setattr(filelock, "fcntl", None)
    elif filelock.fcntl is None:
        pytest.skip("this system has no flock")
    return tmp_path / "a.lock"


def test_one_holder_at_a_time(path: Path) -> None:
    first, second = FileLock(path), FileLock(path)
    other = FileLock(path.with_name("b.lock"))
    assert first.try_acquire()
    assert not second.try_acquire()
    assert other.try_acquire()
    first.release()
    assert second.try_acquire()
    second.release(remove=True)
    assert not path.exists()
    assert first.try_acquire()
    first.release()
    other.release()


def test_removing_the_file_lets_no_two_in(path: Path) -> None:
    inside: list[int] = []
    crowds: list[int] = []

    def work(number: int) -> None:
        lock = FileLock(path)
        for _ in range(300):
            while not lock.try_acquire():
                pass
            inside.append(number)
            if len(inside) > 1:
                crowds.append(number)
            inside.remove(number)
            lock.release(remove=True)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert crowds == []


def test_a_file_removed_between_opening_and_locking_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if filelock.fcntl is None:
        pytest.skip("this system has no flock")
    path = tmp_path / "a.lock"
    first, second, third = FileLock(path), FileLock(path), FileLock(path)
    assert first.try_acquire()
    opening = os.open

    def open_late(*args: Any) -> int:
        file = opening(*args)
        monkeypatch.setattr(os, "open", opening)
        first.release(remove=True)
        assert third.try_acquire()
        return file

    monkeypatch.setattr(os, "open", open_late)
    assert not second.try_acquire()
    third.release()
    assert second.try_acquire()
    second.release()
