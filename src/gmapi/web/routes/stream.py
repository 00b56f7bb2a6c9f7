"""What is made without an end, piece by piece: the seconds of stations."""

from __future__ import annotations

import re
import time

from flask import Response, request
from flask_openapi3 import OpenAPI, Tag

from gmapi.errors import GmapiError, NotFoundError, UnavailableError
from gmapi.jobs.model import Job
from gmapi.jobs.service import JobService
from gmapi.media.formats import media_type_of
from gmapi.media.live_sound import CHANNELS, SECOND_BYTES
from gmapi.storage.base import Slice
from gmapi.storage.parts import MissingPart
from gmapi.tools.radio import ACCESS_SECONDS, RADIO, SOUND, WINDOW_SECONDS
from gmapi.web.answers import failure
from gmapi.web.application import describe_parameters
from gmapi.web.files import LOOK_SECONDS, slice_answer
from gmapi.web.schemas import FileHeaders, SecondPath, binary, failures

TAG = Tag(name="streams", description="What is made without an end")

PATIENCE_SECONDS = 1.0
"""How long the next second is waited for."""

MEDIA_TYPE = media_type_of("second.dfpwm")

_NUMBER = re.compile(r"[1-9][0-9]{0,11}")


def register(app: OpenAPI, service: JobService) -> None:
    """Add the routes of streams; Flask answers HEAD by the same views."""

    def second(task_id: str, number: str, channel: str) -> Response:
        return _second(service, task_id, number, channel)

    describe_parameters(second, path=SecondPath, header=FileHeaders)
    app.get(
        "/stream/<task_id>/sound/<number>/<channel>",
        summary="One second of a station",
        description="DFPWM of one channel at 48 kHz, 6,000 bytes. The newest 60 seconds can be "
        "had, and asking for one counts as listening. One that is about to come is waited for, a "
        "second at most: then the answer is 503. 404 is for what has gone and for what will "
        "not come soon; both tell `first` and `last`, the numbers there are. 404 without them is "
        "for a station that has been switched off or has failed.",
        tags=[TAG],
        responses={
            "200": binary("The second.", MEDIA_TYPE, partial=True),
            "206": binary("The range asked for.", MEDIA_TYPE, partial=True),
            "304": None,
            "412": None,
            "416": None,
            **failures("404", "503"),
        },
    )(second)


def _second(service: JobService, task_id: str, text: str, channel: str) -> Response:
    job = service.job(task_id)
    if job.tool != RADIO.name:
        raise NotFoundError("This task is no station; /api/radio makes one.")
    if channel not in CHANNELS or not _NUMBER.fullmatch(text):
        raise NotFoundError("Seconds are called 1/mono, 1/left, 1/right, 2/mono and so on.")
    number = int(text)
    deadline = time.monotonic() + PATIENCE_SECONDS
    with service.events.watch(job.id) as watch:
        while True:
            if not job.is_finished:
                service.touch(job, ACCESS_SECONDS)
            found = _look(service, job, number, channel)
            if isinstance(found, Response):
                return found
            is_late = time.monotonic() >= deadline or service.events.ending
            if is_late or not isinstance(found, UnavailableError):
                return failure(found, **_there(service, job))
            watch.wait(LOOK_SECONDS)
            job = service.job(task_id)


def _look(service: JobService, job: Job, number: int, channel: str) -> Response | GmapiError:
    """The second, or why it cannot be had now."""
    if job.file_id is None:
        if job.is_finished:
            return NotFoundError(job.error or "The station has been switched off.")
        return UnavailableError("The station is not on the air yet.", retry_after=1)
    reader = service.storage.part_reader(job.file_id, SOUND)
    try:
        whole = reader.part(number)
    except MissingPart:
        reader.close()
        return _missing(service, job, number)
    at = list[str](CHANNELS).index(channel) * SECOND_BYTES
    part = Slice(whole.source, at, SECOND_BYTES)
    etag = f'"{job.file_id}-{number}-{channel}"'
    answer = slice_answer(
        request.environ, part, etag, job.created, MEDIA_TYPE, reader.close, lambda: None
    )
    return answer.response()


def _missing(service: JobService, job: Job, number: int) -> GmapiError:
    there = _there(service, job)
    last = there.get("last", 0)
    if number < there.get("first", 0):
        return NotFoundError(
            f"Second {number} has gone; the oldest is {there['first']}, the newest {last}."
        )
    if job.is_finished:
        return NotFoundError("The station has been switched off; ask /api/radio for it again.")
    if last and number > last + WINDOW_SECONDS:
        return NotFoundError(f"Second {number} will not come soon; the newest is {last}.")
    return UnavailableError(f"Second {number} has not come yet.", retry_after=1)


def _there(service: JobService, job: Job) -> dict[str, int]:
    """The numbers of the oldest and the newest second."""
    if job.file_id is None or job.is_finished:
        return {}
    with service.storage.part_reader(job.file_id, SOUND) as reader:
        bounds = reader.bounds()
    return {"first": bounds[0], "last": bounds[1]} if bounds else {}
