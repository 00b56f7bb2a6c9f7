"""What is said about tasks: polls and their lines, labels and names, remarks on odd fields, and
deleting."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gmapi.jobs.logbook import READ_MAX
from gmapi.jobs.model import Withdrawal
from gmapi.jobs.service import RECENT_LINES
from gmapi.tools.ffmpeg import FfmpegRequest
from gmapi.web.application import OPTIONS_HEADERS
from gmapi.web.misspelt import warnings
from gmapi.web.waiting import wait_for_result
from support.cost import cpu_below
from support.product.application import SONG, RunningApplication, RunningJob, running_application

ALICE, BOB = "alices-secret-0123", "bobs-secret-456789"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApplication]:
    """For tests that do not mind each other's tasks."""
    folder = tmp_path_factory.mktemp("running")
    with running_application(folder, queue_max_per_client=1000) as found:
        yield found


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[RunningApplication]:
    with running_application(tmp_path) as found:
        yield found


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RunningApplication]:
    """With tokens, so that callers have tasks of their own."""
    with running_application(tmp_path, tokens=f"alice:{ALICE},bob:{BOB}") as found:
        yield found


def as_user(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


# -- log lines ---------------------------------------------------------------------------------


def test_an_answer_that_was_cut_says_that_there_are_more_lines(
    running: RunningApplication,
) -> None:
    job = running.run()
    texts = [f"line {number}" for number in range(2 * READ_MAX + 10)]
    job.log(*texts)
    job.finish()
    # The documented loop: until the task has ended and there are no more lines.
    gathered: list[str] = []
    since, asked = 0, 0
    while True:
        answer = running.get(f"/api/task/{job.id}?since={since}")
        gathered += answer["new_logs"]
        since = answer["next_since"]
        asked += 1
        if not answer.get("more_logs"):
            break
    assert gathered == texts
    assert asked <= len(texts) / READ_MAX + 1
    whole = running.get(f"/api/task/{job.id}?since={since}")
    assert (whole["new_logs"], whole["next_since"], "more_logs" in whole) == ([], since, False)


def test_a_cursor_from_an_event_is_a_cursor(running: RunningApplication) -> None:
    job = running.run()
    job.log("one", "two")
    first, last = (running.get(f"/api/task/{job.id}?since=0")["next_since"] - n for n in (1, 0))
    assert running.get(f"/api/task/{job.id}?since={first}")["new_logs"] == ["two"]
    assert running.get(f"/api/task/{job.id}?since={last}.end")["new_logs"] == []
    assert running.client.get(f"/api/task/{job.id}?since=x.end").status_code == 400


def test_head_hands_out_nothing(running: RunningApplication) -> None:
    job = running.run()
    texts = [f"line {number}" for number in range(RECENT_LINES + 20)]
    job.log(*texts)
    for query in ("", "?since=0"):
        head = running.client.head(f"/api/task/{job.id}{query}")
        assert (head.status_code, head.data) == (200, b"")
    assert running.get(f"/api/task/{job.id}")["new_logs"] == texts
    assert running.get(f"/api/task/{job.id}")["new_logs"] == texts[-RECENT_LINES:]


# -- labels, names and formats -----------------------------------------------------------------


def test_a_task_tells_what_its_caller_called_it(fresh: RunningApplication) -> None:
    task_id = fresh.submit(label=" For \u97f3\tthe\r\n radio\u202e\x00 ")
    for answer in (fresh.get(f"/api/task/{task_id}"), fresh.get("/api/tasks")["tasks"][0]):
        assert answer["label"] == "For \u97f3 the radio"
        assert (answer["tool"], answer["output_format"]) == ("ffmpeg", "ogg")
    # It is no part of what is asked for: the same song is the same task.
    assert fresh.submit(label="Other") == task_id
    assert fresh.submit() == task_id
    plain = fresh.submit(args=["-vn"], label="\x07 ")
    assert "label" not in fresh.get(f"/api/task/{plain}")


@pytest.mark.parametrize("label", ["x" * 201, 5, ["x"], {"a": 1}])
def test_a_label_has_bounds(running: RunningApplication, label: Any) -> None:
    answer = running.post("/api/ffmpeg/async", {**SONG, "label": label})
    assert (answer.status_code, answer.get_json()["field"]) == (400, "label")


@pytest.mark.parametrize(
    "name",
    ["my-song", "My_Song-2", "_", "a" * 80, "my-song.ogg", "my-song.OGG", None],
)
def test_an_output_may_have_a_name(running: RunningApplication, name: Any) -> None:
    assert running.submit(output_name=name)


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "a b", "../x", "a/b", "a\\b", "-x", ".ogg", "a..ogg", "a.mp3", "a.tar.ogg"),
        *("a" * 81, "CON", "nul.ogg", "com1", "\u97f3", "a\n", 'a"b', "a;b", "a%2e", 5),
    ],
)
def test_a_name_is_a_plain_word(running: RunningApplication, name: Any) -> None:
    answer = running.post("/api/ffmpeg/async", {**SONG, "output_name": name})
    assert (answer.status_code, answer.get_json()["field"]) == (400, "output_name")


