"""The JSON shapes of answers (contract section 2) and the reason phrase (rule A3)."""

from __future__ import annotations

import json
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi import errors
from gmapi.errors import GmapiError, QueueFullError
from gmapi.jobs.model import Job, LogLine, State
from gmapi.jobs.service import NewLines
from gmapi.web.answers import (
    REASON_MAX,
    failure,
    finished_fields,
    json_bytes,
    reason_phrase,
    success,
    task_fields,
    task_urls,
    with_host,
    with_lines,
)

BASE = "http://host:5000"
EXPIRY = 7200.0
FAILURE_KEYS = ["status", "error", "message", "error_code"]

# Status and code of every error that reaches a caller: programs rely on both.
CLASSES = {
    "GmapiError": (500, "internal"),
    "RequestError": (400, "bad_request"),
    "UnauthorizedError": (401, "unauthorized"),
    "ForbiddenError": (403, "forbidden"),
    "RefusedError": (403, "refused"),
    "NotFoundError": (404, "not_found"),
    "TooSlowError": (408, "too_slow"),
    "HostError": (421, "host_refused"),
    "TooLargeError": (413, "too_large"),
    "RateLimitedError": (429, "rate_limited"),
    "QueueFullError": (429, "queue_full"),
    "UnavailableError": (503, "unavailable"),
    "StorageFullError": (507, "storage_full"),
    "JobError": (200, "conversion_failed"),
    "SourceError": (200, "source_failed"),
    "MediaError": (200, "media_failed"),
    "LimitError": (200, "limit_exceeded"),
    "NoSpaceError": (507, "storage_full"),
}


PUBLIC = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, GmapiError)
]


def test_every_error_class_is_known_here() -> None:
    assert {cls.__name__: (cls.status, cls.code) for cls in PUBLIC} == CLASSES


@pytest.mark.parametrize("cls", PUBLIC, ids=lambda cls: cls.__name__)
def test_the_keys_of_every_failure(cls: type[GmapiError]) -> None:
    response = failure(cls("The reason.", cause="/secret/path", field="w"))
    fields = response.get_json()
    assert list(fields) == [*FAILURE_KEYS, "field"]
    assert fields["status"] == "error"
    assert fields["error"] == fields["message"] == "The reason."
    assert fields["error_code"] == CLASSES[cls.__name__][1]
    assert fields["field"] == "w"
    assert list(failure(cls("The reason.")).get_json()) == FAILURE_KEYS
    assert response.status_code == CLASSES[cls.__name__][0]
    assert response.content_type == "application/json"
    expected = "The reason." if cls.status >= 400 else "OK"
    assert response.status.partition(" ")[2] == expected
    assert "Retry-After" not in response.headers


def test_what_some_failures_have_besides() -> None:
    assert failure(QueueFullError("Full.", waiting=7)).get_json()["waiting"] == 7
    for cls in PUBLIC:
        challenge = failure(cls("No.")).headers.get("WWW-Authenticate", "")
        assert challenge.startswith("Bearer") is (cls.status == 401)


def test_a_code_of_its_own_and_retry_after() -> None:
    response = failure(GmapiError("Later.", code="special", retry_after=30))
    assert response.get_json()["error_code"] == "special"
    assert response.headers["Retry-After"] == "30"


@pytest.mark.parametrize(
    ("message", "phrase"),
    [
        ("output_format is required.", "output_format is required."),
        ("a\r\nX-Evil: 1\x00\x7fb", "a X-Evil: 1 b"),
        ("音", "?"),
        ("", "Bad Request"),
        (" \n\t", "Bad Request"),
        ("word " * 40, "word " * 18 + "word..."),
        ("x" * 200, "x" * (REASON_MAX - 3) + "..."),
    ],
)
def test_the_reason_phrase(message: str, phrase: str) -> None:
    assert reason_phrase(message, 400) == phrase


@given(st.text(), st.sampled_from([status.value for status in HTTPStatus]))
def test_any_message_makes_one_short_line_of_ascii(message: str, status: int) -> None:
    phrase = reason_phrase(message, status)
    assert 0 < len(phrase) <= REASON_MAX
    assert phrase.isascii()
    assert phrase.isprintable()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_message_reaches_the_body_whole(message: str) -> None:
    response = failure(GmapiError(message))
    assert response.data.isascii()
    assert response.get_json()["error"] == GmapiError(message).message


