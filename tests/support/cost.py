"""What a piece of work costs the process it runs in: processor time and memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def cpu_below(seconds: float) -> Iterator[None]:
    """The block takes less than so much processor time of this process, whoever else is busy."""
    began = time.process_time()
    yield
    used = time.process_time() - began
    assert used < seconds, f"{used:.1f} s of processor time"


@contextmanager
def memory_below(mebibytes: float) -> Iterator[None]:
    """This process grows by less than so much in the block, at its greatest."""
    try:
        # Makes the greatest size so far the one of now.
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        with _traced_below(mebibytes):
            yield
        return
    before = _kibibytes("VmRSS")
    yield
    _assert_below((_kibibytes("VmHWM") - before) / 1024, mebibytes)


def _kibibytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


@contextmanager
def _traced_below(mebibytes: float) -> Iterator[None]:
    """The same where the system does not tell; takes several times as long."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
    _assert_below(peak, mebibytes)


def _assert_below(used: float, most: float) -> None:
    assert used < most, f"{used:.1f} MiB"


class Gaps:
    """A check, as loops over a stranger's text are to ask, that notes how long it was not asked:
    the most processor time of this process between two calls, in seconds."""

    def __init__(self) -> None:
        self.calls = 0
        self.longest = 0.0
        self._last = time.process_time()

    def __call__(self) -> None:
        self.calls += 1
        self.note()

    def note(self) -> None:
        """Count the time since the last call without one more."""
        now = time.process_time()
        self.longest = max(self.longest, now - self._last)
        self._last = now
