"""The Flask application: routes, error answers, OpenAPI document and documentation page."""

from __future__ import annotations

import logging

from flask import Response, request
from flask_openapi3 import Info, OpenAPI
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from gmapi import __version__
from gmapi.errors import GmapiError, RequestError, TooLargeError
from gmapi.jobs.service import JobService
from gmapi.settings import Settings
from gmapi.web.address import Addresses
from gmapi.web.answers import failure, failure_fields, json_response, reason_phrase
from gmapi.web.body import JsonRequest
from gmapi.web.problems import describe
from gmapi.web.routes import downloads, framepack, health, tasks, tools
from gmapi.web.schemas import Failure

DESCRIPTION = """A media URL goes in, a converted file's URL comes out.

Each tool has two addresses: one waits for the result, the one ending in `/async` answers at once
with a task to ask for. Bodies are JSON whatever their Content-Type; unknown fields are ignored.
"""

log = logging.getLogger(__name__)


def create_app(settings: Settings, service: JobService) -> OpenAPI:
    """The WSGI application. `service` must have been started."""
    app = OpenAPI(
        "gmapi",
        info=Info(title="GMapiServer", version=__version__, description=DESCRIPTION),
        security_schemes={},
        validation_error_status=400,
        validation_error_model=Failure,
        validation_error_callback=_validation_failure,
        doc_prefix="/docs",
        doc_url="/openapi.json",
        static_folder=None,
    )
    app.request_class = JsonRequest
    # A doubled slash is answered with 404: game computers do not follow the redirect 308.
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = int(settings.body_max_bytes)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["gmapi_addresses"] = Addresses(settings)
    tools.register(app, service)
    tasks.register(app, service)
    framepack.register(app, service)
    downloads.register(app, service)
    health.register(app, service)
    app.register_error_handler(GmapiError, failure)
    app.register_error_handler(HTTPException, _http_failure)
    app.register_error_handler(Exception, _internal_failure)
    app.after_request(_common_headers)
    return app


def _validation_failure(error: ValidationError) -> Response:
    message, field = describe(error)
    return failure(RequestError(message, field=field))


def _http_failure(error: HTTPException) -> Response:
    code = error.code or 500
    if code == 413:
        return failure(TooLargeError("The request body is larger than this server accepts."))
    texts = {
        404: f"There is nothing at {request.path[:80]}. The documentation is at /docs.",
        405: f"{request.method[:10]} is not possible at this address.",
    }
    message = texts.get(code) or (error.description or error.name)
    response = json_response(failure_fields(message, f"http_{code}"), code)
    response.status = f"{code} {reason_phrase(message, code)}"
    for name, value in error.get_headers():
        if name.lower() == "allow":
            response.headers[name] = value
    return response


def _internal_failure(error: Exception) -> Response:
    log.exception("a request broke", exc_info=error)
    return failure(GmapiError("The server met an internal error; its log says more."))


def _common_headers(response: Response) -> Response:
    # Answers hold no secrets of a visitor, so any page may read them.
    response.headers["Access-Control-Allow-Origin"] = "*"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Headers"] = "*"
        response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST, DELETE, OPTIONS"
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response
