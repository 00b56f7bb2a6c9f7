"""Fuzz target: HLS playlists, lists of one entry and DASH manifests: what comes of them, and what
they cost in time and memory."""

from __future__ import annotations

import math

from hypothesis import given

from gmapi.errors import SourceError
from gmapi.fetch import dash, hls
from gmapi.fetch.address import SourceUrl, check_url
from gmapi.fetch.segments import SECONDS_MAX, SEGMENTS_MAX, Track, make_track
from support.cost import cpu_below, memory_below
from support.fuzzing import flooded, fuzz, mutated

BASE = check_url("https://media.example/films/one/list?token=x")
CODES = {"source_playlist", "source_refused"}
"""What a playlist that cannot be used ends with."""

MEDIA_SEEDS = [
    "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:4,\na.ts\n#EXTINF:3.5,t\n"
    "/b.ts?x=1\n#EXT-X-DISCONTINUITY\n#EXTINF:1,\nhttps://cdn.example/c.ts\n#EXT-X-ENDLIST\n",
    '#EXTM3U\n#EXT-X-MAP:URI="f.mp4",BYTERANGE="700@0"\n#EXTINF:1,\n#EXT-X-BYTERANGE:100@700\n'
    "f.mp4\n#EXTINF:1,\n#EXT-X-BYTERANGE:50\nf.mp4\n#EXT-X-ENDLIST",
    '#EXTM3U\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:-1,\nfile:///etc/passwd\n#EXT-X-KEY:METHOD=AES-128,'
    'URI="k"\n',
]  # fmt: skip
MASTER_SEEDS = [
    '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",DEFAULT=YES,URI="s/en.m3u8"\n'
    '#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=640x360,AUDIO="a"\nv/360.m3u8\n'
    "#EXT-X-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=3840x2160\nhttp://127.0.0.1/v.m3u8\n",
]  # fmt: skip
LIST_SEEDS = [
    "#EXTM3U\n#EXTINF:10,title\nhttps://media.example/a.mp3\n",
    "[playlist]\nNumberOfEntries=1\nFile1=a.mp3\nTitle1=x\nLength1=-1\nVersion=2\n",
]
DASH_SEEDS = [
    '<MPD type="static" mediaPresentationDuration="PT0H0M10.5S"><Period><AdaptationSet '
    'contentType="video"><SegmentTemplate timescale="10" duration="40" startNumber="3" '
    'initialization="$RepresentationID$/i.mp4" media="$Number%05d$.m4s"/><Representation id="v" '
    'bandwidth="5000" height="360"/></AdaptationSet><AdaptationSet mimeType="audio/mp4">'
    '<Representation id="a" bandwidth="100"><BaseURL>a.mp4</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    '<MPD><Period duration="PT4S"><AdaptationSet contentType="audio"><Representation id="a">'
    '<SegmentTemplate timescale="1000" media="$Time$.m4s"><SegmentTimeline><S t="0" d="1000" '
    'r="2"/><S d="900" r="-1"/></SegmentTimeline></SegmentTemplate></Representation>'
    "</AdaptationSet></Period></MPD>",
    '<MPD><Period><AdaptationSet contentType="video"><Representation id="v"><SegmentList '
    'duration="2"><Initialization sourceURL="i.mp4" range="0-99"/><SegmentURL media="1.m4s" '
    'mediaRange="100-199"/></SegmentList></Representation></AdaptationSet></Period></MPD>',
]  # fmt: skip
CPU_SECONDS = 10.0
MEMORY_MIB = 64.0
HLS_LETTERS = '#EXT-INF:,=".@/\n\r 0123456789eE+\u0661'
DASH_LETTERS = '<>/="$%&; 0123456789-PTSrdt\n'


def check_address(url: SourceUrl) -> None:
    """It is one that could have been given as a source, and no step back from https."""
    assert check_url(url.url) == url
    assert url.scheme == "https"


def check_track(track: Track) -> None:
    """It is bounded, whatever the text said."""
    assert 0 < len(track.segments) <= SEGMENTS_MAX
    assert math.isfinite(track.seconds)
    assert 0 <= track.seconds <= SECONDS_MAX
    for segment in track.segments:
        check_address(segment.url)
        if segment.span is not None:
            assert 0 <= segment.span.first <= segment.span.last
    asked = track.requests()
    assert sum(_bytes(s) for s in asked) == sum(_bytes(s) for s in track.segments)
    begun = track.first_seconds(track.seconds / 2)
    assert begun.segments == track.segments[: len(begun.segments)]


def _bytes(segment: object) -> int:
    span = getattr(segment, "span", None)
    return 0 if span is None else span.last - span.first + 1


def is_refusal(error: SourceError) -> bool:
    """One sentence for the caller."""
    return error.code in CODES and error.message.startswith("The source's playlist")


@fuzz
@given(mutated(MEDIA_SEEDS + MASTER_SEEDS, HLS_LETTERS))
def test_hls(text: str) -> None:
    read_hls(text)


@fuzz
@given(flooded(MEDIA_SEEDS + MASTER_SEEDS, HLS_LETTERS))
def test_hls_that_goes_on_and_on(text: str) -> None:
    with cpu_below(CPU_SECONDS), memory_below(MEMORY_MIB):
        read_hls(text)


def read_hls(text: str) -> None:
    try:
        if hls.is_master(text):
            choice = hls.choose(text, BASE)
            check_address(choice.pictures)
            if choice.sound is not None:
                check_address(choice.sound)
            return
        listed = hls.parse_media(text, BASE)
        assert len(listed.segments) == len(listed.headers) <= SEGMENTS_MAX
        track = make_track(listed.in_order())
    except SourceError as error:
        assert is_refusal(error), error.message
    else:
        check_track(track)


@fuzz
@given(mutated(LIST_SEEDS, HLS_LETTERS))
def test_lists_of_one_entry(text: str) -> None:
    read_list(text)


@fuzz
@given(flooded(LIST_SEEDS, HLS_LETTERS))
def test_lists_that_go_on_and_on(text: str) -> None:
    with cpu_below(CPU_SECONDS), memory_below(MEMORY_MIB):
        read_list(text)


def read_list(text: str) -> None:
    try:
        url = hls.single_entry(text, BASE)
    except SourceError as error:
        assert is_refusal(error), error.message
    else:
        check_address(url)


@fuzz
@given(mutated(DASH_SEEDS, DASH_LETTERS))
def test_dash(text: str) -> None:
    read_dash(text)


@fuzz
@given(flooded(DASH_SEEDS, DASH_LETTERS))
def test_dash_that_goes_on_and_on(text: str) -> None:
    with cpu_below(CPU_SECONDS), memory_below(MEMORY_MIB):
        read_dash(text)


def read_dash(text: str) -> None:
    try:
        tracks = dash.parse(text, BASE)
    except SourceError as error:
        assert is_refusal(error), error.message
    else:
        assert 1 <= len(tracks) <= 2
        for track in tracks:
            check_track(track)
