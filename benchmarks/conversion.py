"""What a conversion for ComputerCraft costs beside ffmpeg's own decoding and scaling.

Whole processes are measured, `gmapi convert` with its start, its ffmpeg and its writing, in turn
with bare ffmpeg commands for the same clip. `python benchmarks/conversion.py` writes to RESULTS.md;
with names of rows it prints only those.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import psutil

from harness import GmapiServer, Origin
from results import conditions, write_section

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
ROUNDS = 3
STILLS = 9
# As installed: Python keeps what it has compiled.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
WIDTH, HEIGHT = 328, 243
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p")
CLIPS = {
    "360p": ("mandelbrot=s=640x360:r=30", 30),
    "1080p": ("mandelbrot=s=1920x1080:r=30:maxiter=1000", 10),
}
"""A zoom into a fractal with the noise of a camera: much detail, no two pictures alike."""

EXACT = "--quality=exact"
ROWS: Mapping[str, tuple[tuple[str, ...], float, float | None]] = {
    "best": ((), 2.0, 1.35),
    "exact, default": ((EXACT,), 3.2, 1.7),
    "exact, -t": (("--args=-t",), 3.2, 1.7),
    "exact, -O": (("--args=-O",), 3.2, 1.7),
    "exact, -L": (("--args=-L",), 3.2, 1.7),
    "exact, -8": (("--args=-8",), 6.0, None),
    "exact, -k": (("--args=-k",), 12.0, None),
}
NUMPY_BAR = 8.0
WALL_BAR = 1.2


@dataclass
class Cost:
    """Seconds of CPU and by the clock of one run."""

    cpu: float
    wall: float


def main() -> None:
    """Run all, or the rows that are named."""
    wanted = sys.argv[1:] or [*ROWS, "best, NumPy"]
    with tempfile.TemporaryDirectory(prefix="gmapi-bench-") as name:
        folder = Path(name)
        sources = {clip: _clip(folder, clip) for clip in CLIPS}
        lines = _speed(folder, sources, wanted)
        lines += _two_cores(folder, sources)
        lines += _extras(folder, sources["360p"])
    if not sys.argv[1:]:
        write_section("make bench-convert", [conditions("make bench-convert"), "", *lines])


def _clip(folder: Path, name: str) -> Path:
    source, seconds = CLIPS[name]
    path = folder / f"{name}.mp4"
    subprocess.run(
        [FFMPEG, "-v", "error", "-f", "lavfi", "-i", f"{source},noise=alls=12:allf=t",
         "-t", str(seconds), *X264, str(path)],
        check=True,
    )  # fmt: skip
    return path


def _speed(folder: Path, sources: Mapping[str, Path], wanted: Sequence[str]) -> list[str]:
    lines = [
        "| conversion to 32vid (ANS), 328 x 243 | source | CPU, ms a picture | floor | ratio | bar "
        "| met | wall ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in wanted:
        numpy = row == "best, NumPy"
        options, *bars = ((), NUMPY_BAR, None) if numpy else ROWS[row]
        for clip, bar in zip(CLIPS, bars, strict=True):
            if bar is None:
                continue
            ours, floor = _interleaved(sources[clip], folder, options, numpy=numpy)
            frames = CLIPS[clip][1] * 30
            ratio = min(c.cpu for c in ours) / min(c.cpu for c in floor)
            wall = statistics.median(c.wall for c in ours) / statistics.median(
                c.wall for c in floor
            )
            line = (
                f"| {row} | {clip} | {min(c.cpu for c in ours) / frames * 1000:.2f} "
                f"| {min(c.cpu for c in floor) / frames * 1000:.2f} | {ratio:.2f} | {bar:g} "
                f"| {'yes' if ratio <= bar else '**no**'} | {wall:.2f} |"
            )
            print(line, flush=True)
            lines.append(line)
    return lines


def _interleaved(
    source: Path, folder: Path, options: Sequence[str], *, numpy: bool
) -> tuple[list[Cost], list[Cost]]:
    """Costs of the conversion and of decoding and scaling alone, in turn."""
    ours, floor = [], []
    environment = {**ENVIRONMENT, "GMAPI_KERNELS": "numpy" if numpy else "native"}
    for _ in range(2 if numpy else ROUNDS):
        floor.append(_run(_decode(source), {}))
        ours.append(_run(_convert(source, folder / "out.32v", options), environment))
    return ours, floor


def _decode(source: Path) -> list[str]:
    return [
        FFMPEG, "-v", "error", "-i", str(source), "-an",
        "-vf", f"scale={WIDTH}:{HEIGHT}:flags=area",
        "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1",
    ]  # fmt: skip


def _convert(source: Path, output: Path, options: Sequence[str]) -> list[str]:
    kind = output.suffix[1:]
    return [
        sys.executable, "-m", "gmapi", "convert", str(source), "--format", kind, "--force",
        f"--width={WIDTH}", f"--height={HEIGHT}", *options, "-o", str(output),
    ]  # fmt: skip


def _two_cores(folder: Path, sources: Mapping[str, Path]) -> list[str]:
    """Time by the clock. The two halves run side by side, so the slower of them is the bound: the
    floor bound to one core, and the CPU of the conversion beyond that of the floor."""
    lines = [
        "",
        "| best, by the clock (median) | conversion | floor on one core | kernels | ratio | bar "
        "| met | floor on all cores |",
        "|---|---|---|---|---|---|---|---|",
    ]
    one_core = {min(os.sched_getaffinity(0))}
    for clip, source in sources.items():
        ours, bound, free = [], [], []
        for _ in range(ROUNDS + 2):
            bound.append(_run(_decode(source), {}, cores=one_core))
            ours.append(_run(_convert(source, folder / "out.32v", ()), ENVIRONMENT))
            free.append(_run(_decode(source), {}))
        wall, floor, whole = (statistics.median(c.wall for c in r) for r in (ours, bound, free))
        kernels = min(c.cpu for c in ours) - min(c.cpu for c in free)
        ratio = wall / max(floor, kernels)
        line = (
            f"| {clip} | {wall:.2f} s | {floor:.2f} s | {kernels:.2f} s | {ratio:.2f} | {WALL_BAR} "
            f"| {'yes' if ratio <= WALL_BAR else '**no**'} | {whole:.2f} s |"
        )
        print(line, flush=True)
        lines.append(line)
    return lines


def _run(
    command: Sequence[str], environment: Mapping[str, str], cores: set[int] | None = None
) -> Cost:
    """One run, on some cores only if they are named."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    all_cores = os.sched_getaffinity(0)
    # A child has the cores of the thread that starts it.
    os.sched_setaffinity(0, cores or all_cores)
    try:
        started_process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment or None
        )
    finally:
        os.sched_setaffinity(0, all_cores)
    with started_process as process:
        assert process.stdout is not None
        # The floor's pictures go through a pipe, too, but whoever reads them does nothing.
        while os.read(process.stdout.fileno(), 1 << 20):
            pass
    assert process.returncode == 0, command
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, wall)


