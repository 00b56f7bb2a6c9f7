"""Jobs that several callers share: turns, limits, lists, labels, and taking them back."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import ForbiddenError, NotFoundError, QueueFullError
from gmapi.jobs import sharing
from gmapi.jobs.clock import WallClock
from gmapi.jobs.model import Fence, Job, State, Withdrawal
from gmapi.jobs.roster import Roster
from gmapi.jobs.service import JobService
from gmapi.jobs.store import JobStore
from gmapi.tools.ffmpeg import FfmpegRequest
from gmapi.tools.registry import TOOLS

LEASE = 1e9


def submit(store: JobStore, client: str, key: str | None = None, **options: Any) -> Job:
    values = {"queue_max": 1000, "queue_max_per_client": 1000, **options}
    return store.submit(tool="t", request={}, key=key, client=client, **values).job


def start(store: JobStore, running_max: int = 0) -> Job | None:
    return store.claim(None, "w", LEASE, running_max=running_max)


def finish(store: JobStore, job: Job) -> None:
    assert store.finish(Fence(job.id, "w", job.attempt or 1), {}, "Done.")


def listed(store: JobStore, caller: str) -> list[str]:
    jobs, total = store.page(caller=caller)
    assert len(jobs) == total
    return [job.id for job in jobs]


def withdraw(store: JobStore, job: Job, caller: str) -> Withdrawal:
    found = store.withdraw(job.id, caller)
    assert found is not None
    return found


# -- turns --------------------------------------------------------------------------------------


def test_a_shared_job_is_placed_by_the_best_of_its_callers(store: JobStore) -> None:
    own = [submit(store, "a", f"k{number}") for number in range(10)]
    assert store.positions()[own[9].id] == 10
    assert submit(store, "b", "k9").id == own[9].id
    assert store.positions()[own[9].id] == 2
    assert [job.id for _ in range(3) if (job := start(store))] == [
        own[0].id, own[9].id, own[1].id,
    ]  # fmt: skip


def test_every_waiting_job_has_one_place(store: JobStore) -> None:
    jobs = [submit(store, "a", f"k{number}") for number in range(4)]
    for client in "bcd":
        for number in (3, 2):
            submit(store, client, f"k{number}")
    places = store.positions()
    assert sorted(places.values()) == [1, 2, 3, 4]
    assert places.keys() == {job.id for job in jobs}


def test_a_caller_that_withdrew_counts_no_more_for_the_place(store: JobStore) -> None:
    own = [submit(store, "a", f"k{number}") for number in range(5)]
    submit(store, "b", "k4")
    assert withdraw(store, own[4], "b").others == 1
    assert store.positions()[own[4].id] == 5
    submit(store, "b", "k4")  # to come back works
    assert store.positions()[own[4].id] == 2


def test_those_who_joined_wait_since_they_joined(store: JobStore) -> None:
    clock = [100.0]
    store.now = lambda: clock[0]  # type: ignore[method-assign]
    shared = submit(store, "a", "k")
    clock[0] += 10
    other = submit(store, "c")
    clock[0] += 10
    submit(store, "b", "k")
    submit(store, "b")
    assert withdraw(store, shared, "a").others == 1
    # c has been waiting for longer than b, though b's job is older.
    assert store.positions()[other.id] == 1


def test_a_turn_that_was_shared_is_a_turn_of_each(store: JobStore) -> None:
    clock = [100.0]
    store.now = lambda: clock[0]  # type: ignore[method-assign]
    submit(store, "a", "k")
    submit(store, "b", "k")
    shared = start(store)
    assert shared is not None
    clock[0] += 1
    own = [submit(store, client) for client in "bc"]
    clock[0] += 1
    finish(store, shared)
    assert [job.id for _ in range(2) if (job := start(store))] == [own[1].id, own[0].id]


def test_a_running_shared_job_counts_for_each_client(store: JobStore) -> None:
    roster = Roster(store.engine)
    submit(store, "a", "k")
    submit(store, "b", "k")
    shared = start(store, running_max=1)
    assert shared is not None
    own = [submit(store, client, "l") for client in "ab"]
    assert start(store, running_max=1) is None
    assert roster.waiting(older_than=-1, running_max=1) == {}
    submit(store, "c", "l")  # whose turn it may be
    assert roster.waiting(older_than=-1, running_max=1).keys() == {own[0].id}
    found = start(store, running_max=1)
    assert found is not None
    assert found.id == own[0].id
    assert sorted(store.clients_of(found.id)) == ["a", "b", "c"]


def test_a_leap_of_the_clock_takes_nobodys_turn(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, real = WallClock(store.engine), time.time
    clock.remember()
    first, second = submit(store, "a"), submit(store, "b")
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    assert clock.mend() == pytest.approx(-3600, abs=1)
    third = submit(store, "c")  # has been waiting for less, whatever the clock says
    assert store.positions() == {first.id: 1, second.id: 2, third.id: 3}


# -- limits -------------------------------------------------------------------------------------


def test_joined_jobs_count_among_those_that_wait(store: JobStore) -> None:
    limit = {"queue_max_per_client": 2}
    first = submit(store, "a", "k1", **limit)
    submit(store, "a", "k2", **limit)
    submit(store, "b", "l1", **limit)
    submit(store, "b", "k1", **limit)
    with pytest.raises(QueueFullError, match="You have 2 jobs waiting"):
        submit(store, "b", "l2", **limit)
    with pytest.raises(QueueFullError, match="You have 2 jobs waiting") as caught:
        submit(store, "b", "k2", **limit)
    assert caught.value.waiting == 2
    assert submit(store, "b", "k1", **limit).id == first.id  # has it already
    withdraw(store, first, "b")
    submit(store, "b", "k2", **limit)


def test_limits_cannot_be_passed_by_handing_jobs_on(store: JobStore) -> None:
    limit = {"queue_max_per_client": 2}
    refused = 0
    for number in range(9):
        try:
            job = submit(store, "a", f"k{number}", **limit)
            submit(store, "b", f"k{number}", **limit)
            withdraw(store, job, "a")
        except QueueFullError:
            refused += 1
    assert refused >= 5
    assert store.counts()[State.PENDING] <= 4


def test_what_waits_no_more_is_joined_whatever_the_limit(store: JobStore) -> None:
    running, done = submit(store, "a", "k1"), submit(store, "a", "k2")
    for _ in range(2):
        assert start(store) is not None
    finish(store, done)
    submit(store, "b")
    for job, key in ((running, "k1"), (done, "k2")):
        joined = submit(store, "b", key, queue_max=0, queue_max_per_client=1)
        assert joined.id == job.id
        assert job.id in listed(store, "b")


def test_callers_of_one_client_count_once(store: JobStore) -> None:
    """Neighbours of one network: each has its list, the limit is the network's."""
    limit = {"queue_max_per_client": 2}
    first = submit(store, "net", "k", caller="net.1", **limit)
    submit(store, "net", "k", caller="net.2", **limit)
    submit(store, "net", "l", caller="net.2", **limit)
    with pytest.raises(QueueFullError):
        submit(store, "net", "m", caller="net.3", **limit)
    assert submit(store, "net", "k", caller="net.3", **limit).id == first.id
    assert listed(store, "net.1") == [first.id]
    assert listed(store, "net") == []
    assert len(store.clients_of(first.id)) == 1


