"""Running regular expressions on the texts that are hardest for them, in a process of its own.

    python -m support.patterns.trial SIZE SECONDS < JSON list of [name, pattern, flags, uses, bytes]

writes a line of JSON for each that needs more processor time than a linear one can.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from support.patterns.collected import Pattern
from support.patterns.worst import recipes

SIZE = 1 << 19
SECONDS = 1.5
"""Of processor time for one text of 512 KiB: a linear search takes some hundredths, at most 0.15;
a quadratic one takes minutes."""
_SMALL = 400
_SMALL_SECONDS = 0.05
"""Long enough that what is worse than linear stands out, short enough to be over in time."""
_TIMED_AGAIN, _HARDEST = 8, 2
_ALL_SECONDS = 100


@dataclass(frozen=True)
class Slow:
    """`text` shows how the text begins and ends."""

    where: str
    pattern: str
    use: str
    text: str


def slow(patterns: Sequence[Pattern], *, size: int = SIZE, seconds: float = SECONDS) -> list[Slow]:
    """Those of these expressions that take more than `seconds` of processor time for a text of
    `size` characters, each with a text that shows it."""
    jobs = [
        [
            each.where,
            each.pattern.decode("latin-1") if isinstance(each.pattern, bytes) else each.pattern,
            each.flags,
            sorted(each.uses),
            isinstance(each.pattern, bytes),
        ]
        for each in patterns
    ]
    done = subprocess.run(
        [sys.executable, "-m", "support.patterns.trial", str(size), str(seconds)],
        input=json.dumps(jobs),
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=_ALL_SECONDS,
        check=True,
    )
    return [Slow(*json.loads(line)) for line in done.stdout.splitlines()]


class _TooLong(Exception):
    pass


def _stop(number: int, frame: FrameType | None) -> None:
    raise _TooLong


def _seconds(use: Callable[[], object], most: float) -> float:
    """Seconds of a call by the clock. Raises _TooLong after `most` of processor time."""
    signal.setitimer(signal.ITIMER_VIRTUAL, most)
    began = time.perf_counter()
    try:
        use()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return time.perf_counter() - began


def _use(compiled: re.Pattern[str] | re.Pattern[bytes], use: str, text: str) -> object:
    subject: str | bytes = text
    if isinstance(compiled.pattern, bytes):
        subject = text.encode("latin-1", "replace")
    if use == "finditer":
        for _ in compiled.finditer(subject):  # type: ignore[arg-type]
            pass
        return None
    return getattr(compiled, use)(subject)


def _hardest(pattern: str | bytes, flags: int, use: str, size: int, seconds: float) -> str | None:
    """The text that is too much, if there is one."""
    compiled = re.compile(pattern, flags)
    wanted = recipes(pattern, flags)
    # Something else may have run meanwhile: what seemed hard is timed again.
    for few in (_TIMED_AGAIN, _HARDEST):
        times = []
        for recipe in wanted:
            text = recipe.text(_SMALL)
            try:
                times.append(_seconds(partial(_use, compiled, use, text), _SMALL_SECONDS))
            except _TooLong:
                return text
        hardest = sorted(range(len(wanted)), key=times.__getitem__, reverse=True)
        wanted = [wanted[at] for at in hardest[:few]]
    for recipe in wanted:
        text = recipe.text(size)
        try:
            _seconds(partial(_use, compiled, use, text), seconds)
        except _TooLong:
            return text
    return None


def main() -> None:
    size, seconds = int(sys.argv[1]), float(sys.argv[2])
    signal.signal(signal.SIGVTALRM, _stop)
    for where, text, flags, uses, is_bytes in json.load(sys.stdin):
        pattern = text.encode("latin-1") if is_bytes else text
        for use in uses:
            hard = _hardest(pattern, flags, use, size, seconds)
            if hard is not None:
                shown = hard if len(hard) < 80 else f"{hard[:40]}...{hard[-40:]}"
                print(json.dumps([where, text, use, shown]), flush=True)
                break


if __name__ == "__main__":
    main()
