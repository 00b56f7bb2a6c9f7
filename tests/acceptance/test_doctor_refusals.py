"""The doctor fails where `gmapi serve` would not start, and for the same reason."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.product.command import Command
from support.product.server import GmapiServer


def failures(gmapi: Command, **settings: str) -> dict[str, str]:
    """What the doctor finds to fail: name and text."""
    done = gmapi.here("doctor", "--json", **settings)
    answer = json.loads(done.stdout)
    found = {c["name"]: c["text"] for c in answer["checks"] if c["state"] == "failure"}
    assert answer["ok"] is (not found)
    assert all("remedy" in c for c in answer["checks"] if c["state"] == "failure")
    return found


def refusal(gmapi: Command, **settings: str) -> str:
    """What `serve` says before it ends without having started."""
    done = gmapi("serve", **settings)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    return done.stderr.decode()


def test_an_address_that_is_not_of_this_machine(here: Command) -> None:
    host = "203.0.113.5"
    assert "cannot listen on 203.0.113.5 port 0" in failures(here, GMAPI_HOST=host)["port"]
    assert "cannot listen on 203.0.113.5 port 0" in refusal(here, GMAPI_HOST=host)


def test_a_file_where_a_folder_must_be(here: Command, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "files").touch()
    assert "files is not a folder" in failures(here)["data folder"]
    assert "GMAPI_DATA_DIR: " in refusal(here)


def test_empty_tokens(here: Command) -> None:
    assert "GMAPI_TOKENS: it is empty" in failures(here, GMAPI_TOKENS="")["settings"]
    assert "GMAPI_TOKENS: it is empty" in refusal(here, GMAPI_TOKENS="")


@pytest.mark.skipif(sys.platform == "win32", reason="rights are told otherwise there")
def test_settings_that_others_may_write(here: Command) -> None:
    Path("gmapi.toml").write_text("workers = 1")
    os.chmod("gmapi.toml", 0o666)
    assert "others may write to it" in failures(here)["settings"]


def test_a_database_in_no_folder(here: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    url = f"sqlite:///{tmp_path}/file/gmapi.db"
    assert "cannot be made" in failures(here, GMAPI_DATABASE_URL=url)["database"]
    assert refusal(here, GMAPI_DATABASE_URL=url)


@pytest.mark.skipif(sys.platform == "win32", reason="the lock reaches no other process there")
def test_a_data_folder_in_use(here: Command, server: GmapiServer) -> None:
    found = failures(here, GMAPI_DATA_DIR=str(server.data_dir))
    assert "a server is running with" in found["server"]
    assert "another server is running with" in refusal(here, GMAPI_DATA_DIR=str(server.data_dir))


@pytest.mark.skipif(sys.platform == "win32", reason="rights are told otherwise there")
def test_a_data_folder_that_is_open_to_others_is_told(here: Command, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    look: Callable[[], str] = lambda: here.here("doctor").stdout.decode()  # noqa: E731
    assert "gmapi serve will close it" in look()
    (data / "holiday.jpg").touch()
    assert "gmapi serve leaves that so" in look()
    assert data.stat().st_mode & 0o777 == 0o755
