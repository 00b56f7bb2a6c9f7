"""What the argument policy knows of filters and options against what real ffmpeg programs say of
themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from gmapi.errors import RefusedError, RequestError
from gmapi.media import filtergraph
from gmapi.media.arguments import check_arguments, check_input_arguments
from gmapi.media.filter_table import ALLOWED, RULES
from gmapi.media.filtergraph import Place
from gmapi.media.option_table import INPUT_OPTIONS, OUTPUT_OPTIONS, Option
from support.media.programs import BUNDLED, PROGRAMS, SYSTEM, run

PLACE = Place("args", "-vf")


def _spelled(table: Mapping[str, Option]) -> list[list[str]]:
    """Each option of a table as ffmpeg gets it, with a value where the table has one."""
    return [
        [f"-{option.becomes or name}{streams}", *(["1"] if option.read or option.graph else [])]
        for name, option in table.items()
        if not option.dropped
        for streams in (("", ":v") if option.streams else ("",))
    ]


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("table", [OUTPUT_OPTIONS, INPUT_OPTIONS], ids=["output", "input"])
def test_options_take_a_value_exactly_where_the_table_says_so(
    program: str, table: Mapping[str, Option]
) -> None:
    """Else the value would be the name of an output, or an option the value of another."""
    words = _spelled(table)
    unknown: list[str] = []
    while True:
        flat = [word for option in words for word in option]
        # Names are looked up before any file is opened and before values are read.
        log = run(program, "-v", "debug", *flat, "output.mkv").stderr
        match = re.search(r"Unrecognized option '(.+)'\.", log)
        if match is None:
            break
        unknown.append(match[1])
        known = [option for option in words if option[0] != f"-{match[1]}"]
        assert len(known) < len(words), log
        words = known
    assert len(unknown) < 5 if program == SYSTEM else not unknown
    read = re.findall(r"^Reading option '(.*?)' \.\.\.", log, re.MULTILINE)
    given = [option[0] for option in words]
    assert read == ["-hide_banner", "-nostdin", "-v", *given, "output.mkv"]


# --- what the filters say of themselves -----------------------------------------------------------

_OPTION = re.compile(r"^   ?(\S+)\s+<(\w+)>\s+[A-Z.]{11} ?(.*)$", re.MULTILINE)
_SUSPECT = re.compile(r"file|path|\burl|address|plugin|model|librar", re.IGNORECASE)


def installed_filters(program: str) -> list[str]:
    listing = run(program, "-filters").stdout
    names = re.findall(r"^ [T.][S.][C.]? (\S+)\s+\S+->\S+", listing, re.MULTILINE)
    assert len(names) > 300, "ffmpeg lists its filters in another way than this test reads"
    return names


def risky_options(program: str, name: str) -> list[str]:
    found = _OPTION.findall(run(program, "-h", f"filter={name}").stdout)
    return [
        key
        for key, kind, about in found
        if kind in ("string", "dictionary", "binary") and _SUSPECT.search(f"{key} {about}")
    ]


# One of each kind: files by name, files by position, none at all, many options, recent ones.
QUICK = ["drawtext", "curves", "deshake", "showcqt", "loudnorm", "scale", "ebur128", "tile", "afir"]


def assert_files_are_refused(program: str, names: list[str]) -> dict[str, list[str]]:
    """Each option that takes a file, as the program says itself, is refused; gives them all."""
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(names, pool.map(lambda n: risky_options(program, n), names), strict=True))
    for name, keys in found.items():
        for key in keys:
            with pytest.raises(RefusedError):
                filtergraph.check(f"{name}={key}=x", PLACE)
    return found


def test_no_allowed_filter_takes_a_file() -> None:
    found = assert_files_are_refused(BUNDLED, QUICK)
    assert {"fontfile", "textfile"} <= set(found["drawtext"])
    assert not found["scale"]


@pytest.mark.both_ffmpegs
@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_no_allowed_filter_at_all_takes_a_file(program: str) -> None:
    names = [name for name in installed_filters(program) if name in ALLOWED]
    found = assert_files_are_refused(program, names)
    # As many as there are known to be: the search finds what it is meant to find.
    taking = {name for name, keys in found.items() if keys}
    assert taking >= {"curves", "deshake", "drawtext", "selectivecolor", "showcqt"}
    assert {"fontfile", "textfile"} <= set(found["drawtext"])


def settings(program: str, graph: str) -> Iterator[tuple[str, str]]:
    """The options of filters as ffmpeg's debug log tells them, first reading of the graph only."""
    log = run(
        program, "-v", "debug", "-f", "lavfi", "-i", "color", "-filter_complex", graph,
        "-frames:v", "1", "-f", "null", "-",
    ).stderr  # fmt: skip
    pattern = re.compile(
        r"^\[(\S+) @ [^\]]*\] Setting '([^']*)' to value '(.*?)'$", re.MULTILINE | re.DOTALL
    )
    for context, key, value in pattern.findall(log):
        if not re.match(r"graph|format|auto|trim|out", context):
            yield key, value


