"""Live pushes of one task: Server-Sent Events and WebSocket from the same news.

News are `state` (the task without its log), `log` (lines) and `end` (the last state). An event's
id is the newest log line before or in it, by which a broken stream is resumed; that of `end` says
besides that all has been said. So whoever lost the connection just before `end` still gets it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from gmapi.jobs.model import Job, LogLine
from gmapi.jobs.recent import Recent, footprint
from gmapi.jobs.service import JobService
from gmapi.web import news
from gmapi.web.answers import task_fields

KEEP_ALIVE_SECONDS = 15.0
STATES_BYTES = 4 * 1024**2
STATES_SECONDS = 10.0

MESSAGE_BYTES = 96 * 1024
"""Up to so many bytes of lines make one WebSocket message: the game takes messages below 128 KiB,
and forgets what comes when 256 wait."""

_END = ".end"
_LINE_MAX = 2**62
_DIGITS_READ = 19


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a listener has come: the newest log line it has, and whether it has seen the end."""

    line: int = 0
    end: bool = False

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The mark that an event's id is, or a plain log cursor; None for anything else."""
        digits = text.removesuffix(_END)
        if not (digits.isascii() and digits.isdigit()):
            return None
        return cls(min(int(digits[:_DIGITS_READ]), _LINE_MAX), digits != text)

    def __str__(self) -> str:
        return f"{self.line}{_END if self.end else ''}"


@dataclass(frozen=True, slots=True)
class StatePush:
    """The task as it is now: its state after log line `line`, as JSON text."""

    event: Literal["state", "end"]
    line: int
    data: str

    def sse(self) -> bytes:
        """As a Server-Sent Event."""
        return _event(self.event, Mark(self.line, self.event == "end"), self.data)

    def websocket(self) -> Iterator[str]:
        """As a text message: `{"event": …, "id": …, "data": …}`."""
        yield _message(self.event, self.line, self.data)


@dataclass(frozen=True, slots=True)
class LogPush:
    """Log lines, oldest first; at least one."""

    lines: Sequence[LogLine]

    def sse(self) -> bytes:
        """As one Server-Sent Event for each."""
        return b"".join(_event("log", Mark(line.id), _line_json(line)) for line in self.lines)

    def websocket(self) -> Iterator[str]:
        """As few text messages as they fit into. `data.line` is all their text, for programs that
        print it; `data.lines` has each with its time."""
        batch: list[LogLine] = []
        size = 0
        for line in self.lines:
            length = 2 * len(_line_json(line))
            if batch and size + length > MESSAGE_BYTES:
                yield _batch(batch)
                batch, size = [], 0
            batch.append(line)
            size += length
        yield _batch(batch)


Push = StatePush | LogPush


class Feed:
    """Turns the changes of jobs into messages, rendered once for all who listen."""

    def __init__(self, service: JobService) -> None:
        self._service = service
        self._states: Recent[tuple[str, int, str, str | None], str] = Recent(
            STATES_BYTES, STATES_SECONDS
        )

    def follow(
        self, job_id: str, since: int, base: str, label: str | None
    ) -> Iterator[Push | None]:
        """News from log id `since` on until the job ends; None keeps a quiet line alive.

        `label` is what the listener calls the job. Lines and turns of the job come at once, mere
        progress now and then, and no state twice. Ends early when the server stops or the task
        expires.
        """
        hub = self._service.events
        last_id, last_version = since, -1
        told: Job | None = None
        told_at = quiet_since = time.monotonic()
        with hub.watch(job_id) as watch:
            while not hub.ending:
                job = hub.job(job_id)
                if job is None:
                    return
                if job.version != last_version:
                    while lines := hub.logs(job, last_id):
                        last_id = lines[-1].id
                        yield LogPush(lines)
                        quiet_since = time.monotonic()
                    last_version = job.version
                changed = told is None or news.sight(job) != news.sight(told)
                early = told_at + news.PROGRESS_SECONDS - time.monotonic()
                if told is None or (changed and (early <= 0 or news.turn(job) != news.turn(told))):
                    event: Literal["state", "end"] = "end" if job.is_finished else "state"
                    yield StatePush(
                        event, last_id, self._state_json(replace(job, label=label), base)
                    )
                    if job.is_finished:
                        return
                    told, changed = job, False
                    told_at = quiet_since = time.monotonic()
                elif time.monotonic() - quiet_since >= KEEP_ALIVE_SECONDS:
                    yield None
                    quiet_since = time.monotonic()
                watch.wait(early if changed else KEEP_ALIVE_SECONDS)

    def _state_json(self, job: Job, base: str) -> str:
        key = (job.id, job.version, base, job.label)
        text = self._states.get(key)
        if text is None:
            text = _json(task_fields(job, base, self._service.settings.file_expiry))
            self._states.drop_unused()
            self._states.put(key, text, footprint(text))
        return text


def _event(event: str, mark: Mark, data: str) -> bytes:
    return f"event: {event}\nid: {mark}\ndata: {data}\n\n".encode("ascii")


def _message(event: str, line: int, data: str) -> str:
    return f'{{"event":"{event}","id":{line},"data":{data}}}'


def _line_json(line: LogLine) -> str:
    return _json(_line_fields(line))


def _batch(lines: Sequence[LogLine]) -> str:
    fields = _line_fields(lines[-1])
    fields["line"] = "\n".join(line.line for line in lines)
    fields["lines"] = [_line_fields(line) for line in lines]
    return _message("log", lines[-1].id, _json(fields))


def _line_fields(line: LogLine) -> dict[str, Any]:
    return {"time": round(line.time, 3), "line": line.line}


def _json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"))
