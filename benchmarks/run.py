"""`make bench`: run the benchmarks and write their figures to RESULTS.md.

`python benchmarks/run.py a c` runs just these and prints, without writing.
"""

from __future__ import annotations

import datetime
import os
import platform
import sys
from pathlib import Path

from cases import CASES
from harness import Figure, bench

RESULTS = Path(__file__).parent / "RESULTS.md"
BEGIN, END = "<!-- begin: make bench -->", "<!-- end: make bench -->"


def main() -> None:
    """Run the chosen cases, all by default."""
    chosen = sys.argv[1:] or list(CASES)
    with bench() as running:
        for name in chosen:
            print(f"{name}: {CASES[name].__doc__}", flush=True)
            CASES[name](running)
        figures = running.figures
    if len(chosen) == len(CASES):
        _write(figures)


def _write(figures: list[Figure]) -> None:
    lines = [
        BEGIN,
        f"Command: `make bench`, {datetime.date.today().isoformat()}, "
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
        f"load before {os.getloadavg()[0]:.1f}.",
        "",
        "| figure | GMapiServer | peer in the same run | ratio | bar | met |",
        "|---|---|---|---|---|---|",
    ]
    for f in figures:
        met = {True: "yes", False: "**no**", None: "-"}[f.met]
        lines.append(f"| {f.what} | {f.ours} | {f.peer} | {f.ratio} | {f.bar} | {met} |")
    lines.append(END)
    text = RESULTS.read_text() if RESULTS.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    RESULTS.write_text(before + "\n".join(lines) + after)


if __name__ == "__main__":
    main()