def test_the_name_of_a_screen_ends_as_its_format_does(running: RunningApplication) -> None:
    film = {"input_url": SONG["input_url"], "output_format": "32vid"}
    for name, status in (("film", 202), ("film.32v", 202), ("film.32vid", 400), ("f.lua", 400)):
        answer = running.post("/api/sanjuuni/async", {**film, "output_name": name})
        assert answer.status_code == status, name


# -- fields that are not known -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("arg", "args"),
        ("arsg", "args"),
        ("Args", "args"),
        ("arguments", "args"),
        ("ouput_format", "output_format"),
        ("outputformat", "output_format"),
        ("outputFormat", "output_format"),
        ("output-format", "output_format"),
        ("format", "output_format"),
        ("urls", "input_urls"),
        ("url", "input_url"),
        ("inputUrl", "input_url"),
        ("header", "headers"),
        ("no-cache", "no_cache"),
        ("lable", "label"),
        ("duration", "max_duration"),
        ("video_url", "input_url"),
        ("argumnets", "args"),
        ("width", "args"),
    ],
)
def test_a_field_that_looks_like_a_typing_error_is_remarked_on(
    running: RunningApplication, name: str, meant: str
) -> None:
    answer = running.post("/api/ffmpeg/async", {**SONG, name: "x"})
    assert answer.status_code == 202
    (sentence,) = answer.get_json()["warnings"]
    assert f'"{name}"' in sentence
    assert sentence.endswith(f"did you mean {meant}?")


@pytest.mark.parametrize(
    ("name", "meant"), [("heigth", "h"), ("width", "w"), ("input_url", "video_url")]
)
def test_fields_of_a_film_are_known_by_other_words(
    running: RunningApplication, name: str, meant: str
) -> None:
    answer = running.post("/api/video_frame/async", {"video_url": SONG["input_url"], name: 1})
    (sentence,) = answer.get_json()["warnings"]
    assert sentence.endswith(f"did you mean {meant}?")


@pytest.mark.parametrize("name", ["token", "user", "id", "version", "x", "", "comment", "\u97f3"])
def test_other_fields_are_ignored_without_a_word(running: RunningApplication, name: str) -> None:
    answer = running.post("/api/ffmpeg/async", {**SONG, name: "x"})
    assert answer.status_code == 202
    assert "warnings" not in answer.get_json()
    null = running.post("/api/ffmpeg/async", {**SONG, "arg": None})
    assert "warnings" not in null.get_json()


@pytest.mark.parametrize("route", ["/api/ffmpeg", "/api/ffmpeg/async", "/api/sanjuuni"])
def test_who_misspelt_what_is_required_learns_it_too(
    running: RunningApplication, route: str
) -> None:
    answer = running.post(route, {"input_url": SONG["input_url"], "outputformat": "ogg"})
    assert answer.status_code == 400
    assert answer.get_json()["field"] == "output_format"
    (sentence,) = answer.get_json()["warnings"]
    assert "did you mean output_format?" in sentence


