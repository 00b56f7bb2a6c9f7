"""Files of sound glued together into one: where each begins.

Radio stations and their recorders write an Ogg stream anew for each title (a chain, in the words
of RFC 3533), and people glue FLAC files with `cat`. ffmpeg reads of them what has the shape of the
first, loses samples where one ends, or the whole rest, and says "Done".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_BLOCK_BYTES = 1 << 20
# The header of a page that begins a stream (RFC 3533, section 6): version, flag, position 0,
# serial number, page number 0, checksum, number of segments and their sizes.
_OGG = re.compile(rb"OggS\x00\x02\x00{8}.{4}\x00{4}.{4}(.)", re.DOTALL)
_OGG_HEADER_BYTES = 27
# Then the sizes of the segments.
_SEGMENTS_MAX = 255
# The mark and the head of its first block, which tells about the stream and is 34 bytes long.
_FLAC = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")

STARTS_MAX = 10_000
"""Most links that are looked for."""


def link_starts(path: Path, container: str) -> list[int]:
    """The offsets at which the files begin that a file was made of, in bytes, the first one 0.

    Just that one where it was not, and for containers other than "ogg" and "flac". The file is
    read once, in pieces.
    """
    starts: list[int] = []
    if container == "flac":
        starts = [at for at, _ in found(path, _FLAC, 8)]
    elif container == "ogg":
        end = -1
        for at, length in found(path, _OGG, _OGG_HEADER_BYTES + _SEGMENTS_MAX):
            # Streams that run beside each other begin with one page each, side by side.
            if at != end:
                starts.append(at)
            end = at + length
    # Whatever stands before the first mark, such as tags, belongs to it.
    return [0, *starts[1:]]


def found(
    path: Path, pattern: re.Pattern[bytes], overlap: int, most: int = STARTS_MAX
) -> Iterator[tuple[int, int]]:
    """Where the pattern is, at `most` so often, and how long the Ogg page is that begins there (0
    for others). The pattern takes one byte more than `overlap` at most."""
    count = 0
    with open(path, "rb") as file:
        base, data = 0, file.read(_BLOCK_BYTES)
        while data:
            more = file.read(_BLOCK_BYTES)
            # What begins in the last bytes is looked at together with the next piece.
            stop = max(0, len(data) - overlap) if more else len(data)
            for match in pattern.finditer(data):
                if match.start() >= stop:
                    break
                yield base + match.start(), _page_bytes(data, match)
                count += 1
                if count >= most:
                    return
            base, data = base + stop, data[stop:] + more


def _page_bytes(data: bytes, match: re.Match[bytes]) -> int:
    if not match.groups():
        return 0
    sizes = data[match.end() : match.end() + match[1][0]]
    return _OGG_HEADER_BYTES + len(sizes) + sum(sizes)


def copy_part(path: Path, output: Path, start: int, end: int | None) -> None:
    """Copy the bytes from `start` to before `end` into a file of their own."""
    with open(path, "rb") as source, open(output, "wb") as target:
        source.seek(start)
        left = end - start if end is not None else None
        while left is None or left > 0:
            data = source.read(_BLOCK_BYTES if left is None else min(_BLOCK_BYTES, left))
            if not data:
                return
            target.write(data)
            if left is not None:
                left -= len(data)
