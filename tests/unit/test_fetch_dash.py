"""Reading DASH manifests, kind and hostile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import SourceError
from gmapi.fetch.address import check_url
from gmapi.fetch.dash import parse
from gmapi.fetch.ranges import Span

BASE = check_url("http://media.example/films/m.mpd")


def _mpd(body: str, *, root: str = "", period: str = "") -> str:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
        f'mediaPresentationDuration="PT0H0M10.0S" {root}><Period {period}>{body}</Period></MPD>'
    )


def _video(inside: str, attributes: str = "", group: str = "") -> str:
    return (
        f'<AdaptationSet mimeType="video/mp4" {group}><Representation id="v1" bandwidth="500" '
        f'height="360" {attributes}>{inside}</Representation></AdaptationSet>'
    )


def _names(text: str) -> list[list[str]]:
    return [
        [segment.url.url.removeprefix("http://media.example/") for segment in track.segments]
        for track in parse(text, BASE)
    ]


def _refused(text: str, code: str = "source_playlist") -> str:
    with pytest.raises(SourceError) as caught:
        parse(text, BASE)
    assert caught.value.code == code
    return caught.value.message


def test_a_template_by_number_counts_by_the_length() -> None:
    template = (
        '<SegmentTemplate initialization="$RepresentationID$/i.mp4" '
        'media="$RepresentationID$/$Bandwidth$-$Number%04d$$$.m4s" '
        'timescale="1000" duration="4000" startNumber="9"/>'
    )
    names = ["v1/i.mp4", "v1/500-0009$.m4s", "v1/500-0010$.m4s", "v1/500-0011$.m4s"]
    assert _names(_mpd(_video(template))) == [[f"films/{name}" for name in names]]


def test_a_timeline_gives_times_and_repeats() -> None:
    template = (
        '<SegmentTemplate media="$Time$.m4s" timescale="10"><SegmentTimeline>'
        '<S t="5" d="20" r="1"/><S d="10"/><S t="60" d="20" r="-1"/>'
        "</SegmentTimeline></SegmentTemplate>"
    )
    (track,) = parse(_mpd(_video(template)), BASE)
    assert [s.url.target for s in track.segments] == [
        "/films/5.m4s", "/films/25.m4s", "/films/45.m4s", "/films/60.m4s", "/films/80.m4s"
    ]  # fmt: skip
    assert [s.seconds for s in track.segments] == [2, 2, 1, 2, 2]


def test_inner_elements_win_over_outer_ones_and_bases_add_up() -> None:
    outer = '<SegmentTemplate media="outer$Number$" initialization="i" duration="5"/>'
    own = '<BaseURL>low/</BaseURL><SegmentTemplate media="own$Number$"/>'
    text = _mpd(f"<BaseURL>/b/</BaseURL>{outer}" + _video(own))
    assert _names(text) == [["b/low/i", "b/low/own1", "b/low/own2"]]


def test_a_list_and_parts_of_one_file() -> None:
    listed = (
        '<BaseURL>one.mp4</BaseURL><SegmentList duration="5"><Initialization range="0-99"/>'
        '<SegmentURL mediaRange="100-299"/><SegmentURL mediaRange="300-399"/></SegmentList>'
    )
    (track,) = parse(_mpd(_video(listed)), BASE)
    assert {s.url.target for s in track.segments} == {"/films/one.mp4"}
    assert [s.span for s in track.segments] == [Span(0, 99), Span(100, 299), Span(300, 399)]


def test_a_single_file_is_one_segment() -> None:
    base = '<BaseURL>v.mp4</BaseURL><SegmentBase indexRange="1-2"><Initialization range="0-0"/>'
    assert _names(_mpd(_video(base + "</SegmentBase>"))) == [["films/v.mp4"]]


def test_the_best_pictures_up_to_1080_lines_and_the_best_sound_are_chosen() -> None:
    body = (
        '<AdaptationSet mimeType="video/mp4">'
        '<EssentialProperty schemeIdUri="http://dashif.org/guidelines/trickmode" value="1"/>'
        '<Representation id="t" bandwidth="99" height="720"><BaseURL>t</BaseURL></Representation>'
        "</AdaptationSet>"
        '<AdaptationSet contentType="video">'
        '<Representation id="a" bandwidth="90" height="2160"><BaseURL>a</BaseURL></Representation>'
        '<Representation id="b" bandwidth="50" height="1080"><BaseURL>b</BaseURL></Representation>'
        '<Representation id="c" bandwidth="10" height="360"><BaseURL>c</BaseURL></Representation>'
        "</AdaptationSet>"
        '<AdaptationSet mimeType="audio/mp4">'
        '<Representation id="d" bandwidth="1"><BaseURL>d</BaseURL></Representation>'
        '<Representation id="e" bandwidth="2"><BaseURL>e</BaseURL></Representation>'
        "</AdaptationSet>"
        '<AdaptationSet mimeType="application/ttml+xml"><Representation id="s"/></AdaptationSet>'
    )
    assert _names(_mpd(body)) == [["films/b"], ["films/e"]]


BOMB = "<!DOCTYPE x [<!ENTITY a '" + "a" * 50 + "'>" + "".join(
    f"<!ENTITY a{i} '{'&a' + str(i - 1) + ';' if i else '&a;'}{'&a;' * 9}'>" for i in range(9)
) + "]>"  # fmt: skip
_TEMPLATE = '<SegmentTemplate media="$Number$" duration="{}" timescale="{}"/>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB + "<MPD><Period>&a8;</Period></MPD>", "document type"),
        ('<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd"><MPD/>', "document type"),
        ("<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><MPD>&e;</MPD>", "document type"),
        ("<!DOCTYPE x [<!ENTITY % p SYSTEM 'http://127.0.0.1/'> %p;]><MPD/>", "document type"),
        ("<MPD>&unknown;</MPD>", "not well-formed"),
        ("<MPD", "not well-formed"),
        ("<x/>", "not a DASH manifest"),
        (_mpd("", root='type="dynamic"'), "live DASH manifest"),
        (_mpd("").replace("<Period >", "<Period/><Period >"), "has 2 periods"),
        ("<MPD/>", "has 0 periods"),
        (_mpd(""), "neither pictures nor sound"),
        (_mpd('<AdaptationSet xmlns:x="http://www.w3.org/1999/xlink" x:href="http://e/"/>'), "xli"),
        (_mpd(_video("<ContentProtection/><BaseURL>a</BaseURL>")), "encrypted"),
        (_mpd(_video(_TEMPLATE.format(1, 1_000_000))), "more than the 20,000 segments"),
        (_mpd(_video(_TEMPLATE.format(1, 1)), period='duration="PT999999999H"'), "20,000 segments"),
        (_mpd(_video(_TEMPLATE.format(10**17, 1)), period='duration="P900000D"'), "longer than"),
        (_mpd(_video(_TEMPLATE.format(0, 1))), "how many segments"),
        (_mpd(_video(_TEMPLATE.format(-4, 1))), "impossible duration"),
        (_mpd(_video(_TEMPLATE.format("9" * 40, 1))), "impossible duration"),
        (_mpd(_video('<SegmentTemplate media="$Time$" duration="1e5"/>')), "impossible duration"),
        (_mpd(_video('<SegmentTemplate media="$SubNumber$" duration="5"/>')), "SubNumber"),
        (_mpd(_video('<SegmentTemplate media="a"><SegmentTimeline><S d="1" r="999999999"/>'
                     "</SegmentTimeline></SegmentTemplate>")), "20,000 segments"),
        (_mpd(_video('<SegmentTemplate media="a"><SegmentTimeline><S d="0"/>'
                     "</SegmentTimeline></SegmentTemplate>")), "impossible length"),
        (_mpd(_video('<SegmentList><SegmentURL mediaRange="9-3"/></SegmentList>')), "impossible p"),
        (_mpd(_video('<SegmentList><SegmentURL mediaRange="-9-3"/></SegmentList>')), "impossible"),
        (_mpd(_video("<SegmentList/>")), "names no segments"),
        (_mpd(_video("<BaseURL>a</BaseURL>"), period='duration="PT-1S"'), "impossible length"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_a_sentence(text: str, words: str) -> None:
    message = _refused(text)
    assert message.startswith("The source's playlist ")
    assert words in message


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "data:x,y", "ftp://a.example/", "http://a:b@c.example/",
                "http://127.1/", "http://[::1"]
)  # fmt: skip
@pytest.mark.parametrize(
    "form",
    ["<BaseURL>{}</BaseURL>", '<SegmentTemplate media="{}" duration="5"/>',
     '<SegmentTemplate initialization="{}" media="a" duration="5"/>',
     '<SegmentList><SegmentURL media="{}"/></SegmentList>',
     '<SegmentList><Initialization sourceURL="{}"/><SegmentURL media="a"/></SegmentList>'],
)  # fmt: skip
def test_other_schemes_and_bad_addresses_are_refused(form: str, address: str) -> None:
    assert "names an address" in _refused(_mpd(_video(form.format(address))), "source_refused")


_WORDS = st.sampled_from(
    ["$Number$", "$Time$", "$Number%09d$", "$", "-1", "0", "1", "5", "99999999999", "PT5S", "a.m4s",
     "file:///x", "../..", "é", "1-5", "5-1"]
)  # fmt: skip
_ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        ["media", "initialization", "duration", "timescale", "startNumber", "t", "d", "r",
         "mediaRange", "range", "mimeType", "contentType", "height", "bandwidth", "type"]
    ),
    _WORDS | st.sampled_from(["video/mp4", "audio", "static", "dynamic"]),
    max_size=4,
)  # fmt: skip


def _element(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names = st.sampled_from(
        ["Period", "AdaptationSet", "Representation", "SegmentTemplate", "SegmentTimeline", "S",
         "SegmentList", "SegmentURL", "BaseURL", "Initialization", "ContentProtection"]
    )  # fmt: skip
    return st.builds(
        lambda name, attributes, inside: "<{0} {1}>{2}</{0}>".format(
            name, " ".join(f'{k}="{v}"' for k, v in attributes.items()), "".join(inside)
        ),
        names,
        _ATTRIBUTES,
        st.lists(children, max_size=4),
    )


@given(
    st.text(max_size=100)
    | st.recursive(_WORDS, _element, max_leaves=12).map(lambda x: f"<MPD>{x}</MPD>")
    | st.recursive(_WORDS, _element, max_leaves=12).map(lambda x: _mpd(_video(x)))
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        tracks = parse(text, BASE)
    except SourceError as error:
        assert error.code in ("source_playlist", "source_refused")
    else:
        assert 1 <= len(tracks) <= 2
        assert all(segment.url.scheme == "http" for t in tracks for segment in t.segments)
