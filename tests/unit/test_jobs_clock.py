"""A clock that leaps takes no job from a worker and deletes nothing."""

from __future__ import annotations

import pytest

from gmapi.jobs.model import State
from gmapi.storage.base import new_file_id
from support.product.locks import locked
from support.product.reaping import EXPIRY, LEASE, Clocks, Place


def test_a_clock_that_leaps_ahead_takes_no_job_from_a_live_worker(
    place: Place, clocks: Clocks
) -> None:
    alive, dead = place.submit(), place.submit()
    fence, _ = place.claim(alive)
    place.claim(dead)
    reaper = place.reaper()
    reaper.round()
    clocks.leap(7200)
    reaper.round()
    assert place.store.is_ours(fence)
    clocks.pass_time(1.0)
    assert place.store.renew(fence, LEASE)  # what a live worker does every second here
    clocks.pass_time(LEASE - 0.5)
    assert place.store.renew(fence, LEASE)
    reaper.round()
    assert place.store.is_ours(fence)
    assert place.delivered() == [dead.id]


def test_a_clock_that_is_set_back_delays_no_recovery(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    place.claim(job)
    reaper = place.reaper()
    reaper.round()
    clocks.leap(-7200)
    reaper.round()
    clocks.pass_time(LEASE + 1)
    reaper.round()
    assert place.delivered() == [job.id]


def test_a_clock_that_leaps_ahead_deletes_nothing(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    fence, claimed = place.claim(job)
    assert claimed.file_id is not None
    folder = place.publish(claimed.file_id)
    place.store.finish(fence, {}, "Done.")
    place.store.touch(job.id)
    sources = place.settings.sources_dir
    sources.mkdir(exist_ok=True)
    for name in ("a.data", "a.json"):
        (sources / name).write_text("{}")
    half_made = place.attempt(f"{new_file_id()}.1", 0)
    leader, other = place.reaper("r1"), place.reaper("r2")
    leader.round()
    other.round()
    before = place.present(job)
    for leap in (30 * EXPIRY, -40 * EXPIRY, 20 * EXPIRY):
        clocks.leap(leap)
        for reaper in (leader, other):  # whichever leads now: it is moved once
            reaper.round()
            reaper.sweep()
    assert folder.exists()
    assert (sources / "a.data").exists()
    assert half_made.exists()
    after = place.present(job)
    for name in ("created", "started", "finished", "accessed"):
        moved = getattr(after, name) - getattr(before, name)
        assert moved == pytest.approx(10 * EXPIRY, abs=1.0)
    # From then on it lives as long as it would have.
    clocks.pass_time(EXPIRY - 10)
    leader.round()
    assert folder.exists()
    clocks.pass_time(20)
    leader.round()
    assert not folder.exists()
    assert not (sources / "a.data").exists()


def test_a_leap_while_no_server_runs_deletes_nothing(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    place.store.finish(place.claim(job)[0], {}, "Done.")
    place.reaper("before").round()
    clocks.leap(10 * EXPIRY)
    place.reaper("after").round()
    assert place.present(job).state is State.COMPLETED


def test_nothing_is_swept_while_a_leap_cannot_be_noted(place: Place, clocks: Clocks) -> None:
    job = place.submit()
    place.store.finish(place.claim(job)[0], {}, "Done.")
    reaper = place.reaper()
    reaper.round()
    clocks.leap(10 * EXPIRY)
    with locked(place.settings.database_path, mode="IMMEDIATE"):
        reaper.round()
    assert place.present(job).state is State.COMPLETED
    reaper.round()
    assert place.present(job).state is State.COMPLETED


def test_time_that_passed_while_the_machine_was_off_has_passed(
    place: Place, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place.submit()
    place.store.finish(place.claim(job)[0], {}, "Done.")
    place.reaper().round()
    monkeypatch.setattr("gmapi.jobs.clock._boot", lambda: "another start")
    clocks.leap(EXPIRY + 1)
    place.reaper("next").round()
    assert place.store.get(job.id) is None
