"""The heartbeat of a running job: what it writes, when it gives up, and that no line is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from gmapi.errors import JobInterrupted, LeaseLost
from gmapi.jobs import pulse as pulse_module
from gmapi.jobs.model import Fence, Job, State
from gmapi.jobs.pulse import LOG_BUFFER_MAX, Pulse
from gmapi.jobs.store import JobStore
from support.product.server import wait_for

LOCKED = OperationalError("UPDATE jobs", {}, Exception("database is locked"))


@pytest.fixture
def fence(store: JobStore) -> Fence:
    job = store.submit(
        tool="ffmpeg", request={}, key=None, client="c", queue_max=9, queue_max_per_client=9
    ).job
    claimed = store.claim(job.id, "w", 30)
    assert claimed is not None
    return Fence(job.id, "w", claimed.attempt)


def make(
    store: JobStore,
    fence: Fence,
    lease: float = 30.0,
    *,
    claimed: float | None = None,
    interrupted: Callable[[], bool] = lambda: False,
    on_write: Callable[[], None] = lambda: None,
) -> Pulse:
    return Pulse(
        store,
        fence,
        lease,
        claimed=time.monotonic() if claimed is None else claimed,
        interrupted=interrupted,
        on_write=on_write,
    )


def present(store: JobStore, fence: Fence) -> Job:
    job = store.get(fence.job_id)
    assert job is not None
    return job


def lines(store: JobStore, fence: Fence) -> list[str]:
    return [line.line for line in store.logbook.after(fence.job_id)]


def fails(times: int, real: Callable[..., bool]) -> Callable[..., bool]:
    """`real`, which meets a locked database the first few times."""
    left = [times]

    def call(*arguments: Any, **options: Any) -> bool:
        if left[0] > 0:
            left[0] -= 1
            raise LOCKED
        return real(*arguments, **options)

    return call


def test_what_is_reported_is_written_by_itself(store: JobStore, fence: Fence) -> None:
    written = threading.Event()
    with make(store, fence, on_write=written.set) as pulse:
        pulse.log("a line")
        pulse.report(progress=20, message="Going.", eta=4.0, result={"n": 1})
        assert written.wait(10)
    job = present(store, fence)
    assert (job.progress, job.message, job.eta, job.result) == (20, "Going.", 4.0, {"n": 1})
    assert lines(store, fence) == ["a line"]


def test_the_first_result_is_written_at_once(
    store: JobStore, fence: Fence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Players wait for it: it says where what is being made can be had."""
    monkeypatch.setattr(pulse_module, "TICK_SECONDS", 600.0)
    written = threading.Event()
    with make(store, fence, on_write=written.set) as pulse:
        pulse.report(progress=20, message="Going.", eta=4.0)
        pulse.report(result={"size": 1})
        assert written.wait(10)
        assert present(store, fence).result == {"size": 1}
        # Those after it are written with everything else.
        pulse.report(result={"size": 2})
        pulse.flush()
    job = present(store, fence)
    assert job.result == {"size": 2}
    # A result alone says nothing of the time left.
    assert job.eta == 4.0


def test_the_lease_is_renewed(store: JobStore, fence: Fence) -> None:
    before = present(store, fence).lease_until
    with make(store, fence, lease=1.0) as pulse:
        wait_for(lambda: present(store, fence).lease_until != before, 10, "a renewed lease")
        pulse.check()


@pytest.mark.parametrize("taken", ["cancelled", "requeued"])
def test_a_job_of_somebody_else_is_noticed(store: JobStore, fence: Fence, taken: str) -> None:
    def lost() -> bool:
        try:
            pulse.check()
        except LeaseLost:
            return True
        return False

    with make(store, fence) as pulse:
        pulse.check()
        if taken == "cancelled":
            store.cancel(fence.job_id)
        else:
            store.requeue(fence, "Again.")
        wait_for(lost, 10, "the notice")
        pulse.log("too late")
        assert not pulse.end(lambda: store.finish(fence, {}, "Done."))
    assert lines(store, fence) == []
    assert not present(store, fence).state.startswith("completed")


def test_after_its_lease_a_worker_does_not_trust_itself(store: JobStore, fence: Fence) -> None:
    frozen = make(store, fence, lease=5.0, claimed=time.monotonic() - 6.0)
    with pytest.raises(LeaseLost):
        frozen.check()


