"""Looking at tasks: state, log, the list; cancelling and deleting them."""

from __future__ import annotations

from dataclasses import replace

from flask import Response, request
from flask_openapi3 import OpenAPI, Tag

from gmapi.errors import RequestError, UnauthorizedError
from gmapi.jobs.events import EventHub
from gmapi.jobs.model import Job, State, Withdrawal
from gmapi.jobs.service import JobService, NewLines
from gmapi.web import news
from gmapi.web.address import addresses
from gmapi.web.answers import JSON_TYPE, json_response, success, task_fields
from gmapi.web.application import describe_parameters
from gmapi.web.events import Mark
from gmapi.web.gate import caller
from gmapi.web.polls import Polls
from gmapi.web.schemas import Responses, failures
from gmapi.web.task_schemas import TaskAnswer, TaskPath, TaskQuery, TasksAnswer, TasksQuery

WAIT_MAX_SECONDS = 25.0
DELETED = "The task and its outputs were deleted."
TAG = Tag(name="tasks", description="State, progress and log of tasks")


def register(app: OpenAPI, service: JobService, polls: Polls) -> None:
    """Add the task routes."""
    known: Responses = {"200": TaskAnswer, **failures("404")}
    changed: Responses = {**known, **failures("403", "503", "507")}

    def fields(job: Job) -> dict[str, object]:
        return task_fields(job, addresses().base(request.environ), service.settings.file_expiry)

    def task(**parameters: str) -> Response:
        job, lines = _look(service, parameters["task_id"])
        base = addresses().base(request.environ)
        return Response(polls.body(labelled(service, job), lines, base), content_type=JSON_TYPE)

    describe_parameters(task, path=TaskPath, query=TaskQuery)

    @app.delete(
        "/api/task/<task_id>",
        summary="Cancel a waiting or running task, or delete a finished one",
        description="A waiting or running task is cancelled. A finished one is deleted with its "
        "outputs: the answer says `deleted: true`, the next one 404. What others have asked for, "
        "too, goes on or stays for them: `message` says so. One that this caller never asked for: "
        "403.",
        tags=[TAG],
        responses=changed,
    )
    def task_delete(path: TaskPath) -> Response:
        label = labelled(service, service.job(path.task_id)).label
        withdrawal = service.delete(path.task_id, caller().owner)
        found = fields(replace(withdrawal.job, label=label))
        if withdrawal.others:
            found["message"] = shared(withdrawal)
        elif withdrawal.deleted:
            found |= {"deleted": True, "message": DELETED, "result": {}}
            found.pop("expires_at", None)
        return json_response(found)

    @app.post(
        "/api/task/<task_id>/cancel",
        summary="Cancel a waiting or running task",
        description="A finished task stays as it is. One that others have asked for, too, goes on "
        "for them: `message` says so. One that this caller never asked for is not cancelled: 403.",
        tags=[TAG],
        responses=changed,
    )
    def task_cancel(path: TaskPath) -> Response:
        label = labelled(service, service.job(path.task_id)).label
        withdrawal = service.cancel(path.task_id, caller().owner)
        found = fields(replace(withdrawal.job, label=label))
        if withdrawal.others and not withdrawal.job.is_finished:
            found["message"] = shared(withdrawal)
        return json_response(found)

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
        return success(
            {
                "tasks": [fields(job) for job in jobs],
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


def shared(withdrawal: Withdrawal) -> str:
    """What a caller is told whose task is neither cancelled nor deleted, since others share it."""
    others = withdrawal.others
    who = "another caller that has" if others == 1 else f"{others} other callers that have"
    goes_on = "stays" if withdrawal.job.is_finished else "goes on"
    return f"You have taken your request back. The task {goes_on} for {who} asked for the same."


def labelled(service: JobService, job: Job) -> Job:
    """The task with the label that the present caller gave it. A link alone tells none."""
    if not job.is_labelled:  # polls are many, and to tell callers apart costs something
        return job
    try:
        return service.labelled(job, caller().owner)
    except UnauthorizedError:
        return job


def _look(service: JobService, task_id: str) -> tuple[Job, NewLines]:
    """The task and its new lines, after the wait that was asked for."""
    since, wait = cursor(), _wait_seconds()
    job = service.job(task_id)
    if (
        wait > 0
        and not job.is_finished
        and not (since is not None and service.events.logs(job, since.line))
    ):
        _wait_for_news(service.events, job, since, wait)
        job = service.job(task_id)
    # HEAD hands out nothing: the lines are still new to the next GET.
    handed_out = request.method != "HEAD"
    return job, service.new_lines(job, since.line if since else None, handed_out=handed_out)


def _wait_for_news(hub: EventHub, job: Job, since: Mark | None, wait: float) -> None:
    """Wait up to so many seconds for what the caller can see: a turn of the task at once, lines and
    mere progress after a moment, in which they gather."""
    tail = hub.log_tail(job) if since is None else []
    line = since.line if since is not None else tail[-1].id if tail else 0

    def turned(now: Job) -> bool:
        return news.turn(now) != news.turn(job)

    def changed(now: Job) -> bool:
        return news.sight(now) != news.sight(job) or bool(hub.logs(now, line))

    moment = min(wait, news.PROGRESS_SECONDS)
    now = hub.wait_until(job.id, turned, moment)
    if now is not None and not turned(now):
        hub.wait_until(job.id, changed, wait - moment)


def cursor() -> Mark | None:
    """How far the caller has read, as `?since=` says. Raises RequestError for what is no cursor."""
    text = _argument("since")
    if not text:
        return None
    mark = Mark.parse(text)
    if mark is None:
        raise RequestError("since: give the next_since of an earlier answer.", field="since")
    return mark


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
