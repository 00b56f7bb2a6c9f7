"""Fuzz target: the policy for FFmpeg arguments."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import GmapiError, RefusedError, RequestError
from gmapi.media.arguments import check_arguments, check_input_arguments
from gmapi.media.option_table import INPUT_OPTIONS, OUTPUT_OPTIONS, Option
from support.fuzzing import fuzz, mutated

RECIPES = [
    "-vn -ar 48000 -ac 1",
    "-vn -ar 48000 -filter_complex pan=mono|c0=FL",
    "-ss 00:00:10.5 -t 5 -c:v libx264 -crf 23 -preset veryfast -pix_fmt yuv420p",
    "-map 0:v:0 -map 1:a? -c copy -shortest",
    "-vf scale=320:-2,fps=15 -b:v 500k -maxrate 1M -bufsize 2M",
    "-metadata title=A -metadata:s:a:0 language=eng -disposition:a:0 default",
    "-x264-params keyint=60:bframes=0 -movflags +faststart -tune zerolatency",
    "-s 640x360 -r 30000/1001 -aspect 16:9 -frames:v 10 -threads 4",
    "-af volume=0.5 -y -loglevel error -f mp3 -id3v2_version 3 -q:a 2",
]
PAIRS = st.sampled_from(
    [["-vn"], ["-ar", "48000"], ["-ac", "1"], ["-t", "5"], ["-ss", "1:02"], ["-c:v", "libx264"],
     ["-b:a", "64k"], ["-vf", "scale=64:64"], ["-af", "volume=0.5"], ["-map", "0:a"],
     ["-metadata", "title=A"], ["-y"], ["-shortest"], ["-pix_fmt", "yuv420p"], ["-f", "mp3"]]
)  # fmt: skip
HOSTILE = st.sampled_from(
    [["-i", "/etc/passwd"], ["/etc/passwd"], ["file:/etc/passwd"], ["-attach", "a"], ["-f", "tee"],
     ["-dump_attachment:t", "a"], ["-/vf", "a"], ["-/filter_complex", "a"], ["-fpre", "a"],
     ["-progress", "http://127.0.0.1/"], ["-passlogfile", "a"], ["-pass", "1"], ["-report"],
     ["-vstats_file", "a"], ["-filter_script", "a"], ["-filter_complex_script", "a"], ["--"], ["-"],
     ["-stream_loop", "-1"], ["-re"], ["-f", "lavfi"], ["-f", "hls"], ["-f", "segment"],
     ["-protocol_whitelist", "all"], ["-vf", "movie=a"], ["-lavfi", "amovie=a"], ["-sdp_file", "a"],
     ["-init_hw_device", "cuda"], ["-hls_key_info_file", "a"], ["-x264-params", "stats=a"],
     ["-x265-params", "csv=a"], ["-cqmfile", "a"], ["", ""], ["-sources", "pulse"], ["-safe", "0"],
     ["xvn"], [" -vn"], ["\u2212vn"], ["/vn"]]
)  # fmt: skip
ALPHABET = "-abcfivmpt:/\\ =.,|019'\"%\0\n"
WORDS = st.lists(
    mutated([word for text in RECIPES for word in shlex.split(text)], ALPHABET)
    | st.text(ALPHABET, max_size=12)
    | st.text(max_size=12),
    max_size=8,
)
LINES = st.one_of(
    st.sampled_from(RECIPES).map(shlex.split),
    mutated(RECIPES, ALPHABET).map(str.split),
    WORDS,
)


def assert_said_plainly(error: GmapiError, field: str) -> None:
    assert error.field == field
    assert error.message.isascii()
    assert error.message.isprintable()
    assert len(error.message) < 400


def assert_options(normal: list[str], table: Mapping[str, Option]) -> None:
    """Nothing but options of the table, each with just the value that it takes."""
    at = 0
    while at < len(normal):
        assert normal[at].startswith("-")
        option = table[normal[at][1:].partition(":")[0]]
        assert not option.dropped
        at += 2 if option.read is not None or option.graph else 1
    assert at == len(normal)


@fuzz
@given(LINES, st.integers(1, 3))
def test_output_options_are_let_through_as_they_stand_or_refused(
    words: list[str], inputs: int
) -> None:
    try:
        normal = check_arguments(words, inputs=inputs)
    except (RefusedError, RequestError) as error:
        assert_said_plainly(error, "args")
        return
    # What was checked is what is run: it passes again, unchanged.
    assert check_arguments(normal, inputs=inputs) == normal
    assert_options(normal, OUTPUT_OPTIONS)
    assert not any("\0" in word for word in normal)


@fuzz
@given(LINES)
def test_input_options(words: list[str]) -> None:
    try:
        normal = check_input_arguments(words)
    except (RefusedError, RequestError) as error:
        assert_said_plainly(error, "input_args")
        return
    assert check_input_arguments(normal) == normal
    assert_options(normal, INPUT_OPTIONS)


@fuzz
@given(st.lists(PAIRS, max_size=6), HOSTILE, st.integers(0, 6))
def test_a_hostile_word_among_good_ones_is_refused(
    pairs: list[list[str]], hostile: list[str], at: int
) -> None:
    assert check_arguments([word for pair in pairs for word in pair]) is not None
    pairs = [*pairs[:at], hostile, *pairs[at:]]
    try:
        check_arguments([word for pair in pairs for word in pair])
    except RefusedError as error:
        assert_said_plainly(error, "args")
        return
    raise AssertionError(f"let through: {pairs}")
