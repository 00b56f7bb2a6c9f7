"""A stream of raw pictures through a converter: several at once, results in order, memory bounded.

Frames are converted outside the interpreter's lock, so that threads use all cores.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Self, TypeVar

import numpy as np

from gmapi.computercraft.screen import U8

Result = TypeVar("Result")

PENDING_BYTES = 48 << 20
"""Pictures that wait for conversion take at most this much memory, but there are always two."""


class Pipeline(Generic[Result]):
    """Cuts bytes into pictures and hands each to `convert`, then its result to `deliver`.

    The bytes are rows of pixels of three bytes, or with `planar` three planes one after another.
    `convert` gets the number of the picture, from 0, and (height, width, 3) u8, which it must not
    keep, and runs in one of `threads` threads. `deliver` gets the results in order, in the thread
    that calls `feed` and `finish`. What either raises comes out of `feed` or `finish`.
    """

    def __init__(
        self,
        width: int,
        height: int,
        convert: Callable[[int, U8], Result],
        deliver: Callable[[Result], None],
        *,
        threads: int,
        planar: bool = False,
        lead: int = 0,
    ) -> None:
        """The first picture is taken `lead` times more than it comes."""
        self._shape = (3, height, width) if planar else (height, width, 3)
        self._axes = (1, 2, 0) if planar else (0, 1, 2)
        self._size = width * height * 3
        self._convert = convert
        self._deliver = deliver
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="frames")
        # Room to go on while the other side has a slow moment.
        self._most = max(2, min(8 * threads + 8, PENDING_BYTES // self._size))
        self._pending: deque[tuple[Future[Result], U8]] = deque()
        # Pictures are used again: fresh memory costs as much as filling it.
        self._free: list[U8] = []
        self._picture = np.empty(self._size, np.uint8)
        self._filled = 0
        self._count = 0
        self._lead = lead

    @property
    def picture_bytes(self) -> int:
        """Bytes of one picture."""
        return self._size

    def feed(self, data: bytes) -> None:
        """Take bytes of pictures, in any pieces."""
        view = memoryview(data)
        while view:
            taken = min(len(view), self._size - self._filled)
            self._picture[self._filled : self._filled + taken] = np.frombuffer(
                view[:taken], np.uint8
            )
            self._filled += taken
            view = view[taken:]
            if self._filled == self._size:
                while self._lead:
                    self._lead -= 1
                    first = self._picture.copy()
                    self._submit()
                    self._picture = first
                self._submit()

    def _submit(self) -> None:
        picture = self._picture
        pixels = picture.reshape(self._shape).transpose(self._axes)
        future = self._pool.submit(self._convert, self._count, pixels)
        self._pending.append((future, picture))
        self._count += 1
        self._filled = 0
        while self._pending and (len(self._pending) >= self._most or self._pending[0][0].done()):
            self._deliver_first()
        self._picture = self._free.pop() if self._free else np.empty(self._size, np.uint8)

    def _deliver_first(self) -> None:
        future, picture = self._pending.popleft()
        result = future.result()
        self._free.append(picture)
        self._deliver(result)

    def finish(self) -> int:
        """Deliver what is left; the number of pictures. A torn last picture is dropped."""
        while self._pending:
            self._deliver_first()
        return self._count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
