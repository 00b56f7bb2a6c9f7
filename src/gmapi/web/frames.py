"""Frames that are there: one, or many in a pack; and why one is not there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from gmapi.errors import NotFoundError, TooLargeError, UnavailableError
from gmapi.jobs.model import Job
from gmapi.jobs.service import JobService
from gmapi.storage.base import Slice
from gmapi.storage.framestore import MissingFrame, parse_frame_name
from gmapi.tools import frame_formats
from gmapi.tools.results import GAME_REPLY_MAX
from gmapi.web.files import Answer, body_answer, slice_answer, whole_answer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PACK_TYPE = "application/octet-stream"
PACK_BYTES_MAX = GAME_REPLY_MAX
"""Rule K4."""

PACK_CACHING = "public, max-age=300, immutable"
"""Of frames by their numbers: they never change, and an end of their task is minded soon. Who has
the address has the right to them, so caches may share them."""

ESTIMATE_SLACK = 10


def frame_answer(service: JobService, environ: WSGIEnvironment, task_id: str, name: str) -> Answer:
    """One frame. Raises NotFoundError or UnavailableError."""
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
    return slice_answer(environ, frame, etag, job.created, media_type, reader.close, in_use)


def pack_answer(
    service: JobService,
    task_id: str,
    numbers: Sequence[int],
    environ: WSGIEnvironment | None = None,
) -> Answer | None:
    """A pack of frames of one task; None unless all of them are there.

    With `environ`, for frames that follow each other, as what it may be by its address: kept, and
    asked for on conditions. Raises NotFoundError without a task, TooLargeError beyond 16 MiB.
    """
    job = service.job(task_id)
    if job.file_id is None:
        return None
    in_use = partial(service.touch, job)
    in_use()
    reader = service.storage.frame_reader(job.file_id)
    try:
        pack = reader.pack(numbers)
        check_size(pack.length, "frames")
    except MissingFrame:
        reader.close()
        return None
    except BaseException:
        reader.close()
        raise
    parts: list[bytes | Slice] = [pack.header, *pack.slices]
    if environ is None:
        return body_answer(parts, pack.length, PACK_TYPE, reader.close, in_use)
    etag = f'"{job.file_id}-pack-{numbers[0]}-{numbers[-1]}"'
    return whole_answer(
        *(environ, parts, pack.length, etag, job.created),
        *(PACK_TYPE, reader.close, in_use, PACK_CACHING),
    )


def check_size(length: int, field: str) -> None:
    """Raise TooLargeError for a pack of so many bytes, by what `field` asks for."""
    if length > PACK_BYTES_MAX:
        raise TooLargeError(
            "These frames together are larger than the 16 MiB a game computer accepts; "
            "ask for fewer at a time.",
            field=field,
        )


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