def _extras(folder: Path, clip: Path) -> list[str]:
    """Memory, and the time of a still."""
    peak = _peak(_convert(clip, folder / "out.32v", ()))
    still = folder / "still.png"
    subprocess.run(
        [FFMPEG, "-v", "error", "-i", str(clip), "-frames:v", "1", str(still)], check=True
    )
    convert = _convert(still, folder / "still.bimg", ())
    bare = [FFMPEG, "-v", "error", "-i", str(still), "-f", "null", "-"]
    cold, start = [], []
    for _ in range(STILLS):
        cold.append(_run(convert, ENVIRONMENT).wall)
        start.append(_run(bare, {}).wall)
    usual, own = statistics.median(cold), statistics.median(start)
    warm = _warm(folder, still) - own
    lines = [
        "",
        "| also | measured | bar | met |",
        "|---|---|---|---|",
        f"| memory of `gmapi convert` and all its children, best, 360p | {peak / 1e6:.0f} MB "
        f"| 250 MB | {'yes' if peak < 250e6 else '**no**'} |",
        f"| `gmapi convert` of a still, from its start to its end, median of {STILLS} "
        f"| {usual:.2f} s (best {min(cold):.2f} s, bare ffmpeg {own:.2f} s) | 1 s "
        f"| {'yes' if usual <= 1 else '**no**'} |",
        f"| a still at a server whose worker is warm, request to answer, beyond bare ffmpeg, "
        f"median of {STILLS} | {warm:.2f} s | 0.3 s | {'yes' if warm <= 0.3 else '**no**'} |",
    ]
    print("\n".join(lines))
    return lines


def _warm(folder: Path, still: Path) -> float:
    """Median seconds of a request for the same still, by a worker that has done it before."""
    walls = []
    with Origin() as origin, GmapiServer(folder / "data", workers=1) as server:
        url = origin.add("/still.png", still.read_bytes(), content_type="image/png")
        values = {"input_url": url, "output_format": "bimg", "width": WIDTH, "height": HEIGHT}
        for _ in range(STILLS + 1):
            started = time.monotonic()
            answer = server.post("/api/sanjuuni", {**values, "no_cache": True}).json()
            walls.append(time.monotonic() - started)
            assert answer["status"] == "success", answer
    return statistics.median(walls[1:])


def _peak(command: Sequence[str]) -> int:
    """Most bytes of memory that a command and its children hold at one moment."""
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most, ended = 0, threading.Event()

    def wait() -> None:
        process.wait()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    while not ended.wait(0.02):
        total = 0
        try:
            for each in (process, *process.children(recursive=True)):
                total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
        most = max(most, total)
    return most


if __name__ == "__main__":
    main()
