"""The `gmapi` command as people call it: as a process of its own, or in this one where that makes
no difference."""

from __future__ import annotations

import array
import json
import math
import signal
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gmapi.jobs import schema
from gmapi.jobs.database import connect
from support.http.origin import Exchange, Origin
from support.media.files import ffmpeg_program
from support.media.programs import make_media
from support.product.command import Command
from support.product.server import GmapiServer, alive, descendants, wait_for

RATE = 48_000


def decoded(dfpwm: bytes) -> array.array[int]:
    """The samples that ffmpeg reads from DFPWM sound."""
    command = [ffmpeg_program(), "-v", "error", "-f", "dfpwm", "-ar", str(RATE), "-ac", "1"]
    command += ["-i", "pipe:0", "-f", "s16le", "-c:a", "pcm_s16le", "pipe:1"]
    output = subprocess.run(command, input=dfpwm, stdout=subprocess.PIPE, check=True).stdout
    return array.array("h", output)


def strength(samples: array.array[int], hertz: float) -> float:
    """How much of one second of sound, from the middle on, is a tone of this pitch (0 to 1)."""
    part = samples[len(samples) // 2 :][:RATE]
    angles = [2 * math.pi * hertz * at / RATE for at in range(len(part))]
    across = sum(s * math.cos(a) for s, a in zip(part, angles, strict=True))
    along = sum(s * math.sin(a) for s, a in zip(part, angles, strict=True))
    power = sum(sample * sample for sample in part) * len(part) / 2
    return (across**2 + along**2) / power


def assert_song(dfpwm: bytes) -> None:
    """Six seconds of a tone of 440 Hz."""
    samples = decoded(dfpwm)
    assert 6.0 <= len(samples) / RATE < 6.15
    assert strength(samples, 440) > 0.5
    assert strength(samples, 700) < 0.01


# -- without a server -----------------------------------------------------------------------------


def test_a_file_is_converted_here(gmapi: Command, media_dir: Path) -> None:
    words = ["convert", str(media_dir / "song.mp3"), "--format", "dfpwm"]
    done = gmapi(*words, "--args=-ar 48000 -ac 1", "--args=-vn")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert gmapi.left() == ["song.dfpwm"]
    assert_song((gmapi.folder / "song.dfpwm").read_bytes())
    assert b"song.dfpwm: 36," in done.stderr
    assert b"Converting" in done.stderr
    assert b"\x1b" not in done.stderr


def test_the_output_can_be_streamed(gmapi: Command, media_dir: Path) -> None:
    song = str(media_dir / "song.mp3")
    done = gmapi("convert", song, "-f", "dfpwm", "-o", "-", "--verbose")
    assert done.returncode == 0, done.stderr
    assert_song(done.stdout)
    assert b"Audio: mp3" in done.stderr
    assert gmapi.left() == []


def test_standard_input_is_converted_to_what_the_output_is_called(
    here: Command, media_dir: Path
) -> None:
    with here.start("convert", "-", "-o", "new/song.dfpwm/", "-f", "dfpwm", piped=True) as process:
        output, errors = process.communicate((media_dir / "song.mp3").read_bytes(), timeout=90)
    assert (process.returncode, output) == (0, b""), errors
    assert_song((here.folder / "new" / "song.dfpwm" / "output.dfpwm").read_bytes())
    done = here.here("convert", str(media_dir / "song.mp3"), "-o", "song.dfpwm")
    assert done.returncode == 0, done.stderr
    assert_song((here.folder / "song.dfpwm").read_bytes())
    assert here.left() == ["new", "song.dfpwm"]


def test_too_much_standard_input(here: Command, media_dir: Path) -> None:
    song = (media_dir / "song.mp3").read_bytes()
    done = here.here("convert", "-", "-f", "mp3", given=song, GMAPI_FETCH_MAX_BYTES="1000")
    assert done.returncode == 1
    assert b"Standard input gives more than 1,000 bytes" in done.stderr
    assert here.left() == []


def test_nothing_is_overwritten_by_chance(here: Command, media_dir: Path) -> None:
    target = here.folder / "song.dfpwm"
    target.write_bytes(b"mine")
    words = ["convert", str(media_dir / "song.mp3"), "-f", "dfpwm"]
    refused = here.here(*words)
    assert refused.returncode == 1
    assert b"song.dfpwm exists already" in refused.stderr
    assert target.read_bytes() == b"mine"
    assert here.here(*words, "--force").returncode == 0
    assert_song(target.read_bytes())
    assert here.left() == ["song.dfpwm"]


def test_a_source_that_is_not_there(here: Command, origin: Origin) -> None:
    done = here.here("convert", origin.url("/none.mp3"), "-f", "dfpwm", "--allow-private")
    assert done.returncode == 1
    assert b"404" in done.stderr
    assert b"Traceback" not in done.stderr
    assert here.left() == []


def test_private_addresses_need_a_word(here: Command, origin: Origin) -> None:
    words = ["convert", origin.url("/song.mp3"), "-f", "dfpwm"]
    refused = here.here(*words)
    assert refused.returncode == 1
    assert b"--allow-private" in refused.stderr
    assert here.here(*words, GMAPI_FETCH_ALLOW="127.0.0.1").returncode == 0
    # As it is copied from somewhere.
    words[1] = f'"<{words[1]}>" '
    assert here.here(*words, "--allow-private", "-o", "again.dfpwm").returncode == 0
    assert here.left() == ["again.dfpwm", "song.dfpwm"]


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = ["-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=12", "-c:v", "mpeg4"]
    return make_media(tmp_path_factory.mktemp("long") / "film.mkv", *source)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_ffmpeg_and_leaves_nothing(
    gmapi: Command, long_film: Path, number: signal.Signals
) -> None:
    slow = "--args=-c:v libx264 -preset veryslow"
    with gmapi.start("convert", str(long_film), "-f", "mp4", slow, "-o", "out.mp4") as process:
        assert process.stderr is not None
        for line in process.stderr:  # until ffmpeg reports its progress
            if b"Converting:" in line:
                break
        family = descendants(process.pid)
        assert family
        assert gmapi.left() != []
        process.send_signal(number)
        errors = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert b"Interrupted" in errors
    assert b"Traceback" not in errors
    assert gmapi.left() == []
    wait_for(lambda: not any(alive(pid) for pid in family), 60, "the end of all processes")


def test_broken_ffmpeg_is_a_clear_failure(here: Command, media_dir: Path) -> None:
    done = here.here("convert", str(media_dir / "song.mp3"), "-f", "mp3", GMAPI_FFMPEG="/bin/false")
    assert done.returncode == 1
    assert b"GMAPI_FFMPEG" in done.stderr
    assert here.left() == []


# -- at a server ----------------------------------------------------------------------------------


def test_a_server_converts(gmapi: Command, server: GmapiServer, origin: Origin) -> None:
    done = gmapi(
        "convert", origin.url("/song.mp3"), "-f", "dfpwm", "--server", server.base, "--verbose"
    )
    assert done.returncode == 0, done.stderr
    assert f"at {server.base}".encode() in done.stderr
    assert b"Audio: mp3" in done.stderr
    assert gmapi.left() == ["song.dfpwm"]
    assert_song((gmapi.folder / "song.dfpwm").read_bytes())


def test_a_running_server_is_found(here: Command, server: GmapiServer, origin: Origin) -> None:
    port = str(server.port)
    words = ["convert", origin.url("/song.mp3"), "-f", "wav", "--args", "-t 1"]
    found = here(*words, "-o", "-", GMAPI_PORT=port)
    assert found.returncode == 0, found.stderr
    assert f"at {server.base}".encode() in found.stderr
    assert found.stdout[:4] == b"RIFF"
    # Told to run here, it obeys the rules of its own settings.
    local = here.here(*words, "--local", GMAPI_PORT=port)
    assert local.returncode == 1
    assert b"private" in local.stderr


def test_failures_of_a_server(here: Command, server: GmapiServer, origin: Origin) -> None:
    words = ["--format", "dfpwm", "--server", server.base]
    missing = here.here("convert", origin.url("/none.mp3"), *words)
    assert missing.returncode == 1
    assert b"404" in missing.stderr
    refused = here.here("convert", origin.url("/song.mp3"), *words, "--args=-i /etc/passwd")
    assert refused.returncode == 2
    assert b"Error: --args" in refused.stderr
    assert here.left() == []


def test_no_server_where_one_was_named(here: Command) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{free.getsockname()[1]}"
        done = here.here("convert", "http://example.org/a.mp3", "-f", "mp3", "--server", base)
    assert done.returncode == 1
    assert b"gmapi serve" in done.stderr


@contextmanager
def stalled(origin: Origin, path: str) -> Iterator[str]:
    """The address of a source that sends a little and then nothing, until the end."""
    over = threading.Event()

    def handle(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": "100000"})
        exchange.raw(b"\x00" * 1000)
        over.wait(60)

    try:
        yield origin.add(path, handle)
    finally:
        over.set()


def test_tasks_are_listed_shown_and_cancelled(
    here: Command, server: GmapiServer, origin: Origin
) -> None:
    with stalled(origin, "/cli-stalled.mp3") as url:
        words = ["convert", url, "-f", "dfpwm", "--server", server.base]
        with here.start(*words) as process:
            assert process.stderr is not None
            first = process.stderr.readline().decode()
            task_id = first.split()[1]
            for line in process.stderr:
                if b"Fetching" in line:
                    break
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=30)[1].decode()
        assert process.returncode == 130
        assert f"gmapi tasks --server {server.base} cancel {task_id}" in errors
        assert server.task(task_id)["status"] == "running"

        listed = here("tasks", "--server", server.base, "--state", "running", "--tool", "ffmpeg")
        row = next(x for x in listed.stdout.decode().splitlines() if x.startswith(task_id))
        assert row.split()[1:3] == ["ffmpeg", "running"]
        assert "Fetching the source" in row
        shown = here.here("tasks", "show", task_id, GMAPI_PORT=str(server.port))
        assert shown.returncode == 0, shown.stderr
        assert "running" in shown.stdout.decode()

        cancelled = here("tasks", "--server", server.base, "cancel", task_id)
        assert cancelled.stdout.decode() == f"{task_id}: cancelled\n"
    assert server.wait_for_task(task_id)["status"] == "cancelled"
    found = json.loads(here.here("tasks", "--server", server.base, "--json", "--limit=500").stdout)
    assert {"cancelled"} == {task["status"] for task in found if task["task_id"] == task_id}


def test_a_task_that_is_not_there(here: Command, server: GmapiServer) -> None:
    for action in ("show", "cancel"):
        done = here.here("tasks", action, "0" * 32, "--server", server.base)
        assert done.returncode == 1
        assert done.stdout == b""
        assert b"Error:" in done.stderr


# -- doctor ---------------------------------------------------------------------------------------


def checks(done: subprocess.CompletedProcess[bytes]) -> dict[str, dict[str, Any]]:
    answer = json.loads(done.stdout)
    assert answer["ok"] is (done.returncode == 0)
    return {check["name"]: check for check in answer["checks"]}


def test_doctor_is_content_and_changes_nothing(here: Command) -> None:
    done = here.here("doctor", "--json")
    assert done.returncode == 0, done.stdout
    found = checks(done)
    assert not any(check["state"] == "failure" for check in found.values())
    assert "dfpwm" in found["encoders"]["text"]
    assert found["kernels"]["text"].startswith(("native code", "NumPy"))
    chosen = checks(here.here("doctor", "--json", "--kernels", "numpy"))["kernels"]
    assert (chosen["state"], chosen["text"]) == ("ok", "NumPy, as the settings ask")
    assert not (here.folder.parent / "data").exists()
    assert here.left() == []
    people = here.here("doctor", "--host", "192.168.1.5", "--port", "5000")
    text = people.stdout.decode()
    assert 'host = "192.168.1.5"' in text
    assert "[[http.rules]]" in text


def test_doctor_names_a_broken_setting(here: Command) -> None:
    done = here.here(
        "doctor", "--json", "--fetch-allow", "a b", "--trusted-proxies", "proxy",
        GMAPI_WORKERS="many", GMAPI_PORTT="1",
    )  # fmt: skip
    assert done.returncode == 1
    texts = [check["text"] for check in json.loads(done.stdout)["checks"]]
    assert any("--fetch-allow" in text for text in texts)
    assert any("--trusted-proxies" in text for text in texts)
    assert any("GMAPI_WORKERS" in text for text in texts)
    assert any("did you mean GMAPI_PORT?" in text for text in texts)


def test_doctor_finds_what_is_broken(here: Command, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "gmapi.db").write_bytes(b"this is no database, although it is long enough" * 100)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = here.here("doctor", "--json", "--port", str(port), "--ffmpeg", "/bin/true")
    assert done.returncode == 1
    failed = {name for name, check in checks(done).items() if check["state"] == "failure"}
    assert failed == {"database", "ffmpeg", "port"}
    assert all(check.get("remedy") for check in checks(done).values() if check["name"] in failed)


def test_doctor_refuses_a_data_folder_that_is_a_file(here: Command, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    done = here.here("doctor", "--json")
    assert done.returncode == 1
    assert checks(done)["data folder"]["state"] == "failure"


def test_doctor_knows_a_running_server(here: Command, server: GmapiServer) -> None:
    data = str(server.data_dir)
    live = checks(here.here("doctor", "--json", "--data-dir", data, "--port", str(server.port)))
    assert "2 workers" in live["port"]["text"]
    assert live["port"]["state"] == "ok"
    assert (live["database"]["state"], live["data folder"]["state"]) == ("ok", "ok")
    asked = here.here("doctor", "--json", "--server", server.base)
    assert checks(asked)["server"]["state"] == "ok"
    assert "port" not in checks(asked)


def test_doctor_knows_an_older_program_from_a_newer_database(here: Command, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    data, path = str(folder), folder / "gmapi.db"
    engine = connect(path)
    schema.upgrade(engine)
    engine.dispose()
    known = checks(here.here("doctor", "--json", "--data-dir", data))["database"]
    assert known["state"] == "ok"
    assert "version" in known["text"]
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    newer = here.here("doctor", "--json", "--data-dir", data)
    assert checks(newer)["database"]["state"] == "failure"
    assert "9999" in checks(newer)["database"]["text"]
