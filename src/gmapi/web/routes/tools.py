"""A pair of routes for each tool: one waits for the result, one answers at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, request
from flask_openapi3 import OpenAPI, Tag
from flask_openapi3.models import Header
from pydantic import BaseModel

from gmapi.jobs.model import Submission
from gmapi.jobs.service import JobService
from gmapi.tools.fields import ToolRequest
from gmapi.tools.registry import TOOLS
from gmapi.tools.tool import Tool
from gmapi.web.address import addresses
from gmapi.web.answers import success, task_urls, with_warnings
from gmapi.web.gate import caller
from gmapi.web.misspelt import warnings
from gmapi.web.reuse import HEADER, ReuseCounts
from gmapi.web.schemas import Responses, failures, header
from gmapi.web.task_schemas import Accepted, success_model
from gmapi.web.waiting import wait_for_result

POLL_SECONDS = 1


def register(app: OpenAPI, service: JobService, reuse: ReuseCounts) -> None:
    """Add the routes of all tools."""
    for tool in TOOLS.values():
        tag = Tag(name=tool.name, description=tool.summary)
        refusals = failures("400", "403", "408", "413", "429", "503", "507")
        later: Responses = {"200": _answered(Accepted), "202": _later(), **refusals}
        if tool.is_live:
            for end in ("", "/async"):
                _add(
                    app,
                    f"/api/{tool.name}{end}",
                    _async_view(service, tool, reuse),
                    tool,
                    summary=tool.summary,
                    description=f"{tool.description} Answers at once with a task to ask for.",
                    tags=[tag],
                    responses=later,
                )
            continue
        _add(
            app,
            f"/api/{tool.name}",
            _wait_view(service, tool, reuse),
            tool,
            summary=tool.summary,
            description=f"{tool.description} Waits for the result; while a conversion takes long, "
            "white space is sent ahead of the JSON. A conversion that failed is answered with "
            '200 and `status: "error"`. Who leaves early cancels nothing: the same request joins '
            "the task or gets its result.",
            tags=[tag],
            responses={"200": _answered(success_model(tool.result)), **refusals},
        )
        _add(
            app,
            f"/api/{tool.name}/async",
            _async_view(service, tool, reuse),
            tool,
            summary=f"{tool.summary}, in the background",
            description=f"{tool.description} Answers at once with a task to ask for.",
            tags=[tag],
            responses=later,
        )


def _led_to() -> dict[str, Any]:
    return {
        HEADER: header(
            "hit: an old result; join: a task that was there; miss: a new one.", "string"
        )
    }


def _answered(model: type[BaseModel]) -> type[BaseModel]:
    """The model, with the headers that the document tells of such an answer."""
    headers = {name: Header.model_validate(said) for name, said in _led_to().items()}
    model.model_config["openapi_extra"] = {"headers": headers}  # type: ignore[typeddict-unknown-key]
    return model


def _later() -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{Accepted.__name__}"}
    return {
        "description": "Accepted; the task waits or runs.",
        "headers": {
            "Location": header("Where to ask for the task; the same as status_url.", "string"),
            "Retry-After": header("When to ask first, in seconds.", "integer"),
            **_led_to(),
        },
        "content": {"application/json": {"schema": schema}},
    }


def _add(app: OpenAPI, rule: str, view: Callable[..., Response], tool: Tool, **docs: Any) -> None:
    view.__name__ = rule.strip("/").replace("/", "_")
    # flask-openapi3 reads the body's model from the annotation.
    view.__annotations__ = {"body": tool.request, "return": Response}
    app.post(rule, **docs)(view)


def _submit(service: JobService, tool: Tool, body: ToolRequest) -> Submission:
    who = caller()
    return service.submit(
        tool, body, who.client, who.rate, caller=who.owner, label=body.label or None
    )


def _wait_view(service: JobService, tool: Tool, reuse: ReuseCounts) -> Callable[..., Response]:
    def view(body: ToolRequest) -> Response:
        submission = _submit(service, tool, body)
        led_to = reuse.count(submission)
        found = warnings(request.get_json(), tool.request)
        base = addresses().base(request.environ)
        response = wait_for_result(service, submission.job, base, found)
        response.headers[HEADER] = led_to
        return response

    return view


def _async_view(service: JobService, tool: Tool, reuse: ReuseCounts) -> Callable[..., Response]:
    def view(body: ToolRequest) -> Response:
        submission = _submit(service, tool, body)
        led_to = reuse.count(submission)
        job = submission.job
        message = "Accepted." if not submission.joined else "The same task exists; joined it."
        urls = task_urls(job.id, addresses().base(request.environ))
        fields = with_warnings(
            {"task_id": job.id, **urls, "message": message},
            warnings(request.get_json(), tool.request),
        )
        response = success(fields, 200 if job.is_finished else 202)
        response.headers[HEADER] = led_to
        if not job.is_finished:
            response.headers["Location"] = urls["status_url"]
            response.headers["Retry-After"] = str(POLL_SECONDS)
        return response

    return view
