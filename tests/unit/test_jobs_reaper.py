"""What the elected process does for waiting and lost jobs, and that nothing stops it."""

from __future__ import annotations

import sqlite3

import pytest

from gmapi.jobs.model import State
from support.product.locks import locked
from support.product.reaping import LEASE, Clocks, Place


def test_jobs_of_silent_workers_are_sent_again(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    place.claim(job)
    reaper = place.reaper()
    reaper.round()
    assert place.delivered() == []
    clocks.pass_time(LEASE + 1)
    reaper.round()
    assert place.delivered() == [job.id]
    assert place.present(job).state is State.PENDING


def test_the_last_attempt_at_a_deadly_job_is_sent_to_come_later(
    place: Place, clocks: Clocks
) -> None:
    job = place.submit()
    reaper = place.reaper()
    for _ in range(2):
        place.claim(job)
        clocks.pass_time(LEASE + 1)
        place.delivered()
        reaper.round()
    message = place.queue.huey.dequeue()
    assert message is not None
    assert message.args == (job.id,)
    assert message.eta is not None
    # Its time is none from before the clock was set back.
    clocks.pass_time(2 * LEASE)
    reaper.round()
    assert place.store.claim(job.id, "w", LEASE) is None
    clocks.pass_time(LEASE)
    place.claim(job)


def test_only_the_leader_works(place: Place, clocks: Clocks) -> None:
    leader, other = place.reaper("r1"), place.reaper("r2")
    leader.round()
    place.claim(place.submit())
    clocks.pass_time(2.0)
    leader.round()
    clocks.pass_time(2.0)
    leader.round()
    clocks.pass_time(2.0)
    other.round()
    assert place.delivered() == []
    clocks.pass_time(4.0)  # the leader is silent: dead
    other.round()
    assert len(place.delivered()) == 1


def test_a_lost_message_is_sent_again_but_not_one_on_its_way(place: Place, clocks: Clocks) -> None:
    lost, waiting = place.submit(), place.submit()
    place.queue.put(waiting.id)
    reaper = place.reaper()
    for _ in range(8):
        reaper.round()
        clocks.pass_time(1.0)
    assert sorted(place.delivered()) == sorted([lost.id, waiting.id])  # each once


def test_messages_used_up_for_other_jobs_are_no_loss(place: Place, clocks: Clocks) -> None:
    """Any message leads to the job whose turn it is: what counts is that there are enough."""
    jobs = [place.submit() for _ in range(3)]
    for job_id in ("gone", "gone", jobs[0].id):
        place.queue.put(job_id)
    reaper = place.reaper()
    for _ in range(8):
        reaper.round()
        clocks.pass_time(1.0)
    assert place.queue.count() == 3
    place.queue.huey.dequeue()
    for _ in range(3):
        reaper.round()
        clocks.pass_time(1.0)
    assert place.delivered() == ["gone", jobs[0].id, jobs[1].id]


def test_jobs_that_may_not_run_now_are_no_loss(place: Place, clocks: Clocks) -> None:
    place.settings = place.settings.model_copy(update={"running_max_per_client": 1})
    fence, _ = place.claim(place.submit())
    waiting = place.submit()
    reaper = place.reaper()
    for _ in range(8):
        place.store.renew(fence, LEASE)
        reaper.round()
        clocks.pass_time(1.0)
    assert place.delivered() == []
    place.store.finish(fence, {}, "Done.")
    for _ in range(3):
        reaper.round()
        clocks.pass_time(1.0)
    assert place.delivered() == [waiting.id]


def test_a_message_between_queue_and_claim_is_not_doubled(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    place.queue.put(job.id)
    reaper = place.reaper()
    clocks.pass_time(10)
    assert place.delivered() == [job.id]  # a worker takes it out ...
    reaper.round()
    place.claim(job)  # ... and claims the job a moment later
    clocks.pass_time(2)
    reaper.round()
    assert place.delivered() == []


def test_a_message_that_came_too_early_is_replaced_soon(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    fence, _ = place.claim(job)
    place.store.requeue(fence, "Later.", delay=15)
    assert place.store.claim(job.id, "w", LEASE) is None  # the message is used up in vain
    reaper = place.reaper()
    reaper.round()
    clocks.pass_time(15)
    rounds = 0
    while not (found := place.delivered()):
        rounds += 1
        assert rounds <= 7
        clocks.pass_time(1.0)
        reaper.round()
    assert found == [job.id]
    place.claim(job)


def test_a_delayed_message_does_not_hide_that_its_job_waits(place: Place, clocks: Clocks) -> None:
    """The schedule goes by the clock: after that was set back, messages on it come too late."""
    job = place.submit()
    place.queue.put(job.id, delay=3600)
    task = place.queue.huey.dequeue()
    place.queue.huey.execute(task)  # puts it on the schedule
    reaper = place.reaper()
    for _ in range(8):
        reaper.round()
        clocks.pass_time(1.0)
    assert place.delivered() == [job.id]


def test_a_locked_database_stops_the_reaper_only_for_a_round(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    place.claim(job)
    clocks.pass_time(LEASE + 1)
    reaper = place.reaper()
    with locked(place.settings.database_path, mode="IMMEDIATE"):
        reaper.round()
    assert place.delivered() == []
    reaper.round()
    assert place.delivered() == [job.id]


def test_a_recovered_job_whose_message_could_not_be_sent_is_sent_later(
    place: Place, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place.submit()
    place.claim(job)
    clocks.pass_time(LEASE + 1)
    reaper = place.reaper()
    with monkeypatch.context() as patched:

        def full(*_: object, **__: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        patched.setattr(place.queue, "put", full)
        reaper.round()
    assert place.present(job).state is State.PENDING
    assert place.delivered() == []
    for _ in range(8):
        clocks.pass_time(1.0)
        reaper.round()
    assert place.delivered() == [job.id]