def test_remarks_are_few_whatever_comes(running: RunningApplication) -> None:
    odd = {f"args{number}": 1 for number in range(1000)} | {"arg" * 100_000: 1}
    answer = running.post("/api/ffmpeg/async", {**SONG, **odd})
    assert answer.status_code == 202
    assert 0 < len(answer.get_json()["warnings"]) <= 5
    assert len(answer.data) < 10_000


@pytest.mark.parametrize("fields", [
    {"args" * 50_000 + str(number): 1 for number in range(5)},
    {"label": " " * 1_000_000},
    {"label": "\x01 " * 100_000},
    {"label": "\xe9 " * 100_000},
])  # fmt: skip
def test_a_field_far_too_long_is_not_read_letter_by_letter(
    running: RunningApplication, fields: dict[str, Any]
) -> None:
    """All clients would wait for that: it took some 40 ms for a mebibyte."""
    FfmpegRequest.model_validate(SONG)  # builds it
    given = {**SONG, **fields}
    with cpu_below(0.2):
        for _ in range(20):
            warnings(given, FfmpegRequest)
            with contextlib.suppress(ValidationError):
                FfmpegRequest.model_validate(given)
    answer = running.post("/api/ffmpeg/async", fields | SONG)
    assert answer.status_code == (400 if "label" in fields else 202)


# -- lists -------------------------------------------------------------------------------------


def test_a_list_is_of_a_tool_there_is(fresh: RunningApplication) -> None:
    task_id = fresh.submit()
    assert [t["task_id"] for t in fresh.get("/api/tasks?tool=ffmpeg")["tasks"]] == [task_id]
    assert fresh.get("/api/tasks?tool=sanjuuni")["tasks"] == []
    refused = fresh.client.get("/api/tasks?tool=sanjuni")
    assert (refused.status_code, refused.get_json()["field"]) == (400, "tool")
    assert "'sanjuuni'" in refused.get_json()["error"]


# -- deleting ----------------------------------------------------------------------------------


def publish(running: RunningApplication, job: RunningJob, tmp_path: Path) -> str:
    """Publish an output of a job as its worker does, and end the job; the output's path."""
    output = tmp_path / "made"
    output.write_bytes(b"sound")
    running.service.storage.publish(job.file_id, "output.ogg", output)
    path = f"/download/{job.file_id}/output.ogg"
    job.finish({"download_url": path})
    return path


def downloaded(running: RunningApplication, path: str) -> bytes:
    with running.client.get(path) as answer:
        assert answer.headers["Content-Disposition"] == 'inline; filename="output.ogg"'
        return answer.data


def test_a_finished_task_is_deleted_with_its_outputs(
    fresh: RunningApplication, tmp_path: Path
) -> None:
    job = fresh.run(label="mine")
    job.log("one")
    path = publish(fresh, job, tmp_path)
    assert downloaded(fresh, path) == b"sound"
    kept = fresh.client.post(f"/api/task/{job.id}/cancel").get_json()
    assert (kept["status"], "deleted" in kept) == ("completed", False)
    assert downloaded(fresh, path) == b"sound"
    answer = fresh.client.delete(f"/api/task/{job.id}")
    gone = answer.get_json()
    assert answer.status_code == 200
    assert (gone["task_id"], gone["status"], gone["deleted"]) == (job.id, "completed", True)
    assert gone["result"] == {}  # addresses in it would lead nowhere
    assert (gone["label"], "expires_at" in gone) == ("mine", False)
    assert fresh.client.get(path).status_code == 404
    assert fresh.client.get(f"/api/task/{job.id}").status_code == 404
    assert fresh.client.delete(f"/api/task/{job.id}").status_code == 404
    assert fresh.store.logbook.after(job.id) == []
    assert list(fresh.service.storage.ids()) == []


def test_what_ends_just_before_it_is_deleted_is_told_as_deleted(
    fresh: RunningApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = fresh.run()
    delete = fresh.service.delete

    def late(job_id: str, owner: str | None = None) -> Withdrawal:
        job.finish()
        return delete(job_id, owner)

    monkeypatch.setattr(fresh.service, "delete", late)
    answer = fresh.client.delete(f"/api/task/{job.id}").get_json()
    assert (answer["status"], answer["deleted"]) == ("completed", True)
    assert fresh.client.get(f"/api/task/{job.id}").status_code == 404


@pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("POST", "/cancel")])
def test_who_takes_a_task_back_is_told_its_label(
    fresh: RunningApplication, method: str, path: str
) -> None:
    task_id = fresh.submit(label="mine")
    answer = fresh.client.open(f"/api/task/{task_id}{path}", method=method).get_json()
    assert (answer["status"], answer["label"]) == ("cancelled", "mine")
    assert answer["expires_at"] > answer["finished_at"]


