"""Reading HLS playlists and plain lists, kind and hostile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import SourceError
from gmapi.fetch.address import check_url
from gmapi.fetch.hls import (
    Choice,
    best_quality,
    choose,
    is_hls,
    is_master,
    parse_media,
    single_entry,
)
from gmapi.fetch.ranges import Span
from gmapi.fetch.segments import SEGMENTS_MAX, Segment, make_track

BASE = check_url("https://media.example/films/one/index.m3u8?token=x")


def _media(*lines: str, end: bool = True) -> str:
    return "\n".join(["#EXTM3U", *lines, *(["#EXT-X-ENDLIST"] if end else [])])


def _refused(text: str, code: str = "source_playlist") -> str:
    with pytest.raises(SourceError) as caught:
        choose(text, BASE) if is_master(text) else make_track(parse_media(text, BASE).in_order())
    assert caught.value.code == code
    return caught.value.message


def test_segments_have_addresses_lengths_and_numbers() -> None:
    listed = parse_media(
        _media(
            "#EXT-X-TARGETDURATION:10",
            "#EXT-X-MEDIA-SEQUENCE:7",
            "#EXTINF:9.5,a title, with commas",
            "a b.ts",
            "#EXT-X-DISCONTINUITY",
            "#EXTINF:4",
            "/root/b.ts?sig=1",
            "#EXTINF:1.25,",
            "https://cdn.example/c.ts",
        ),
        BASE,
    )
    assert [(s.url.url, s.seconds, s.number) for s in listed.segments] == [
        ("https://media.example/films/one/a%20b.ts", 9.5, 1),
        ("https://media.example/root/b.ts?sig=1", 4.0, 2),
        ("https://cdn.example/c.ts", 1.25, 3),
    ]
    assert (listed.sequence, listed.target, listed.ended) == (7, 10.0, True)
    assert not parse_media(_media("#EXTINF:1,", "a.ts", end=False), BASE).ended


def test_parts_of_files_follow_each_other() -> None:
    listed = parse_media(
        _media(
            '#EXT-X-MAP:URI="all.mp4",BYTERANGE="700@0"',
            "#EXTINF:1,",
            "#EXT-X-BYTERANGE:100@700",
            "all.mp4",
            "#EXTINF:1,",
            "#EXT-X-BYTERANGE:50",
            "all.mp4",
            "#EXTINF:1,",
            "#EXT-X-BYTERANGE:10@2000",
            "all.mp4",
        ),
        BASE,
    )
    track = make_track(listed.in_order())
    spans = [(s.number, s.span) for s in track.segments]
    assert spans == [(0, Span(0, 699)), (1, Span(700, 799)), (2, Span(800, 849)),
                     (3, Span(2000, 2009))]  # fmt: skip
    # What lies together is asked for at once; the header stays apart.
    assert [s.span for s in track.requests()] == [Span(0, 699), Span(700, 849), Span(2000, 2009)]
    assert sum(s.seconds for s in track.requests()) == 3


def test_a_header_is_listed_once_and_where_it_changes() -> None:
    listed = parse_media(
        _media(
            '#EXT-X-MAP:URI="h1.mp4"', "#EXTINF:1,", "a.m4s", "#EXTINF:1,", "b.m4s",
            '#EXT-X-MAP:URI="h2.mp4"', "#EXTINF:1,", "c.m4s",
        ),
        BASE,
    )  # fmt: skip
    names = [s.url.target.rpartition("/")[2] for s in listed.in_order()]
    assert names == ["h1.mp4", "a.m4s", "b.m4s", "h2.mp4", "c.m4s"]


def test_gaps_and_unknown_tags_are_passed_over() -> None:
    listed = parse_media(
        _media(
            "#EXT-X-PROGRAM-DATE-TIME:not a date", "#EXT-X-DATERANGE:broken", "# comment",
            "#EXTINF:2,", "#EXT-X-GAP", "missing.ts", "#EXTINF:1,", "a.ts",
        ),
        BASE,
    )  # fmt: skip
    assert [(s.number, s.seconds) for s in listed.segments] == [(2, 1.0)]


MASTER = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="de",URI="de.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en, main",DEFAULT=YES,URI="en.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="a",NAME="s",URI="s.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="i.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=3840x2160,AUDIO="a"
2160.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=5000000,CODECS="avc1.4d401f,mp4a.40.2",RESOLUTION=1920x1080,AUDIO="a"
1080.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360
360.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=99000000,AUDIO="a"
en.m3u8
"""


