"""Whose the data folder is."""

from __future__ import annotations

import logging
import os
import stat
import sys
from pathlib import Path

import pytest

from gmapi import data_folder

if sys.platform == "win32":
    pytest.skip("rights are told otherwise there", allow_module_level=True)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_one_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    data_folder.make(folder)
    assert mode(folder) == 0o700
    data_folder.make(folder)
    assert mode(folder) == 0o700


def test_one_of_an_earlier_version_is_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o755)
    for name in ("files", "attempts"):
        (tmp_path / name).mkdir()
    (tmp_path / "gmapi.db-wal").touch()
    with caplog.at_level(logging.WARNING):
        data_folder.make(tmp_path)
    assert mode(tmp_path) == 0o700
    assert "was open to others and is closed now" in caplog.text


def test_a_folder_with_other_things_is_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A home, or /tmp: whoever runs a server there does not want to lock others out of it."""
    tmp_path.chmod(0o1777)
    (tmp_path / "gmapi.db").touch()
    (tmp_path / "holiday.jpg").touch()
    data_folder.make(tmp_path)
    assert mode(tmp_path) == 0o1777
    assert "others may look into the data folder" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_of_somebody_else_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    os.chown(folder, 65534, 65534)
    data_folder.make(folder)
    assert mode(folder) == 0o755


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="exists"):
        data_folder.make(tmp_path / "file")
