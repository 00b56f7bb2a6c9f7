"""Jobs that the test itself runs, next to a real web process: it takes them through the same store
and storage as a worker does, so it decides when a file grows, ends and dies.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gmapi.jobs.database import connect
from gmapi.jobs.model import Fence, Job
from gmapi.jobs.store import JobStore
from gmapi.storage.growing import GrowingFile
from gmapi.storage.local import LocalStorage
from support.http.raw_http import GameCall, Reply, game_call
from support.product.server import GmapiServer

NAME = "output.32vid"
LEASE = 600.0
HEAD = b"frames=0000;"
"""How a growing file may begin, and what is patched over that at its end."""

PATCHED = b"frames=1234;"


@dataclass
class Attempt:
    """An attempt at a job that this process runs."""

    job: Job
    fence: Fence

    @property
    def file_id(self) -> str:
        assert self.job.file_id is not None
        return self.job.file_id

    @property
    def path(self) -> str:
        return f"/download/{self.file_id}/{NAME}"


def submit(store: JobStore) -> Job:
    """A job whose source cannot be had, should a worker of the server get to run it."""
    return store.submit(
        tool="ffmpeg",
        request={"input_url": "http://127.0.0.1:1/none.mp3", "output_format": "mp3"},
        key=None,
        client="test",
        queue_max=1000,
        queue_max_per_client=1000,
    ).job


def claim(store: JobStore, job: Job) -> Attempt:
    """Take the job for this process."""
    claimed = store.claim(job.id, "the-test", LEASE)
    assert claimed is not None
    return Attempt(claimed, Fence(job.id, "the-test", claimed.attempt))


class Bench:
    """A server, and its store and storage as a worker has them."""

    def __init__(self, server: GmapiServer) -> None:
        self.server = server
        self.store = JobStore(connect(server.data_dir / "gmapi.db"))
        self.storage = LocalStorage(server.data_dir / "files")

    def submit(self) -> Job:
        return submit(self.store)

    def claim(self, job: Job) -> Attempt:
        return claim(self.store, job)

    def grow(self, attempt: Attempt) -> GrowingFile:
        return self.storage.grow(attempt.file_id, NAME)

    def call(self, attempt: Attempt, method: str = "GET", **options: object) -> GameCall:
        return GameCall(self.server.port, method, attempt.path, **options)  # type: ignore[arg-type]

    def reply(self, attempt: Attempt, method: str = "GET", **options: object) -> Reply:
        return game_call(self.server.port, method, attempt.path, **options)

    def held(self, attempt: Attempt) -> list[str]:
        """Files of the attempt that the web process has open."""
        (web,) = self.server.children("web")
        links = []
        for entry in Path(f"/proc/{web}/fd").iterdir():
            try:
                links.append(str(entry.readlink()))
            except OSError:
                continue
        return [link for link in links if attempt.file_id in link]
