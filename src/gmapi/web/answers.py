"""The shapes of all JSON answers (contract section 2). No other place builds one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Response

from gmapi.errors import GmapiError, QueueFullError
from gmapi.jobs.model import Job, State
from gmapi.jobs.service import NewLines

REASON_MAX = 100

JSON_TYPE = "application/json"

JSON_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Of all answers that set none of their own: nothing in them is a page, should a browser think so,
and what they say may be different in a moment.
"""


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def json_bytes(values: Mapping[str, Any]) -> bytes:
    """Compact ASCII JSON; parses in every client (rule A9)."""
    return _ENCODER.encode(values).encode("ascii")


def json_response(values: Mapping[str, Any], status: int = 200) -> Response:
    """An answer with a JSON body."""
    return Response(json_bytes(values), status, content_type=JSON_TYPE)


def success(values: Mapping[str, Any], status: int = 200) -> Response:
    """An answer that says `status: "success"` (rule A1)."""
    return json_response({"status": "success", **values}, status)


def failure_fields(message: str, code: str, field: str | None = None) -> dict[str, Any]:
    """A failure as both kinds of clients read it (rule A2)."""
    found: dict[str, Any] = {
        "status": "error",
        "error": message,
        "message": message,
        "error_code": code,
    }
    if field:
        found["field"] = field
    return found


def failure(error: GmapiError, **remarks: Any) -> Response:
    """An error answer; from 400 on the reason phrase carries the cause, too (rule A3)."""
    fields = failure_fields(error.message, error.code, error.field) | remarks
    if isinstance(error, QueueFullError) and error.waiting is not None:
        fields["waiting"] = error.waiting
    response = json_response(fields, error.status)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="gmapi"'
    if error.status >= 400:
        response.status = f"{error.status} {reason_phrase(error.message, error.status)}"
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def reason_phrase(message: str, status: int) -> str:
    """The message cut to a short ASCII line; the standard phrase where nothing is left."""
    text = message.encode("ascii", "replace").decode("ascii")
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", text).strip()
    if len(text) > REASON_MAX:
        text = text[: REASON_MAX - 3].rsplit(" ", 1)[0] + "..."
    return text or HTTPStatus(status).phrase


def with_host(value: Any, base: str) -> Any:
    """Make each `download_url` and all `parts` in a result absolute; other paths stay paths
    (rule V4)."""
    if isinstance(value, dict):
        return {key: _addressed(key, item, base) for key, item in value.items()}
    if isinstance(value, list):
        return [with_host(item, base) for item in value]
    return value


def _addressed(key: str, value: Any, base: str) -> Any:
    if key == "download_url" and isinstance(value, str):
        return base + value
    if key == "parts" and isinstance(value, list):
        return [base + path for path in value]
    return with_host(value, base)


def task_urls(job_id: str, base: str) -> dict[str, str]:
    """Absolute addresses of a task."""
    return {
        "status_url": f"{base}/api/task/{job_id}",
        "events_url": f"{base}/api/task/{job_id}/events",
    }


def task_fields(job: Job, base: str, expiry: float) -> dict[str, Any]:
    """A task without its log. `result` is always an object; nothing is ever null (rule A4).

    Its outputs are kept for `expiry` seconds after the end and after each use.
    """
    found: dict[str, Any] = {
        "task_id": job.id,
        "tool": job.tool,
        "status": str(job.state),
        "progress": round(job.progress, 1),
        "message": job.message,
        "result": with_host(job.result, base),
        "attempt": job.attempt,
        "created_at": round(job.created, 3),
    }
    if job.label:
        found["label"] = job.label
    if wanted := job.request.get("output_format"):
        found["output_format"] = wanted
    if job.started is not None:
        found["started_at"] = round(job.started, 3)
    if job.finished is not None:
        found["finished_at"] = round(job.finished, 3)
        found["expires_at"] = round(max(job.finished, job.accessed or 0.0) + expiry, 3)
    if job.eta is not None:
        found["eta_seconds"] = round(job.eta, 1)
    if job.error is not None:
        found["error"] = job.error
        found["error_code"] = job.error_code or "conversion_failed"
    return found


def with_lines(fields: dict[str, Any], new: NewLines) -> dict[str, Any]:
    """Add log lines and the cursor for the next poll."""
    fields["new_logs"] = [line.line for line in new.lines]
    fields["next_since"] = new.cursor
    if new.more:
        fields["more_logs"] = True
    return fields


def with_warnings(fields: dict[str, Any], about_request: Sequence[str]) -> dict[str, Any]:
    """Have an answer warn of what is odd about its request, before what its result warns of."""
    found = [*about_request, *fields.get("warnings", ())]
    return {**fields, "warnings": found} if found else fields


def finished_fields(job: Job, base: str) -> dict[str, Any]:
    """What a synchronous caller gets for a finished job: its result, or why there is none."""
    if job.state is State.COMPLETED:
        return {
            "status": "success",
            "task_id": job.id,
            "message": job.message,
            **with_host(job.result, base),
        }
    message = job.error or "The task did not finish."
    return failure_fields(message, job.error_code or "conversion_failed") | {"task_id": job.id}
