"""Answers to polls, each made once as long as nothing in it changes."""

from __future__ import annotations

from typing import NamedTuple

from gmapi.jobs.model import Job, State
from gmapi.jobs.recent import Recent
from gmapi.jobs.service import RECENT_LINES, JobService, NewLines
from gmapi.web.answers import json_bytes, task_fields, with_lines

KEPT_BYTES = 8 * 1024**2
KEPT_SECONDS = 60.0
_ENTRY_BYTES = 500


class _Kept(NamedTuple):
    job: Job
    position: int
    body: bytes


class Polls:
    """The JSON of tasks, and what of it was asked for lately."""

    def __init__(self, service: JobService) -> None:
        self._service = service
        self._kept: Recent[tuple[str, str, int | None], _Kept] = Recent(KEPT_BYTES, KEPT_SECONDS)

    def body(self, job: Job, lines: NewLines, base: str) -> bytes:
        """The task with these log lines; `base` is what its addresses begin with."""
        return self._body(job, lines, base, self._position(job))

    def latest(self, job: Job, since: int | None, base: str, *, handed_out: bool) -> bytes:
        """The task with its log lines after `since`, as `JobService.new_lines` gives them. `job`
        is as it is now, and nobody's label is in it."""
        key, position = (job.id, base, since), self._position(job)
        kept = self._kept.get(key)
        if kept is not None and kept.position == position and kept.job == job:
            return kept.body
        lines = self._service.new_lines(job, since, handed_out=handed_out)
        body = self._body(job, lines, base, position)
        # More lines than the latest few are given once only, and what HEAD asks for is not given.
        if since is not None or (handed_out and len(lines.lines) <= RECENT_LINES):
            self._kept.drop_unused()
            self._kept.put(key, _Kept(job, position, body), len(body) + _ENTRY_BYTES)
        return body

    def _position(self, job: Job) -> int:
        return self._service.position(job) if job.state is State.PENDING else 0

    def _body(self, job: Job, lines: NewLines, base: str, position: int) -> bytes:
        fields = task_fields(job, base, self._service.settings.file_expiry)
        if position:
            fields["queue_position"] = position
        return json_bytes(with_lines(fields, lines))
