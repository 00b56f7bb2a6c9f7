"""One track of an index: its tables, of which nothing is believed before it was counted."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, islice, pairwise, repeat
from operator import sub

from gmapi.media.mp4.boxes import Box, IndexUnusable, name

SAMPLES_MAX = 4_000_000
"""As many have tables in an index of the largest size."""
_FULL = 4
_NO_TIME = -1
_AT_ONE = 1 << 16


@dataclass(frozen=True, slots=True)
class Edit:
    """A piece of a track as it is played: `duration` in ticks of the movie, from `start` on in
    ticks of the track, None for a gap."""

    duration: int
    start: int | None


class Track:
    """The track in the `trak` box of an index. All that is asked of it raises IndexUnusable where
    its boxes say what cannot be."""

    def __init__(self, index: bytes, box: Box) -> None:
        self._index = index
        self.box = box

    # -- what it is --------------------------------------------------------------------------------

    @cached_property
    def kind(self) -> bytes:
        """What it is of: b"vide", b"soun", or else."""
        # Version, flags, and a word that is for QuickTime alone.
        return self._body(self.box.need(b"mdia", b"hdlr"))[8:12]

    @cached_property
    def is_here(self) -> bool:
        """Whether all its data is in this file, as far as it says."""
        box = self.box.find(b"mdia", b"minf", b"dinf", b"dref")
        if box is None:
            return True
        references, at = self._body(box), 8
        for _ in range(_number(references, 4)):
            size = _number(references, at)
            if size < 12 or at + size > len(references):
                raise IndexUnusable("a torn dref box")
            if not references[at + 11] & 1:
                return False
            at += size
        return True

    @cached_property
    def ticks(self) -> int:
        """Steps of its clock in a second."""
        body = self._body(self.box.need(b"mdia", b"mdhd"))
        ticks = _number(body, 20 if body[:1] == b"\1" else 12)
        if not 0 < ticks < 1 << 31:
            raise IndexUnusable("a clock that stands still")
        return ticks

    @cached_property
    def told_duration(self) -> int:
        """Ticks that it says it has."""
        body = self._body(self.box.need(b"mdia", b"mdhd"))
        return _number(body, 24, 8) if body[:1] == b"\1" else _number(body, 16)

    @cached_property
    def descriptions(self) -> tuple[tuple[bytes, bytes], ...]:
        """How its samples are coded: the four letters, and the body of that box, of each way."""
        data = self._body(self._table(b"stsd"))
        found: list[tuple[bytes, bytes]] = []
        at, count = 8, _number(data, 4)
        if count > 16:
            raise IndexUnusable("samples of many kinds")
        for _ in range(count):
            size = _number(data, at)
            if size < 16 or at + size > len(data):
                raise IndexUnusable("a torn stsd box")
            found.append((data[at + 4 : at + 8], data[at + 8 : at + size]))
            at += size
        return tuple(found)

    @cached_property
    def edits(self) -> tuple[Edit, ...] | None:
        """What is played of it, in order; all of it where there are none, and None where some are
        played at another speed."""
        box = self.box.find(b"edts", b"elst")
        if box is None:
            return ()
        data = self._body(box)
        is_long = data[:1] == b"\1"
        width = 20 if is_long else 12
        count = self._count(data, width)
        if count > 1000:
            raise IndexUnusable("too many edits")
        found = []
        for at in range(8, 8 + count * width, width):
            part = width // 2 - 2
            duration = int.from_bytes(data[at : at + part])
            start = int.from_bytes(data[at + part : at + 2 * part], signed=True)
            if _number(data, at + 2 * part) != _AT_ONE:
                return None
            found.append(Edit(duration, None if start == _NO_TIME else start))
        return tuple(found)

    # -- where its samples are ---------------------------------------------------------------------

    @cached_property
    def offset_tables(self) -> tuple[Box, ...]:
        """The boxes with the places of its chunks: one, or none."""
        table = self.box.need(b"mdia", b"minf", b"stbl")
        found = [*table.all(b"stco"), *table.all(b"co64")]
        if len(found) > 1:
            raise IndexUnusable("several tables of offsets")
        return tuple(found)

    @cached_property
    def offsets(self) -> array[int]:
        """Where each chunk begins in the file."""
        if not self.offset_tables:
            return array("Q")
        (box,) = self.offset_tables
        return self._numbers(self._body(box), "Q" if box.kind == b"co64" else "I")

    @cached_property
    def count(self) -> int:
        """How many samples it has; only said, not shown, where all are of one size."""
        return self._sizes[1]

    @cached_property
    def steady_size(self) -> int:
        """Bytes of each sample where all are of one size, else 0."""
        return self._sizes[0]

    @cached_property
    def sizes(self) -> array[int]:
        """Bytes of each sample; empty where all are of one size."""
        return self._sizes[2]

    @cached_property
    def _sizes(self) -> tuple[int, int, array[int]]:
        table = self.box.need(b"mdia", b"minf", b"stbl")
        if table.find(b"stz2") is not None:
            raise IndexUnusable("sizes in an stz2 box")
        data = self._body(self._table(b"stsz"))
        steady, count = _number(data, 4), _number(data, 8)
        if steady:
            return steady, count, array("I")
        return 0, count, self._numbers(data, "I", 12, count)

    @cached_property
    def chunk_counts(self) -> array[int]:
        """How many samples each chunk has."""
        chunks = len(self.offsets)
        counts = array("I")
        runs = self._rows(b"stsc", 3)
        if not chunks:
            runs = array("I")
        elif not runs or runs[0] != 1:
            raise IndexUnusable("chunks without samples")
        firsts = chain(islice(runs, 3, None, 3), [chunks + 1])
        for first, following, samples in zip(runs[::3], firsts, runs[1::3], strict=False):
            if not 0 < first <= following <= chunks + 1:
                raise IndexUnusable("chunks out of order, or that are not there")
            counts.extend(repeat(samples, following - first))
        if sum(counts) != self.count:
            raise IndexUnusable("chunks with other samples than there are")
        return counts

    @cached_property
    def chunk_sizes(self) -> array[int]:
        """How many bytes each chunk has."""
        counts = self.chunk_counts
        if self.steady_size:
            size = self.sample_size
            return array("Q", map(size.__mul__, counts))
        ends = array("Q", accumulate(self.sizes, initial=0))
        marks = array("Q", map(ends.__getitem__, accumulate(counts, initial=0)))
        return array("Q", map(sub, islice(marks, 1, None), marks))

    @cached_property
    def sample_size(self) -> int:
        """Bytes of a sample where all are of one size. Sound descriptions of QuickTime may have a
        way of their own to say it."""
        size = self.steady_size
        if self.kind != b"soun":
            return size
        for form, body in self.descriptions:
            version = _number(body, 8, 2)
            channels, bits = _number(body, 16, 2), _number(body, 18, 2)
            if version == 0:
                told = channels * _BYTES.get(form, bits // 8)
            elif version == 1:
                told = _number(body, 36)
            else:
                told = _number(body, 56)
            if form in PLAIN_SOUND and told != size:
                raise IndexUnusable("sound whose samples are not counted one by one")
            if form in _PACKED:
                raise IndexUnusable(f"sound of {name(form)} without the sizes of its packets")
        return size

    # -- when its samples are ----------------------------------------------------------------------

    @cached_property
    def steps(self) -> tuple[tuple[int, int], ...]:
        """Runs of samples that last equally long: how many, and ticks. Together they are `count`
        samples."""
        runs = self._rows(b"stts", 2)
        if sum(runs[::2]) != self.count:
            raise IndexUnusable("times of other samples than there are")
        return tuple(zip(runs[::2], runs[1::2], strict=True))

    @cached_property
    def delays(self) -> tuple[tuple[int, int], ...]:
        """Runs of samples that are shown equally long after they are decoded: how many, and ticks.
        Together they are `count` samples, or there are none."""
        if self.box.find(b"mdia", b"minf", b"stbl", b"ctts") is None:
            return ()
        runs = self._rows(b"ctts", 2)
        if not runs:
            return ()
        if sum(runs[::2]) != self.count:
            raise IndexUnusable("delays of other samples than there are")
        signed = (tick - (1 << 32) if tick >> 31 else tick for tick in runs[1::2])
        return tuple(zip(runs[::2], signed, strict=True))

    @cached_property
    def keys(self) -> Sequence[int] | None:
        """The numbers of the samples that can be decoded by themselves, from 0 on, ascending; None
        when all can be."""
        if self.box.find(b"mdia", b"minf", b"stbl", b"stss") is None:
            return None
        numbers = self._rows(b"stss", 1)
        if any(a >= b for a, b in pairwise(chain([0], numbers, [self.count + 1]))):
            raise IndexUnusable("key pictures that are not there")
        return array("I", [number - 1 for number in numbers])

    @cached_property
    def chunk_times(self) -> array[int]:
        """When each chunk begins, in ticks, edits not counted."""
        starts = accumulate(self.chunk_counts, initial=0)
        try:
            if self.count <= SAMPLES_MAX:
                times = array("Q", accumulate(unfolded(self.steps), initial=0))
                return array("Q", map(times.__getitem__, islice(starts, len(self.offsets))))
            return array("Q", islice(self._times_of(starts), len(self.offsets)))
        except OverflowError as error:
            raise IndexUnusable("times beyond all films") from error

    def _times_of(self, samples: Iterable[int]) -> Iterator[int]:
        """When samples begin whose numbers ascend, however many there are between."""
        runs = iter(self.steps)
        first, time = 0, 0
        count, step = next(runs, (0, 0))
        for sample in samples:
            while sample - first >= count:
                first, time = first + count, time + count * step
                count, step = next(runs, (self.count + 1, 0))
            yield time + (sample - first) * step

    # -- bytes -------------------------------------------------------------------------------------

    def _table(self, kind: bytes) -> Box:
        return self.box.need(b"mdia", b"minf", b"stbl", kind)

    def _body(self, box: Box) -> bytes:
        return self._index[box.body : box.end]

    def _rows(self, kind: bytes, columns: int) -> array[int]:
        data = self._body(self._table(kind))
        return self._numbers(data, "I", count=self._count(data, 4 * columns) * columns)

    @staticmethod
    def _count(data: bytes, width: int) -> int:
        """The number at the beginning of a table, if it has so many rows of this width."""
        count = _number(data, _FULL)
        if 8 + count * width > len(data):
            raise IndexUnusable("a table that is longer than its box")
        return count

    def _numbers(
        self, data: bytes, form: str, first: int = 8, count: int | None = None
    ) -> array[int]:
        found: array[int] = array(form)
        if count is None:
            count = self._count(data, found.itemsize)
        part = data[first : first + count * found.itemsize]
        if len(part) != count * found.itemsize:
            raise IndexUnusable("a table that is longer than its box")
        found.frombytes(part)
        if sys.byteorder == "little":
            found.byteswap()
        return found


# Samples of sound as they are, with the bytes of each where the description does not say it; and
# sound in packets of one size, which some descriptions count in samples and others do not.
_BYTES = {b"alaw": 1, b"ulaw": 1, b"in24": 3, b"in32": 4, b"fl32": 4, b"fl64": 8}
PLAIN_SOUND = frozenset({b"raw ", b"twos", b"sowt", b"NONE", b"lpcm", b"ipcm", b"fpcm", *_BYTES})
_PACKED = frozenset({b"ima4", b"MAC3", b"MAC6", b"agsm", b"Qclp", b"ms\0\2", b"ms\0\x11", b"QDM2"})


def unfolded(runs: Sequence[tuple[int, int]]) -> Iterator[int]:
    """The value of each of those that runs tell of."""
    return chain.from_iterable(repeat(value, count) for count, value in runs)


def _number(data: bytes, at: int, length: int = 4) -> int:
    found = data[at : at + length]
    if len(found) < length:
        raise IndexUnusable("a torn box")
    return int.from_bytes(found)
