"""What merely lies in the folder that a command runs in is neither run nor believed, and nobody
else looks into the data folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import SONG
from support.http.origin import Origin
from support.product.command import Command
from support.product.server import GmapiServer

# Some that the command, the supervisor, the web process and a worker import, each by itself.
MODULES = ("structlog", "click", "gevent", "huey", "flask", "numpy", "tomllib", "sqlite3", "_gmapi")


@pytest.fixture
def marker(gmapi: Command, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that something in the folder of `gmapi` makes when it is run or imported."""
    marker = gmapi.folder.parent / "marker"
    for name in MODULES:
        (gmapi.folder / f"{name}.py").write_text(f"open({str(marker)!r}, 'w').write(__name__)\n")
    trap = gmapi.folder / "ffmpeg"
    trap.write_text(f"#!/bin/sh\necho ffmpeg >{marker}\n")
    trap.chmod(0o755)
    (gmapi.folder / "gmapi.toml").write_text(f'ffmpeg = "{trap}"\n')
    monkeypatch.chdir(gmapi.folder)
    return marker


def test_convert_believes_no_settings_that_lie_there(
    gmapi: Command, marker: Path, media_dir: Path
) -> None:
    done = gmapi("convert", str(media_dir / "song.mp3"), "-f", "wav")
    assert done.returncode == 0, done.stderr
    assert (gmapi.folder / "song.wav").stat().st_size > 1000
    assert not marker.exists()
    # Somebody's own word.
    done = gmapi("convert", str(media_dir / "song.mp3"), "-f", "flac", GMAPI_CONFIG="gmapi.toml")
    assert done.returncode != 0
    assert b"ffmpeg" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="rights are told otherwise there")
def test_serve_and_doctor_refuse_settings_that_others_may_write(
    gmapi: Command, marker: Path
) -> None:
    os.chmod("gmapi.toml", 0o666)
    for words in (["serve"], ["doctor"], ["web"], ["worker"]):
        done = gmapi(*words)
        assert done.returncode == 1, words
        said = (done.stdout + done.stderr).decode()
        assert "gmapi.toml in this folder is not used: others may write to it" in said
        assert "Traceback" not in said
    assert gmapi("tasks", GMAPI_PORT="1").returncode == 1  # it says that there is no server
    assert not marker.exists()


def test_a_server_imports_nothing_that_lies_there_and_its_data_folder_is_its_owners_alone(
    make_server: Callable[..., GmapiServer], origin: Origin, marker: Path
) -> None:
    os.unlink("gmapi.toml")
    server = make_server(workers=1)
    server.data_dir.mkdir()
    server.data_dir.chmod(0o755)  # as an earlier version made it
    with server:
        answer = server.post("/api/ffmpeg", {**SONG, "input_url": origin.url("/song.mp3")}).json()
        assert answer["status"] == "success", answer
        made = [server.data_dir, *server.data_dir.rglob("*")]
        assert any(path.parent.name == answer["file_id"] for path in made)
        assert any(path.suffix == ".data" for path in made)
        if sys.platform != "win32":  # rights are told otherwise there
            assert {oct(path.stat().st_mode & 0o077) for path in made} == {"0o0"}
            assert "was open to others and is closed now" in server.log_text()
    assert not marker.exists()
