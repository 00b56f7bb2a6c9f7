"""What frames are called and labelled as: by the kind that the task was asked for."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from gmapi.jobs.service import JobService
from gmapi.jobs.store import JobStore
from gmapi.tools.registry import TOOLS
from gmapi.tools.video_frame import VideoFrameRequest
from gmapi.web.app import create_app


@pytest.fixture
def client(service: JobService) -> FlaskClient:
    return create_app(service.settings, service).test_client()


def task(service: JobService, **fields: object) -> str:
    """A task with two frames that is still running and has not said anything yet."""
    request = VideoFrameRequest.model_validate({"video_url": "http://a/b.mp4", **fields})
    job = service.submit(TOOLS["video_frame"], request, "c").job
    claimed = JobStore(service._store.engine).claim(job.id, "w", 1e9)
    assert claimed is not None
    assert claimed.file_id is not None
    with service.storage.frame_writer(claimed.file_id) as writer:
        writer.append(b"one")
        writer.append(b"two")
    return job.id


def fetched(client: FlaskClient, path: str) -> tuple[int, str, bytes]:
    with client.get(path, base_url="http://localhost") as answer:
        return answer.status_code, answer.content_type, answer.data


@pytest.mark.parametrize("kind", [None, "png", "png8", "gray"])
def test_png_frames_have_one_name(service: JobService, client: FlaskClient, kind: str) -> None:
    ident = task(service, **({"frame_format": kind} if kind else {}))
    frame = fetched(client, f"/frames/{ident}/frame_000001.png")
    assert frame == (200, "image/png; charset=ISO-8859-1", b"one")
    status, _, _ = fetched(client, f"/frames/{ident}/frame_000001.jpg")
    assert status == 404


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_jpeg_frames_have_the_name_that_programs_make_too(
    service: JobService, client: FlaskClient, ending: str
) -> None:
    ident = task(service, frame_format="jpeg")
    paths = [f"/frames/{ident}/frame_{number:06d}.{ending}" for number in (1, 2)]
    frame = fetched(client, paths[1])
    assert frame == (200, "image/jpeg; charset=ISO-8859-1", b"two")
    with client.post("/api/framepack", json={"urls": paths}, base_url="http://localhost") as pack:
        assert pack.data == b"\0\0\0\2\0\0\0\3one\0\0\0\3two"
