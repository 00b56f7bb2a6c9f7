"""Synchronous calls: an asynchronous one plus waiting that never goes silent (contract P3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flask import Response

from gmapi.jobs.model import Job
from gmapi.jobs.service import JobService
from gmapi.web.answers import (
    failure_fields,
    finished_fields,
    json_bytes,
    json_response,
    task_urls,
    with_warnings,
)

GRACE_SECONDS = 2.0
"""How long the status code stays open; afterwards it is 200 and white space flows."""

SPACE_SECONDS = 2.0
MEDIA_TYPE = "application/json"


def wait_for_result(service: JobService, job: Job, base: str, warnings: Sequence[str]) -> Response:
    """The finished job's answer, with `warnings` about the request; after the grace in pieces, led
    by white space.

    Who leaves does not stop the job: others may wait for it, too, and who asks again gets it.
    """
    current = service.events.wait_until(job.id, _is_finished, GRACE_SECONDS)
    if current is not None and current.is_finished:
        return json_response(with_warnings(finished_fields(current, base), warnings))
    return Response(_drip(service, job.id, base, warnings), content_type=MEDIA_TYPE)


def _drip(service: JobService, job_id: str, base: str, warnings: Sequence[str]) -> Iterator[bytes]:
    yield b" "
    while True:
        job = service.events.wait_until(job_id, _is_finished, SPACE_SECONDS)
        if job is None or job.is_finished or service.events.stopped:
            yield json_bytes(with_warnings(_last_words(job, job_id, base), warnings))
            return
        yield b" "


def _last_words(job: Job | None, job_id: str, base: str) -> dict[str, Any]:
    if job is None:
        return failure_fields("The task has expired or was deleted.", "not_found")
    if job.is_finished:
        return finished_fields(job, base)
    message = "The server is restarting. The task goes on; ask for it at its status_url."
    return failure_fields(message, "unavailable") | {"task_id": job_id} | task_urls(job_id, base)


def _is_finished(job: Job) -> bool:
    return job.is_finished
