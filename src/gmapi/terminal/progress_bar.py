"""What is printed with rich: lines as they are, and a bar that moves."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column
from rich.text import Text


def plain_print(console: Console, text: str, style: str | None = None) -> None:
    """Print a line as it is: no markup, and never cut or wrapped."""
    console.print(Text(text, style=style or ""), soft_wrap=True)


class ProgressBar:
    """A bar in the last line of a terminal, below what is printed meanwhile."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)
        self._progress = Progress(
            TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            ),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            transient=True,
            expand=True,
        )
        self._task = self._progress.add_task("", total=100.0, left="")

    def start(self) -> None:
        """Show it."""
        self._progress.start()

    def stop(self) -> None:
        """Take it away."""
        self._progress.stop()

    def update(self, message: str, percent: float, left: str) -> None:
        """Show a sentence, how much of 100 is done and the time left in words."""
        self._progress.update(self._task, description=message, completed=percent, left=left)

    def print(self, line: str) -> None:
        """Print a line above it."""
        plain_print(self._console, line, style="dim")
