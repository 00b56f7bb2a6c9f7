"""Frames that are not there: of a task that waits they may come, of one that has ended never."""

from __future__ import annotations

from gmapi.jobs.service import JobService
from gmapi.tools.registry import TOOLS
from gmapi.tools.video_frame import VideoFrameRequest
from gmapi.web.app import create_app


def test_frames_of_a_task_that_waits_and_of_one_that_was_cancelled(service: JobService) -> None:
    request = VideoFrameRequest.model_validate({"video_url": "http://a/b.mp4"})
    job = service.submit(TOOLS["video_frame"], request, "c").job
    client = create_app(service.settings, service).test_client()
    path = f"/frames/{job.id}/frame_000001.png"

    def statuses() -> list[int]:
        one = client.get(path, base_url="http://localhost")
        pack = client.post("/api/framepack", json={"urls": [path]}, base_url="http://localhost")
        return [one.status_code, pack.status_code]

    assert statuses() == [503, 503]
    service.cancel(job.id)
    assert statuses() == [404, 404]
