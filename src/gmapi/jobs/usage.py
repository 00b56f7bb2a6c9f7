"""What costs much to find out, found out once for all who ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")

MEASURED_SECONDS = 2.0
"""How long what was measured of the disk is taken for true."""

MEASURING_SHARE = 0.05
"""The most of a processor that measuring may take: where it takes long it is done less often."""


class Aside(Protocol):
    """Does work that may take long, such as walking through files; returns what that returns.

    Where one thread serves many it is done by another one, and others are served meanwhile.
    """

    def __call__(self, work: Callable[[], T], /) -> T:
        """Do it."""


def directly(work: Callable[[], T]) -> T:
    """Do the work here and now, where nobody else is held up."""
    return work()


class Shared(Generic[T]):
    """The result of a look that all share: whoever finds it too old looks again, and those who ask
    meanwhile get the last one."""

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._looking = threading.Lock()
        self._last: tuple[T, float] | None = None
        self.seconds = 0.0
        """What the last look took."""

    def get(self, within: float) -> T:
        """What a look has found that is not older than `within` seconds, or is being renewed.

        Raises whatever looking raises.
        """
        last = self._last
        if last is not None and time.monotonic() - last[1] < within:
            return last[0]
        if not self._looking.acquire(blocking=last is None):
            assert last is not None
            return last[0]
        try:
            last = self._last
            started = time.monotonic()
            if last is not None and started - last[1] < within:
                return last[0]
            found = self._look()
            ended = time.monotonic()
            self.seconds = ended - started
            self._last = (found, ended)
            return found
        finally:
            self._looking.release()


class Usage:
    """How many bytes are stored, by a walk through all files now and then."""

    def __init__(self, walk: Callable[[], int], aside: Aside = directly) -> None:
        self._measured = Shared(lambda: aside(walk))

    def latest(self) -> int:
        """Bytes stored, as measured a moment ago."""
        return self._measured.get(max(MEASURED_SECONDS, self._measured.seconds / MEASURING_SHARE))

    def now(self) -> int:
        """Bytes stored, measured now."""
        return self._measured.get(0.0)
