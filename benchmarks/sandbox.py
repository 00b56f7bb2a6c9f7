"""What the sandbox costs: starting a program in it, and converting in it, beside doing so bare.

`python benchmarks/sandbox.py` writes to RESULTS.md.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from gmapi.sandbox.launcher import Grants, Launch, Launcher
from gmapi.sandbox.limits import Limits
from gmapi.sandbox.protection import LOCKS, Lock
from results import conditions, write_section
from support.media.files import ffmpeg_program
from support.product.server import fork_servers

STARTS = 60
START_BAR_MS = 10.0
RUNS = 16
RUN_BAR = 0.03
PATIENCE = 300.0
# The priority is a wish, not a lock: on a busy machine it alone would make a difference.
LIMITS = Limits(nice=None)
BOXES: Mapping[str, frozenset[Lock]] = {
    "the sandbox": LOCKS,
    "limits only": frozenset(),
    "bubblewrap": frozenset({"bubblewrap", "seccomp"}),
}


def main() -> None:
    """Measure all and write it down."""
    programs = {"bundled": Path(ffmpeg_program())}
    if found := shutil.which("ffmpeg"):
        programs["the system's"] = Path(found)
    with tempfile.TemporaryDirectory(prefix="gmapi-bench-") as name:
        folder = Path(name)
        lines = [*_starts(programs), "", *_runs(folder, programs["bundled"])]
    write_section("make bench-sandbox", [conditions("make bench-sandbox"), "", *lines])


def _starts(programs: Mapping[str, Path]) -> list[str]:
    lines = [
        f"| start of `ffmpeg -version`, wall, median of {STARTS} | bare | started "
        "| more (median of pairs) | bar | met |",
        "|---|---|---|---|---|---|",
    ]
    for build, program in programs.items():
        for box, locks in BOXES.items():
            with Launcher(locks=locks) as launcher:
                if "bubblewrap" in box and not launcher.protection.bubblewrap:
                    continue
                launch = Launch((str(program), "-version"), Path("/"), limits=LIMITS)
                ours, bare = _interleaved(
                    STARTS,
                    lambda launcher=launcher, launch=launch: _boxed(launcher, launch),  # type: ignore[misc]
                    lambda launch=launch: _bare(launch),  # type: ignore[misc]
                )
            more = statistics.median(a - b for a, b in zip(ours, bare, strict=True)) * 1000
            is_bar = locks is LOCKS
            line = (
                f"| {build} ffmpeg, {box} | {statistics.median(bare) * 1000:.1f} ms "
                f"| {statistics.median(ours) * 1000:.1f} ms | {more:+.1f} ms "
                f"| {f'{START_BAR_MS:g} ms' if is_bar else '-'} "
                f"| {('yes' if more < START_BAR_MS else '**no**') if is_bar else '-'} |"
            )
            print(line, flush=True)
            lines.append(line)
    return lines


def _interleaved(
    rounds: int, ours: Callable[[], float], bare: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Both in turn, after one round that fills caches and does not count."""
    ours(), bare()
    pairs = [(ours(), bare()) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _boxed(launcher: Launcher, launch: Launch) -> float:
    """Seconds by the clock from the launch to the end."""
    started = time.perf_counter()
    code = launcher.launch(launch).wait(PATIENCE)
    assert code == 0, code
    return time.perf_counter() - started


def _bare(launch: Launch) -> float:
    null = subprocess.DEVNULL
    started = time.perf_counter()
    subprocess.run(launch.argv, env={}, stdin=null, stdout=null, stderr=null, check=True)
    return time.perf_counter() - started


def _runs(folder: Path, program: Path) -> list[str]:
    source, out = folder / "source.mp4", folder / "out"
    out.mkdir()
    null = subprocess.DEVNULL
    make = "-v error -f lavfi -i mandelbrot=s=1280x720:r=30 -t 8 -c:v libx264 -preset veryfast"
    command = [str(program), *make.split(), "-pix_fmt", "yuv420p", str(source)]
    subprocess.run(command, stdin=null, check=True)
    argv = [str(program), "-nostdin", "-v", "error", "-y", "-i", str(source), "-vf", "scale=640:-2",
            "-c:v", "libx264", "-preset", "medium", str(out / "out.mp4")]  # fmt: skip
    launch = Launch(tuple(argv), out, limits=LIMITS, grants=Grants((source,), (out,)))
    walls: dict[str, list[float]] = {"ours": [], "bare": []}
    with Launcher() as launcher:
        (server,) = fork_servers()

        def boxed() -> float:
            before = _children_cpu(server)
            walls["ours"].append(_boxed(launcher, launch))
            return _children_cpu(server) - before

        def bare() -> float:
            before = _children_cpu(psutil.Process())
            walls["bare"].append(_bare(launch))
            return _children_cpu(psutil.Process()) - before

        ours, floor = _interleaved(RUNS, boxed, bare)
        how = launcher.protection.how
    lines = [
        f"| transcode, 8 s of 720p to 360p x264, {RUNS} pairs, {how} | bare | in the sandbox "
        "| ratio (median of pairs) | bar | met |",
        "|---|---|---|---|---|---|",
        _ratio("CPU, median", ours, floor, 1 + RUN_BAR),
        _ratio("wall, median", walls["ours"][1:], walls["bare"][1:], None),
    ]
    print("\n".join(lines))
    return lines


def _children_cpu(process: psutil.Process) -> float:
    """CPU seconds of the children that a process has waited for."""
    times = process.cpu_times()
    return times.children_user + times.children_system


def _ratio(what: str, ours: Sequence[float], bare: Sequence[float], bar: float | None) -> str:
    """The ratio is between runs that follow each other: the machine's speed changes in between."""
    ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
    met = "-" if bar is None else "yes" if ratio <= bar else "**no**"
    shown = "-" if bar is None else f"{bar:.2f}"
    return (
        f"| {what} | {statistics.median(bare):.2f} s | {statistics.median(ours):.2f} s "
        f"| {ratio:.3f} | {shown} | {met} |"
    )


if __name__ == "__main__":
    main()
