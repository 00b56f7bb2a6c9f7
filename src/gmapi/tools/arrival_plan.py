"""How a source can be read while it arrives, found out from its first bytes."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from gmapi.errors import MediaError, SourceError
from gmapi.fetch.arrival import Arrival, Beginning
from gmapi.fetch.parts import Parts
from gmapi.media import late_tags, picture_files, protected, streamable, xing
from gmapi.media.mp4 import fast_start, layout
from gmapi.media.mp4.boxes import IndexUnusable
from gmapi.media.mp4.layout import Layout
from gmapi.sandbox.feeding import WHOLE, Plan, Span
from gmapi.tools.arriving import ArrivingSource

WORTH_BYTES = 1 << 20
"""What is smaller is there before anything can be made of its beginning."""

NEAR_BYTES = 1 << 20
"""What comes within so many bytes is waited for; what is further on is asked for."""

NEAR_SECONDS = 0.3

SEGMENT_BYTES = 4096
"""Of what comes in segments so much is there at once, or almost."""

FROM_SEGMENTS = frozenset({"mpegts", "mp4", "mp3", "matroska"})
"""Kinds that are read as their segments come."""

COVER_BYTES_MAX = 8 << 20
"""Pictures in front of a song that are waited for."""

_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Opening:
    """The beginning of a source: what has come of it, and ways to get more. `check` is called
    while waiting, and what it raises passes through."""

    arrival: Arrival
    beginning: Beginning
    parts: Parts
    check: Callable[[], None]
    log: Callable[[str], None]

    def plan(
        self, suits: Callable[[str], bool], *, with_tags: bool = False
    ) -> ArrivingSource | None:
        """The source as it can be read, if it is of a kind that `suits`; None when all of it has
        to be there, as `with_tags` for some that tell their title at the end. Raises what ended
        it early."""
        total = self.beginning.total
        if total is not None and total < WORTH_BYTES:
            return None
        if total is None:
            self._first(SEGMENT_BYTES)
            head = os.pread(self.arrival.fileno(), streamable.HEAD_BYTES, 0)
        else:
            head = self._first(streamable.HEAD_BYTES)
        kind = streamable.kind(head)
        if kind is None or not suits(kind) or picture_files.is_heif(self.arrival.path):
            return None
        if total is None and kind not in FROM_SEGMENTS:
            return None
        if total is not None and with_tags and late_tags.may_follow(kind, head):
            return None
        source = ArrivingSource(self.arrival, WHOLE, kind, self.parts)
        try:
            if kind == "mp4" and total is None:
                return self._by_fragments(source, layout.find(head, sys.maxsize, self._read))
            if kind == "mp4":
                return self._by_index(source, layout.find(head, total or 0, self._read))
            if kind == "mpegts" and total is not None:  # others need less than the head
                self._first(protected.LOOKED_AT_BYTES)
            protected.check(self.arrival.path)
            return replace(source, plan=self._song(head, total)) if kind == "mp3" else source
        except (IndexUnusable, xing.HeadTooShort, SourceError) as error:
            self.arrival.check()  # what ended it is no matter of the plan
            self.log(f"all of the source is waited for: {error}")
        except MediaError:  # encrypted; who looks at all of it says so
            pass
        return None

    def _by_index(self, source: ArrivingSource, found: Layout) -> ArrivingSource:
        self._check_index(found)
        return replace(source, plan=fast_start.plan(found), index=found)

    def _by_fragments(self, source: ArrivingSource, found: Layout) -> ArrivingSource:
        self._check_index(found)
        if not (found.is_first and found.is_fragmented):
            raise IndexUnusable("it is one of a file whose size is not known")
        return source

    def _check_index(self, found: Layout) -> None:
        index = self.arrival.path.with_name(f"{self.arrival.path.name}.index")
        index.write_bytes(found.index)
        try:
            protected.check(index)
        finally:
            index.unlink()

    def _song(self, head: bytes, total: int | None) -> Plan:
        while True:
            try:
                changed = xing.unpromised(head, total)
            except xing.HeadTooShort as short:
                if short.needed > COVER_BYTES_MAX or self.arrival.has_ended:
                    raise
                # A little more, or bytes that look like one frame after the other would have all
                # of it read again for each of them.
                head = self._first(short.needed + xing.JUNK_BYTES_MAX)
            else:
                return WHOLE if changed is None else (changed, Span(len(changed)))

    def _read(self, first: int, length: int) -> bytes:
        """Bytes of the file for its index. Raises SourceError where they cannot be had ahead."""
        end = first + length
        is_near = end <= self.arrival.size + NEAR_BYTES
        if self.parts.are_exact:
            # Not to ask for what comes anyway; but a slow source may take long even for a little.
            patience = NEAR_SECONDS if is_near else 0.0
            self._first(min(end, self.beginning.total or end), patience)
            if self.arrival.size < end:
                return self.parts.read(first, length)
        elif not is_near:
            raise SourceError(
                "The server of the source names no versions, so that its end cannot be read ahead.",
                code="source_truncated",
            )
        self._first(end)
        return os.pread(self.arrival.fileno(), length, first)

    def _first(self, size: int, patience: float = math.inf) -> bytes:
        """So many bytes, as soon as they are there; fewer where the source is shorter, or after so
        many seconds."""
        until = time.monotonic() + patience
        while not self.arrival.has_ended and self.arrival.size < size:
            self.check()
            left = until - time.monotonic()
            if left <= 0:
                break
            self.arrival.wait(size - 1, min(left, _LOOK_SECONDS))
        return os.pread(self.arrival.fileno(), size, 0)
