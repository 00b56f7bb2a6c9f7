"""The Flask application: routes, error answers, OpenAPI document and documentation page."""

from __future__ import annotations

import logging
from typing import Any, cast
from urllib.parse import quote

from flask import Response, request
from flask_openapi3 import Info, License, OpenAPI
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import WebsocketMismatch

from gmapi import __version__
from gmapi.errors import GmapiError, RequestError
from gmapi.jobs.service import JobService
from gmapi.settings import Settings
from gmapi.tools.registry import TOOLS
from gmapi.web.address import Addresses
from gmapi.web.admission import Admission
from gmapi.web.answers import (
    failure,
    failure_fields,
    json_response,
    reason_phrase,
)
from gmapi.web.application import Application
from gmapi.web.body import JsonRequest, too_large
from gmapi.web.gate import Gate
from gmapi.web.host_rule import HostRule
from gmapi.web.misspelt import warnings
from gmapi.web.polls import Polls
from gmapi.web.problems import describe
from gmapi.web.reuse import ReuseCounts
from gmapi.web.routes import documentation, downloads, framepack, health, live, stream, tasks, tools
from gmapi.web.schemas import Failure, FramepackRequest, failures
from gmapi.web.short_way import ShortWay

DESCRIPTION = """A media URL goes in, a converted file's URL comes out.

Each tool has two addresses: one waits for the result, the one ending in `/async` answers at once
with a task to ask for. Bodies are JSON whatever their Content-Type; unknown fields are ignored.
Every failure has `error` and `message` (the same sentence) and `error_code`, a word for programs.
Where the server asks for an access token, it is the header `Authorization: Bearer TOKEN`,
`?token=TOKEN` or the field `token` of the body.
"""

PATH_SHOWN = 80

log = logging.getLogger(__name__)

_MODELS: list[type[BaseModel]] = [FramepackRequest, *(tool.request for tool in TOOLS.values())]
_BODIES = {model.__name__: model for model in _MODELS}


def create_app(settings: Settings, service: JobService) -> OpenAPI:
    """The WSGI application. `service` must have been started."""
    app = Application(
        "gmapi",
        info=Info(
            title="GMapiServer",
            version=__version__,
            description=DESCRIPTION,
            license=License(name="MIT", identifier="MIT"),
        ),
        security_schemes={},
        responses=failures("400", "421"),
        operation_id_callback=lambda *, name, **_: name,
        validation_error_status=400,
        validation_error_model=Failure,
        validation_error_callback=_validation_failure,
        doc_ui=False,
        static_folder=None,
    )
    app.request_class = JsonRequest
    # A doubled slash is answered with 404: game computers do not follow the redirect 308.
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = int(settings.body_max_bytes)
    addresses = Addresses(settings)
    gate = Gate(settings, addresses)
    app.extensions.update(gmapi_addresses=addresses, gmapi_gate=gate)
    host_rule = HostRule(settings, addresses)
    app.before_request(lambda: host_rule.check(request.environ))
    app.before_request(Admission(settings, addresses).check)
    app.before_request(gate.check)
    reuse = ReuseCounts()
    tools.register(app, service, reuse)
    polls = Polls(service)
    tasks.register(app, service, polls)
    live.register(app, service)
    downloads.register(app, service)
    framepack.register(app, service)
    stream.register(app, service)
    health.register(app, service, reuse)
    documentation.register(app, gate)
    app.short_way = ShortWay(service, polls, addresses, host_rule, gate).answer
    app.register_error_handler(GmapiError, failure)
    app.register_error_handler(RequestError, _request_failure)
    app.register_error_handler(HTTPException, _http_failure)
    app.register_error_handler(Exception, _internal_failure)
    return app


def _validation_failure(error: ValidationError) -> Response:
    message, field = describe(error, _BODIES)
    return failure(RequestError(message, field=field), **_remarks())


def _request_failure(error: RequestError) -> Response:
    return failure(error, **_remarks())


def _remarks() -> dict[str, Any]:
    """What else may be wrong with a request to a tool."""
    tool = TOOLS.get(request.path.split("/")[2] if request.path.startswith("/api/") else "")
    given = cast(JsonRequest, request).parsed
    found = warnings(given, tool.request) if tool is not None and given is not None else []
    return {"warnings": found} if found else {}


def _http_failure(error: HTTPException) -> Response:
    code = error.code or 500
    if code == 413:
        return failure(too_large(request.max_content_length))
    message = _http_message(error, code)
    response = json_response(failure_fields(message, f"http_{code}"), code)
    response.status = f"{code} {reason_phrase(message, code)}"
    for name, value in error.get_headers():
        if name.lower() == "allow":
            response.headers[name] = value
    return response


def _http_message(error: HTTPException, code: int) -> str:
    shown = quote(request.path[:PATH_SHOWN])
    if isinstance(error, WebsocketMismatch):
        return f"{shown} is no WebSocket; only /api/task/<task_id>/ws is."
    if isinstance(error, MethodNotAllowed):
        allowed = sorted(set(error.valid_methods or ()) - {"HEAD", "OPTIONS"})
        return f"{request.method[:20]} is not possible at {shown}; use {' or '.join(allowed)}."
    if code == 404:
        return f"There is nothing at {shown}; the documentation at /docs lists all addresses."
    if code == 400:
        return "The request body broke off or its framing is wrong; send it again as a whole."
    return error.description or error.name


def _internal_failure(error: Exception) -> Response:
    log.exception("a request broke", exc_info=error)
    return failure(GmapiError("The server met an internal error; its log says more."))
