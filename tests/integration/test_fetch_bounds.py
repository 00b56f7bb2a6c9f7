"""Hostile playlists and manifests cost little time and memory, whatever is in them, and reading
them can be stopped."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gmapi.errors import JobCancelled, SourceError
from gmapi.fetch import hls
from gmapi.fetch.address import check_url
from gmapi.fetch.bounds import Bounds
from gmapi.fetch.hls import LINE_MAX
from gmapi.fetch.segments import SEGMENTS_MAX
from gmapi.fetch.terms import LIST_BYTES_MAX
from support.cost import Gaps, cpu_below, memory_below
from support.http.playlist_floods import (
    BASE,
    DASH_FLOODS,
    HLS_FLOODS,
    media,
    read_dash,
    read_hls,
    repeated,
)

DEEP_BASE = check_url("http://media.example/" + "d/" * 3000 + "list")

CPU_SECONDS = 10.0
"""More than ten times what the worst takes; with a pattern that goes back it is hours."""

MEMORY_MIB = 80.0


def outcome(read: Callable[[str, Bounds], None], text: str, bounds: Bounds | None = None) -> str:
    """The sentence it is refused with; empty when it is read."""
    try:
        read(text, bounds or Bounds())
    except SourceError as error:
        assert error.code in ("source_playlist", "source_refused")
        return error.message
    return ""


# What broke the pattern of attributes: a value, and then something that it cannot end with.
BROKEN_ATTRIBUTES = {
    "spaces": "A={}" + '"',
    "spaces after a quote": 'A="x"{}!',
    "spaces before the sign": "A{}=",
    "unclosed quote": 'A="{}',
    "nothing after it": "A={}",
}


@pytest.mark.parametrize("tag", ["KEY", "MAP", "MEDIA", "STREAM-INF", "SESSION-KEY"])
@pytest.mark.parametrize("form", BROKEN_ATTRIBUTES.values(), ids=BROKEN_ATTRIBUTES.keys())
@pytest.mark.parametrize("filler", [" ", ",", "=", "A", "A,", "A=,", ' "', "\t"])
def test_attributes_are_read_in_linear_time(tag: str, form: str, filler: str) -> None:
    line = f"#EXT-X-{tag}:" + form.format(filler * ((LINE_MAX - 50) // len(filler)))
    with cpu_below(CPU_SECONDS):
        outcome(read_hls, media(line))
        outcome(read_hls, f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx\n{line}\ny\n")


@pytest.mark.parametrize("size", [16_000, 2**20, LIST_BYTES_MAX])
def test_the_line_that_disabled_all_workers(size: int) -> None:
    with cpu_below(CPU_SECONDS):
        message = outcome(read_hls, media("#EXT-X-KEY:A=" + " " * size + '"'))
    assert "encrypted" in message or "a line of more than" in message


FLOODS = [(read_hls, *flood) for flood in HLS_FLOODS.values()] + [
    (read_dash, *flood) for flood in DASH_FLOODS.values()
]
each_flood = pytest.mark.parametrize(
    ("read", "text", "words"),
    FLOODS,
    ids=[*(f"hls: {name}" for name in HLS_FLOODS), *(f"dash: {name}" for name in DASH_FLOODS)],
)


@each_flood
def test_what_is_too_much_is_refused_before_it_costs_much(
    read: Callable[[str, Bounds], None], text: str, words: str
) -> None:
    asked = Gaps()
    with cpu_below(CPU_SECONDS), memory_below(MEMORY_MIB):
        message = outcome(read, text, Bounds(asked))
        asked.note()
    assert words in message
    assert bool(message) == bool(words)
    assert asked.longest < 1.0


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_hls, media(*["#EXTINF:1\n" + "a" * 150] * SEGMENTS_MAX)),
        (read_hls, repeated("#EXT-X-KEY:METHOD=NONE" + ",A=" * 5000 + "\n")),
        (read_hls, "a\n" * (LIST_BYTES_MAX // 2)),
        (read_dash, DASH_FLOODS["entries of a timeline"][0]),
        (read_dash, DASH_FLOODS["widths"][0]),
    ],
    ids=["segments", "attributes", "a list", "a timeline", "a template"],
)
def test_reading_stops_where_its_check_says_so(
    read: Callable[[str, Bounds], None], text: str
) -> None:
    def cancelled() -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        read(text, Bounds(cancelled))


def test_short_references_to_a_deep_folder_are_bounded() -> None:
    segments = media(*["#EXTINF:1\na.ts"] * SEGMENTS_MAX)
    with cpu_below(CPU_SECONDS), pytest.raises(SourceError, match="characters this server reads"):
        hls.parse_media(segments, DEEP_BASE)
    upwards = media(*["#EXTINF:1\n" + "../" * 2980 + "a.ts"] * 450, "#EXT-X-ENDLIST")
    with cpu_below(CPU_SECONDS):
        assert len(hls.parse_media(upwards, DEEP_BASE).segments) == 450


def test_segments_that_are_known_are_counted_and_not_looked_at() -> None:
    lines = ["#EXT-X-MEDIA-SEQUENCE:5", '#EXT-X-MAP:URI="h"']
    for number in range(4):
        lines += ["#EXTINF:1", f"#EXT-X-BYTERANGE:{number + 1}", "a.ts"]
    text = media(*lines)
    whole, rest = hls.parse_media(text, BASE), hls.parse_media(text, BASE, since=7)
    assert (rest.segments, rest.headers) == (whole.segments[2:], whole.headers[2:])
    assert (rest.sequence, rest.target, rest.ended) == (whole.sequence, whole.target, False)
    ended = hls.parse_media(text + "\n#EXT-X-ENDLIST", BASE, since=99)
    assert (ended.segments, ended.ended) == ((), True)
