"""What a conversion warns of, by real ffmpeg programs, and how the command line tells it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gmapi.cli import main
from gmapi.settings import load_settings
from gmapi.terminal.single_run import Converted, SingleRun
from gmapi.tools.ffmpeg import FFMPEG, FfmpegRequest
from support.media.programs import PROGRAMS
from support.product.works import Notes

SONG_SECONDS = 6.0
MP3_PADDING = 0.15


def dfpwm(program: str, folder: Path, song: Path, notes: Notes, *args: str) -> Converted:
    settings = load_settings({"data_dir": str(folder / "data"), "ffmpeg": program})
    request = FfmpegRequest(input_url="http://x/", output_format="dfpwm", args=list(args))
    with SingleRun(settings, FFMPEG, request, files={"input_url": song}) as run:
        return run.convert(notes)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["-ac", "2"], "2 channels at 48,000 Hz"),
        pytest.param(
            ["-ac:a", "2", "-ar", "44.1k"],
            "2 channels at 44,100 Hz",
            marks=pytest.mark.both_ffmpegs,
        ),
        (["-vn", "-ar", "24000", "-ac", "1"], "1 channel at 24,000 Hz"),
        (["-af", "pan=stereo|c0=c0|c1=c0", "-ac:a:0", "6"], "6 channels at 48,000 Hz"),
    ],
)
def test_dfpwm_that_the_game_cannot_play_is_told(
    program: str, args: list[str], told: str, tmp_path: Path, media_dir: Path
) -> None:
    notes = Notes()
    made = dfpwm(program, tmp_path, media_dir / "song.mp3", notes, *args).result
    assert made.duration is not None
    assert SONG_SECONDS <= made.duration < SONG_SECONDS + MP3_PADDING
    (warning,) = made.warnings or []
    assert told in warning
    assert "one channel at 48,000 Hz" in warning
    assert notes.lines.count(f"warning: {warning}") == 1


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    "args",
    [
        [],
        ["-vn", "-ar", "48000", "-ac", "1"],
        ["-vn", "-ar", "48000", "-filter_complex", "pan=mono|c0=FL"],
        pytest.param(
            ["-metadata", "title=Stream #0:0: Audio: dfpwm, 8000 Hz, stereo"],
            marks=pytest.mark.both_ffmpegs,
        ),
    ],
)
def test_dfpwm_that_it_can_play_is_not_warned_of(
    program: str, args: list[str], tmp_path: Path, media_dir: Path
) -> None:
    made = dfpwm(program, tmp_path, media_dir / "stereo.wav", Notes(), *args).result
    assert made.warnings is None
    assert made.duration == pytest.approx(4.0, abs=0.01)


def test_the_command_line_shows_warnings_beside_the_output(
    tmp_path: Path, media_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GMAPI_DATA_DIR", str(tmp_path / "data"))
    song = str(media_dir / "song.mp3")
    words = ["convert", song, "-f", "dfpwm", "--local", "-o", "-", "--args=-t 1 -ac 2"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.stderr
    assert len(result.stdout_bytes) == 12_000
    warned, made = result.stderr.splitlines()[-2:]
    assert warned.startswith("warning: The game plays DFPWM of one channel at 48,000 Hz only")
    assert made == "standard output: 12,000 bytes, 1.0 s"