def test_success_says_exactly_success() -> None:
    response = success({"a": 1}, 202)
    assert response.status_code == 202
    assert response.data == b'{"status":"success","a":1}'


def test_addresses_become_absolute_where_the_contract_wants_it() -> None:
    values = {
        "download_url": "/download/1/output.mp3",
        "audio_urls": {"audio_dfpwm_url": "/download/1/audio.dfpwm"},
        "list": [{"download_url": "/download/2/x.png"}, 5],
        "parts": ["/download/1/output-001.32v", "/download/1/output-002.32v"],
    }
    assert with_host(values, BASE) == {
        "download_url": f"{BASE}/download/1/output.mp3",
        "audio_urls": {"audio_dfpwm_url": "/download/1/audio.dfpwm"},
        "list": [{"download_url": f"{BASE}/download/2/x.png"}, 5],
        "parts": [f"{BASE}/download/1/output-001.32v", f"{BASE}/download/1/output-002.32v"],
    }
    assert task_urls("1f", BASE) == {
        "status_url": f"{BASE}/api/task/1f",
        "events_url": f"{BASE}/api/task/1f/events",
    }


def job(**values: Any) -> Job:
    pending: dict[str, Any] = dict.fromkeys(Job.__dataclass_fields__)
    pending |= {
        "id": "0" * 32,
        "tool": "ffmpeg",
        "request": {},
        "client": "127.0.0.1",
        "priority": 0,
        "state": State.PENDING,
        "attempt": 0,
        "progress": 0.0,
        "message": "Waiting.",
        "result": {},
        "version": 1,
        "created": 1.0,
        "accessed": 1.0,
    }
    return replace(Job(**pending), **values)


TASK_KEYS = {"task_id", "tool", "status", "progress", "message", "result", "attempt", "created_at"}


@pytest.mark.parametrize("state", State)
def test_a_task_has_an_object_as_result_and_never_null(state: State) -> None:
    fields = task_fields(job(state=state), BASE, EXPIRY)
    assert set(fields) == TASK_KEYS
    assert fields["result"] == {}
    assert isinstance(fields["status"], str)
    assert "null" not in json_bytes(fields).decode()


def test_a_failed_task_has_the_keys_of_a_failure() -> None:
    failed = job(state=State.ERROR, error="No.", error_code="no_video", finished=2.0, started=1.5)
    fields = task_fields(failed, BASE, EXPIRY)
    ended = {"error", "error_code", "started_at", "finished_at", "expires_at"}
    assert set(fields) == TASK_KEYS | ended
    assert finished_fields(failed, BASE) == {
        "status": "error",
        "error": "No.",
        "message": "No.",
        "error_code": "no_video",
        "task_id": "0" * 32,
    }


def test_a_completed_task_is_a_success_with_its_result() -> None:
    done = job(state=State.COMPLETED, message="Done.", result={"download_url": "/download/1/a.b"})
    assert json.loads(json_bytes(finished_fields(done, BASE))) == {
        "status": "success",
        "task_id": "0" * 32,
        "message": "Done.",
        "download_url": f"{BASE}/download/1/a.b",
    }


def test_a_task_says_when_it_goes_and_what_was_asked_for() -> None:
    asked = {"output_format": "ogg", "label": "for the radio"}
    fields = task_fields(job(request=asked), BASE, EXPIRY)
    assert (fields["tool"], fields["output_format"], fields["label"]) == (
        "ffmpeg",
        "ogg",
        "for the radio",
    )
    assert "expires_at" not in fields  # it has not ended
    ended = {"state": State.COMPLETED, "finished": 50.0}
    unused = job(**ended, accessed=None)
    assert task_fields(unused, BASE, EXPIRY)["expires_at"] == 50.0 + EXPIRY
    used = job(**ended, accessed=1000.5)
    assert task_fields(used, BASE, EXPIRY)["expires_at"] == 1000.5 + EXPIRY


@pytest.mark.parametrize("more", [True, False])
def test_an_answer_that_was_cut_says_so(more: bool) -> None:
    lines = [LogLine(7, 1.0, "one"), LogLine(9, 2.0, "two")]
    fields = with_lines({}, NewLines(lines, 9, more))
    expected = {"new_logs": ["one", "two"], "next_since": 9}
    assert fields == (expected | {"more_logs": True} if more else expected)
