"""What requests led to, as answers and `/health` tell it; and packs that are too large."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gmapi.jobs.model import Fence, WorkerRow
from gmapi.jobs.roster import Roster
from gmapi.tools.results import GAME_REPLY_MAX
from support.product.application import SONG, RunningApplication, running_application


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningApplication]:
    with running_application(tmp_path) as found:
        yield found


def asked(running: RunningApplication, way: str = "/async", **fields: Any) -> str | None:
    answer = running.post(f"/api/ffmpeg{way}", {**SONG, **fields})
    answer.close()
    found: str | None = answer.headers.get("X-Cache")
    return found


def counted(running: RunningApplication) -> dict[str, Any]:
    found: dict[str, Any] = running.get("/health")["cache"]
    return found


def finish(running: RunningApplication) -> None:
    job = running.store.claim(running.submit(), "worker", 60)
    assert job is not None
    assert running.store.finish(Fence(job.id, "worker", job.attempt), {}, "Done.")


def test_answers_say_what_their_request_led_to(
    running: RunningApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gmapi.web.waiting.GRACE_SECONDS", 0.0)
    assert counted(running)["results"] == {"hits": 0, "joins": 0, "misses": 0}
    assert asked(running) == "miss"
    assert asked(running) == "join"
    assert asked(running, "") == "join"
    assert asked(running, no_cache=True) == "miss"
    assert asked(running, args=["-vn"]) == "miss"
    finish(running)
    assert asked(running) == "hit"
    assert asked(running, "") == "hit"
    assert asked(running, max_age=0) == "miss"
    # The finish itself asked once more, and joined.
    assert counted(running)["results"] == {"hits": 2, "joins": 3, "misses": 4}


def test_what_is_refused_led_to_nothing(running: RunningApplication) -> None:
    assert asked(running, output_format="nonsense") is None
    assert asked(running, args=["-i", "x"]) is None
    task = running.submit()
    for path in (f"/api/task/{task}", "/health", "/nothing"):
        with running.client.get(path) as answer:
            assert "X-Cache" not in answer.headers
    assert counted(running)["results"] == {"hits": 0, "joins": 0, "misses": 1}


def test_workers_tell_of_sources(running: RunningApplication) -> None:
    told: list[dict[str, Any]] = [
        {"sources": {"hits": 3, "joins": 1, "misses": 4, "bytes": 17}},
        {"sources": {"hits": 2}},
        {},
        {"sources": "nonsense"},
    ]
    assert counted(running)["sources"] == {"hits": 0, "joins": 0, "misses": 0}
    roster = Roster(running.store.engine)
    for number, info in enumerate(told):
        now = time.time()
        roster.report(WorkerRow(f"w{number}", 1, "here", now, now, None, info))
    running.service._health._last = None  # what is kept for a moment is old
    assert counted(running)["sources"] == {"hits": 5, "joins": 1, "misses": 4}


def test_strangers_are_not_told(tmp_path: Path) -> None:
    with running_application(tmp_path, host="0.0.0.0") as running:
        far = {"REMOTE_ADDR": "203.0.113.5"}
        found = running.client.get("/health", environ_overrides=far).get_json()
        assert found.keys() == {"status"}


@pytest.mark.parametrize("way", ["short", "long"])
def test_k4_packs_beyond_16_mib_fail_with_a_remedy(running: RunningApplication, way: str) -> None:
    if way == "long":
        running.app.short_way = lambda _: None
    answer = running.post("/api/video_frame/async", {"video_url": "http://127.0.0.1:9/a.mp4"})
    job = running.store.claim(answer.get_json()["task_id"], "worker", 60)
    assert job is not None
    assert job.file_id is not None
    mib = 1024**2
    with running.service.storage.frame_writer(job.file_id) as writer:
        for size in (*[mib - 4] * 15, mib - 8, 1):
            writer.append(b"x" * size)
    path = f"/api/framepack/{job.id}"
    with running.client.get(f"{path}/1-16") as whole:
        assert (whole.status_code, whole.content_length) == (200, GAME_REPLY_MAX)
        assert len(whole.data) == GAME_REPLY_MAX
    urls = [f"/frames/{job.id}/frame_{number:06d}.png" for number in range(1, 18)]
    for refused, field in (
        (running.client.get(f"{path}/1-17"), "frames"),
        (running.post("/api/framepack", {"urls": urls}), "urls"),
    ):
        found = refused.get_json()
        assert (refused.status_code, found["error_code"]) == (413, "too_large")
        assert found["field"] == field
        assert "ask for fewer" in found["message"]
        assert "16 MiB" in refused.status
