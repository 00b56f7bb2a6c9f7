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
from gmapi.web.files import send_file, send_slice
from gmapi.web.growing import send_growing
from gmapi.web.schemas import FilePath, FramePath, binary, failures

TAG = Tag(name="files", description="What tasks have made")
ESTIMATE_SLACK = 10
MEDIA_TYPES = ("application/*", "audio/*", "image/*", "text/*", "video/*")


def register(app: OpenAPI, service: JobService) -> None:
    """Add the file routes; Flask answers HEAD by the same views."""

    @app.get(
        "/download/<file_id>/<name>",
        summary="Download an output",
        description="Knows HEAD, Range, If-Range, ETag and If-None-Match. A file that a running "
        "task still writes is sent as it grows: chunked, without Content-Length and ETag; the "
        "connection breaks off if the task fails. A range of it, given by its first byte, is "
        "answered with what is there of it, at most 16 MiB, and `*` for the size in Content-Range; "
        "while there is nothing, it waits up to 10 seconds and then answers 503. Only a finished "
        "file answers 416, to a range past its end.",
        tags=[TAG],
        responses={
            "200": binary("The file.", *MEDIA_TYPES, partial=True),
            "206": binary("The range asked for.", *MEDIA_TYPES, partial=True),
            "304": None,
            "416": None,
            **failures("404", "503"),
        },
    )
    def download(path: FilePath) -> Response:
        job = service.file_owner(path.file_id)
        media_type = media_type_of(path.name)
        try:
            opened = service.storage.open(path.file_id, path.name)
        except NotFoundError:
            growing = service.storage.open_growing(path.file_id, path.name)
            if growing is not None:
                response = send_growing(service, job, growing, media_type)
                if response is not None:
                    return response
            # It may have been finished since the first look.
            opened = service.storage.open(path.file_id, path.name)
        return send_file(opened, media_type, partial(service.touch, job))

    @app.get(
        "/frames/<task_id>/<name>",
        summary="One frame of a video_frame task",
        tags=[TAG],
        responses={
            "200": binary("The frame.", "image/png", partial=True),
            "206": binary("The range asked for.", "image/png", partial=True),
            "304": None,
            "416": None,
            **failures("404", "503"),
        },
    )
    def frame(path: FramePath) -> Response:
        job = service.job(path.task_id)
        number = parse_frame_name(path.name)
        if number is None:
            raise NotFoundError("Frames are called frame_000001.png and so on.")
        if job.file_id is None:
            raise missing_frame(job, number)
        service.touch(job)
        reader = service.storage.frame_reader(job.file_id)
        try:
            png = reader.frame(number)
        except MissingFrame:
            reader.close()
            raise missing_frame(job, number) from None
        etag = f'"{job.file_id}-{number}-{png.length}"'
        in_use = partial(service.touch, job)
        return send_slice(png, etag, job.created, "image/png", reader.close, in_use)


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
