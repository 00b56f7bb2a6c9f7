"""Fuzz target: no expression that is let through runs a loop, as a real ffmpeg sees it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import RefusedError, RequestError
from gmapi.media.arguments import check_arguments
from support.fuzzing import fuzz, mutated
from support.media.loops import BODY, SPELLINGS, goes_round
from support.media.programs import BUNDLED

ALPHABET = "while(),\\'?.:+;%{}[]= \t0"
SEEDS = [
    *(args[1] for args in SPELLINGS if args[0] == "-vf"),
    f"setpts='if{BODY}'",
    f"crop=w='if{BODY}':h='min(4,ih)'",
    f"drawtext=text='while{BODY}':x='if{BODY}'",
    f"drawtext=text='%{{e\\:if{BODY}}}'",
    f"hflip=enable='if{BODY}',setpts=PTS+1",
]


@fuzz
@given(mutated(SEEDS, ALPHABET))
def test_what_is_let_through_goes_round_no_loop(graph: str) -> None:
    try:
        args = check_arguments(["-vf", graph])
    except (RefusedError, RequestError):
        return
    assert not goes_round(BUNDLED, args)


@st.composite
def disguised(draw: st.DrawFn) -> str:
    """A function's name with what ffmpeg drops inside, and what it skips before the bracket."""
    written = ""
    for character in draw(st.sampled_from(["while", "taylor", "root"])):
        written += character + draw(st.sampled_from(["", "", " ", "\t", "\n", "\\", "''"]))
    skipped = st.text("?.:+-*/!;|~^$@#)]{}%&<>\\ \t\n", min_size=1, max_size=3)
    return written + draw(st.just("") | skipped) + draw(st.sampled_from(["", "ab1"])) + BODY


def requoted(text: str, level: int) -> str:
    """`text` for as many levels of quoting as are asked for, escaped."""
    for _ in range(level):
        text = "".join(f"\\{c}" if c in "\\':,;[]=(){}%" else c for c in text)
    return text


PLACES = st.sampled_from(
    ["setpts={}", "scale=w={}:h=-2", "crop=4:4:{}", "null,volume=1:enable={},anull", "lutyuv=y={}",
     "drawtext=text=%{{e:{}}}", "drawtext=text=a:x={}", "drawtext=text='a %{{eif:{}:d}}'"]
)  # fmt: skip


@fuzz
@given(disguised(), PLACES, st.integers(1, 3))
def test_a_loop_is_refused_in_any_disguise(name: str, place: str, level: int) -> None:
    graph = place.format(requoted(name, level))
    try:
        check_arguments(["-vf", graph])
    except (RefusedError, RequestError):
        return
    raise AssertionError(f"let through: {graph!r}")


@fuzz
@given(disguised())
def test_key_frames(name: str) -> None:
    try:
        check_arguments(["-force_key_frames", f"expr:{name}"])
    except (RefusedError, RequestError):
        return
    raise AssertionError(f"let through: {name!r}")
