"""What was read lately and is kept for the next who asks, bounded by the memory it takes."""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_ENTRY_BYTES = 400
"""About what an entry costs beside its value: the key, the links, the numbers."""


class Recent(Generic[K, V]):
    """Values by key, at most `max_bytes` of them in all and none unused for `max_age` seconds.

    The longest unused go first. `size` is said by who puts a value in; `footprint` measures one.
    """

    def __init__(self, max_bytes: int, max_age: float) -> None:
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._entries: OrderedDict[K, tuple[V, int, float]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """The value, which counts as used; None when it is not kept."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries[key] = (entry[0], entry[1], time.monotonic())
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keep a value of `size` bytes; one that alone is beyond the bound is not kept."""
        self.drop(key)
        self._entries[key] = (value, size + _ENTRY_BYTES, time.monotonic())
        self.bytes += size + _ENTRY_BYTES
        while self.bytes > self._max_bytes:
            self.drop(next(iter(self._entries)))

    def drop(self, key: K) -> None:
        """Let go of a value."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry[1]

    def drop_unused(self) -> None:
        """Let go of what nobody asked for lately."""
        oldest = time.monotonic() - self._max_age
        while self._entries:
            key, (_, _, used) = next(iter(self._entries.items()))
            if used >= oldest:
                return
            self.drop(key)

    def clear(self) -> None:
        """Let go of everything."""
        self._entries.clear()
        self.bytes = 0


def footprint(value: Any) -> int:
    """About how many bytes a value of JSON's kinds takes."""
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        return size + sum(footprint(key) + footprint(each) for key, each in value.items())
    if isinstance(value, list | tuple):
        return size + sum(footprint(each) for each in value)
    return size
