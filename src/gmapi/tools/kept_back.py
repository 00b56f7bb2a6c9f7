"""The last pictures of a film whose end is not known yet: some may turn out to be behind it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

KEPT_PICTURES = 3
"""As many as ffmpeg may make beyond the end."""


class KeptBack:
    """Hands bytes of pictures of one `size` on to `take`, but for the last ones."""

    def __init__(self, size: int, take: Callable[[bytes], None]) -> None:
        self._size = size
        self._take = take
        self._kept: deque[bytes] = deque()
        self._bytes = 0
        self._handed = 0

    def feed(self, data: bytes) -> None:
        """Take bytes of pictures, in any pieces."""
        self._kept.append(data)
        self._bytes += len(data)
        while self._bytes - len(self._kept[0]) >= KEPT_PICTURES * self._size:
            oldest = self._kept.popleft()
            self._bytes -= len(oldest)
            self._hand_on(oldest)

    def finish(self, count: int | None, lead: int, *, stays: bool = False) -> None:
        """Hand on what is before the end: of `count` pictures those behind the first `lead`, or
        all there are. Where the last one `stays`, it comes again until there are so many."""
        rest = b"".join(self._kept)
        self._bytes, self._kept = 0, deque()
        if count is not None:
            wanted = max(1, count - lead) * self._size
            there = self._handed + len(rest)
            if there > wanted:
                rest = rest[: max(0, wanted - self._handed)]
            elif stays and len(rest) >= self._size:
                last = rest[len(rest) - self._size :]
                self._hand_on(rest)
                for _ in range((wanted - there) // self._size):
                    self._hand_on(last)
                return
        self._hand_on(rest)

    def _hand_on(self, data: bytes) -> None:
        self._handed += len(data)
        self._take(data)
