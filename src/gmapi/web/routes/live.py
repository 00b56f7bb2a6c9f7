"""Following a task live: Server-Sent Events and WebSocket."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, request
from flask_openapi3 import OpenAPI

from gmapi.errors import RequestError
from gmapi.jobs.model import Job
from gmapi.jobs.service import JobService
from gmapi.web.address import addresses
from gmapi.web.application import describe_parameters
from gmapi.web.events import Feed, Mark, StatePush
from gmapi.web.routes.tasks import TAG, cursor, labelled
from gmapi.web.schemas import failures
from gmapi.web.task_schemas import EventsHeaders, LogQuery, TaskPath

EVENT = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "enum": ["state", "log", "end"]},
        "id": {
            "type": "string",
            "pattern": r"^[0-9]+(\.end)?$",
            "description": "The newest log line so far; that of `end` ends in `.end`.",
        },
        "data": {"type": "string", "description": "JSON: the task, or a line and its time."},
    },
}
SSE_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def register(app: OpenAPI, service: JobService) -> None:
    """Add the live routes."""
    feed = Feed(service)

    def task_events(**parameters: str) -> Response:
        job = service.job(parameters["task_id"])
        seen = _seen()
        if seen.end and job.is_finished and not service.events.logs(job, seen.line):
            return Response(status=204)  # tells a browser to stop reconnecting
        label = labelled(service, job).label
        stream = _sse(feed, job.id, seen.line, addresses().base(request.environ), label)
        return Response(stream, content_type="text/event-stream", headers=SSE_HEADERS)

    describe_parameters(task_events, path=TaskPath, query=LogQuery, header=EventsHeaders)
    app.get(
        "/api/task/<task_id>/events",
        summary="State, progress and log lines as Server-Sent Events",
        description="Events `state`, `log` and `end`. An `id` is the newest log line so far, and "
        "for `end` besides ends in `.end`. Resumes after Last-Event-ID; who has seen the `end` is "
        "answered 204, which stops a browser's EventSource.",
        tags=[TAG],
        responses={
            "200": {
                "description": "The events.",
                "content": {"text/event-stream": {"schema": EVENT}},
            },
            "204": {"description": "The task has ended and all has been said."},
            **failures("404"),
        },
    )(task_events)

    def task_websocket(**parameters: str) -> Response:
        job = service.job(parameters["task_id"])
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise RequestError("Open this address as a WebSocket (ws://), or use /events.")
        since = cursor() or Mark()
        return _websocket(service, feed, labelled(service, job), since.line)

    describe_parameters(task_websocket, path=TaskPath, query=LogQuery)
    app.get(
        "/api/task/<task_id>/ws",
        summary="The same over WebSocket",
        description="Text messages `{event, id, data}`, each below 128 KiB; `id` is a number, for "
        "`since`. A `log` message holds as many lines as fit: all their text in `data.line`, each "
        "with its time in `data.lines`. After `end` the server waits up to 10 seconds for the "
        "client to close. It closes with 1012 when it restarts: connect again.",
        tags=[TAG],
        responses={"101": None, **failures("404")},
    )(task_websocket)

    # Werkzeug hands upgrade requests only to rules that say so; the rule above tells others why.
    app.add_url_rule(
        "/api/task/<task_id>/ws",
        endpoint="task_websocket",
        view_func=app.view_functions["task_websocket"],
        websocket=True,
    )


def _seen() -> Mark:
    """How far the caller has come. A browser's own word is never refused: it cannot mend it."""
    return Mark.parse(request.headers.get("Last-Event-ID", "")) or cursor() or Mark()


def _sse(feed: Feed, job_id: str, since: int, base: str, label: str | None) -> Iterator[bytes]:
    yield b"retry: 1000\n\n"
    for push in feed.follow(job_id, since, base, label):
        yield push.sse() if push is not None else b": still here\n\n"


class _HandedOver(Response):
    """What a view returns after a WebSocket: the connection has been used up."""

    def __call__(self, *_: object) -> list[bytes]:
        return []


def _websocket(service: JobService, feed: Feed, job: Job, since: int) -> Response:
    # The library is not cheap to load, and few callers want it.
    from wsproto.frame_protocol import CloseReason

    from gmapi.web.websocket import Gone, WebSocket

    socket = WebSocket(request.environ)
    reason = CloseReason.NORMAL_CLOSURE
    try:
        told_all = False
        for push in feed.follow(job.id, since, addresses().base(request.environ), job.label):
            if push is not None:
                for message in push.websocket():
                    socket.send(message)
                told_all = isinstance(push, StatePush) and push.event == "end"
            elif not socket.connected:
                break
        if told_all:
            socket.wait_for_close(lambda: service.events.ending)
        elif service.events.ending:
            reason = CloseReason.SERVICE_RESTART
    except Gone:
        pass
    finally:
        socket.finish(reason)
    return _HandedOver()
