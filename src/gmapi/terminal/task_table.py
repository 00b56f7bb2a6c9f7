"""How `gmapi tasks` shows tasks."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gmapi.terminal.client import Task
from gmapi.terminal.display import clock_text, duration_text, tell
from gmapi.terminal.progress_bar import plain_print

_STYLES = {"completed": "green", "error": "red", "running": "cyan", "cancelled": "dim"}
_WIDE = 10_000
_LABEL_WIDTH = 24


def print_tasks(tasks: Sequence[Task], total: int) -> None:
    """Print a table; whole lines where the output is no terminal."""
    console = _console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "tool", "status", "progress", "age"):
        right = name in ("progress", "age")
        table.add_column(name, no_wrap=True, justify="right" if right else "left")
    labelled = any(task.label for task in tasks)
    if labelled:
        table.add_column("label", no_wrap=True, overflow="ellipsis", max_width=_LABEL_WIDTH)
    table.add_column("message", no_wrap=True, overflow="ellipsis", min_width=10)
    now = time.time()
    for task in tasks:
        table.add_row(
            Text(task.id),
            Text(task.tool),
            Text(task.status, style=_STYLES.get(task.status, "")),
            Text(f"{task.progress:.0f} %"),
            Text(duration_text(now - task.created)),
            *([Text(task.label)] if labelled else []),
            Text(task.error or task.message),
        )
    if tasks:
        console.print(table)
    if not tasks:
        tell("There are no such tasks.")
    elif total > len(tasks):
        tell(f"{len(tasks)} of {total} tasks; --limit shows more.")


def print_task(task: Task) -> None:
    """Print all about one task, its log last."""
    console = _console()
    left = f", {clock_text(task.eta)} left" if task.eta is not None else ""
    created = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(task.created))
    rows = [
        ("Task", task.id),
        ("Tool", task.tool),
        ("Status", f"{task.status}, {task.progress:.0f} %{left}"),
        ("Created", f"{created} ({duration_text(time.time() - task.created)} ago)"),
        ("Message", task.error or task.message),
    ]
    # JSON in ASCII cannot hold a control character as it is.
    if task.label:
        rows.insert(1, ("Label", task.label))
    rows += [("Warning", text) for text in task.warnings]
    rows += [("Result", json.dumps(task.result))] if task.result else []
    for label, text in rows:
        console.print(Text.assemble((label.ljust(9), "bold"), text), soft_wrap=True)
    for line in task.lines:
        plain_print(console, f"  {line}", style="dim")


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE)
