"""Many frames in one binary answer, also while they are still being made (contract section 6)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from flask import Response
from flask_openapi3 import OpenAPI, Tag

from gmapi.errors import NotFoundError, RequestError, TooLargeError, UnavailableError
from gmapi.jobs.model import Job
from gmapi.jobs.service import JobService
from gmapi.storage.base import Slice
from gmapi.storage.framestore import FrameReader, MissingFrame, parse_frame_name
from gmapi.tools.results import GAME_REPLY_MAX
from gmapi.web.address import addresses
from gmapi.web.files import (
    LOOK_SECONDS,
    MEDIA_HEADERS,
    BrokenAnswer,
    binary_type,
    body_response,
)
from gmapi.web.routes.downloads import missing_frame
from gmapi.web.schemas import FramepackRequest, binary, failures

BYTES_MAX = GAME_REPLY_MAX
"""Rule K4."""

GRACE_SECONDS = 1.2
"""Clients give up after 2 to 3 s of silence; by then the answer must be on its way."""

DRIP_SECONDS = 1.2
PATIENCE_SECONDS = 30.0
SOON_SECONDS = 6.0
RESERVE_BYTES = 256
FIRST_BYTE = b"\0"
MEDIA_TYPE = "application/octet-stream"

_FRAME_URL = re.compile(r"/frames/([0-9a-f]{32})/([A-Za-z0-9_.]{1,40})")


def register(app: OpenAPI, service: JobService) -> None:
    """Add the framepack route."""

    @app.post(
        "/api/framepack",
        summary="Many frames in one answer",
        description="Big-endian u32 count, then for each frame big-endian u32 size and the PNG "
        "bytes. All frames or none: those that are not ready yet are waited for, and come as "
        "they are made.",
        tags=[Tag(name="files")],
        responses={
            "200": binary("The pack.", MEDIA_TYPE),
            **failures("400", "404", "408", "413", "503"),
        },
    )
    def framepack(body: FramepackRequest) -> Response:
        prefix = addresses().prefix()
        gathering = _Gathering(service, [_parse(url, prefix) for url in body.urls])
        try:
            return _answer(gathering)
        except BaseException:
            gathering.close()
            raise


def _parse(url: str, prefix: str) -> tuple[str, int]:
    """Task id and frame number of a frame's path or absolute URL (rules R8 and K5), as this server
    knows it or with the prefix under which it was handed out."""
    try:
        path = urlsplit(url).path if "://" in url else url.partition("?")[0]
    except ValueError:
        path = ""
    match = _FRAME_URL.fullmatch(path.removeprefix(prefix))
    number = parse_frame_name(match[2]) if match else None
    if match is None or number is None:
        raise RequestError(
            "urls: each must be the address of a frame, such as "
            "/frames/<task_id>/frame_000001.png.",
            field="urls",
        )
    return match[1], number


def _answer(gathering: _Gathering) -> Response:
    deadline = time.monotonic() + GRACE_SECONDS
    while not gathering.look():
        left = deadline - time.monotonic()
        if left <= 0:
            break
        gathering.pause(min(left, LOOK_SECONDS))
    if gathering.complete:
        return body_response(
            [gathering.header, *gathering.ready],
            len(gathering.header) + gathering.length,
            MEDIA_TYPE,
            gathering.close,
            gathering.touch,
        )
    if not gathering.soon():
        raise UnavailableError(
            "These frames are not ready yet; ask again in a moment.", retry_after=1
        )
    # Chunked: there is no telling the length. The generator closes what it reads from.
    return Response(
        _trickle(gathering), content_type=binary_type(MEDIA_TYPE), headers=MEDIA_HEADERS
    )


def _trickle(gathering: _Gathering) -> Iterator[bytes]:
    """Send what is ready, and while waiting a byte now and then of a small reserve held back."""
    try:
        # A frame is smaller than 16 MiB: the first byte of its size is known before it comes.
        unsent = bytearray(gathering.header + FIRST_BYTE)
        known = len(FIRST_BYTE)
        news, drip = time.monotonic(), -DRIP_SECONDS
        while True:
            gathering.look()
            for part in gathering.take():
                unsent += part.read()[known:]
                known = 0
                news = time.monotonic()
            keep = 0 if gathering.complete else RESERVE_BYTES
            now = time.monotonic()
            if len(unsent) > keep:
                ready = bytes(unsent[: len(unsent) - keep])
            else:
                ready = bytes(unsent[:1]) if now - drip >= DRIP_SECONDS else b""
            if ready:
                del unsent[: len(ready)]
                drip = now
                yield ready
            if gathering.complete:
                return
            if now - news > PATIENCE_SECONDS:
                raise BrokenAnswer("the frames did not come")
            gathering.pause(LOOK_SECONDS)
    except (NotFoundError, TooLargeError) as error:
        raise BrokenAnswer(error.message) from error
    finally:
        gathering.close()


class _Gathering:
    """The frames of one request, found in order as they become readable."""

    def __init__(self, service: JobService, wanted: list[tuple[str, int]]) -> None:
        self._service = service
        self._wanted = wanted
        self._readers: dict[str, FrameReader] = {}
        self._found = 0
        self._first_seen: tuple[float, int] | None = None
        self.header = len(wanted).to_bytes(4)
        self.length = 0
        self.ready: list[Slice] = []
        self._jobs = [service.job(task_id) for task_id in {task_id for task_id, _ in wanted}]
        self.touch()

    def touch(self) -> None:
        """Count an access to the tasks whose frames these are."""
        for job in self._jobs:
            self._service.touch(job)

    @property
    def complete(self) -> bool:
        """Whether all frames have been found."""
        return self._found == len(self._wanted)

    def look(self) -> bool:
        """Find what has become readable; True when that is all.

        Raises NotFoundError for a frame that will never be, TooLargeError beyond 16 MiB.
        """
        while not self.complete:
            task_id, number = self._wanted[self._found]
            run = self._run_length()
            reader = self._reader(self._service.job(task_id))
            try:
                pack = reader.pack([n for _, n in self._wanted[self._found : self._found + run]])
            except MissingFrame as missing:
                # Take the frames before the missing one, then look at that one alone.
                before = [n for _, n in self._wanted[self._found : self._found + run]]
                before = before[: before.index(missing.number)]
                if not before:
                    # Read anew: its last frames may have come between the look and the end.
                    self._check_missing(self._service.job(task_id), reader, number)
                    self._first_seen = self._first_seen or (time.time(), reader.count())
                    return False
                pack, run = reader.pack(before), len(before)
            self.ready += pack.slices
            self.length += pack.length - len(pack.header)
            self._found += run
            if self.length + 4 > BYTES_MAX:
                raise TooLargeError(
                    "These frames together are larger than the 16 MiB a game computer accepts; "
                    "ask for fewer at a time.",
                    field="urls",
                )
        return True

    def _check_missing(self, job: Job, reader: FrameReader, number: int) -> None:
        error = missing_frame(job, number)
        if isinstance(error, NotFoundError) and reader.count() < number:
            raise error

    def _run_length(self) -> int:
        task_id = self._wanted[self._found][0]
        end = self._found
        while end < len(self._wanted) and self._wanted[end][0] == task_id:
            end += 1
        return end - self._found

    def take(self) -> list[Slice]:
        """The slices found since the last call."""
        ready, self.ready = self.ready, []
        return ready

    def soon(self) -> bool:
        """Whether the missing frames can be expected within a few seconds."""
        missing = self._wanted[self._found :]
        job = self._service.job(missing[0][0])
        if job.is_finished:
            return True  # the next look finds them, or that they will never be
        if job.started is None or job.file_id is None:
            return False
        count, now = self._reader(job).count(), time.time()
        rate = count / max(0.1, now - job.started)
        if self._first_seen is not None:
            # After a slow fetch the whole run tells less than the last second.
            at, before = self._first_seen
            rate = max(rate, (count - before) / max(0.1, now - at))
        behind = max(number for _, number in missing) - count
        return rate > 0 and behind / rate <= SOON_SECONDS

    def pause(self, seconds: float) -> None:
        """Wait for a change of the job whose frame is missing."""
        with self._service.events.watch(self._wanted[self._found][0]) as watch:
            watch.wait(seconds)

    def _reader(self, job: Job) -> FrameReader:
        if job.file_id is None and job.is_finished:
            raise NotFoundError("There are no frames in this task; it was not completed.")
        if job.file_id is None:
            raise UnavailableError("The task has not started yet.", retry_after=1)
        if job.file_id not in self._readers:
            self._readers[job.file_id] = self._service.storage.frame_reader(job.file_id)
        return self._readers[job.file_id]

    def close(self) -> None:
        """Close all files."""
        for reader in self._readers.values():
            reader.close()
