"""MP4s as ffmpeg makes them, and what else may come: made, changed or put together anew."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gmapi.media.mp4 import boxes, packets
from gmapi.media.mp4.layout import Layout
from support.media.making import H264, Maker
from support.media.mp4_files import found
from support.media.odd_files import box

FILM = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2"]
TONE = ["-f", "lavfi", "-i", "sine=d=2"]
# Pictures that are not shown in the order of decoding.
MIXED = ["-c:v", "libx264", "-preset", "veryfast", "-g", "20", "-bf", "2", "-pix_fmt", "yuv420p"]
AAC = ["-c:a", "aac"]
# Pictures at uneven times.
UNEVEN = ["-vf", "setpts='(N+gt(N,20)*(N-20)*1.5)/25/TB'", "-fps_mode", "vfr"]
OPUS = ["-c:a", "libopus"]
PLAIN: Mapping[str, list[str]] = {
    "mixed.mp4": [*FILM, *TONE, *MIXED, *AAC],
    "first.mp4": [*FILM, *TONE, *MIXED, *AAC, "-movflags", "faststart"],
    "steady.mp4": [*FILM, *TONE, *H264, *AAC],
    "hevc.mp4": [
        *FILM, *TONE, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none",
        *OPUS,
    ],
    "mpeg4.mov": [*FILM, *TONE, "-c:v", "mpeg4", "-bf", "2", "-c:a", "alac"],
    "mjpeg.mov": [*FILM, *TONE, "-c:v", "mjpeg", "-c:a", "pcm_s16be"],
    "vp9.mp4": [
        *FILM, *TONE, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", *OPUS,
    ],
    "layer3.mov": [*FILM, *TONE, *MIXED, "-c:a", "libmp3lame"],
    "ac3.mov": [*FILM, *TONE, *MIXED, "-c:a", "ac3"],
    "no-edits.mp4": [*FILM, *TONE, *MIXED, *AAC, "-use_editlist", "0"],
    "early-delays.mp4": [*FILM, *TONE, *MIXED, *AAC, "-movflags", "negative_cts_offsets"],
    "uneven.mp4": [*FILM, *TONE, *UNEVEN, *H264, *AAC],
    "ntsc.mp4": [
        "-f", "lavfi", "-i", "testsrc2=s=64x48:r=30000/1001:d=2", *TONE, *MIXED, *AAC,
    ],
    "slow.mp4": ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=0.5:d=6", *TONE, *MIXED, *AAC],
    "long-sound.mp4": [*FILM, "-f", "lavfi", "-i", "sine=d=4", *MIXED, *AAC],
    "hybrid.mp4": [*FILM, *TONE, *MIXED, *AAC, "-movflags", "hybrid_fragmented"],
    "two-sounds.mp4": [
        *FILM, *TONE, "-f", "lavfi", "-i", "sine=900:d=3", "-map", "0", "-map", "1", "-map", "2",
        *MIXED, *AAC,
    ],
    "cover.m4a": [
        *TONE, "-f", "lavfi", "-i", "testsrc2=s=640x480:d=0.04", "-map", "0", "-map", "1", *AAC,
        "-c:v", "mjpeg", "-disposition:v", "attached_pic",
    ],
    "song.m4a": [*TONE, *AAC],
}  # fmt: skip
CHANGED: Mapping[str, list[str]] = {
    "late-sound.mp4": ["-i", "{}", "-itsoffset", "0.5", "-i", "{}", "-map", "0:v", "-map", "1:a"],
    "late-pictures.mp4": [
        "-itsoffset", "0.7", "-i", "{}", "-i", "{}", "-map", "0:v", "-map", "1:a",
    ],
    "both-late.mp4": ["-copyts", "-itsoffset", "1.5", "-i", "{}"],
    "cut.mp4": ["-ss", "1.13", "-i", "{}", "-t", "0.6"],
}  # fmt: skip


def _moved(seen: Layout, by: Callable[[int], int]) -> bytes:
    """The index of a film with its places elsewhere."""
    tables = {}
    for track in seen.tracks:
        places = [by(offset) for offset in track.offsets]
        for table in track.offset_tables:
            body = struct.pack(f">I{len(places)}I", len(places), *places)
            tables[table.first] = boxes.full(b"stco", body)
    return boxes.rewritten(seen.index, seen.tree, tables)


def shifted(data: bytes, *, between: bytes = b"", begin: bytes | None = None) -> bytes:
    """The same film with boxes in front of its media, or another beginning."""
    seen = found(data)
    start = seen.parts[0].end
    front = (data[:start] if begin is None else begin) + between
    moov = _moved(seen, lambda offset: offset + len(front) - start)
    return front + data[start : seen.place.first] + moov + data[seen.place.end :]


def in_the_middle(data: bytes) -> bytes:
    """The index between two boxes of media, the second of which begins with the later chunks."""
    seen = found(data)
    mdat = next(part for part in seen.parts if part.kind == b"mdat")
    cut = sorted(offset for track in seen.tracks for offset in track.offsets)[3]
    moov = _moved(seen, lambda offset: offset + (8 + len(seen.index)) * (offset >= cut))
    one = struct.pack(">I4s", cut - mdat.first, b"mdat") + data[mdat.first + 8 : cut]
    return data[: mdat.first] + one + moov + box(b"mdat", data[cut : mdat.end])


def in_two_cuts(data: bytes) -> bytes:
    """Of the sound two pieces are played, the first of them again."""
    seen = found(data)
    track = next(track for track in seen.tracks if track.kind == b"soun")
    movie = packets.movie_ticks(seen)
    edits = [(movie * 6 // 10, 30_000), (movie // 2, 1024), (movie // 2, 30_000)]
    rows = b"".join(struct.pack(">IiI", *edit, 1 << 16) for edit in edits)
    edts = box(b"edts", boxes.full(b"elst", struct.pack(">I", len(edits)) + rows))
    moov = boxes.rewritten(seen.index, seen.tree, {track.box.need(b"edts").first: edts})
    return data[: seen.place.first] + moov + data[seen.place.end :]


def wide_size(data: bytes) -> bytes:
    """The size of the media in 64 bits, in the place of a box that ffmpeg keeps free for it."""
    seen = found(data)
    free, mdat = seen.parts[1], seen.parts[2]
    assert (free.kind, free.end - free.first, mdat.kind) == (b"free", 8, b"mdat")
    size = struct.pack(">I4sQ", 1, b"mdat", mdat.end - free.first)
    return data[: free.first] + size + data[mdat.first + 8 :]


FILLED = box(b"wide") + box(b"uuid", bytes(3000)) + box(b"skip", bytes(70_000)) + box(b"free")
REBUILT: Mapping[str, Callable[[bytes], bytes]] = {
    "filled.mp4": lambda data: shifted(data, between=FILLED) + box(b"free", bytes(100)),
    "no-ftyp.mov": lambda data: shifted(data, begin=b""),
    "in-the-middle.mp4": in_the_middle,
    "wide.mp4": wide_size,
    "two-cuts.mp4": in_two_cuts,
}
NAMES = [*PLAIN, *CHANGED, *REBUILT]
TELLING = (
    "mixed.mp4", "first.mp4", "mpeg4.mov", "mjpeg.mov", "vp9.mp4", "no-edits.mp4",
    "early-delays.mp4", "uneven.mp4", "long-sound.mp4", "hybrid.mp4", "two-sounds.mp4", "cover.m4a",
    "late-sound.mp4", "both-late.mp4", "cut.mp4", "filled.mp4", "in-the-middle.mp4", "wide.mp4",
    "two-cuts.mp4",
)  # fmt: skip
"""Of all codecs, orders, lists of edits and places of the index one each."""
OWN_WAYS = ("mixed.mp4", "no-edits.mp4", "early-delays.mp4", "late-sound.mp4", "two-cuts.mp4")
"""What each ffmpeg reads in a way of its own."""


@dataclass(frozen=True)
class Film:
    """One of them."""

    path: Path
    data: bytes
    layout: Layout


def film_of(name: str, make: Maker) -> Film:
    """The film with one of `NAMES`."""
    if name in PLAIN:
        path = make(name, *PLAIN[name])
    else:
        film = make("mixed.mp4", *PLAIN["mixed.mp4"])
        if name in CHANGED:
            path = make(name, *(w.format(film) for w in CHANGED[name]), "-c", "copy")
        else:
            path = make.bytes(name, REBUILT[name](film.read_bytes()))
    data = path.read_bytes()
    return Film(path, data, found(data))
