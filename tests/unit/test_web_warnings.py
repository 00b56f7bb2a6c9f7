"""`warnings` in answers: what is odd about a request, and what its conversion warns of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gmapi.terminal.client import Task
from gmapi.terminal.task_table import print_task
from gmapi.tools.ffmpeg import FfmpegRequest
from support.product.application import SONG, RunningApplication, RunningJob, running_application

STEREO = "This file has 2 channels."
CUT = "Only 23 of 30 pictures could be read."


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningApplication]:
    with running_application(tmp_path) as found:
        yield found


def made(running: RunningApplication, *warnings: str) -> RunningJob:
    """A song that is finished, with these warnings."""
    job = running.run()
    name = "output.ogg"
    folder = running.service.settings.files_dir / job.file_id
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"x")
    address = f"/download/{job.file_id}/{name}"
    result: dict[str, Any] = {"download_url": address, "file_id": job.file_id, "file_name": name}
    assert running.store.finish(
        job.fence, result | ({"warnings": list(warnings)} if warnings else {}), "Done.",
        takes_key=key(),
    )  # fmt: skip
    return job


def key() -> str:
    return FfmpegRequest.model_validate(SONG).identity("ffmpeg")


def test_an_answer_has_one_list_of_both(running: RunningApplication) -> None:
    made(running, STEREO, CUT)
    answer = running.post("/api/ffmpeg", {**SONG, "arg": "-vn"}).get_json()
    assert answer["status"] == "success"
    assert answer["message"] == "Done."
    misspelt, *others = answer["warnings"]
    assert misspelt.endswith("did you mean args?")
    assert others == [STEREO, CUT]


def test_whoever_joins_is_warned_of_the_conversion_and_of_its_own_request_only(
    running: RunningApplication,
) -> None:
    job = made(running, STEREO)
    first = running.post("/api/ffmpeg", {**SONG, "arg": "-vn"}).get_json()
    second = running.post("/api/ffmpeg", {**SONG, "max_age": 600}).get_json()
    assert first["task_id"] == second["task_id"] == job.id
    assert len(first["warnings"]) == 2
    assert second["warnings"] == [STEREO]
    joined = running.post("/api/ffmpeg/async", {**SONG, "arg": "-vn"})
    assert joined.status_code == 200
    assert len(joined.get_json()["warnings"]) == 1, "what was made is told by the task"


def test_a_task_has_those_of_its_conversion_in_its_result(running: RunningApplication) -> None:
    job = running.run(arg="-vn")
    running.store.report(job.fence, result={"download_url": "/x", "warnings": [CUT]})
    assert running.get(f"/api/task/{job.id}")["result"]["warnings"] == [CUT]
    job.finish({"download_url": "/x", "warnings": [CUT, STEREO]})
    task = running.get(f"/api/task/{job.id}")
    assert task["result"]["warnings"] == [CUT, STEREO]
    assert "warnings" not in task
    (listed,) = running.get("/api/tasks")["tasks"]
    assert listed["result"]["warnings"] == [CUT, STEREO]
    stream = running.client.get(f"/api/task/{job.id}/events").text
    end = stream.partition("event: end")[2].partition("data: ")[2]
    assert json.loads(end)["result"]["warnings"] == [CUT, STEREO]


def test_without_any_there_is_no_list(running: RunningApplication) -> None:
    job = made(running)
    assert "warnings" not in running.post("/api/ffmpeg", SONG).get_json()
    assert "warnings" not in running.get(f"/api/task/{job.id}")["result"]


def test_a_failure_keeps_what_is_odd_about_its_request(running: RunningApplication) -> None:
    answer = running.post("/api/ffmpeg", {**SONG, "output_format": "mp9", "arg": "-vn"})
    assert answer.status_code == 400
    assert len(answer.get_json()["warnings"]) == 1


def test_a_task_is_shown_with_its_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    raw = {
        "task_id": "a", "tool": "ffmpeg", "status": "completed", "progress": 100.0,
        "message": "Done.", "created_at": 0.0, "result": {"warnings": ["One.\x1b[2J", "Two."]},
    }  # fmt: skip
    print_task(Task.read(raw))
    lines = capsys.readouterr().out.splitlines()
    assert "Warning  One. [2J" in lines
    assert "Warning  Two." in lines


@pytest.mark.parametrize("odd", [None, "text", 5, {}, [1, None]])
def test_a_strange_list_of_warnings_does_no_harm(odd: Any) -> None:
    raw = {
        "task_id": "a", "tool": "x", "status": "running", "progress": 0, "message": "",
        "created_at": 0, "result": {"warnings": odd},
    }  # fmt: skip
    assert all(isinstance(each, str) for each in Task.read(raw).warnings)
