"""Conversions without a server, in this process, with real ffmpeg."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import MediaError, RefusedError, RequestError, SettingsError, SourceError
from gmapi.sandbox.launcher import spawn_fork_server
from gmapi.settings import Settings, load_settings
from gmapi.terminal.single_run import SingleRun
from gmapi.tools.ffmpeg import FFMPEG, FfmpegRequest
from support.http.origin import Exchange, Origin
from support.media import odd_files
from support.product.server import fork_servers


class Notes:
    """A reporter that keeps what it is told, and stops the work when asked to."""

    def __init__(self) -> None:
        self.percents: list[float] = []
        self.lines: list[str] = []
        self.stop = False

    def report(self, *, progress: float | None = None, **_: Any) -> None:
        if progress is not None:
            self.percents.append(progress)

    def log(self, line: str) -> None:
        self.lines.append(line)

    def check(self) -> None:
        if self.stop:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, which must be empty again afterwards."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"data_dir": str(tmp_path / "data")})


def request(url: str, **values: Any) -> FfmpegRequest:
    return FfmpegRequest.model_validate({"input_url": url, "output_format": "dfpwm", **values})


def test_a_file_becomes_dfpwm(settings: Settings, media_dir: Path, temporary: Path) -> None:
    song, notes = media_dir / "song.mp3", Notes()
    before = song.read_bytes()
    with SingleRun(settings, FFMPEG, request(str(song)), files={"input_url": song}) as run:
        done = run.convert(notes)
        assert temporary in done.path.parents
        assert done.path.stat().st_size == done.result.size
        # 6 seconds at 48,000 bits, and the little that MP3 adds at its ends.
        assert 36_000 <= done.result.size < 37_000
    assert notes.percents == sorted(notes.percents)
    assert any("dfpwm" in line for line in notes.lines)
    assert song.read_bytes() == before
    assert not settings.data_dir.exists()


def test_a_file_is_converted_without_loading_http(media_dir: Path, tmp_path: Path) -> None:
    """What a conversion of files never uses must not lengthen its start."""
    code = (
        "import sys\nfrom gmapi.cli import main\nmain(standalone_mode=False)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    words = ["convert", str(media_dir / "song.mp3"), "-f", "dfpwm", "-o", str(tmp_path / "out")]
    command = [sys.executable, "-c", code, *words]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert {"gmapi", "click", "pydantic"} <= set(loaded)
    assert {"urllib3", "rich", "yt_dlp", "defusedxml", "sqlalchemy"}.isdisjoint(loaded)


def test_a_fork_server_that_is_on_its_way_is_used_and_ended(
    settings: Settings, media_dir: Path
) -> None:
    fork_server = spawn_fork_server()
    song = media_dir / "song.mp3"
    asked = request(str(song))
    files = {"input_url": song}
    with SingleRun(settings, FFMPEG, asked, files=files, fork_server=fork_server) as run:
        if fork_server is not None:
            assert not fork_server.is_gone()
            assert len(fork_servers()) == 1
        run.convert(Notes())
    assert fork_servers() == []


def test_arguments_count(settings: Settings, media_dir: Path) -> None:
    song = media_dir / "song.mp3"
    asked = request(str(song), input_args=["-ss", "1"], args=["-t", "2"])
    with SingleRun(settings, FFMPEG, asked, files={"input_url": song}) as run:
        assert run.convert(Notes()).result.size == 12_000


def test_an_address_is_fetched_by_the_same_rules(settings: Settings, origin: Origin) -> None:
    url = origin.url("/song.mp3")
    with (
        SingleRun(settings, FFMPEG, request(url)) as run,
        pytest.raises(SourceError, match="private") as caught,
    ):
        run.convert(Notes())
    assert caught.value.code == "source_refused"
    with SingleRun(settings, FFMPEG, request(url), allow_private=True) as run:
        assert run.convert(Notes()).result.size >= 36_000


def test_the_allow_list_of_the_settings_holds(origin: Origin, tmp_path: Path) -> None:
    settings = load_settings({"data_dir": str(tmp_path / "d"), "fetch_allow": origin.authority})
    with SingleRun(settings, FFMPEG, request(origin.url("/song.mp3"))) as run:
        assert run.convert(Notes()).result.size >= 36_000


def test_a_bad_allow_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--fetch-allow: 'a b' is not a host"):
        load_settings({"data_dir": str(tmp_path / "d"), "fetch_allow": "a b"})


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"output_format": "html"}, RequestError),
        ({"args": ["-i", "/etc/passwd"]}, RefusedError),
        ({"input_args": ["-f", "lavfi"]}, RefusedError),
    ],
)
def test_requests_are_refused_before_anything_runs(
    settings: Settings, values: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        SingleRun(
            settings,
            FFMPEG,
            request("song.mp3", **values),
            files={"input_url": Path("song.mp3")},
        )


@pytest.mark.parametrize(
    ("content", "error", "code"),
    [
        (b"", SourceError, "source_empty"),
        (b"#EXTM3U\nhttp://127.0.0.1/secret\n", SourceError, "source_not_media"),
        (b"PK\x03\x04" + b"song" * 200, SourceError, "source_not_media"),
        (b"Not found", MediaError, "source_not_media"),
        (odd_files.tiled_tiff(), MediaError, "corrupt_media"),
        (b"\x00\x01garbage" * 200, MediaError, None),
    ],
)
def test_files_that_are_no_media(
    settings: Settings, tmp_path: Path, content: bytes, error: type[Exception], code: str | None
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with (
        SingleRun(settings, FFMPEG, request("file"), files={"input_url": file}) as run,
        pytest.raises(error) as caught,
    ):
        run.convert(Notes())
    assert code is None or getattr(caught.value, "code", None) == code


def test_stopping_while_the_source_is_slow(settings: Settings, origin: Origin) -> None:
    notes = Notes()

    def slow(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": "100000"})
        exchange.raw(b"\x00" * 1000)
        notes.stop = True
        exchange.wait(60)

    url = origin.add("/slow-single-run", slow)
    with (
        SingleRun(settings, FFMPEG, request(url), allow_private=True) as run,
        pytest.raises(KeyboardInterrupt),
    ):
        run.convert(notes)
