"""What a finished job has published, and whether it is still there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gmapi.errors import NotFoundError
from gmapi.jobs.model import Job
from gmapi.storage.framestore import FRAMES_PER_CHUNK, MissingFrame
from gmapi.storage.interface import Storage


def are_there(job: Job, storage: Storage) -> bool:
    """Whether all that the job's result gives addresses of can be had."""
    if job.file_id is None:
        return not job.result
    try:
        for path in _texts(job.result):
            name = path.rpartition("/")[2]
            if path == storage.address(job.file_id, name):
                storage.open(job.file_id, name).close()
        if "frame_pattern" in job.result:
            return _frames_are_there(job.file_id, int(job.result["total_frames"]), storage)
    except NotFoundError:
        return False
    return True


def _frames_are_there(file_id: str, count: int, storage: Storage) -> bool:
    reader = storage.frame_reader(file_id)
    try:
        # The first of each chunk, and the last of all.
        for number in (*range(1, count, FRAMES_PER_CHUNK), *([count] if count else [])):
            reader.frame(number)
    except MissingFrame:
        return False
    finally:
        reader.close()
    return True


def _texts(value: Any) -> Iterator[str]:
    """All texts in a result, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
