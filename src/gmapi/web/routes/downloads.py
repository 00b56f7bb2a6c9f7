"""Published files and single frames."""

from __future__ import annotations

from functools import partial

from flask import Response
from flask_openapi3 import OpenAPI, Tag

from gmapi.errors import NotFoundError, UnavailableError
from gmapi.jobs.model import Job
from gmapi.jobs.service import JobService
from gmapi.media.formats import media_type_of
from gmapi.storage.framestore import MissingFrame, parse_frame_name
from gmapi.tools import frame_formats
from gmapi.web.application import describe_parameters
from gmapi.web.files import send_file, send_slice
from gmapi.web.growing import send_growing
from gmapi.web.schemas import FileHeaders, FilePath, FramePath, Responses, binary, failures

TAG = Tag(name="files", description="What tasks have made")
ESTIMATE_SLACK = 10
ANSWERS_TO_CONDITIONS: Responses = {"304": None, "412": None, "416": None}
MEDIA_TYPES = ("application/*", "audio/*", "image/*", "text/*", "video/*")


def register(app: OpenAPI, service: JobService) -> None:
    """Add the file routes; Flask answers HEAD by the same views."""

    def download(file_id: str, name: str) -> Response:
        response = _file(service, file_id, name)
        # The name has been looked up: it is a plain word.
        response.headers["Content-Disposition"] = f'inline; filename="{name}"'
        return response

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
        return _frame(service, task_id, name)

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
    job = service.file_owner(file_id)
    media_type = media_type_of(name)
    try:
        opened = service.storage.open(file_id, name)
    except NotFoundError:
        growing = service.storage.open_growing(file_id, name)
        if growing is not None:
            response = send_growing(service, job, growing, media_type)
            if response is not None:
                return response
        # It may have been finished since the first look.
        opened = service.storage.open(file_id, name)
    return send_file(opened, media_type, partial(service.touch, job))


def _frame(service: JobService, task_id: str, name: str) -> Response:
    job = service.job(task_id)
    number = parse_frame_name(name)
    media_type = frame_formats.media_type(job.request)
    # Programs that make the names themselves know one ending only.
    if number is None or not (name.endswith(".png") or media_type == "image/jpeg"):
        raise NotFoundError("Frames are called frame_000001.png and so on.")
    if job.file_id is None:
        raise missing_frame(job, number)
    service.touch(job)
    reader = service.storage.frame_reader(job.file_id)
    try:
        frame = reader.frame(number)
    except MissingFrame:
        reader.close()
        raise missing_frame(job, number) from None
    etag = f'"{job.file_id}-{number}-{frame.length}"'
    in_use = partial(service.touch, job)
    return send_slice(frame, etag, job.created, media_type, reader.close, in_use)


def will_come(job: Job, number: int) -> bool:
    """Whether a frame that is not there may still be made."""
    total = job.result.get("total_frames") or 0
    return (
        job.tool == "video_frame"
        and not job.is_finished
        and (not total or number <= total + ESTIMATE_SLACK)
    )


def missing_frame(job: Job, number: int) -> NotFoundError | UnavailableError:
    """Why a frame cannot be had: not yet, or never."""
    if will_come(job, number):
        return UnavailableError(f"Frame {number} is not ready yet.", retry_after=1)
    return NotFoundError(f"There is no frame {number} in this task.")