def test_a_stopping_worker_is_told(store: JobStore, fence: Fence) -> None:
    stop = threading.Event()
    pulse = make(store, fence, interrupted=stop.is_set)
    pulse.check()
    stop.set()
    with pytest.raises(JobInterrupted):
        pulse.check()
    # It may still write how the job ends: here, that it is handed back.
    pulse.log("last line")
    assert pulse.end(lambda: store.requeue(fence, "The server is restarting."))
    assert lines(store, fence) == ["last line"]
    assert present(store, fence).state is State.PENDING


def test_nothing_gathered_is_lost_when_the_database_is_locked(
    store: JobStore, fence: Fence, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulse = make(store, fence)
    monkeypatch.setattr(store, "report", fails(2, store.report))
    pulse.log("one")
    pulse.report(progress=10, message="First.")
    with pytest.raises(OperationalError):
        pulse.flush()
    pulse.log("two")
    pulse.report(progress=30)
    with pytest.raises(OperationalError):
        pulse.flush()
    pulse.log("three")
    assert pulse.flush()
    assert lines(store, fence) == ["one", "two", "three"]
    job = present(store, fence)
    assert (job.progress, job.message) == (30, "First.")


def test_the_end_is_tried_again_while_the_lease_stands(
    store: JobStore, fence: Fence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gmapi.jobs.pulse.WRITE_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(store, "report", fails(1, store.report))
    monkeypatch.setattr(store, "finish", fails(2, store.finish))
    pulse = make(store, fence, interrupted=lambda: True)
    pulse.log("a line")
    assert pulse.end(lambda: store.finish(fence, {"n": 1}, "Done."))
    assert present(store, fence).state is State.COMPLETED
    assert lines(store, fence) == ["a line"]


def test_the_end_is_given_up_with_the_lease(
    store: JobStore, fence: Fence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gmapi.jobs.pulse.WRITE_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(store, "finish", fails(10**9, store.finish))
    pulse = make(store, fence, lease=0.2)
    assert not pulse.end(lambda: store.finish(fence, {}, "Done."))
    assert present(store, fence).state is State.RUNNING


def test_lines_on_their_way_are_written_before_the_end(
    store: JobStore, fence: Fence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heartbeat has taken the lines and is slow to write them when the job ends."""
    started, go_on = threading.Event(), threading.Event()
    real = store.report

    def slow(*arguments: Any, **options: Any) -> bool:
        started.set()
        assert go_on.wait(10)
        return real(*arguments, **options)

    monkeypatch.setattr(store, "report", slow)
    with make(store, fence) as pulse:
        pulse.log("on its way")
        assert started.wait(10)
        ended: list[bool] = []
        ending = threading.Thread(
            target=lambda: ended.append(pulse.end(lambda: store.finish(fence, {}, "Done.")))
        )
        ending.start()
        go_on.set()
        ending.join(10)
    assert ended == [True]
    assert lines(store, fence) == ["on its way"]


def test_a_flood_of_lines_is_counted(store: JobStore, fence: Fence) -> None:
    pulse = make(store, fence)
    for number in range(LOG_BUFFER_MAX + 7):
        pulse.log(f"line {number}")
    assert pulse.flush()
    found = lines(store, fence)
    assert found[:LOG_BUFFER_MAX] == [f"line {number}" for number in range(LOG_BUFFER_MAX)]
    assert found[LOG_BUFFER_MAX:] == ["(7 more lines were left out)"]
    pulse.log("next")
    assert pulse.flush()
    assert lines(store, fence)[-1] == "next"


def test_many_threads_lose_no_line(store: JobStore, fence: Fence) -> None:
    with make(store, fence) as pulse:

        def work(name: int) -> None:
            for number in range(50):
                pulse.log(f"{name} {number}")
                if number % 10 == 0:
                    pulse.flush()

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert pulse.end(lambda: store.finish(fence, {}, "Done."))
    found = lines(store, fence)
    assert len(found) == 200
    for name in range(4):
        own = [line for line in found if line.startswith(f"{name} ")]
        assert own == [f"{name} {number}" for number in range(50)]