def test_the_best_variant_up_to_1080_lines_is_chosen_with_its_sound() -> None:
    folder = "https://media.example/films/one/"
    assert choose(MASTER, BASE) == Choice(
        check_url(folder + "1080.m3u8"), check_url(folder + "en.m3u8")
    )


def test_sound_that_is_in_the_variant_is_not_fetched_apart() -> None:
    text = MASTER.replace(',DEFAULT=YES,URI="en.m3u8"', ",DEFAULT=YES")
    assert choose(text, BASE).sound is None
    alone = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",DEFAULT=YES,URI="s.m3u8"\n'
    alone += '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\ns.m3u8\n'
    assert choose("#EXTM3U\n" + alone, BASE).sound is None


@pytest.mark.parametrize(
    ("qualities", "best"),
    [
        ([(360, 5), (720, 9), (1080, 20)], 2),
        ([(2160, 90), (1440, 50)], 1),
        ([(0, 64), (0, 128)], 1),
        ([(0, 999), (360, 5)], 1),
        ([(720, 3), (720, 8)], 1),
    ],
)
def test_quality(qualities: list[tuple[int, int]], best: int) -> None:
    assert best_quality(qualities) == best


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_media(), "names no segments"),
        (_media("#EXTINF:1,", "#EXT-X-BYTERANGE:-5@3", "a.ts"), "impossible part of a file for"),
        (_media("#EXTINF:1,", "#EXT-X-BYTERANGE:5@-3", "a.ts"), "impossible part"),
        (_media("#EXTINF:1,", "#EXT-X-BYTERANGE:0@0", "a.ts"), "impossible part"),
        (_media("#EXTINF:1,", f"#EXT-X-BYTERANGE:9@{'9' * 15}", "a.ts"), "impossible part"),
        (_media("#EXTINF:nan,", "a.ts"), "impossible length"),
        (_media("#EXTINF:-1,", "a.ts"), "impossible length"),
        (_media("#EXTINF:1e308,", "a.ts"), "impossible length"),
        (_media("#EXTINF:900000000,", "a.ts"), "longer than the 7 days"),
        (_media("#EXT-X-MEDIA-SEQUENCE:" + "9" * 5000, "a.ts"), "sequence number"),
        (_media('#EXT-X-KEY:METHOD=AES-128,URI="k"', "#EXTINF:1,", "a.ts"), "encrypted"),
        (_media("#EXT-X-KEY:METHOD=SAMPLE-AES", "#EXTINF:1,", "a.ts"), "encrypted"),
        (_media("#EXT-X-KEY:garbage", "#EXTINF:1,", "a.ts"), "encrypted"),
        (_media("#EXT-X-MAP:BYTERANGE=1@0", "#EXTINF:1,", "a.ts"), "without an address"),
        (_media("#EXT-X-I-FRAMES-ONLY", "#EXTINF:1,", "a.ts"), "winding forward"),
        (_media("#EXT-X-SKIP:SKIPPED-SEGMENTS=3", "#EXTINF:1,", "a.ts"), "leaves out"),
        (_media("a" * 20_000), "a line of more than"),
        (_media(*["a.ts"] * (SEGMENTS_MAX + 1)), "more than the 20,000 segments"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", "names no variant"),
        ('#EXTM3U\n#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES\n#EXT-X-STREAM-INF:A=1\na\n', "encrypted"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_a_sentence(text: str, words: str) -> None:
    message = _refused(text)
    assert message.startswith("The source's playlist ")
    assert words in message


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "data:video/mp2t,x", "concat:a|b", "ftp://a.example/x", "crypto:a.ts",
     "http://user:pw@a.example/x", "https://a.example\\@b.example/", "https://0x7f.1/", "//127.1/x",
     "https://[::1", "javascript:0", "http://media.example/plain.ts"],
)  # fmt: skip
@pytest.mark.parametrize(
    "form",
    ["#EXTM3U\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{}\n",
     '#EXTM3U\n#EXT-X-MAP:URI="{}"\n#EXTINF:1,\na\n#EXT-X-ENDLIST'],
)  # fmt: skip
def test_other_schemes_and_bad_addresses_are_refused(form: str, address: str) -> None:
    message = _refused(form.format(address), "source_refused")
    assert "names an address" in message or "names an http address" in message


