"""The frames that one request asks for, found in order as they become readable."""

from __future__ import annotations

import time

from gmapi.errors import NotFoundError, UnavailableError
from gmapi.jobs.model import Job
from gmapi.jobs.service import JobService
from gmapi.storage.base import Slice
from gmapi.storage.framestore import FrameReader, MissingFrame
from gmapi.web.frames import check_size, missing_frame

SOON_SECONDS = 6.0


class Gathering:
    """Finds them, and holds the files that they are in until it is closed."""

    def __init__(self, service: JobService, wanted: list[tuple[str, int]], field: str) -> None:
        """`wanted` are ids of tasks and numbers of frames, `field` is what asks for them."""
        self._service = service
        self._wanted = wanted
        self._field = field
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
            check_size(len(self.header) + self.length, self._field)
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
