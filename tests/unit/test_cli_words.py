"""The command line without ffmpeg and without a server: words, refusals, what is shown."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gmapi.cli import main
from gmapi.errors import RefusedError, RequestError, SourceError
from gmapi.media.binaries import Abilities, Ffmpeg
from gmapi.sandbox.protection import Protection
from gmapi.settings import load_settings
from gmapi.terminal.client import Task, local_base, server_base
from gmapi.terminal.display import Display, clock_text, duration_text
from gmapi.terminal.failures import ClientError, is_usage, sentence
from gmapi.terminal.startup import Facts, summary
from gmapi.terminal.task_table import print_task, print_tasks

HEAVY = {"flask", "gevent", "sqlalchemy", "alembic", "huey"}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder of its own and no settings of the machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GMAPI_DATA_DIR", str(tmp_path / "data"))


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def refused(*words: str) -> str:
    """The standard error of a call that is at fault."""
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return result.stderr


@pytest.mark.parametrize(
    "module",
    ["cli", "terminal.convert", "terminal.single_run", "terminal.client", "terminal.doctor"],
)
def test_starting_the_command_loads_no_server_and_no_database(module: str) -> None:
    code = f"import sys, json, gmapi.{module}; print(json.dumps(list(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    assert HEAVY.isdisjoint(json.loads(output))


def test_what_is_loaded_is_not_looked_through_once_more_at_the_end() -> None:
    # What is registered first is called last.
    tell = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count()))"
    code = f"{tell}; import gmapi.__main__"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    assert int(output) > 10_000


@pytest.mark.parametrize("command", ["serve", "convert", "tasks", "doctor"])
def test_help_names_the_commands(command: str) -> None:
    assert command in run("--help").stdout
    result = run(command, "-h")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_a_missing_file_is_a_wrong_call() -> None:
    assert "There is no file song.mp3" in refused("convert", "song.mp3", "--format", "dfpwm")


@pytest.mark.parametrize("words", [[], ["-o", "out"], ["-o", "-"], ["-o", "new.mp3/"], ["-o", "."]])
def test_a_format_must_be_known(words: list[str]) -> None:
    Path("song.mp3").write_bytes(b"x")
    assert "format with -f, or a file with -o" in refused("convert", "song.mp3", *words)


def test_the_format_may_follow_from_the_output() -> None:
    Path("song.mp3").write_bytes(b"x")
    stderr = refused("convert", "song.mp3", "-o", "x.dfpw")
    assert "--format dfpw is not known; did you mean dfpwm" in stderr


def test_a_folder_as_input_is_told_from_a_missing_file() -> None:
    Path("music").mkdir()
    os.mkfifo("pipe")
    assert "music is a folder; name a file in it" in refused("convert", "music", "-f", "mp3")
    assert "gmapi convert - <pipe" in refused("convert", "pipe", "-f", "mp3")
    words = ["convert", "http://example.org/a.mp4", "-f", "32vid", "--subtitles", "music"]
    assert "music is a folder" in refused(*words)


def test_standard_input_is_looked_at_last() -> None:
    assert "--format dfpw is not known" in refused("convert", "-", "-f", "dfpw")
    words = ["convert", "-", "-f", "mp3", "--server", "http://127.0.0.1:1"]
    assert "URLs only" in refused(*words)
    result = run("convert", "-", "-f", "mp3")  # the runner gives an empty one
    assert result.exit_code == 1
    assert "Standard input is empty" in result.stderr


def test_only_http_addresses_are_fetched() -> None:
    stderr = refused("convert", "ftp://example.org/song.mp3", "--format", "dfpwm")
    assert "http://" in stderr


def test_a_server_takes_no_files() -> None:
    Path("song.mp3").write_bytes(b"x")
    stderr = refused("convert", "song.mp3", "-f", "dfpwm", "--server", "http://127.0.0.1:1")
    assert "URLs only" in stderr


@pytest.mark.parametrize("option", ["--local", "--allow-private"])
def test_a_server_excludes_running_here(option: str) -> None:
    words = ["convert", "http://example.org/a", "-f", "mp3", "--server", "http://127.0.0.1:1"]
    assert option in refused(*words, option)


@pytest.mark.parametrize("option", ["--args", "--input-args"])
def test_open_quotes_are_refused(option: str) -> None:
    stderr = refused("convert", "song.mp3", "-f", "mp3", f"{option}=-metadata 'title")
    assert option in stderr
    assert "quot" in stderr


def test_the_length_of_a_playlist_has_bounds() -> None:
    words = ["convert", "http://example.org/a.m3u8", "-f", "mp3", "--local"]
    stderr = refused(*words, "--max-duration", "0")
    assert "--max-duration: must be at least 1" in stderr


def test_an_unknown_format_is_named_in_the_words_of_the_command() -> None:
    Path("song.mp3").write_bytes(b"x")
    stderr = refused("convert", "song.mp3", "-f", "dfpw")
    assert "--format dfpw" in stderr
    assert "did you mean dfpwm" in stderr
    assert "output_format" not in stderr


def test_wrong_settings_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GMAPI_PORT", "many")
    monkeypatch.setenv("GMAPI_WORKERS", "0")
    result = run("tasks")
    assert result.exit_code == 1
    assert "GMAPI_PORT" in result.stderr
    assert "GMAPI_WORKERS" in result.stderr


def test_doctor_reports_every_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GMAPI_PORTS", "1")
    result = run("doctor", "--workers", "none", "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    failures = [check for check in answer["checks"] if check["state"] == "failure"]
    assert not answer["ok"]
    assert {check["name"] for check in failures} == {"settings"}
    texts = " ".join(check["text"] for check in failures)
    assert "did you mean GMAPI_PORT?" in texts
    assert "--workers" in texts
    assert all(check["remedy"] for check in failures)


@pytest.mark.parametrize(
    ("error", "text", "usage"),
    [
        (RequestError("args: no", field="args"), "--args: no.", True),
        (RefusedError("input_args[2]: no", field="input_args[2]"), "--input-args[2]: no.", True),
        (RequestError("input_url is empty.", field="input_url"), "INPUT is empty.", True),
        (SourceError("the source is gone"), "The source is gone.", False),
        (
            SourceError("HTTP 404; check that input_url opens"),
            "HTTP 404; check that INPUT opens.",
            False,
        ),
        (ClientError("args: no.", field="args", status_code=403), "--args: no.", True),
        (ClientError("The queue is full.", status_code=429), "The queue is full.", False),
    ],
)
def test_errors_speak_of_options(error: RequestError, text: str, usage: bool) -> None:
    assert sentence(error) == text
    assert is_usage(error) is usage


# -- progress ---------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def plain(verbose: bool = False) -> tuple[Display, io.StringIO]:
    output = io.StringIO()
    return Display(output, verbose=verbose), output


def test_without_a_terminal_progress_is_a_few_lines() -> None:
    display, output = plain()
    with display:
        display.report(progress=0, message="Fetching the source from nas.lan.")
        for percent in range(15, 100):
            display.report(progress=percent, message=f"Converting: {percent} s done.", eta=90)
            display.log("frame= 1")
    lines = output.getvalue().splitlines()
    assert lines[0] == "  0 %  Fetching the source from nas.lan."
    assert lines[1] == " 15 %  Converting: 15 s done. (1:30 left)"
    assert [int(line[:3]) for line in lines[1:]] == list(range(15, 100, 10))


def test_lines_are_never_cut_and_cannot_steer_the_terminal() -> None:
    display, output = plain(verbose=True)
    display.log("[red]" + "x" * 200 + "\x1b[2J\u202e")
    assert output.getvalue() == "[red]" + "x" * 200 + " [2J \n"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    output = Terminal()
    with Display(output, verbose=True) as display:
        display.report(progress=42, message="Converting [b]: 3 s done.", eta=61)
        display.report(progress=41, eta=61)
        display.log("[red]" + "x" * 200)
    shown = output.getvalue()
    assert "Converting [b]: 3 s done." in shown
    assert "42 %" in shown
    assert "41 %" not in shown
    assert "1:01 left" in shown
    assert "[red]" + "x" * 200 in shown


def test_a_file_that_grows_takes_nothing_from_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    output = Terminal()
    with Display(output) as display:
        display.report(progress=42, message="Converting: 3 s done.", eta=61)
        display.report(result={"size": 6000})
    assert "1:01 left" in output.getvalue().rpartition("42 %")[2]


def test_no_bar_on_a_terminal_that_cannot_move(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    output = Terminal()
    with Display(output, verbose=True) as display:
        display.report(progress=42, message="Converting: 3 s done.", eta=61)
        display.log("frame= 1")
    assert output.getvalue() == " 42 %  Converting: 3 s done. (1:01 left)\nframe= 1\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (6.2, "0:07"), (750, "12:30"), (3723, "1:02:03")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (119, "119 s"), (180, "3 min"), (7200, "2 h"), (2e5, "2 d")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


# -- addresses and tasks ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("http://127.0.0.1:5000/", "http://127.0.0.1:5000"),
        ("media.lan:5000", "http://media.lan:5000"),
        ("https://example.org/gmapi/", "https://example.org/gmapi"),
        ("http://[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_server_addresses(text: str, base: str) -> None:
    assert server_base(text) == base


@pytest.mark.parametrize("text", ["", "ftp://a", "http://", "http://a:port", "http://a/?x=1"])
def test_what_is_no_server_address(text: str) -> None:
    with pytest.raises(ClientError, match="no address of a server"):
        server_base(text)


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("192.168.1.5", "http://192.168.1.5:1"),
    ],
)
def test_address_of_a_local_server(host: str, base: str) -> None:
    assert local_base(host, 1) == base


def test_texts_of_a_task_can_be_printed() -> None:
    task = Task.read(
        {
            "task_id": "a",
            "tool": "ffmpeg",
            "status": "error",
            "progress": 3,
            "message": "no\x1b[2J",
            "error": "no\nway",
            "created_at": 1,
            "new_logs": ["\x07"],
        }
    )
    assert (task.message, task.error, task.lines) == ("no [2J", "no way", [" "])
    assert task.is_finished
    assert task.result == {}


def listed(**more: object) -> Task:
    fields = {"task_id": "a1", "tool": "ffmpeg", "status": "running", "progress": 3}
    return Task.read({**fields, "message": "Converting.", "created_at": 1, **more})


def test_tasks_are_shown_with_what_their_callers_call_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_tasks([listed(label="for the\x1b radio"), listed()], 2)
    head, named, plain = (line.split() for line in capsys.readouterr().out.splitlines())
    assert head[-2:] == ["label", "message"]
    assert named[-4:] == ["for", "the", "radio", "Converting."]
    assert plain[-1] == "Converting."
    print_tasks([listed()], 1)
    assert "label" not in capsys.readouterr().out
    print_task(listed(label="for the radio"))
    assert "Label    for the radio\n" in capsys.readouterr().out


# -- the start-up summary -----------------------------------------------------------------------

FFMPEG_PATH = "/a/very/long/path/" + "folder/" * 12 + "ffmpeg"


Capture = pytest.CaptureFixture[str]


def summary_text(capsys: Capture, **flags: str) -> str:
    ffmpeg = Ffmpeg(Path(FFMPEG_PATH), "9.0", lambda: Abilities(frozenset(), frozenset()))
    facts = Facts(ffmpeg, Protection("partial", ("seccomp filter",), 6), "native code")
    summary(load_settings(flags), facts, 5001)
    return capsys.readouterr().err


def test_the_summary_cuts_nothing_on_narrow_outputs(capsys: Capture) -> None:
    lines = summary_text(capsys).splitlines()
    assert any(line.endswith(f"9.0 ({FFMPEG_PATH})") for line in lines)
    assert any(line.endswith("partial (missing: seccomp filter)") for line in lines)
    assert '        host = "127.0.0.1"' in lines
    assert "        port = 5001" in lines
    assert "    [[http.rules]]" in lines


def test_the_summary_of_a_server_for_the_network(capsys: Capture) -> None:
    text = summary_text(capsys, host="0.0.0.0")
    assert "http://127.0.0.1:5001\n" in text
    assert "all addresses of this machine, port 5001" in text
    assert 'host = "127.0.0.1"' in text


def test_the_summary_names_the_public_address(capsys: Capture) -> None:
    text = summary_text(capsys, public_url="https://media.example.org")
    assert "https://media.example.org\n" in text
    assert "127.0.0.1 port 5001" in text
    assert 'host = "media.example.org"' in text
    assert "port = 443" in text


def test_the_summary_shows_ipv6_addresses_whole(capsys: Capture) -> None:
    text = summary_text(capsys, host="fd00::1")
    assert "http://[fd00::1]:5001\n" in text
    assert 'host = "fd00::1"' in text
