"""How long a finished result is shared, and which: `max_age`, `no_cache`, files that are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gmapi.jobs.model import Fence, Job, State
from gmapi.jobs.service import JobService
from gmapi.jobs.store import JobStore
from gmapi.settings import Settings
from gmapi.tools.ffmpeg import FfmpegRequest
from gmapi.tools.registry import TOOLS
from gmapi.tools.video_frame import VideoFrameRequest

LEASE = 1e9
NOW = 1_000_000.0


@pytest.fixture
def clock(store: JobStore) -> list[float]:
    clock = [NOW]
    store.now = lambda: clock[0]  # type: ignore[method-assign]
    return clock


def ask(store: JobStore, max_age: float = 600.0, **options: Any) -> Job:
    values = {"key": "k", "client": "c", "queue_max": 99, "queue_max_per_client": 99, **options}
    return store.submit(tool="t", request={}, max_age=max_age, **values).job


def run(store: JobStore, job: Job, takes_key: str | None = None) -> None:
    claimed = store.claim(job.id, "w", LEASE)
    assert claimed is not None
    assert store.finish(Fence(job.id, "w", claimed.attempt), {}, "Done.", takes_key=takes_key)


# -- age ----------------------------------------------------------------------------------------


def test_a_result_is_joined_for_a_while_however_often(store: JobStore, clock: list[float]) -> None:
    """A webcam asked for every 4 s gave one picture for ever."""
    first = ask(store)
    run(store, first)
    for _ in range(149):
        clock[0] += 4
        assert ask(store).id == first.id
    clock[0] += 4
    second = ask(store)
    assert second.id != first.id
    assert ask(store).id == second.id
    old = store.get(first.id)
    assert old is not None
    assert (old.key, old.state, old.file_id is None) == (None, State.COMPLETED, False)


@pytest.mark.parametrize(
    ("age", "max_age", "joins"),
    [(0, 0, False), (5, 0, False), (5, 5, False), (4.9, 5, True), (5e5, 1e6, True),
     (-0.5, 1, True), (-0.5, 0, False), (-60, 600, False)],
)  # fmt: skip
def test_each_request_says_how_old_a_result_may_be(
    store: JobStore, clock: list[float], age: float, max_age: float, joins: bool
) -> None:
    first = ask(store)
    run(store, first)
    clock[0] += age  # below 0: the clock was set back
    assert (ask(store, max_age).id == first.id) is joins


@pytest.mark.parametrize("running", [False, True])
def test_what_is_under_way_is_joined_at_any_age(
    store: JobStore, clock: list[float], running: bool
) -> None:
    job = ask(store)
    if running:
        assert store.claim(job.id, "w", LEASE) is not None
    clock[0] += 5000
    assert ask(store, 0).id == job.id


def test_a_full_queue_leaves_an_old_result_its_key(store: JobStore, clock: list[float]) -> None:
    first = ask(store)
    run(store, first)
    with pytest.raises(Exception, match="queue is full"):
        ask(store, 0, queue_max=0)
    assert ask(store).id == first.id


# -- no_cache -----------------------------------------------------------------------------------


def test_a_finished_run_without_cache_is_what_others_join(store: JobStore) -> None:
    first = ask(store)
    run(store, first)
    anew = ask(store, key=None)
    assert ask(store).id == first.id  # until it has finished
    run(store, anew, "k")
    assert ask(store).id == anew.id
    only = ask(store, key=None)
    run(store, only, "other")  # there was none before
    assert ask(store, key="other").id == only.id


def test_what_is_under_way_keeps_its_key(store: JobStore) -> None:
    anew = ask(store, key=None)
    waiting = ask(store)
    run(store, anew, "k")
    assert ask(store).id == waiting.id
    run(store, waiting)
    assert ask(store).id == waiting.id


def test_a_run_without_cache_that_fails_takes_nothing(store: JobStore) -> None:
    first = ask(store)
    run(store, first)
    anew = ask(store, key=None)
    claimed = store.claim(anew.id, "w", LEASE)
    assert claimed is not None
    assert not store.finish(Fence(anew.id, "somebody", 1), {}, "Done.", takes_key="k")
    assert store.fail(Fence(anew.id, "w", 1), "No.", "media_failed")
    assert ask(store).id == first.id


# -- requests -----------------------------------------------------------------------------------


def test_ages_are_no_part_of_what_is_asked_for() -> None:
    def request(**fields: Any) -> FfmpegRequest:
        values = {"input_url": "http://a/b", "output_format": "mp3"}
        return FfmpegRequest.model_validate(values | fields)

    plain = request()
    assert plain.key("t") == plain.identity("t")
    for fields in ({"max_age": 5}, {"max_age": "60"}, {"max_age": 0.5}, {"no_cache": False}):
        assert request(**fields).key("t") == plain.key("t"), fields
    anew = request(no_cache=1, max_age=0)
    assert (anew.key("t"), anew.identity("t")) == (None, plain.key("t"))
    assert request(output_format="ogg").identity("t") != plain.identity("t")
    assert FfmpegRequest.restore(anew.normalised()).no_cache


@pytest.mark.parametrize("value", [-1, "x", True, 1e400, []])
def test_an_age_is_a_number_from_zero(value: Any) -> None:
    fields = {"input_url": "http://a/b", "output_format": "mp3", "max_age": value}
    with pytest.raises(ValueError, match="max_age"):
        FfmpegRequest.model_validate(fields)


# -- files --------------------------------------------------------------------------------------


@pytest.fixture
def service(tmp_path: Path) -> Iterator[JobService]:
    made = JobService(Settings(data_dir=tmp_path, result_max_age=50))
    made.start()
    yield made
    made.stop()


Publish = Callable[[JobService, Job, Path], dict[str, Any]]


def one_file(service: JobService, job: Job, made: Path) -> dict[str, Any]:
    assert job.file_id is not None
    service.storage.publish(job.file_id, "output.mp3", made)
    return {"download_url": service.storage.address(job.file_id, "output.mp3")}


def many_files(service: JobService, job: Job, made: Path) -> dict[str, Any]:
    assert job.file_id is not None
    other = made.with_name("other")
    other.write_bytes(b"2")
    service.storage.publish(job.file_id, "part-1.vid", made)
    service.storage.publish(job.file_id, "part-2.vid", other)
    address = service.storage.address
    return {"a": {"parts": [address(job.file_id, f"part-{n}.vid") for n in (1, 2)]}}


def frames(service: JobService, job: Job, made: Path) -> dict[str, Any]:
    assert job.file_id is not None
    with service.storage.frame_writer(job.file_id) as writer:
        for _ in range(101):
            writer.append(b"png")
    return {"frame_pattern": f"/frames/{job.id}/frame_%06d.png", "total_frames": 101}


@pytest.mark.parametrize("publish", [one_file, many_files, frames])
def test_a_result_whose_files_are_gone_is_made_anew(
    service: JobService, tmp_path: Path, publish: Publish
) -> None:
    values = {"video_url": "http://a/b.mp4"}
    request, tool = VideoFrameRequest.model_validate(values), TOOLS["video_frame"]
    store = JobStore(service._store.engine)

    def make() -> Job:
        submission = service.submit(tool, request, "c")
        assert not submission.joined
        claimed = store.claim(submission.job.id, "w", LEASE)
        assert claimed is not None
        made = tmp_path / "made"
        made.write_bytes(b"1")
        result = publish(service, claimed, made)
        assert store.finish(Fence(claimed.id, "w", 1), result, "Done.")
        return claimed

    job = make()
    assert service.submit(tool, request, "c").job.id == job.id
    folder = service.settings.files_dir / str(job.file_id)
    last = max(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".index")
    last.unlink()
    job = make()
    service.storage.delete(str(job.file_id))
    job = make()
    assert service.submit(tool, request, "c").job.id == job.id
    service._store.now = lambda: store.now() + 51  # type: ignore[method-assign]
    assert not service.submit(tool, request, "c").joined
