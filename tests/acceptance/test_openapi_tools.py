"""The OpenAPI document as other people's tools see it: linters, and a generator of clients."""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from support.http.origin import Origin
from support.product.server import GmapiServer

# Rules of vacuum that say how it would have done it; all others must find nothing.
TASTE = {
    # An example for every field of every answer; whole requests and failures have theirs.
    "oas3-missing-example": "off",
    # The same header and status mean the same everywhere.
    "description-duplication": "off",
    # Addresses are never renamed: /api/video_frame.
    "paths-kebab-case": "off",
    # A WebSocket's good answer is 101.
    "operation-success-response": "off",
    # Addresses of the document are relative to where it is.
    "oas3-api-servers": "off",
}
# Names of the binary types that the generator shall treat as such.
CLIENT_SETTINGS = """\
project_name_override: gmapi_client
package_name_override: gmapi_client
post_hooks: []
content_type_overrides:
  image/png: application/octet-stream
  application/*: application/octet-stream
"""


@pytest.fixture(scope="module")
def document(server: GmapiServer) -> bytes:
    return server.get("/openapi.json").body


def test_a_validator_has_no_complaint(document: bytes) -> None:
    errors = list(OpenAPIV31SpecValidator(json.loads(document)).iter_errors())
    assert errors == []


def lint(document: bytes | str) -> list[str]:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("there is no such linter for this system")
    import vacuum

    rules = json.dumps({"extends": [["spectral:oas", "recommended"]], "rules": TASTE})
    found = vacuum.lint(document, ruleset=rules)
    return [f"{result.rule_id}: {result.message}: {result.path}" for result in found]


def test_a_linter_has_no_complaint(document: bytes) -> None:
    assert lint(document) == []


def test_the_linter_looks(document: bytes) -> None:
    broken = json.loads(document)
    del broken["paths"]["/api/tasks"]["get"]["tags"]
    broken["paths"]["/health"]["get"]["operationId"] = "tasks"
    assert len(lint(json.dumps(broken))) >= 2


@pytest.fixture(scope="module")
def client(
    server: GmapiServer, document: bytes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A client package that was generated from the document."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_bytes(document)
    (folder / "settings.yml").write_text(CLIENT_SETTINGS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
            *("--path", "openapi.json", "--config", "settings.yml"),
            *("--output-path", "gmapi_client", "--fail-on-warning"),
        ],
        cwd=folder,
        # The generator wants to find ruff.
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=100,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "arning" not in told, told
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module("gmapi_client")
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.split(".")[0] == "gmapi_client"]:
            del sys.modules[name]


def part(name: str) -> Any:
    return importlib.import_module(f"gmapi_client.{name}")


def follow(client: Any, task_id: str) -> Any:
    """The task when it has ended, by the generated client's own calls."""
    deadline = time.monotonic() + 60
    while True:
        task = part("api.tasks.task").sync(task_id, client=client, since=0, wait=5)
        assert isinstance(task, part("models").TaskAnswer), task
        if task.status in ("completed", "error", "cancelled"):
            return task
        assert time.monotonic() < deadline


def test_a_generated_client_runs_a_job_to_its_end(
    client: Any, server: GmapiServer, origin: Origin
) -> None:
    models = part("models")
    with client.Client(base_url=server.base, raise_on_unexpected_status=True) as caller:
        body = models.FfmpegRequest(
            input_url=origin.url("/song.mp3"),
            output_format="wav",
            args=["-t", "1"],
            label="mine",
            no_cache=True,
        )
        accepted = part("api.ffmpeg.api_ffmpeg_async").sync(client=caller, body=body)
        assert isinstance(accepted, models.Accepted), accepted
        task = follow(caller, accepted.task_id)
        assert (task.status, task.tool, task.label, task.output_format) == (
            "completed",
            "ffmpeg",
            "mine",
            "wav",
        )
        assert isinstance(task.result, models.FileResult)
        assert task.result.duration == pytest.approx(1, abs=0.1)
        assert task.new_logs
        assert task.expires_at > task.finished_at
        _, _, file_id, name = task.result.download_url.removeprefix(server.base).split("/")
        sound = part("api.files.download").sync(file_id, name, client=caller)
        assert len(sound.payload.read()) == task.result.size
        listed = part("api.tasks.tasks").sync(client=caller, tool=models.TasksTool.FFMPEG, limit=5)
        assert accepted.task_id in [one.task_id for one in listed.tasks]


def test_a_generated_client_sees_results_as_what_they_are(
    client: Any, server: GmapiServer, origin: Origin
) -> None:
    models = part("models")
    with client.Client(base_url=server.base, raise_on_unexpected_status=True) as caller:
        picture = models.SanjuuniRequest(
            input_url=origin.url("/picture.png"), output_format="bimg", width=20, height=12
        )
        answer = part("api.sanjuuni.api_sanjuuni").sync(client=caller, body=picture)
        assert isinstance(answer, models.ScreenSuccess), answer
        task = follow(caller, answer.task_id)
        assert isinstance(task.result, models.ScreenResult)
        assert (task.result.columns, task.result.rows) == (10, 4)
        bad = models.FfmpegRequest(input_url=origin.url("/none.mp3"), output_format="wav")
        failed = part("api.ffmpeg.api_ffmpeg").sync(client=caller, body=bad)
        assert isinstance(failed, models.Failure), failed
        task = follow(caller, failed.task_id)
        assert isinstance(task.result, models.NoResult)
        refused = part("api.ffmpeg.api_ffmpeg").sync(
            client=caller, body=models.FfmpegRequest(output_format="wav")
        )
        assert isinstance(refused, models.Failure)
        assert refused.field == "input_url"
