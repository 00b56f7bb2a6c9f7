"""The job table against a model of what must hold, whatever the order of the writes."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from gmapi.jobs import schema
from gmapi.jobs.database import connect
from gmapi.jobs.model import FINISHED, MAX_ATTEMPTS, SOURCES, Fence, State
from gmapi.jobs.roster import Roster
from gmapi.jobs.store import JobStore

LEASE = 30.0


@dataclass
class Expected:
    """What the test believes of a job."""

    state: State = State.PENDING
    attempt: int = 0
    crashes: int = 0
    progress: float = 0.0
    key: str | None = None
    ends: int = 0
    seen: set[State] = field(default_factory=lambda: {State.PENDING})


class JobMachine(RuleBasedStateMachine):
    """Any order of writes, also by workers that have lost their job, against `Expected`."""

    jobs: Bundle[str] = Bundle("jobs")
    fences: Bundle[Fence] = Bundle("fences")

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        engine = connect(self.folder / "jobs.db")
        schema.upgrade(engine)
        self.clock = 1_000_000.0
        self.store = JobStore(engine)
        self.roster = Roster(engine)
        self.store.now = self.roster.now = lambda: self.clock  # type: ignore[method-assign]
        self.model: dict[str, Expected] = {}
        self.leases: dict[str, float] = {}
        self.delays: dict[str, float] = {}
        self.holders: dict[str, Fence] = {}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.engine.dispose()
            shutil.rmtree(self.folder)

    def _move(self, job_id: str, state: State) -> None:
        expected = self.model[job_id]
        assert expected.state in SOURCES[state]
        expected.state = state
        expected.seen.add(state)
        self.holders.pop(job_id, None)
        if state in FINISHED:
            expected.ends += 1
        if state in (State.ERROR, State.CANCELLED):
            expected.key = None

    def _stands(self, fence: Fence) -> bool:
        return self.holders.get(fence.job_id) == fence

    @rule(target=jobs, key=st.sampled_from([None, None, "a", "b"]))
    def submit(self, key: str | None) -> Any:
        joined = [job_id for job_id, job in self.model.items() if key and job.key == key]
        submission = self.store.submit(
            tool="ffmpeg", request={}, key=key, client="c", queue_max=999, queue_max_per_client=999
        )
        assert submission.joined == bool(joined)
        if joined:
            assert submission.job.id == joined[0]
            return multiple()
        self.model[submission.job.id] = Expected(key=key)
        return submission.job.id

    @rule(target=fences, job_id=jobs, owner=st.sampled_from(["w1", "w2", "w3"]))
    def claim(self, job_id: str, owner: str) -> Any:
        expected = self.model[job_id]
        may = expected.state is State.PENDING and self.delays.get(job_id, 0) <= self.clock
        job = self.store.claim(job_id, owner, LEASE)
        assert (job is not None) == may
        if job is None:
            return multiple()
        self._move(job_id, State.RUNNING)
        expected.attempt += 1
        assert job.attempt == expected.attempt
        fence = Fence(job_id, owner, job.attempt)
        self.holders[job_id] = fence
        self.leases[job_id] = self.clock + LEASE
        return fence

    @rule(fence=fences, progress=st.floats(-10, 200))
    def report(self, fence: Fence, progress: float) -> None:
        stands = self._stands(fence)
        assert self.store.report(fence, progress=progress, lines=[(0.0, "x")]) == stands
        if stands:
            expected = self.model[fence.job_id]
            expected.progress = max(expected.progress, min(100.0, max(0.0, progress)))

    @rule(fence=fences)
    def renew(self, fence: Fence) -> None:
        stands = self._stands(fence)
        assert self.store.renew(fence, LEASE) == stands
        assert self.store.is_ours(fence) == stands
        if stands:
            self.leases[fence.job_id] = self.clock + LEASE

    @rule(fence=consumes(fences))
    def finish(self, fence: Fence) -> None:
        stands = self._stands(fence)
        assert self.store.finish(fence, {"by": fence.owner}, "Done.") == stands
        if stands:
            self._move(fence.job_id, State.COMPLETED)
            self.model[fence.job_id].progress = 100.0

    @rule(fence=fences)
    def fail(self, fence: Fence) -> None:
        stands = self._stands(fence)
        assert self.store.fail(fence, "No.", "media_failed") == stands
        if stands:
            self._move(fence.job_id, State.ERROR)

    @rule(fence=fences, delay=st.sampled_from([0.0, 5.0, 100.0]), crashed=st.booleans())
    def requeue(self, fence: Fence, delay: float, crashed: bool) -> None:
        stands = self._stands(fence)
        assert self.store.requeue(fence, "Again.", delay, crashed=crashed) == stands
        if stands:
            self._move(fence.job_id, State.PENDING)
            self.delays[fence.job_id] = self.clock + delay
            self.model[fence.job_id].crashes += int(crashed)

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        if self.model[job_id].state not in FINISHED:
            self._move(job_id, State.CANCELLED)
        job = self.store.cancel(job_id)
        assert job is not None
        assert job.state is self.model[job_id].state

    @rule(seconds=st.sampled_from([1.0, 20.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock += seconds

    @rule()
    def expire(self) -> None:
        silent = [job_id for job_id in self.holders if self.leases[job_id] < self.clock]
        recovered = {job_id for job_id, _ in self.roster.recover_expired()}
        given_up = {job for job in silent if self.model[job].crashes + 1 >= MAX_ATTEMPTS}
        assert recovered == set(silent) - given_up
        for job_id in silent:
            self._move(job_id, State.ERROR if job_id in given_up else State.PENDING)
            self.model[job_id].crashes += 1
            self.delays[job_id] = self.clock

    @invariant()
    def the_table_is_as_expected(self) -> None:
        if not hasattr(self, "store"):
            return
        jobs, total = self.store.page(limit=10_000)
        assert total == len(self.model)  # no job is ever lost
        for job in jobs:
            expected = self.model[job.id]
            assert (job.state, job.attempt, job.crashes, job.progress, job.key) == (
                expected.state,
                expected.attempt,
                expected.crashes,
                expected.progress,
                expected.key,
            )
            assert expected.ends == int(job.is_finished)
            assert (job.owner is not None) == (job.state is State.RUNNING)
            assert (job.lease_until is not None) == (job.state is State.RUNNING)
            assert (job.finished is not None) == job.is_finished
            assert (job.error is not None) == (job.state in (State.ERROR, State.CANCELLED))


JobMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestJobMachine = JobMachine.TestCase
