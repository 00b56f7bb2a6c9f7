"""Writing figures into RESULTS.md, each set between markers of its own."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"


def conditions(command: str) -> str:
    """One line: the command, the day, and what machine it was."""
    return (
        f"Command: `{command}`, {datetime.date.today().isoformat()}, "
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
        f"load before {os.getloadavg()[0]:.1f}."
    )


def write_section(name: str, lines: list[str]) -> None:
    """Replace what stands between the markers of `name`."""
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    text = RESULTS.read_text()
    before, found, rest = text.partition(begin)
    if not found:
        raise SystemExit(f"RESULTS.md has no markers for {name}")
    after = rest.partition(end)[2]
    RESULTS.write_text("\n".join([before + begin, *lines, end]) + after)
