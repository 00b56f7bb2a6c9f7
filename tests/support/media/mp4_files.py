"""MP4 files put together box by box: of any tracks, in any order, with an index anywhere."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from gmapi.media.mp4 import layout
from gmapi.media.mp4.layout import Layout
from gmapi.media.mp4.tracks import Track
from gmapi.sandbox.feeding import Plan
from support.media.odd_files import box

HEAD_BYTES = 65_536
FTYP = box(b"ftyp", b"isom", bytes(4), b"isomavc1")
MOVIE_TICKS = 1000


@dataclass(frozen=True)
class Made:
    """A track to be made: `chunks` of samples, each `step` ticks long, or as `steps` (runs of
    number and ticks) say; `edits` are duration in ticks of the movie, and start in the track's."""

    chunks: Sequence[Sequence[bytes]]
    kind: bytes = b"vide"
    form: bytes = b"avc1"
    ticks: int = 1000
    step: int = 100
    steps: Sequence[tuple[int, int]] | None = None
    delays: Sequence[tuple[int, int]] = ()
    keys: Sequence[int] | None = None
    edits: Sequence[tuple[int, int]] = ()
    is_wide: bool = False
    flags: int = 1
    extra: bytes = b""
    others: dict[bytes, bytes] = field(default_factory=dict)
    """Tables to be there in place of the right ones, by their kind."""

    @property
    def count(self) -> int:
        return sum(map(len, self.chunks))


def full(kind: bytes, *contents: bytes) -> bytes:
    """A box of version 0 without flags."""
    return box(kind, bytes(4), *contents)


def rows(kind: bytes, values: Sequence[Sequence[int]], form: str = "I") -> bytes:
    """A table with its number of rows in front."""
    data = [struct.pack(f">{len(row)}{form}", *row) for row in values]
    return full(kind, struct.pack(">I", len(data)), *data)


def trak(made: Made, offsets: Sequence[int]) -> bytes:
    """A track whose chunks are at these places."""
    sizes = [len(sample) for chunk in made.chunks for sample in chunk]
    counts = [(number, len(chunk), 1) for number, chunk in enumerate(made.chunks, 1)]
    steps = made.steps if made.steps is not None else [(made.count, made.step)]
    tables = {
        b"stsd": full(b"stsd", struct.pack(">I", 1), box(made.form, bytes(28))),
        b"stts": rows(b"stts", steps),
        b"stsc": rows(b"stsc", counts),
        b"stsz": full(b"stsz", struct.pack(f">II{len(sizes)}I", 0, len(sizes), *sizes)),
        b"stco": rows(b"co64", [(o,) for o in offsets], "Q")
        if made.is_wide
        else rows(b"stco", [(o,) for o in offsets]),
    }
    if made.delays:
        tables[b"ctts"] = rows(b"ctts", [(n, d & 0xFFFFFFFF) for n, d in made.delays])
    if made.keys is not None:
        tables[b"stss"] = rows(b"stss", [(key + 1,) for key in made.keys])
    tables |= made.others
    duration = sum(count * step for count, step in steps)
    edits = b"".join(struct.pack(">Iii", *edit, 1 << 16) for edit in made.edits)
    elst = full(b"elst", struct.pack(">I", len(made.edits)), edits)
    dref = full(b"dref", struct.pack(">I", 1), box(b"url ", struct.pack(">I", made.flags)))
    return box(
        b"trak",
        full(b"tkhd", bytes(80)),
        box(b"edts", elst) if made.edits else b"",
        box(
            b"mdia",
            full(b"mdhd", struct.pack(">IIIII", 0, 0, made.ticks, duration, 0)),
            full(b"hdlr", bytes(4), made.kind, bytes(13)),
            box(b"minf", box(b"dinf", dref), box(b"stbl", *tables.values())),
        ),
        made.extra,
    )


def index(tracks: Sequence[bytes], extra: bytes = b"") -> bytes:
    """An index with these tracks."""
    mvhd = full(b"mvhd", struct.pack(">IIII", 0, 0, MOVIE_TICKS, 0), bytes(80))
    return box(b"moov", mvhd, *tracks, extra)


def film(
    tracks: Sequence[Made],
    *,
    order: Sequence[int] | None = None,
    before: Sequence[bytes] = (FTYP,),
    between: Sequence[bytes] = (),
    after: Sequence[bytes] = (),
    extra: bytes = b"",
    first: bool = False,
    cut_at: int | None = None,
) -> bytes:
    """A file of these tracks, whose chunks lie in the `order` of the tracks' numbers. With
    `cut_at` chunks from that one on have an `mdat` of their own behind the index, else behind
    `between`."""
    chunks = {number: list(made.chunks) for number, made in enumerate(tracks)}
    if order is None:
        most = max(len(made.chunks) for made in tracks)
        order = [n for at in range(most) for n, made in enumerate(tracks) if at < len(made.chunks)]
    cut = len(order) if cut_at is None else cut_at

    def lay(at: int, part: Sequence[int], taken: dict[int, list[int]]) -> bytes:
        data = b""
        for number in part:
            chunk = chunks[number][len(taken[number])]
            taken[number].append(at + 8 + len(data))
            data += b"".join(chunk)
        return box(b"mdat", data)

    begin = b"".join(before)
    length = len(_index(tracks, {n: [0] * len(c) for n, c in chunks.items()}, extra))
    taken: dict[int, list[int]] = {number: [] for number in chunks}
    at = len(begin) + (length if first else 0)
    one = lay(at, order[:cut], taken) + b"".join(between)
    at += len(one) + (0 if first else length)
    two = lay(at, order[cut:], taken) if cut < len(order) else b""
    moov = _index(tracks, taken, extra)
    parts = [moov, one] if first else [one, moov]
    return b"".join([begin, *parts, two, *after])


def _index(tracks: Sequence[Made], places: dict[int, list[int]], extra: bytes) -> bytes:
    return index([trak(made, places[number]) for number, made in enumerate(tracks)], extra)


class Looks:
    """Reads a file in memory, and knows how often."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []

    def __call__(self, first: int, length: int) -> bytes:
        self.asked.append((first, length))
        return self.data[first : first + length]


def found(data: bytes, head: int = HEAD_BYTES) -> Layout:
    """The layout of a file in memory."""
    return layout.find(data[:head], len(data), Looks(data))


def fed(data: bytes, plan: Plan) -> bytes:
    """What a child reads by a plan."""
    return b"".join(
        piece
        if isinstance(piece, bytes)
        else data[piece.first : None if piece.length is None else piece.first + piece.length]
        for piece in plan
    )


def chunks_of(data: bytes, track: Track) -> list[bytes]:
    """The bytes of each chunk of a track."""
    places = zip(track.offsets, track.chunk_sizes, strict=True)
    return [data[first : first + size] for first, size in places]


def one_film(change: Callable[[Made], Made] = lambda made: made, **words: object) -> bytes:
    """A small film of pictures and sound, with its index at the end."""
    pictures = change(Made([[b"%d" % n * 30] for n in range(8)], keys=[0, 4]))
    sound = Made([[b"s%d" % n * 9, b"t"] for n in range(8)], b"soun", b"mp4a", step=50)
    return film([pictures, replace(sound)], **words)  # type: ignore[arg-type]
