"""Fuzz target: the reader of filter graphs."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import RefusedError, RequestError
from gmapi.media import filter_table as table
from gmapi.media.filtergraph import (
    OPTIONS_MAX,
    Filter,
    Graph,
    GraphSyntaxError,
    Place,
    check,
    options,
    parse,
    write,
)
from support.fuzzing import fuzz, mutated

PLACE = Place("args", "-filter_complex", 2)
ALPHABET = "abnv01 \\'[],;:=@\n\t|/.%{}-_*()"
RECIPES = [
    "[0:v]scale=1280:-2[bg];[bg][1:v]overlay=W-w:0[v];[0:a:0][1:a]amix=inputs=2",
    "scale='min(1280,iw)':-2:flags=lanczos,fps=30000/1001,format=yuv420p",
    "sws_flags=lanczos+accurate_rnd;scale=64:64",
    "[0:v]split[a][b];[a]palettegen=max_colors=16[p];[b][p]paletteuse=bayer:3",
    "drawtext=text='50\\% off\\: it'\\\\\\''s':font=Sans\\\\:bold:x=(w-tw)/2:fontsize=24",
    "pan=mono|c0=0.5*FL+0.5*FR,volume=0.5,atempo=1.25",
    "loudnorm=I=-16:TP=-1.5:LRA=11,aformat=sample_rates=48000",
    "concat=n=2:v=1:a=1[v][a]",
    "trim=start=1:end='2',setpts=PTS-STARTPTS,crop=iw/2:ih:0:0,pad=1920:1080:(ow-iw)/2:0:black",
    "scale@first=64:64,null@x",
    "movie=/etc/passwd", "amovie=f", "drawtext=textfile=/etc/passwd", "curves=psfile=a",
    "sendcmd=f=a", "[in]subtitles=a.srt", "color=red,movie@m=a[x]",
]  # fmt: skip
GRAPHS = mutated(RECIPES, ALPHABET) | st.text(ALPHABET, max_size=60) | st.text(max_size=60)


@fuzz
@given(GRAPHS)
def test_what_is_read_is_written_so_that_it_reads_the_same(text: str) -> None:
    try:
        graph = parse(text)
    except GraphSyntaxError:
        return
    assert parse(write(graph)) == graph
    assert write(parse(write(graph))) == write(graph)
    for each in graph.filters:
        with suppress(GraphSyntaxError):  # of more options than are read
            assert len(options(each.arguments or "")) <= OPTIONS_MAX


@fuzz
@given(GRAPHS)
def test_what_is_let_through_holds_nothing_forbidden(text: str) -> None:
    try:
        graph = check(text, PLACE)
    except (RefusedError, RequestError) as error:
        assert error.field == "args"
        assert error.message.isascii()
        assert error.message.isprintable()
        return
    assert check(write(graph), PLACE) == graph
    assert 0 < sum(1 for _ in graph.filters) <= 64
    for each in graph.filters:
        assert each.name in table.ALLOWED
        for key, _ in options(each.arguments or ""):
            if key is not None and key not in table.HARMLESS:
                assert not any(part in key.lower() for part in table.FORBIDDEN_PARTS)
                assert key not in table.RULES.get(each.name, table.FilterRule()).forbidden


@st.composite
def quoted(draw: st.DrawFn, text: str, special: str) -> str:
    """`text` as a token, each character plain where it may be, escaped or in quotes."""
    written = []
    for at, character in enumerate(text):
        edge = at in (0, len(text) - 1) and character in " \n\t\r"
        ways = ["\\" + character]
        if character not in special + "\\'" and not edge:
            ways.append(character)
        if character != "'":
            ways.append(f"'{character}'")
        written.append(draw(st.sampled_from(ways)))
    return "".join(written)


WORDS = st.text("abc019_", min_size=1, max_size=8)
VALUES = st.text(ALPHABET, max_size=12)
FILTERS = st.builds(Filter, WORDS, st.none() | WORDS, st.none() | VALUES, st.just(()), st.just(()))


@st.composite
def spellings(draw: st.DrawFn, filters: list[Filter]) -> str:
    """A chain of filters in any quoting that means the same, with spaces where they may be."""
    words = []
    for each in filters:
        name = each.name if each.instance is None else f"{each.name}@{each.instance}"
        word = draw(quoted(name, "=,;[]"))
        if each.arguments is not None:
            gap = draw(st.sampled_from(["", " ", "\n"])) if each.arguments else ""
            word += "=" + gap + draw(quoted(each.arguments, "[],;"))
        words.append(draw(st.sampled_from(["", " ", "\t"])) + word)
    return ",".join(words)


@fuzz
@given(st.data(), st.lists(FILTERS, min_size=1, max_size=3))
def test_any_quoting_of_a_graph_means_that_graph(
    data: st.DataObject, filters: list[Filter]
) -> None:
    text = data.draw(spellings(filters))
    if not text.lstrip(" \t").startswith("sws_flags="):
        assert parse(text) == Graph(None, (tuple(filters),))


FORBIDDEN = st.sampled_from(
    [("movie", "/etc/passwd"), ("amovie", "a:f=u8"), ("subtitles", "a"), ("ladspa", "file=a"),
     ("sendcmd", "f=a"), ("frei0r", "a"), ("lut3d", "a"), ("drawtext", "textfile=a"),
     ("drawtext", "text=a:textfile=b"), ("drawtext", "x=1: textfile = b"), ("curves", "psfile=a"),
     ("curves", "master=0/0 1/1:plot=a"), ("showcqt", "fontfile=a"), ("drawtext", "/text=a"),
     ("loudnorm", "stats_file=a"), ("hflip", "some_new_file=a"), ("metadata", "print:file=a"),
     ("selectivecolor", "psfile=a"), ("zmq", "bind_address=a"), ("color", "red")]
)  # fmt: skip
HARMLESS = st.sampled_from(
    [Filter("null", None, None, (), ()), Filter("scale", None, "64:64", (), ()),
     Filter("drawtext", "a", "text=hello, it's me", (), ())]
)  # fmt: skip


@fuzz
@given(st.data(), FORBIDDEN, st.none() | WORDS, st.lists(HARMLESS, max_size=2), st.integers(0, 2))
def test_what_is_forbidden_is_refused_in_any_quoting_and_company(
    data: st.DataObject,
    forbidden: tuple[str, str],
    instance: str | None,
    company: list[Filter],
    at: int,
) -> None:
    name, arguments = forbidden
    filters = list(company)
    filters.insert(at, Filter(name, instance, arguments, (), ()))
    text = data.draw(spellings(filters))
    try:
        check(text, PLACE)
    except RefusedError:
        return
    raise AssertionError(f"let through: {text!r}")
