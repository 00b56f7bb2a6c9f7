"""`gmapi.toml`: how it is read, and when the one that lies in the current folder counts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gmapi.errors import SettingsError
from gmapi.settings import load_settings

NOBODY = 65534

needs_modes = pytest.mark.skipif(sys.platform == "win32", reason="rights are told otherwise there")
needs_root = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files away"
)


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file with a setting in the current folder."""
    for name in list(os.environ):
        if name.startswith("GMAPI_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "here"
    folder.mkdir(mode=0o755)
    monkeypatch.chdir(folder)
    path = folder / "gmapi.toml"
    path.write_text('ffmpeg = "/tmp/theirs"\nport = 7')
    path.chmod(0o644)
    return path


def refused(reason: str) -> None:
    with pytest.raises(SettingsError, match=rf"^gmapi\.toml in this folder is not used: {reason}"):
        load_settings()


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_mark_of_byte_order_is_none_of_the_text(file: Path, mark: str) -> None:
    file.write_bytes((mark + "port = 9\r\n").encode())
    assert load_settings().port == 9


def test_a_file_in_another_coding_is_named(file: Path) -> None:
    file.write_bytes('ffmpeg = "/tmp/ä"'.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"^gmapi\.toml: .*UTF-8"):
        load_settings()


def test_a_named_file_with_the_mark(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = file.with_name("other.toml")
    other.write_bytes(b"\xef\xbb\xbfport = 8")
    monkeypatch.setenv("GMAPI_CONFIG", str(other))
    assert load_settings().port == 8


def test_it_is_for_those_who_run_a_server(file: Path) -> None:
    assert load_settings().port == 7
    assert load_settings(found_file=False).port == 5000
    assert load_settings(found_file=False).ffmpeg is None


@needs_modes
@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o622])
def test_a_file_that_others_may_write(
    file: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    file.chmod(mode)
    refused(r"others may write to it.*chmod go-w gmapi\.toml.*GMAPI_CONFIG=gmapi\.toml")
    monkeypatch.setenv("GMAPI_CONFIG", "gmapi.toml")  # somebody's own word
    assert load_settings().port == 7


@needs_modes
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_folder_that_others_may_write(file: Path, mode: int) -> None:
    file.parent.chmod(mode)
    refused("others may write to its folder")


@needs_modes
def test_a_folder_like_tmp_leaves_to_each_what_is_his(file: Path) -> None:
    file.parent.chmod(0o1777)
    assert load_settings().port == 7


@needs_root
def test_a_file_of_somebody_else(file: Path) -> None:
    os.chown(file, NOBODY, NOBODY)
    refused("it belongs to somebody else")


@needs_root
def test_a_folder_of_somebody_else(file: Path) -> None:
    os.chown(file.parent, NOBODY, NOBODY)
    refused("its folder belongs to somebody else")


@needs_root
def test_a_link_that_somebody_else_made(file: Path) -> None:
    """To a file of this user that holds what that one wanted, perhaps a download."""
    file.rename(file.with_name("download.toml"))
    file.symlink_to("download.toml")
    assert load_settings().port == 7
    os.lchown(file, NOBODY, NOBODY)
    refused("it belongs to somebody else")


def test_a_folder_in_its_place(file: Path) -> None:
    file.unlink()
    file.mkdir()
    with pytest.raises(SettingsError, match=r"^gmapi\.toml cannot be read: Is a directory"):
        load_settings()


@needs_root
def test_a_strangers_pipe_is_not_opened(file: Path) -> None:
    """To open one waits for somebody who writes to it."""
    file.unlink()
    os.mkfifo(file)
    os.chown(file, NOBODY, NOBODY)
    refused("it belongs to somebody else")
