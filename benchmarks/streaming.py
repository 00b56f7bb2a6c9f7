"""`make bench-streaming`: how soon something can be seen and heard of a source that arrives slowly.

A line of 2 MB/s with 30 ms before each answer, two minutes of 720p (35 MB). Each figure stands
beside its limit in the same run, in turn: what the line takes for the bytes that are needed, by a
plain client, or the CPU of a bare ffmpeg, whichever is more. It takes some 20 minutes, ten of them
for the last row, and writes to RESULTS.md. `python benchmarks/streaming.py 1 4 --rounds 1` runs
just these rows and prints them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from results import conditions, write_section
from streaming_crowd import crowd, steady
from streaming_room import NotThere, Room, Row, room
from streaming_songs import growing_song, radio, songs
from streaming_starts import film, films_with_sound, silent_films, smaller_film

ROWS: dict[int, Callable[[Room], None]] = {
    1: silent_films,
    2: films_with_sound,
    3: film,
    4: songs,
    5: growing_song,
    6: smaller_film,
    7: radio,
    9: crowd,
    10: steady,
}
"""Row 8, the CPU of frames, is measured by `frames.py`."""


def main() -> None:
    """Run the chosen rows, all by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", type=int, choices=[*ROWS])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10.0, help="of row 10")
    parser.add_argument("--each", action="store_true", help="a line for each connection")
    parser.add_argument("--plain", action="store_true", help="a source without ranges and ETags")
    options = parser.parse_args()
    before = conditions("make bench-streaming")
    with room(
        options.rounds, minutes=options.minutes, each=options.each, plain=options.plain
    ) as found:
        for number in options.rows or ROWS:
            _run(found, number)
    lines = [
        before,
        "",
        "| # | what | measured | limit in the same run | bar | met |",
        "|---|---|---|---|---|---|",
        *map(str, found.rows),
    ]
    print("\n".join(lines))
    if not (options.rows or options.each or options.plain):
        write_section("make bench-streaming", lines)


def _run(found: Room, number: int) -> None:
    row = ROWS[number]
    assert row.__doc__ is not None
    print(row.__doc__, flush=True)
    try:
        row(found)
    except NotThere as missing:
        found.add(Row(number, row.__doc__.partition(": ")[2], f"not there ({missing})"))
    except AssertionError as failed:
        found.add(Row(number, row.__doc__.partition(": ")[2], f"failed: {failed}"[:300], met=False))


if __name__ == "__main__":
    main()
