"""`make bench`: run the benchmarks and write their figures to RESULTS.md.

`python benchmarks/run.py a c` runs just these and prints, without writing.
"""

from __future__ import annotations

import sys

from cases import CASES
from harness import Figure, bench
from results import conditions, write_section


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
        conditions("make bench"),
        "",
        "| figure | GMapiServer | peer in the same run | ratio | bar | met |",
        "|---|---|---|---|---|---|",
    ]
    for f in figures:
        met = {True: "yes", False: "**no**", None: "-"}[f.met]
        lines.append(f"| {f.what} | {f.ours} | {f.peer} | {f.ratio} | {f.bar} | {met} |")
    write_section("make bench", lines)


if __name__ == "__main__":
    main()