def test_the_list_of_callers_is_bounded(store: JobStore) -> None:
    for number in range(sharing.CALLERS_MAX + 20):
        job = submit(store, "net", "k", caller=f"net.{number}")
    assert withdraw(store, job, "net.0").others == sharing.CALLERS_MAX - 1
    assert submit(store, "other", "k").id == job.id
    assert listed(store, "other") == [job.id]


# -- taking back --------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [False, True])
def test_the_last_to_take_it_back_cancels_a_job(store: JobStore, running: bool) -> None:
    job = submit(store, "a", "k")
    submit(store, "b", "k")
    if running:
        assert start(store) is not None
    state = State.RUNNING if running else State.PENDING
    for _ in range(2):
        found = withdraw(store, job, "a")
        assert (found.job.state, found.others) == (state, 1)
    assert listed(store, "a") == []
    assert listed(store, "b") == [job.id]
    found = withdraw(store, job, "b")
    assert (found.job.state, found.others) == (State.CANCELLED, 0)
    assert listed(store, "b") == [job.id]
    assert submit(store, "a", "k").id != job.id


def test_strangers_take_nothing_back(store: JobStore) -> None:
    job = submit(store, "a", "k")
    with pytest.raises(ForbiddenError, match="another client's"):
        store.withdraw(job.id, "b")
    with pytest.raises(ForbiddenError):
        store.discard(job.id, "b")
    assert store.withdraw("0" * 32, "a") is None
    assert store.discard("0" * 32, "a") is None


