"""Looking at tasks: state, log, live pushes, the list, and cancelling."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, request
from flask_openapi3 import OpenAPI, Tag

from gmapi.errors import RequestError
from gmapi.jobs.model import Job, State
from gmapi.jobs.service import JobService
from gmapi.web.address import addresses
from gmapi.web.answers import json_response, success, task_fields, with_lines
from gmapi.web.events import Feed
from gmapi.web.gate import caller
from gmapi.web.schemas import (
    Responses,
    TaskAnswer,
    TaskPath,
    TaskQuery,
    TasksAnswer,
    TasksQuery,
    failures,
)

WAIT_MAX_SECONDS = 25.0
CURSOR_MAX = 2**62
TAG = Tag(name="tasks", description="State, progress and log of tasks")
EVENT = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "enum": ["state", "log", "end"]},
        "id": {"type": "string", "description": "The newest log line so far."},
        "data": {"type": "string", "description": "JSON: the task, or a line and its time."},
    },
}
SSE_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def register(app: OpenAPI, service: JobService) -> None:
    """Add the task routes."""
    feed = Feed(service)
    known: Responses = {"200": TaskAnswer, **failures("404")}
    cancelled: Responses = {**known, **failures("403")}

    # Polls are the busiest requests of all: their parameters are read by hand, which costs a
    # third of what validated models do. The annotations are for the documentation.
    def task(**parameters: str) -> Response:
        return json_response(_task(service, parameters["task_id"], _cursor(), _wait_seconds()))

    task.__annotations__ = {"path": TaskPath, "query": TaskQuery}
    task.__delay_validate_request__ = True  # type: ignore[attr-defined]

    @app.get(
        "/api/task/<task_id>/events",
        summary="State, progress and log lines as Server-Sent Events",
        description="Events `state`, `log` and `end`; resumes after Last-Event-ID.",
        tags=[TAG],
        responses={
            "200": {"content": {"text/event-stream": {"schema": EVENT}}},
            "204": {"description": "The task has ended and all has been said."},
            **failures("404"),
        },
    )
    def task_events(path: TaskPath) -> Response:
        job = service.job(path.task_id)
        resumed = request.headers.get("Last-Event-ID", "")
        since = int(resumed[:19]) if resumed.isascii() and resumed.isdigit() else _cursor() or 0
        since = min(since, CURSOR_MAX)
        if resumed and job.is_finished and not service.events.logs(job, since):
            return Response(status=204)  # tells a browser to stop reconnecting
        stream = _sse(feed, job.id, since, addresses().base())
        return Response(stream, content_type="text/event-stream", headers=SSE_HEADERS)

    @app.get(
        "/api/task/<task_id>/ws",
        summary="The same over WebSocket",
        description="Text messages `{event, id, data}`, each below 128 KiB.",
        tags=[TAG],
        responses={"101": None, **failures("404")},
    )
    def task_websocket(path: TaskPath) -> Response:
        job = service.job(path.task_id)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise RequestError("Open this address as a WebSocket (ws://), or use /events.")
        return _websocket(feed, job.id, _cursor() or 0, addresses().base())

    # Werkzeug hands upgrade requests only to rules that say so; the rule above tells others why.
    app.add_url_rule(
        "/api/task/<task_id>/ws",
        endpoint="task_websocket",
        view_func=app.view_functions["task_websocket"],
        websocket=True,
    )

    @app.delete(
        "/api/task/<task_id>",
        summary="Cancel a waiting or running task",
        description="A finished task stays as it is. One that others have asked for, too, goes on "
        "for them: `message` says so. One that this caller never asked for is not cancelled: 403.",
        tags=[TAG],
        responses=cancelled,
    )
    def task_cancel(path: TaskPath) -> Response:
        return json_response(_cancel(service, path))

    @app.post(
        "/api/task/<task_id>/cancel",
        summary="Cancel, for clients that know only GET and POST",
        tags=[TAG],
        responses=cancelled,
    )
    def task_cancel_post(path: TaskPath) -> Response:
        return json_response(_cancel(service, path))

    @app.get(
        "/api/tasks",
        summary="List tasks, newest first",
        description="All of them to callers at the server's own machine while it has no tokens; "
        "to all others their own.",
        tags=[TAG],
        responses={"200": TasksAnswer},
    )
    def tasks(query: TasksQuery) -> Response:
        state = State(query.state) if query.state else None
        jobs, total = service.page(
            state=state,
            tool=query.tool,
            owner=caller().owner,
            limit=query.limit,
            offset=query.offset,
        )
        base = addresses().base()
        return success(
            {
                "tasks": [task_fields(job, base) for job in jobs],
                "total": total,
                "limit": query.limit,
                "offset": query.offset,
            }
        )

    app.get(
        "/api/task/<task_id>",
        summary="State, progress, result and new log lines of a task",
        tags=[TAG],
        responses=known,
    )(task)


def _cancel(service: JobService, path: TaskPath) -> dict[str, object]:
    withdrawal = service.cancel(path.task_id, caller().owner)
    fields = task_fields(withdrawal.job, addresses().base())
    if withdrawal.others and not withdrawal.job.is_finished:
        fields["message"] = goes_on(withdrawal.others)
    return fields


def goes_on(others: int) -> str:
    """What a caller is told whose task is not cancelled, since others share it."""
    who = "another caller that has" if others == 1 else f"{others} other callers that have"
    return f"You have taken your request back. The task goes on for {who} asked for the same."


def _task(service: JobService, task_id: str, since: int | None, wait: float) -> dict[str, object]:
    job = service.job(task_id)
    if (
        wait > 0
        and not job.is_finished
        and not (since is not None and _has_news(service, job, since))
    ):
        version = job.version
        service.events.wait_until(job.id, lambda now: now.version != version, wait)
        job = service.job(task_id)
    fields = task_fields(job, addresses().base())
    if job.state is State.PENDING:
        fields["queue_position"] = service.position(job)
    lines, cursor = service.new_lines(job, since)
    return with_lines(fields, lines, cursor)


def _has_news(service: JobService, job: Job, since: int) -> bool:
    return bool(service.events.logs(job, since))


def _cursor() -> int | None:
    text = _argument("since")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise RequestError("since: give the next_since of an earlier answer.", field="since")
    return min(int(text[:19]), CURSOR_MAX)


def _argument(name: str) -> str | None:
    # Most polls have no query, and to miss in one costs Werkzeug an exception.
    return request.args.get(name) if request.environ.get("QUERY_STRING") else None


def _wait_seconds() -> float:
    text = _argument("wait")
    if not text:
        return 0.0
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise RequestError("wait: give seconds from 0 to 25.", field="wait")
    return min(seconds, WAIT_MAX_SECONDS)


def _sse(feed: Feed, job_id: str, since: int, base: str) -> Iterator[bytes]:
    yield b"retry: 1000\n\n"
    for push in feed.follow(job_id, since, base):
        yield push.sse() if push is not None else b": still here\n\n"


class _HandedOver(Response):
    """What a view returns after a WebSocket: the connection has been used up."""

    def __call__(self, *_: object) -> list[bytes]:
        return []


def _websocket(feed: Feed, job_id: str, since: int, base: str) -> Response:
    # The library is not cheap to load, and few callers want it.
    from gmapi.web.websocket import Gone, WebSocket

    socket = WebSocket(request.environ)
    try:
        for push in feed.follow(job_id, since, base):
            if push is not None:
                socket.send(push.websocket())
            elif not socket.connected:
                break
    except Gone:
        pass
    finally:
        socket.finish()
    return _HandedOver()
