"""The kind of Flask application this is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Response
from flask_openapi3 import OpenAPI
from flask_openapi3.types import ParametersTuple
from pydantic import BaseModel

from gmapi.web.answers import JSON_HEADERS
from gmapi.web.files import Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

OPTIONS_HEADERS = {
    "Access-Control-Allow-Headers": "Authorization, *",
    "Access-Control-Allow-Methods": "GET, HEAD, POST, DELETE, OPTIONS",
    # A day; browsers cut it to what they allow.
    "Access-Control-Max-Age": "86400",
}

# Answers hold no secrets of a visitor, so any page that may ask may read them, and of their heads
# what it needs to fetch files in ranges and to wait.
_CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Disposition, Content-Length, "
    "Content-Range, ETag, Location, Retry-After, WWW-Authenticate, X-Cache",
}
_COMMON_HEADERS = [
    (name.lower(), (name, value)) for name, value in {**_CORS_HEADERS, **JSON_HEADERS}.items()
]

Headers = list[tuple[str, str]]


def with_common(headers: Headers) -> Headers:
    """Headers with those that all answers have, unless they have their own."""
    present = {name.lower() for name, _ in headers}
    return headers + [pair for name, pair in _COMMON_HEADERS if name not in present]


def describe_parameters(view: Callable[..., Response], **models: type[BaseModel]) -> None:
    """Have the parameters of a view described by `models`, but not validated by them.

    Polls are the busiest requests of all: reading theirs by hand costs a third of it.
    """
    view.__annotations__ = models
    view.__delay_validate_request__ = True  # type: ignore[attr-defined]


class Application(OpenAPI):
    """Flask, where it would cost more than what is asked for.

    Routes are described when somebody asks for the document: that was most of a start's own work.
    """

    short_way: Callable[[WSGIEnvironment], Answer | None]
    """Asked before Flask is."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._undescribed: list[tuple[str, Callable[..., Any], dict[str, Any]]] = []
        self._describing = threading.Lock()
        super().__init__(*args, **options)

    def _collect_openapi_info(
        self, rule: str, func: Callable[..., Any], **options: Any
    ) -> ParametersTuple:
        self._undescribed.append((rule, func, options))
        return super()._collect_openapi_info(rule, func, doc_ui=False)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """There are no coroutines here, so none are looked for in each request."""
        return func

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        """Answer, by the short way if there is one, and give each answer the headers that all have.

        Not by `after_request`, whose ways to set headers took an eighth of a poll.
        """
        answer = self.short_way(environ)
        if answer is not None:
            start_response(answer.status, with_common(answer.headers))
            return answer.body

        def start(status: str, headers: Headers, *error: Any) -> Any:
            if environ["REQUEST_METHOD"] == "OPTIONS":
                # It has no content.
                headers = [pair for pair in headers if pair[0].lower() != "content-type"]
                headers += OPTIONS_HEADERS.items()
            return start_response(status, with_common(headers), *error)

        return super().wsgi_app(environ, start)

    @property
    def api_doc(self) -> dict[str, Any]:
        """The OpenAPI document."""
        with self._describing:
            for rule, func, options in self._undescribed:
                super()._collect_openapi_info(rule, func, **options)
            self._undescribed.clear()
        found: dict[str, Any] = _references_alone(super().api_doc)
        return found


def _references_alone(value: Any) -> Any:
    """A part of the document in which no `$ref` has a neighbour, such as a field's description:
    many programs take no notice of those, and linters complain."""
    if isinstance(value, list):
        return [_references_alone(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _references_alone(item) for key, item in value.items()}
    if isinstance(found.get("$ref"), str) and len(found) > 1:
        found["allOf"] = [{"$ref": found.pop("$ref")}]
    return found
