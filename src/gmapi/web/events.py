"""Live pushes of one task: Server-Sent Events and WebSocket from the same messages.

Messages: `state` (the task without its log), `log` (one line) and `end` (the last state). Each
carries the id of the newest log line before or in it, by which a broken stream is resumed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gmapi.jobs.model import Job, LogLine
from gmapi.jobs.recent import Recent, footprint
from gmapi.jobs.service import JobService
from gmapi.web.answers import task_fields

KEEP_ALIVE_SECONDS = 15.0
STATES_BYTES = 4 * 1024**2
STATES_SECONDS = 10.0


@dataclass(frozen=True)
class Push:
    """One message: its kind, the resume id and its JSON text."""

    event: str
    id: int
    data: str

    def sse(self) -> bytes:
        """As a Server-Sent Event."""
        return f"event: {self.event}\nid: {self.id}\ndata: {self.data}\n\n".encode("ascii")

    def websocket(self) -> str:
        """As a text message: `{"event": …, "id": …, "data": …}`."""
        return f'{{"event":"{self.event}","id":{self.id},"data":{self.data}}}'


class Feed:
    """Turns the changes of jobs into messages, rendered once for all who listen."""

    def __init__(self, service: JobService) -> None:
        self._service = service
        self._states: Recent[tuple[str, int, str], str] = Recent(STATES_BYTES, STATES_SECONDS)

    def follow(self, job_id: str, since: int, base: str) -> Iterator[Push | None]:
        """Messages from log id `since` on until the job ends; None keeps a quiet line alive.

        Ends early when the server stops or the task expires.
        """
        hub = self._service.events
        last_id, last_version, quiet_since = since, -1, time.monotonic()
        with hub.watch(job_id) as watch:
            while not hub.ending:
                job = hub.job(job_id)
                if job is None:
                    return
                if job.version != last_version:
                    for line in self._lines(job, last_id):
                        last_id = line.id
                        yield Push("log", line.id, _line_json(line))
                    event = "end" if job.is_finished else "state"
                    yield Push(event, last_id, self._state_json(job, base))
                    if job.is_finished:
                        return
                    last_version = job.version
                    quiet_since = time.monotonic()
                elif time.monotonic() - quiet_since >= KEEP_ALIVE_SECONDS:
                    yield None
                    quiet_since = time.monotonic()
                watch.wait(KEEP_ALIVE_SECONDS)

    def _lines(self, job: Job, after: int) -> Iterator[LogLine]:
        while lines := self._service.events.logs(job, after):
            yield from lines
            after = lines[-1].id

    def _state_json(self, job: Job, base: str) -> str:
        key = (job.id, job.version, base)
        text = self._states.get(key)
        if text is None:
            text = json.dumps(task_fields(job, base), separators=(",", ":"))
            self._states.drop_unused()
            self._states.put(key, text, footprint(text))
        return text


def _line_json(line: LogLine) -> str:
    fields: dict[str, Any] = {"time": round(line.time, 3), "line": line.line}
    return json.dumps(fields, separators=(",", ":"))