def test_a_list_of_one_entry_leads_there() -> None:
    here = check_url("http://a.example/lists/x.m3u")
    radio = "#EXTM3U\n#EXTINF:-1,Radio One\nhttp://radio.example/live.mp3\n"
    assert not is_hls(radio)
    assert single_entry(radio, here).url == "http://radio.example/live.mp3"
    assert single_entry("song.mp3\n", here).url == "http://a.example/lists/song.mp3"
    pls = "[playlist]\nNumberOfEntries=1\nFile1 = http://a.example/1.mp3\nTitle1=x\n"
    assert single_entry(pls, here).url == "http://a.example/1.mp3"
    for text, count in (("[playlist]\n", 0), ("a.mp3\nb.mp3\n", 2)):
        with pytest.raises(SourceError, match=f"names {count} sources; give the address of one"):
            single_entry(text, here)


_TAGS = st.sampled_from(
    ["#EXTM3U", "#EXTINF:", "#EXT-X-BYTERANGE:", "#EXT-X-MAP:", "#EXT-X-KEY:METHOD=NONE",
     "#EXT-X-ENDLIST", "#EXT-X-STREAM-INF:", "#EXT-X-MEDIA:", "#EXT-X-TARGETDURATION:",
     "#EXT-X-MEDIA-SEQUENCE:", "#EXT-X-GAP", 'URI="', "a.ts", "file:///x", "1@2", "5", "\x00"]
)  # fmt: skip
_LINES = st.lists(st.lists(_TAGS | st.text(max_size=12), max_size=4).map("".join), max_size=20)


@given(_LINES.map("\n".join) | st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse_media, choose, single_entry):
        try:
            found = read(text, BASE)
        except SourceError as error:
            assert error.code in ("source_playlist", "source_refused")
        else:
            if read is parse_media:
                for segment in found.segments:  # type: ignore[union-attr]
                    assert isinstance(segment, Segment)
                    assert segment.url.scheme == "https"
                    assert segment.span is None or 0 <= segment.span.first <= segment.span.last


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 99), st.integers(1, 99)), min_size=1),
    st.floats(1, 500),
)
def test_a_beginning_reaches_as_far_as_asked(
    parts: list[tuple[float, int, int]], seconds: float
) -> None:
    lines = [
        line
        for length, first, size in parts
        for line in (f"#EXTINF:{length!r},", f"#EXT-X-BYTERANGE:{size}@{first}", "a.ts")
    ]
    track = make_track(parse_media(_media(*lines), BASE).in_order())
    cut = track.first_seconds(seconds)
    assert cut.segments == track.segments[: len(cut.segments)]
    assert cut.seconds >= seconds or cut == track
    assert sum(s.seconds for s in cut.segments[:-1]) < seconds
    asked = [n for s in track.requests() if s.span for n in (s.span.first, s.span.last)]
    listed = [n for s in track.segments if s.span for n in (s.span.first, s.span.last)]
    assert set(asked) <= set(listed)
    assert sum(s.span.size for s in track.requests() if s.span) == sum(p[2] for p in parts)
