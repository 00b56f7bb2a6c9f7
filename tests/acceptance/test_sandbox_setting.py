"""GMAPI_SANDBOX as operators see it: at start, in health, in doctor, where parts are missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gmapi.sandbox.launcher import Launcher
from support.http.origin import Origin
from support.product.server import GmapiServer, descendants
from support.sandbox import old_kernel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the full sandbox is for Linux")

OLDER = [sys.executable, old_kernel.__file__, "landlock", sys.executable, "-m", "gmapi"]


@pytest.fixture
def no_bubblewrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A PATH with no programs but this interpreter."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))


@pytest.fixture
def full() -> Iterator[None]:
    with Launcher() as launcher:
        if launcher.protection.state != "full":
            pytest.skip(f"not here: {', '.join(launcher.protection.missing)}")
        yield


def run(words: list[str], data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GMAPI_")}
    environment |= {"GMAPI_DATA_DIR": str(data), "GMAPI_PORT": "0", **settings}
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.usefixtures("no_bubblewrap")
@pytest.mark.parametrize("command", ["serve", "web", "worker"])
def test_require_refuses_to_start_and_says_what_helps(command: str, tmp_path: Path) -> None:
    done = run([*OLDER, command], tmp_path / "data", GMAPI_SANDBOX="require")
    assert done.returncode == 1
    assert "GMAPI_SANDBOX" in done.stderr
    assert "lacks Landlock file rules" in done.stderr
    assert "bubblewrap" in done.stderr
    assert "Traceback" not in done.stderr
    assert "seccomp" not in done.stderr


@pytest.mark.usefixtures("no_bubblewrap")
def test_doctor_calls_it_a_failure_only_when_it_is_required(tmp_path: Path) -> None:
    def sandbox(mode: str) -> dict[str, str]:
        done = run([*OLDER, "doctor", "--json"], tmp_path / "data", GMAPI_SANDBOX=mode)
        found: dict[str, str] = next(
            check for check in json.loads(done.stdout)["checks"] if check["name"] == "sandbox"
        )
        return found

    wanted, required = sandbox("auto"), sandbox("require")
    assert wanted["state"] == "warning"
    assert wanted["text"] == "partial; missing: Landlock file rules"
    assert "Linux 5.13" in wanted["remedy"]
    assert required["state"] == "failure"
    assert "does not start" in required["text"]


@pytest.mark.usefixtures("no_bubblewrap")
def test_auto_starts_with_a_warning_and_health_says_what_is_missing(
    make_server: Callable[..., GmapiServer], origin: Origin
) -> None:
    server = make_server(workers=1)
    server.command = OLDER
    with server:
        health = server.get("/health").json()
        assert health["sandbox"] == {"state": "partial", "missing": ["Landlock file rules"]}
        assert convert(server, origin)["status"] == "success"
        log = server.log_text()
        assert "conversions run with sandbox partial; missing: Landlock file rules" in log
        assert "partial (missing: Landlock file rules)" in log


@pytest.mark.usefixtures("full")
def test_require_starts_where_all_is_there(
    make_server: Callable[..., GmapiServer], origin: Origin
) -> None:
    with make_server(workers=1, sandbox="require") as server:
        assert server.get("/health").json()["sandbox"] == {"state": "full", "missing": []}
        assert convert(server, origin)["status"] == "success"
        log = server.log_text()
        assert "full (" in log
        assert "conversions run with sandbox" not in log


def test_off_is_told(make_server: Callable[..., GmapiServer], origin: Origin) -> None:
    with make_server(workers=1, sandbox="off") as server:
        sandbox = server.get("/health").json()["sandbox"]
        assert sandbox["state"] == "off"
        assert {"Landlock file rules", "seccomp filter"} < set(sandbox["missing"])
        assert "conversions run with sandbox off" in server.log_text()
        assert convert(server, origin)["status"] == "success"


def convert(server: GmapiServer, origin: Origin) -> dict[str, Any]:
    values = {"input_url": origin.url("/song.mp3"), "args": ["-t", "0.1"], "output_format": "wav"}
    answer: dict[str, Any] = server.post("/api/ffmpeg", values).json()
    return answer


@pytest.mark.usefixtures("full")
def test_a_web_process_of_its_own_starts_under_require(
    tmp_path: Path, make_server: Callable[..., GmapiServer]
) -> None:
    """It tries the sandbox before it becomes green, and leaves nothing of the trial behind."""
    server = make_server()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GMAPI_")}
    environment |= {
        "GMAPI_DATA_DIR": str(tmp_path / "data"), "GMAPI_PORT": "0", "GMAPI_SANDBOX": "require",
        "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "gmapi", "web"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "listening on" in line:
                break
        server.port = int(lines[-1].rsplit("port ", 1)[1].split()[0])
        assert server.get("/health").status in (200, 503)  # it has no workers
        assert descendants(process.pid) == []
        assert not any("Warning" in line for line in lines)
    finally:
        process.terminate()
        with process:
            assert process.wait(30) == 0
