"""Published files and single frames."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flask import Response, request
from flask_openapi3 import OpenAPI, Tag

from gmapi.errors import NotFoundError
from gmapi.jobs.service import JobService
from gmapi.media.formats import media_type_of
from gmapi.web.application import describe_parameters
from gmapi.web.files import Answer, file_answer
from gmapi.web.frames import frame_answer
from gmapi.web.growing import send_growing
from gmapi.web.schemas import FileHeaders, FilePath, FramePath, Responses, binary, failures

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

TAG = Tag(name="files", description="What tasks have made")
ANSWERS_TO_CONDITIONS: Responses = {"304": None, "412": None, "416": None}
MEDIA_TYPES = ("application/*", "audio/*", "image/*", "text/*", "video/*")


def register(app: OpenAPI, service: JobService) -> None:
    """Add the file routes; Flask answers HEAD by the same views."""

    def download(file_id: str, name: str) -> Response:
        return _file(service, file_id, name)

    describe_parameters(download, path=FilePath, header=FileHeaders)
    app.get(
        "/download/<file_id>/<name>",
        summary="Download an output",
        description="Knows HEAD, Range and all conditions. A file that a running "
        "task still writes is sent as it grows: chunked, without Content-Length and ETag; the "
        "connection breaks off if the task fails. A range of it, given by its first byte, is "
        "answered with what is there of it, at most 16 MiB, and `*` for the size in Content-Range; "
        "while there is nothing, it waits up to 10 seconds and then answers 503. Only a finished "
        "file answers 416, to a range past its end.",
        tags=[TAG],
        responses={
            "200": binary("The file.", *MEDIA_TYPES, partial=True),
            "206": binary("The range asked for.", *MEDIA_TYPES, partial=True),
            **ANSWERS_TO_CONDITIONS,
            **failures("404", "503"),
        },
    )(download)

    def frame(task_id: str, name: str) -> Response:
        return frame_answer(service, request.environ, task_id, name).response()

    describe_parameters(frame, path=FramePath, header=FileHeaders)
    app.get(
        "/frames/<task_id>/<name>",
        summary="One frame of a video_frame task",
        tags=[TAG],
        responses={
            "200": binary("The frame.", "image/png", "image/jpeg", partial=True),
            "206": binary("The range asked for.", "image/png", "image/jpeg", partial=True),
            **ANSWERS_TO_CONDITIONS,
            **failures("404", "503"),
        },
    )(frame)


def _file(service: JobService, file_id: str, name: str) -> Response:
    try:
        return published_answer(service, request.environ, file_id, name).response()
    except NotFoundError:
        job = service.file_owner(file_id)
    growing = service.storage.open_growing(file_id, name)
    if growing is not None:
        response = send_growing(service, job, growing, media_type_of(name))
        if response is not None:
            response.headers.extend([_as_file(name)])
            return response
    # It may have been finished since the first look.
    return published_answer(service, request.environ, file_id, name).response()


def published_answer(
    service: JobService, environ: WSGIEnvironment, file_id: str, name: str
) -> Answer:
    """A published file. Raises NotFoundError for what is none, or none yet."""
    job = service.file_owner(file_id)
    opened = service.storage.open(file_id, name)
    answer = file_answer(environ, opened, media_type_of(name), partial(service.touch, job))
    answer.headers.append(_as_file(name))
    return answer


def _as_file(name: str) -> tuple[str, str]:
    # The name has been looked up: it is a plain word.
    return "Content-Disposition", f'inline; filename="{name}"'
