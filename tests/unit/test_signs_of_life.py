"""What a supervisor makes of a worker's signs of life, and of their absence."""

from __future__ import annotations

import os
import subprocess
import sys

from gmapi.signs_of_life import LEAST_SILENT_SECONDS, SignsOfLife, whom_to_end
from support.product.server import wait_for

LEASE = 30.0


def silent_for(seconds: float) -> SignsOfLife:
    """One that gave signs once."""
    signs = SignsOfLife(0.0)
    signs.hear()
    signs.look(0.0)
    pass_time(signs, seconds)
    return signs


def pass_time(signs: SignsOfLife, seconds: float) -> None:
    """As a supervisor does that is awake all the time."""
    start = signs.last_look
    for tenth in range(1, round(seconds * 10) + 1):
        signs.look(start + tenth / 10)


def test_who_gives_signs_is_not_silent() -> None:
    signs = silent_for(5)
    assert 4.9 < signs.silent < 5.1
    signs.hear()
    signs.look(6)
    assert signs.silent == 0


def test_while_the_supervisor_slept_nobody_was_silent() -> None:
    """The machine was suspended, or a debugger held it, or the clock leapt."""
    signs = silent_for(5)
    signs.look(signs.last_look + 3600)
    assert signs.silent < 7
    signs.look(0)
    assert signs.silent < 7


def test_a_worker_is_ended_after_several_leases() -> None:
    well = silent_for(0)
    assert whom_to_end([well, silent_for(LEASE)], LEASE) == []
    assert whom_to_end([well, silent_for(2 * LEASE)], LEASE) == []
    assert whom_to_end([well, silent_for(3 * LEASE + 1)], LEASE) == [1]
    assert whom_to_end([silent_for(2 * LEASE)], LEASE) == []
    assert whom_to_end([silent_for(3 * LEASE + 1)], LEASE) == [0]


def test_short_leases_leave_time_for_a_busy_machine() -> None:
    well = silent_for(0)
    assert whom_to_end([well, silent_for(LEAST_SILENT_SECONDS - 1)], 1.0) == []
    assert whom_to_end([well, silent_for(LEAST_SILENT_SECONDS + 1)], 1.0) == [1]


def test_when_no_worker_is_left_the_first_silent_one_goes_sooner() -> None:
    first, second = silent_for(LEASE + 11), silent_for(11)
    assert whom_to_end([second, first], LEASE) == [1]
    assert whom_to_end([silent_for(9), first], LEASE) == []
    assert whom_to_end([silent_for(LEASE - 1), silent_for(11)], LEASE) == []
    # Those that are just being started will work soon.
    assert whom_to_end([None, first, second], LEASE) == []
    assert whom_to_end([SignsOfLife(0.0), first, second], LEASE) == []


def test_a_start_may_take_longer() -> None:
    signs = SignsOfLife(0.0)
    pass_time(signs, 40)
    assert whom_to_end([signs], 1.0) == []
    pass_time(signs, 25)
    assert whom_to_end([signs], 1.0) == [0]


def test_signs_come_as_long_as_python_runs() -> None:
    """What is printed is none, and a loop that lets go of Python's lock is no silence."""
    program = (
        "import sys, time\n"
        "from gmapi.signs_of_life import beat\n"
        "beat()\n"
        "print('text', flush=True)\n"
        "until = time.monotonic() + 1.5\n"
        "while time.monotonic() < until: pass\n"
        "print('worked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline() == b"text\n"
        assert process.stderr.readline() == b"worked\n"
        heard = os.read(process.stdout.fileno(), 100)
        assert len(heard) >= 2
        assert set(heard) == set(b".")
        signs = SignsOfLife(0.0)
        signs.listen(process.stdout)
        wait_for(lambda: signs.look(0.0) or signs.begun, what="a sign")
        process.stdin.close()
        assert process.wait(30) == 0
        wait_for(lambda: process.stdout is not None and process.stdout.closed, what="the end")
