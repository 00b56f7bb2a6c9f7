"""Sending files that are still being made: what there is at once, the rest as it comes."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

from flask import Response, request

from gmapi.jobs.model import Job
from gmapi.jobs.service import JobService
from gmapi.storage.growing import GrowingReader, Stage
from gmapi.web.files import LOOK_SECONDS, MEDIA_HEADERS, BrokenAnswer, binary_type

READ_BYTES = 64 * 1024
JOB_SECONDS = 1.0
"""How often a reader looks whether the job still runs: its worker may have died without a word."""

GROWING_HEADERS = {
    **MEDIA_HEADERS,
    "Accept-Ranges": "none",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


def send_growing(service: JobService, job: Job, reader: GrowingReader, media_type: str) -> Response:
    """A growing file of a running job, from its start to its end to come; takes over `reader`."""
    body = GrowingBody(service, job, reader)
    if request.method == "HEAD":
        body.close()
    return Response(
        body,
        content_type=binary_type(media_type),
        direct_passthrough=True,
        headers=GROWING_HEADERS,
    )


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
        events, reader = self._service.events, self._reader
        sent, runs, looked = 0, True, time.monotonic()
        with events.watch(self._job.id) as watch:
            while True:
                # After the look at the job: its last bytes may have come just before it ended.
                growth = reader.look()
                while sent < growth.size:
                    data = reader.read(sent, min(READ_BYTES, growth.size - sent))
                    if not data:
                        raise BrokenAnswer("a growing file became shorter")
                    sent += len(data)
                    yield data
                if growth.stage is Stage.FINISHED:
                    return
                if growth.stage is Stage.ABANDONED or not runs:
                    raise BrokenAnswer("a growing file was not finished")
                if events.stopped:
                    raise BrokenAnswer("the server stops")
                watch.wait(LOOK_SECONDS)
                if time.monotonic() - looked >= JOB_SECONDS:
                    self._service.touch(self._job)
                    runs = self._service.still_runs(self._job)
                    looked = time.monotonic()
