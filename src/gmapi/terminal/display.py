"""What `gmapi convert` shows while it works: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import os
import re
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

import click

if TYPE_CHECKING:
    from gmapi.terminal.progress_bar import ProgressBar

# C0 and C1 control characters and the marks that turn the direction of text.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_DUMB_TERMINALS = frozenset({"dumb", "unknown"})
_LINE_STEP = 10.0
"""Percent of progress after which a plain line is due."""


def printable(text: str) -> str:
    """Text from elsewhere without characters that could steer a terminal."""
    return _CONTROL.sub(" ", text)


def duration_text(seconds: float) -> str:
    """Seconds in the largest unit that says enough: `8 s`, `3 min`, `5 h`, `2 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def clock_text(seconds: float) -> str:
    """Seconds to go as a clock: `0:07`, `12:30`, `1:02:03`."""
    whole = math.ceil(max(0.0, seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def tell(text: str) -> None:
    """Print a line to standard error."""
    click.echo(text, err=True)


class Display:
    """Progress on `stream`, by default standard error; a context manager. `verbose` shows log
    lines, too.

    Made to be a tool's Reporter as well: `check` never stops the work.
    """

    def __init__(self, stream: TextIO | None = None, *, verbose: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._verbose = verbose
        self._percent = 0.0
        self._message = ""
        self._shown: tuple[str, float] | None = None
        self._bar: ProgressBar | None = None
        if self._stream.isatty() and os.environ.get("TERM", "").lower() not in _DUMB_TERMINALS:
            # Loaded late: who calls this from a program waits for its start, and sees no bar.
            from gmapi.terminal.progress_bar import ProgressBar

            self._bar = ProgressBar(self._stream)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def report(
        self,
        *,
        progress: float | None = None,
        message: str | None = None,
        eta: float | None = None,
        result: dict[str, Any] | None = None,
    ) -> None:
        """Show progress (0 to 100, never falling), a sentence and the seconds left."""
        if progress is None and message is None:  # a file can be read that is still being made
            return
        if progress is not None:
            self._percent = min(100.0, max(self._percent, progress))
        if message is not None:
            self._message = printable(message)
        if self._bar is not None:
            left = f"{clock_text(eta)} left" if eta else ""
            self._bar.update(self._message, self._percent, left)
        else:
            self._line(eta)

    def _line(self, eta: float | None) -> None:
        """A plain line for each new kind of message and each large step."""
        kind = self._message.partition(":")[0]
        if not kind:
            return
        if self._shown is not None:
            shown_kind, shown_percent = self._shown
            if kind == shown_kind and self._percent < shown_percent + _LINE_STEP:
                return
        self._shown = (kind, self._percent)
        left = f" ({clock_text(eta)} left)" if eta else ""
        self._print(f"{self._percent:3.0f} %  {self._message}{left}")

    def log(self, line: str) -> None:
        """Show a line of the job's log, if these are wanted."""
        if self._verbose:
            self._print(printable(line))

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.print(line)
        else:
            click.echo(line, file=self._stream)

    def check(self) -> None:
        """Nothing but Ctrl-C stops work at a terminal."""
