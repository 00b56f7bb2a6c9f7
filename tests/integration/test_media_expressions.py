"""Loops in expressions: what a real ffmpeg takes for one is refused, whatever it looks like."""

from __future__ import annotations

import pytest

from gmapi.errors import RefusedError
from gmapi.media.arguments import check_arguments
from support.media.loops import BODY, SPELLINGS, goes_round
from support.media.programs import PROGRAMS

# One of each place where ffmpeg reads an expression, every day with both programs.
TELLING = [*SPELLINGS[1::6], *SPELLINGS[14:16], SPELLINGS[-1]]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    "args",
    [
        pytest.param(args, id=args[1], marks=pytest.mark.both_ffmpegs if args in TELLING else ())
        for args in SPELLINGS
    ],
)
def test_what_goes_round_in_ffmpeg_is_refused(program: str, args: list[str]) -> None:
    assert goes_round(program, args)
    with pytest.raises(RefusedError, match="while"):
        check_arguments(args)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    "args",
    [
        ["-vf", f"setpts='if{BODY}'"],
        pytest.param(
            ["-vf", f"drawtext=text='while{BODY}'"],
            id=f"drawtext=text='while{BODY}'",
            marks=pytest.mark.both_ffmpegs,
        ),
        ["-vf", f"drawtext=text='%{{pts}}':x='if{BODY}'"],
        ["-force_key_frames", f"expr:if{BODY}", "-c:v", "mpeg4"],
    ],
    ids=lambda args: args[1],
)
def test_what_is_allowed_goes_round_no_loop(program: str, args: list[str]) -> None:
    assert not goes_round(program, check_arguments(args))
