"""Expressions with a loop that ends by itself and tells each of its turns, in spellings that
ffmpeg takes for one, and a run that shows whether it went round."""

from __future__ import annotations

from collections.abc import Sequence

from support.media.programs import run

BODY = "(lt(print(st(0,ld(0)+1)),40),0)"
"""The parameters of a `while` that says 1, 2, 3, ... 40 in the log."""
TURNED = "40.000000"

SPELLINGS = [
    ["-vf", f"setpts='while{BODY}'"],
    ["-vf", f"setpts='while?{BODY}'"],
    ["-vf", f"setpts='while+x!y){BODY}'"],
    ["-vf", f"setpts='w h\ti le {BODY}'"],
    ["-vf", f"setpts='while\\:x+y{BODY}'"],
    ["-vf", "setpts=" + f"while.{BODY}".replace(",", "\\,")],
    ["-vf", "setpts=" + f"wh\\\\ile.{BODY}".replace(",", "\\,")],
    ["-vf", f"hue=h='2;while-{BODY}'"],
    ["-vf", f"crop=w='4+while~{BODY}'"],
    ["-vf", f"hflip=enable='while){BODY}'"],
    ["-vf", f"gblur=sigma='while]{BODY}'"],
    ["-vf", f"zoompan=z='while[{BODY}':d=1:s=16x16"],
    ["-force_key_frames", f"expr:while.{BODY}", "-c:v", "mpeg4"],
    ["-force_key_frames", f"expr:while {BODY}", "-c:v", "mpeg4"],
    ["-b:v", f"while?{BODY}", "-c:v", "mpeg4"],
    ["-vf", f"drawtext=text='%{{e\\:while{BODY}}}'"],
    ["-vf", f"drawtext=text='%{{e\\:whil\\\\e{BODY}}}'"],
    ["-vf", f"drawtext=text='%\\{{e\\:while{BODY}}}'"],
    ["-vf", f"drawtext=text=a:x='while?{BODY}'"],
    ["-vf", f"drawtext=text=a:fontcolor_expr='%{{eif\\:while?{BODY}\\:x}}'"],
]


def goes_round(program: str, args: Sequence[str]) -> bool:
    """Whether a loop of `BODY` turns when a program converts one small picture with `args`."""
    source = ["-f", "lavfi", "-i", "color=s=16x16:d=0.04:r=25"]
    log = run(program, "-loglevel", "repeat+info", *source, *args, "-f", "null", "-").stderr
    return TURNED in log
