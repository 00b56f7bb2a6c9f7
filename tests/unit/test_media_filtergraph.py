"""Filter graphs: read as libavfilter reads them, written back the same, and checked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import GmapiError, RefusedError, RequestError
from gmapi.media import filter_table
from gmapi.media.filtergraph import (
    FILTERS_MAX,
    OPTIONS_MAX,
    Filter,
    Graph,
    GraphSyntaxError,
    Place,
    check,
    options,
    parse,
    shown,
    write,
)
from support.cost import cpu_below

PLACE = Place("args", "-vf", inputs=2)


def names(text: str) -> list[str]:
    return [each.name for each in parse(text).filters]


def test_chains_labels_and_instances() -> None:
    graph = parse("[0:v] [1:v] overlay@top = x=1 [a] [b] ; [a] hflip , vflip [c]")
    assert graph == Graph(
        None,
        (
            (Filter("overlay", "top", "x=1", ("0:v", "1:v"), ("a", "b")),),
            (
                Filter("hflip", None, None, ("a",), ()),
                Filter("vflip", None, None, (), ("c",)),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("f=a,g", "a"),
        ("f='a,g'", "a,g"),
        ("f=a\\,g", "a,g"),
        ("f=a\\\\,g", "a\\"),
        ("f='a\\',g", "a\\"),
        ("f='it'\\''s'", "it's"),
        ("f= a b \t", "a b"),
        ("f=' a '", " a "),
        ("f=a\\ ", "a "),
        ("f=a\\", "a\\"),
        ("f=", ""),
        ("f", None),
        ("f=a=b:c='d:e'", "a=b:c=d:e"),
        ("f=a[out]", "a"),
        ("f=\u00e4\\;", "\u00e4;"),
    ],
)
def test_first_level_of_quoting(text: str, arguments: str | None) -> None:
    assert next(parse(text).filters).arguments == arguments


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", []),
        ("1:2", [(None, "1"), (None, "2")]),
        ("w=1:h=2", [("w", "1"), ("h", "2")]),
        ("a : b = c ", [(None, "a"), ("b", "c")]),
        ("text=a\\:b:x=1", [("text", "a:b"), ("x", "1")]),
        ("text='a:b':x=1", [("text", "a:b"), ("x", "1")]),
        ("text='open:x=1", [("text", "open:x=1")]),
        ("mono|c0=FL", [(None, "mono|c0=FL")]),
        ("c0 f=200 w=1", [(None, "c0 f=200 w=1")]),
        ("N/R/TB", [(None, "N/R/TB")]),
        ("/text=name", [("/text", "name")]),
        ("=1", [("", "1")]),
        ("a::b", [(None, "a"), (None, ""), (None, "b")]),
        ("a==b", [("a", "=b")]),
    ],
)
def test_second_level(arguments: str, expected: list[tuple[str | None, str]]) -> None:
    assert options(arguments) == expected


@pytest.mark.parametrize(
    "text",
    ["", " ", ",", "hflip,", ";hflip", "hflip;", "hflip,,vflip", "[a", "[]hflip", "[a]", "[a]=1",
     "hflip=a]", "hflip[a]x", "f='open", "''", "sws_flags=a", "[a]'"],
)  # fmt: skip
def test_what_is_no_graph(text: str) -> None:
    with pytest.raises(GraphSyntaxError):
        parse(text)
    with pytest.raises(RequestError, match=r"args: -vf "):
        check(text, PLACE)


SYMBOLS = st.text(alphabet="abn01 \\'[],;:=@\n\t|/.\u00e9", max_size=40)


@given(SYMBOLS | st.text(max_size=40))
def test_any_text_is_read_or_named_wrong_and_written_back_the_same(text: str) -> None:
    try:
        graph = parse(text)
    except GraphSyntaxError:
        return
    written = write(graph)
    assert parse(written) == graph
    assert write(parse(written)) == written


def problem(text: str) -> GmapiError | None:
    try:
        check(text, PLACE)
    except GmapiError as error:
        return error
    return None


@given(SYMBOLS | st.text(max_size=40))
def test_check_raises_nothing_but_its_errors(text: str) -> None:
    for words in (text, f"drawtext={text}", f"scale={text}", f"[{text}]null"):
        error = problem(words)
        if error is not None:
            assert error.field == "args"
            assert error.message.isascii()
            assert error.message.isprintable()


LABELS = st.lists(SYMBOLS.filter(lambda s: s.strip(" \n\t")), max_size=2).map(tuple)


@given(
    st.lists(
        st.lists(
            st.builds(
                Filter,
                SYMBOLS.map(lambda s: s.replace("@", "")).filter(bool),
                st.none() | SYMBOLS,
                st.none() | SYMBOLS,
                LABELS,
                LABELS,
            ),
            min_size=1,
            max_size=3,
        ).map(tuple),
        min_size=1,
        max_size=3,
    )
)
def test_any_graph_is_read_back_as_it_was_written(
    chains: list[tuple[Filter, ...]],
) -> None:
    graph = Graph(None, tuple(chains))
    assert parse(write(graph)) == graph


def test_a_filter_with_the_name_of_the_scalers_flags_stays_a_filter() -> None:
    graph = parse("\\sws_flags=lanczos;scale=64:64")
    assert graph.scaler_flags is None
    assert [each.name for each in graph.filters] == ["sws_flags", "scale"]
    assert parse(write(graph)) == graph
    with pytest.raises(RefusedError, match="sws_flags"):
        check("\\sws_flags=lanczos;scale=64:64", PLACE)


# --- the policy -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "pan=mono|c0=FL",
        "[0:v][1:v]overlay=W-w:0[v];[0:a:0][1:a]amix",
        "[0]scale=1280:-2[bg];[bg][1]overlay",
        "scale='min(1280,iw)':-2",
        "scale=hd720",
        "scale=w=iw*0.333333:h=-1",
        "scale@first=64:64",
        "sws_flags=lanczos+accurate_rnd;scale=64:64",
        "fps=30000/1001",
        "fps=source_fps*2",
        "fps=ntsc",
        "split=16" + "".join(f"[s{n}]" for n in range(16)),
        "concat=n=2:v=1:a=1",
        "drawtext=text='50\\% off':font=Sans\\\\:bold",
        "drawtext=fontsize=24:text=plain",
        "curves=vintage",
        "paletteuse=bayer:3",
        "pad=1920:1080:(ow-iw)/2:(oh-ih)/2:0x112233",
        "loudnorm=I=-16",
        "[0:v]split[1][2];[1][2]hstack",
        "asplit[7];[7]anull",
        "tile=4x3:margin=2:padding=1:color=white",
        "select='not(mod(n,10))',scale=96:-1,tile=layout=10x10",
        "drawtext=text='while(1) is text'",
    ],
)
def test_allowed(text: str) -> None:
    check(text, PLACE)


@pytest.mark.parametrize(
    "text",
    [
        "movie=/etc/passwd",
        "amovie=f",
        "'mo'vie=a",
        "mov\\ie=a",
        " movie = a",
        "null,movie=a",
        "null;movie=a",
        "null[a];[a]movie@x=a",
        "MOVIE=a",
        "movie@a=b",
        "m\u043evie=a",
        "subtitles=a",
        "ass=a",
        "lut3d=a",
        "ladspa=a",
        "frei0r=a",
        "sendcmd=c='0 drawtext reinit textfile=a'",
        "zmq",
        "metadata=print:file=a",
        "psnr=a",
        "vidstabdetect",
        "libvmaf=model=path=a",
        "loop=-1:1",
        "aloop",
        "apad",
        "tpad",
        "reverse",
        "areverse",
        "geq=1",
        "color=red",
        "anullsrc",
        "scale_cuda=1:1",
        "hwupload",
        "drawtext=textfile=a",
        "drawtext=text=a:textfile=b",
        "drawtext=te\\xtfile=b",
        "drawtext='textfile=a'",
        "drawtext='text=a:textfile=b'",
        "drawtext= textfile = a",
        "drawtext=/text=a",
        "drawtext=fontfile=a",
        "drawtext=a",
        "drawtext=:::a",
        "drawtext=font=a\\\\:file=b",
        "drawtext=font=/usr/share/a.ttf",
        "curves=psfile=a",
        "curves=plot=a",
        "curves=none:0/0:0/0:0/0:0/0:0/0:a",
        "paletteuse=debug_kdtree=a",
        "paletteuse=bayer:3:none:0:128:a",
        "selectivecolor=psfile=a",
        "loudnorm=stats_file=a",
        "loudnorm=-16:11:-1:0:0:0:0:0:1:0:none:a",
        "firequalizer=dumpfile=a",
        "deshake=filename=a",
        "deshake=-1:-1:-1:-1:16:16:3:8:125:0:a",
        "showcqt=axisfile=a",
        "showcqt=fontfile=a",
        "hflip=some_new_file=a",
        "hflip=model_path=a",
        "null=extra_hw_frames=9",
        "sws_flags=a b;null",
        "scale@x-y=1",
        "setpts=while(1,0)",
        "setpts='w h i l e (1\\,0)'",
        "scale=w=whi\\le(1\\,0):h=1",
        "volume=volume=1:enable='while(1,0)'",
        "rotate=taylor(taylor(1\\,1)\\,1)",
        "hue=h='root(1,1)'",
        "drawtext=text='%{e\\:while(1,0)}'",
        "[a b]null",
        "[dec:0/../a]null",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check(text, PLACE)
    assert caught.value.field == "args"


@pytest.mark.parametrize(
    "text",
    [
        "scale=100000:100000",
        "scale=64:10000",
        "scale=w=1e9:h=1",
        "scale=w=0xFFFFF:h=1",
        "scale=w=20k:h=1",
        "scale=s=99999x99999",
        "scale='iw*12345':1",
        "pad=99999:1",
        "pad=iw:ih:0:0:black:init:1,pad=w=99999",
        "crop=99999:1",
        "zoompan=s=99999x1",
        "zoompan=d=99999",
        "showwavespic=s=99999x9",
        "showspectrum=size=99999x9",
        "fps=1000000",
        "fps=1001",
        "fps=1/0.00001",
        "fps=0",
        "fps=1e5",
        "showwaves=rate=99999",
        "split=17",
        "split=outputs=64",
        "asplit=99999999999",
        "select=1:17",
        "concat=n=33",
        "hstack=inputs=-1",
        "thumbnail=100000",
        "tile=11x10",
        "tile=0x4",
        "tile=999999x1",
        "tile=2x2:margin=99999",
        "gblur=threads=64",
        "scale=w=1:64",
        "[2:v]null",
        "[7]null",
        "[99999999999999999999:v]null",
    ],
)
def test_out_of_range(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        check(text, PLACE)
    assert caught.value.field == "args"


def test_number_of_filters() -> None:
    check(",".join(["null"] * FILTERS_MAX), PLACE)
    with pytest.raises(RequestError, match="too many filters"):
        check(",".join(["null"] * (FILTERS_MAX + 1)), PLACE)
    with pytest.raises(RequestError, match="too many filters"):
        check("null,null", PLACE, limit=1)


def test_number_of_options() -> None:
    check("eq=" + ":".join(["gamma=1"] * OPTIONS_MAX), PLACE)
    with pytest.raises(RequestError, match="more than 64 options") as caught:
        check("eq=" + ":".join(["gamma=1"] * (OPTIONS_MAX + 1)), PLACE)
    assert caught.value.field == "args"


@pytest.mark.parametrize(
    "text", ["eq=" + "a=1:" * 2**18, "drawtext=font=" + "a:a=a" * 2**17, "eq=" + ":" * 2**20]
)
def test_options_are_counted_before_each_is_looked_into(text: str) -> None:
    with cpu_below(2), pytest.raises(RequestError):
        check(text, PLACE)


def test_messages_name_the_remedy() -> None:
    for text, remedy in {
        "hflp": "did you mean hflip",
        "movie=a": "further input",
        "subtitles=a": "-c:s mov_text",
        "setpts=while(1,0)": "between",
        "tile=99x99": "at most 100 pictures",
        "scale_cuda=1:1": "CPU",
        "drawtext=textfile=a": "text=",
        "[2:v]null": "inputs 0 to 1",
        "drawtext=Hello": "name=value",
    }.items():
        with pytest.raises(GmapiError, match=remedy):
            check(text, PLACE)


def test_shown_is_short_and_printable() -> None:
    assert shown("a\nb\x1b\u00e4") == "a?b??"
    assert len(shown("x" * 1000)) == 60
    assert shown("x" * 60) == "x" * 60


def test_table_is_consistent() -> None:
    assert set(filter_table.RULES) <= filter_table.ALLOWED
    assert not set(filter_table.HINTS) & filter_table.ALLOWED
    for rule in filter_table.RULES.values():
        assert not rule.forbidden & set(rule.order or ())
    suspects = {
        name
        for name in filter_table.ALLOWED
        if name.startswith(("movie", "amovie", "hw", "dnn_", "sendcmd"))
        or name.endswith(("_cuda", "_vaapi", "_vulkan", "_opencl", "_qsv", "src"))
    }
    assert not suspects