def test_a_finished_job_stays_for_all(store: JobStore) -> None:
    job = submit(store, "a", "k")
    submit(store, "b", "k")
    assert start(store) is not None
    finish(store, job)
    before = store.get(job.id)
    assert withdraw(store, job, "a").job == before
    assert withdraw(store, job, "b").job == before
    assert listed(store, "a") == [job.id]


def test_a_removed_job_leaves_no_callers_behind(store: JobStore) -> None:
    job = submit(store, "a", "k")
    assert start(store) is not None
    finish(store, job)
    present = store.get(job.id)
    assert present is not None
    assert store.remove(present)
    assert store.clients_of(job.id) == []


# -- labels -------------------------------------------------------------------------------------


def test_each_caller_has_a_label_of_its_own(store: JobStore) -> None:
    job = submit(store, "a", "k", label="intro")
    assert job.label == "intro"
    assert submit(store, "b", "k").label is None
    assert submit(store, "c", "k", label="jingle").label == "jingle"
    expected = {"a": "intro", "b": None, "c": "jingle"}
    for caller, label in expected.items():
        ((only,), _) = store.page(caller=caller)
        assert only.label == label
        assert store.labels(job.id).get(caller) == label
    ((only,), _) = store.page()
    assert only.label == "intro"
    assert submit(store, "a", "k", label="outro").label == "outro"
    assert submit(store, "a", "k").label == "outro"  # asking again without one keeps it
    assert store.labels(job.id) == {"a": "outro", "c": "jingle"}


# -- the service --------------------------------------------------------------------------------


@pytest.fixture
def ask(service: JobService) -> Callable[..., Job]:
    request = FfmpegRequest.model_validate({"input_url": "http://a/b.mp3", "output_format": "mp3"})

    def submit_one(client: str, **options: Any) -> Job:
        return service.submit(TOOLS["ffmpeg"], request, client, **options).job

    return submit_one


def complete(service: JobService, tmp_path: Path, job: Job) -> Job:
    """Let the job end with an output."""
    store = JobStore(service._store.engine)
    claimed = store.claim(job.id, "w", LEASE)
    assert claimed is not None
    assert claimed.file_id is not None
    made = tmp_path / "made"
    made.write_bytes(b"sound")
    service.storage.publish(claimed.file_id, "output.mp3", made)
    url = service.storage.address(claimed.file_id, "output.mp3")
    assert store.finish(Fence(job.id, "w", 1), {"download_url": url}, "Done.")
    return service.job(job.id)


def test_outputs_are_deleted_when_nobody_wants_them(
    service: JobService, ask: Callable[..., Job], tmp_path: Path
) -> None:
    job = ask("a")
    assert ask("b", caller="b.1").id == job.id
    done = complete(service, tmp_path, job)
    assert done.file_id is not None
    assert service.delete(job.id, "a") == Withdrawal(done, 1)
    assert service.page(state=None, tool=None, owner="a", limit=9, offset=0) == ([], 0)
    assert service.storage.size(done.file_id) > 0
    with pytest.raises(ForbiddenError):
        service.delete(job.id, "b")
    assert service.delete(job.id, "b.1") == Withdrawal(done, 0, deleted=True)
    assert service.storage.size(done.file_id) == 0
    with pytest.raises(NotFoundError):
        service.job(job.id)
    assert ask("a").id != job.id


def test_an_operator_deletes_and_cancels_for_all(
    service: JobService, ask: Callable[..., Job], tmp_path: Path
) -> None:
    job = ask("a")
    ask("b")
    done = complete(service, tmp_path, job)
    assert done.file_id is not None
    assert service.cancel(job.id).job.state is State.COMPLETED
    assert service.delete(job.id).others == 0
    assert service.storage.size(done.file_id) == 0
    again = ask("a")
    ask("b")
    assert service.delete(again.id) == service.cancel(again.id)
    assert service.job(again.id).state is State.CANCELLED


def test_deleting_what_goes_on_takes_it_back(service: JobService, ask: Callable[..., Job]) -> None:
    job = ask("a")
    ask("b")
    assert service.delete(job.id, "a").others == 1
    assert service.delete(job.id, "b").job.state is State.CANCELLED


def test_labels_are_told_to_those_who_gave_them(
    service: JobService, ask: Callable[..., Job]
) -> None:
    job = ask("a", label="intro")
    ask("b", label="jingle")
    ask("c")
    plain = service.job(job.id)
    assert plain.label is None
    labels = [service.labelled(plain, owner).label for owner in ("a", "b", "c", "d", None)]
    assert labels == ["intro", "jingle", None, None, "intro"]
    ask("c", label="late")
    assert service.labelled(plain, "c").label == "late"