def test_who_waits_for_a_task_that_is_deleted_is_told(fresh: RunningApplication) -> None:
    job = fresh.run()
    first = fresh.service.job(job.id)
    assert fresh.client.delete(f"/api/task/{job.id}").get_json()["status"] == "cancelled"
    assert fresh.client.delete(f"/api/task/{job.id}").get_json()["deleted"]
    with fresh.app.test_request_context():
        told = wait_for_result(fresh.service, first, "http://127.0.0.1", {}).get_json()
    assert (told["status"], told["error_code"]) == ("error", "not_found")
    assert "was deleted" in told["error"]
    assert "was deleted" in fresh.get(f"/api/task/{job.id}")["error"]


def test_the_same_request_runs_anew_after_deleting(fresh: RunningApplication) -> None:
    task_id = fresh.submit()
    fresh.service.cancel(task_id)
    first = fresh.client.delete(f"/api/task/{task_id}").get_json()
    assert (first["status"], first["deleted"]) == ("cancelled", True)
    assert fresh.submit() != task_id


def test_a_task_that_goes_on_is_cancelled_first(running: RunningApplication) -> None:
    job = running.run()
    answer = running.client.delete(f"/api/task/{job.id}").get_json()
    assert (answer["status"], "deleted" in answer) == ("cancelled", False)
    assert running.get(f"/api/task/{job.id}")["status"] == "cancelled"
    assert running.client.delete(f"/api/task/{job.id}").get_json()["deleted"] is True


def test_only_its_owner_deletes_a_task(guarded: RunningApplication, tmp_path: Path) -> None:
    asked = guarded.post("/api/ffmpeg/async", SONG, headers=as_user(ALICE)).get_json()
    path = f"/api/task/{asked['task_id']}"
    guarded.service.cancel(asked["task_id"])
    for headers, status in ((None, 401), (as_user(BOB), 403), (as_user(ALICE), 200)):
        answer = guarded.client.delete(path, headers=headers)
        assert answer.status_code == status
    assert guarded.client.get(path).status_code == 404


# -- heads -------------------------------------------------------------------------------------


def test_an_accepted_task_says_where_and_when_to_ask(running: RunningApplication) -> None:
    later = running.post("/api/ffmpeg/async", SONG)
    assert later.status_code == 202
    assert later.headers["Location"] == later.get_json()["status_url"]
    assert int(later.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/task/{id}"),
        ("GET", "/api/task/{id}/events"),
        ("GET", "/api/tasks"),
        ("POST", "/api/task/{id}/cancel"),
        ("DELETE", "/api/task/{id}"),
        ("GET", "/api/task/" + "0" * 32),
        ("GET", "/download/" + "0" * 32 + "/output.ogg"),
        ("GET", "/health"),
    ],
)
def test_nobody_keeps_what_is_said_of_a_task(
    running: RunningApplication, method: str, path: str
) -> None:
    task_id = running.submit()
    running.service.cancel(task_id)
    answer = running.client.open(path.format(id=task_id), method=method)
    assert answer.headers["Cache-Control"] == "no-store"


def test_pages_may_read_the_heads_they_need(running: RunningApplication) -> None:
    for answer in (running.post("/api/ffmpeg/async", SONG), running.client.get("/nothing")):
        exposed = answer.headers["Access-Control-Expose-Headers"].lower().split(", ")
        assert {"location", "retry-after", "content-range", "etag", "accept-ranges"} <= set(exposed)
    before = running.client.options("/api/ffmpeg", headers={"Origin": "http://page.example"})
    assert int(before.headers["Access-Control-Max-Age"]) == 86400
    assert OPTIONS_HEADERS.items() <= dict(before.headers).items()
