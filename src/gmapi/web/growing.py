"""Sending files that are still being made: what there is at once, the rest as it comes.

Game computers hand a reply over only when it is whole, so they read such a file by ranges.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial

from flask import Response, request

from gmapi.errors import UnavailableError
from gmapi.jobs.model import Job
from gmapi.jobs.service import JobService
from gmapi.storage.growing import GrowingReader, Growth, Stage
from gmapi.storage.ranges import Choice, OpenRange, is_match
from gmapi.tools.results import GAME_REPLY_MAX
from gmapi.web.files import (
    LOOK_SECONDS,
    MEDIA_HEADERS,
    BrokenAnswer,
    binary_type,
    bodiless,
    body_answer,
)

READ_BYTES = 64 * 1024
JOB_SECONDS = 1.0
"""How often a reader looks whether the job still runs: its worker may have died without a word."""

PATIENCE_SECONDS = 10.0
"""How long a range is waited for: clients give up after 30 s of silence (contract, P3)."""

# What is not whole has no validator, and nobody may keep it.
GROWING_HEADERS = {"Accept-Ranges": "bytes", "Cache-Control": "no-store"}


def send_growing(
    service: JobService, job: Job, reader: GrowingReader, media_type: str
) -> Response | None:
    """The answer to a call for a growing file of a job; takes over `reader`.

    A range is answered once a byte of it is there, a call for the whole at once, with a body to
    come. None if the file does not grow any more: it is published now, or never will be. Raises
    UnavailableError when a range does not come soon.
    """
    if not service.still_runs(job):
        reader.close()
        return None
    is_head = request.method == "HEAD"
    condition = request.headers.get("If-Match")
    if condition is not None and not is_match(None, condition):
        reader.close()
        response = bodiless(412)
        response.headers.update(GROWING_HEADERS)
        return response
    wanted = OpenRange.parse(request.headers.get("Range"), request.headers.get("If-Range"))
    if wanted is not None and not is_head:
        return _send_range(service, job, reader, media_type, wanted)
    body = GrowingBody(service, job, reader)
    if is_head:
        body.close()
    return Response(
        body,
        content_type=binary_type(media_type),
        direct_passthrough=True,
        headers={**MEDIA_HEADERS, **GROWING_HEADERS, "X-Accel-Buffering": "no"},
    )


def _send_range(
    service: JobService, job: Job, reader: GrowingReader, media_type: str, wanted: OpenRange
) -> Response | None:
    try:
        chosen = _wait_for(service, job, reader, wanted)
        if chosen is None:
            reader.close()
            return None
        part = reader.slice(chosen.offset, chosen.length)
    except BaseException:
        reader.close()
        raise
    in_use = partial(service.touch, job)
    response = body_answer(
        [part], chosen.length, media_type, reader.close, in_use, chosen.status
    ).response()
    response.headers.update(GROWING_HEADERS)
    response.headers["Content-Range"] = chosen.content_range
    return response


def _wait_for(
    service: JobService, job: Job, reader: GrowingReader, wanted: OpenRange
) -> Choice | None:
    """What is there of the range, as soon as that is anything; None if the file ends before."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with closing(_looks(service, job, reader)) as looks:
        for growth in looks:
            if growth.stage is not Stage.GROWING:
                return None
            chosen = wanted.choose(growth.size, GAME_REPLY_MAX)
            if chosen is not None:
                return chosen
            if service.events.ending or time.monotonic() >= deadline:
                raise UnavailableError(
                    f"This file is still being made and has {growth.size} bytes so far; ask for "
                    "later ones again in a moment.",
                    retry_after=1,
                )
    return None


class GrowingBody:
    """A response body that follows a growing file until it is finished.

    While nothing comes it waits as long as the job runs. Iterating raises BrokenAnswer when the
    file will never be finished, or when this process stops.
    """

    def __init__(self, service: JobService, job: Job, reader: GrowingReader) -> None:
        self._service = service
        self._job = job
        self._reader = reader
        self._pieces = self._follow()

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        """Close the file; called by the server when the answer is sent or broken off."""
        self._pieces.close()
        self._reader.close()

    def _follow(self) -> Generator[bytes, None, None]:
        reader, sent = self._reader, 0
        with closing(_looks(self._service, self._job, reader)) as looks:
            for growth in looks:
                while sent < growth.size:
                    data = reader.read(sent, min(READ_BYTES, growth.size - sent))
                    if not data:
                        raise BrokenAnswer("a growing file became shorter")
                    sent += len(data)
                    yield data
                if growth.stage is Stage.FINISHED:
                    return
                if self._service.events.stopped:
                    raise BrokenAnswer("the server stops")
        raise BrokenAnswer("a growing file was not finished")


def _looks(service: JobService, job: Job, reader: GrowingReader) -> Generator[Growth, None, None]:
    """How far a file has come: now, and again and again while it grows and its job runs."""
    runs, looked = True, time.monotonic()
    with service.events.watch(job.id) as watch:
        while True:
            # After the look at the job: its last bytes may have come just before it ended.
            growth = reader.look()
            yield growth
            if growth.stage is not Stage.GROWING or not runs:
                return
            watch.wait(LOOK_SECONDS)
            if time.monotonic() - looked >= JOB_SECONDS:
                service.touch(job)
                runs = service.still_runs(job)
                looked = time.monotonic()
