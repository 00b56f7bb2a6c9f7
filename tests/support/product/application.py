"""The application in this process, on a database that the test writes as workers do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask_openapi3 import OpenAPI
from werkzeug.test import Client, TestResponse

from gmapi.jobs.database import connect
from gmapi.jobs.model import Fence
from gmapi.jobs.service import JobService
from gmapi.jobs.store import JobStore
from gmapi.settings import Settings
from gmapi.web.app import create_app

SONG = {"input_url": "http://127.0.0.1:9/song.mp3", "output_format": "ogg"}


@dataclass
class RunningJob:
    """A job that the test runs in a worker's place."""

    store: JobStore
    fence: Fence
    file_id: str

    @property
    def id(self) -> str:
        return self.fence.job_id

    def log(self, *lines: str) -> None:
        assert self.store.report(self.fence, lines=[(1.5, line) for line in lines])

    def finish(self, result: dict[str, Any] | None = None) -> None:
        assert self.store.finish(self.fence, result or {}, "Done.")


@dataclass
class RunningApplication:
    """The application, a client of it, and the store of another process."""

    service: JobService
    app: OpenAPI
    client: Client
    store: JobStore

    def post(self, path: str, values: dict[str, Any], **options: Any) -> TestResponse:
        return self.client.post(path, data=json.dumps(values), **options)

    def get(self, path: str, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(path, **options).get_json()
        return found

    def submit(self, **fields: Any) -> str:
        """Ask for a song; the id of the task."""
        answer = self.post("/api/ffmpeg/async", {**SONG, **fields})
        assert answer.status_code in (200, 202), answer.text
        return str(answer.get_json()["task_id"])

    def run(self, **fields: Any) -> RunningJob:
        """Ask for a song and begin to make it."""
        job = self.store.claim(self.submit(no_cache=True, **fields), "worker", 60)
        assert job is not None
        assert job.file_id is not None
        return RunningJob(self.store, Fence(job.id, "worker", job.attempt), job.file_id)


@contextmanager
def running_application(folder: Path, **settings: Any) -> Iterator[RunningApplication]:
    """The application with these settings, in this process."""
    chosen = Settings(data_dir=folder, **settings)
    service = JobService(chosen)
    service.start()
    engine = connect(chosen.database_path)
    try:
        app = create_app(chosen, service)
        store = JobStore(engine, log_max_lines=chosen.log_max_lines)
        yield RunningApplication(service, app, app.test_client(), store)
    finally:
        engine.dispose()
        service.stop()
