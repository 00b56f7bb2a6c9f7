"""A file whose index is at its end, as if the index came first: what ffmpeg reads from a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

from gmapi.media.mp4 import boxes, places
from gmapi.media.mp4.layout import Layout
from gmapi.sandbox.feeding import WHOLE, Plan, Span


def plan(layout: Layout) -> Plan:
    """What a child is to read in place of the file, so that it can begin before all of it is there.

    Raises boxes.IndexUnusable where that gives something else than the whole file would.
    """
    places.check(layout)
    if layout.is_first:
        return WHOLE
    index = _moved_index(layout)
    first, end = len(layout.begins), layout.place.first
    after = [Span(layout.place.end, layout.total - layout.place.end)] if layout.after else []
    return [layout.begins + index, Span(first, end - first), *after]


def _moved_index(layout: Layout) -> bytes:
    """The index in front of what it was behind of."""
    offsets = [(track, box) for track in layout.tracks for box in track.offset_tables]
    for wide in (False, True):
        short = [box.kind == b"stco" and not wide for _, box in offsets]
        tables = {
            box.first: places.room(track, short=is_short)
            for (track, box), is_short in zip(offsets, short, strict=True)
        }
        length = len(boxes.rewritten(layout.index, layout.tree, tables))
        by = _Move(layout.place.first, length, length - len(layout.index))
        moved = [by.of(track.offsets) for track, _ in offsets]
        if all(map(places.fit, compress(moved, short))):
            break
    tables = {
        box.first: places.table(values, short=is_short)
        for (_, box), values, is_short in zip(offsets, moved, short, strict=True)
    }
    return boxes.rewritten(layout.index, layout.tree, tables)


@dataclass(frozen=True, slots=True)
class _Move:
    """What moves by `before` in front of the index, and by `after` behind it."""

    index: int
    before: int
    after: int

    def of(self, offsets: Sequence[int]) -> Sequence[int]:
        # Almost always all are on one side.
        if max(offsets, default=0) < self.index:
            return places.numbers(map(self.before.__add__, offsets))
        before, after, index = self.before, self.after, self.index
        return places.numbers(
            max(0, first + (before if first < index else after)) for first in offsets
        )