@pytest.mark.parametrize("program", PROGRAMS)
def test_positions_are_those_of_ffmpeg(program: str) -> None:
    names = sorted(set(installed_filters(program)) & set(RULES))
    assert len(names) > 40

    def order(name: str) -> list[str]:
        values = ":".join(["0.0001"] * 30)
        return [k for k, v in settings(program, f"{name}={values}") if v == "0.0001"]

    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(names, pool.map(order, names), strict=True))
    for name, real in found.items():
        expected = RULES[name].order or ()
        assert tuple(real[: len(expected)]) == expected, name


GRAPHS = [
    "drawtext=text=plain:x=1",
    "drawtext=text='a:b'",
    "drawtext=text='a\\:b':x=1",
    "drawtext=text=a\\\\:b:x=1",
    "drawtext=text=a\\\\\\:b:x=1",
    "drawtext=text='it'\\\\\\''s':y=2",
    "drawtext= text = ' padded ' : x = 1 ",
    "drawtext=text=' \\' :x=1",
    "drawtext=text=\\\\ \\ x\\ :x=1",
    "drawtext=text=a\\,b\\;c\\[d\\]:x=1",
    "drawtext=text='a,b;c[d]':x=1",
    "drawtext=text==:x=1",
    "drawtext=text=\\=\\\\=:x=1",
    "drawtext=\\tex\\t=a",
    "drawtext='text=a:x=1'",
    "drawtext=text='a\nb':x=1",
    "\n drawtext \n = \n text=a \n , \n hflip",
    "'draw'text=text=a",
    "dr\\awtext@one=text=a",
    "drawtext=text=a:x=n/2:y=0.5*h",
    "drawtext=text=trailing\\",
    "drawtext=text=\\'open:x=1",
    "drawtext=text=a[one];[one]drawtext=text=b",
    "drawtext=text=a [one] ; [one] drawtext=text=b",
    "drawtext=text=a::x=1",
]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    "text",
    # Every day with the system's program, too: a few that have all of it, quotes, escapes, names.
    [
        pytest.param(text, marks=pytest.mark.both_ffmpegs if n % 4 == 1 else ())
        for n, text in enumerate(GRAPHS)
    ],
)
def test_graph_is_read_as_ffmpeg_reads_it(program: str, text: str) -> None:
    graph = filtergraph.parse(text)
    ours = [pair for each in graph.filters for pair in filtergraph.options(each.arguments or "")]
    for written in (text, filtergraph.write(graph)):
        theirs = list(settings(program, written))
        # ffmpeg reads a graph up to two times, and stops at the first option it does not know.
        assert theirs
        for (key, value), (their_key, their_value) in zip(ours, theirs, strict=False):
            assert value == their_value
            assert key in (None, their_key)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("'no pe'=k=1", "no pe"),
        ("no'p'e@x=k=1", "nope"),
        ("hflip , n\\,ope , vflip", "n,ope"),
        pytest.param("[0:v]hflip[a];[a] nope [b]", "nope", marks=pytest.mark.both_ffmpegs),
        ("nope\n=k=a", "nope"),
        ("'=nope'=k=a", "=nope"),
    ],
)
@pytest.mark.parametrize("program", PROGRAMS)
def test_unknown_name_is_the_one_ffmpeg_sees(program: str, text: str, name: str) -> None:
    assert name in [each.name for each in filtergraph.parse(text).filters]
    done = run(
        program, "-f", "lavfi", "-i", "color", "-filter_complex", text,
        "-frames:v", "1", "-f", "null", "-",
    )  # fmt: skip
    assert f"No such filter: '{name}'" in done.stderr
    with pytest.raises(RefusedError):
        filtergraph.check(text, PLACE)


@pytest.mark.parametrize("graph", ["tpad=stop=-1", "loop=-1", "areverse", "movie=a.mp4", "geq=0"])
def test_filters_without_a_bound_are_refused(graph: str) -> None:
    with pytest.raises(RefusedError, match="not allowed"):
        check_arguments(["-vf", graph])


def test_endless_still_needs_a_length() -> None:
    with pytest.raises(RequestError, match="-t 10"):
        check_input_arguments(["-loop", "1"])
