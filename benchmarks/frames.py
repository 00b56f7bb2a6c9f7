"""What frames cost beside ffmpeg's own decoding and scaling, and beside its own PNG files.

A whole server is measured, with all of its processes, in turn with bare ffmpeg commands for the
same clip. `python benchmarks/frames.py` writes to RESULTS.md; with a number of rounds it prints
only.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness import GmapiServer, Origin, cpu_of, run_ffmpeg
from results import conditions, write_section
from support.media.files import ffmpeg_program

ROUNDS = 3
FPS = 20
CLIP = (
    *("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=24:d=40,noise=alls=20:allf=t"),
    *("-c:v", "libx264", "-preset", "ultrafast", "-b:v", "2.3M", "-pix_fmt", "yuv420p"),
)
"""A test card with the noise of a camera: no two pictures alike."""

SIZES = ((256, 144), (512, 288))
KINDS = ("png", "png8", "gray", "jpeg")
TIMES, PLUS = 1.15, 0.55e-3
"""The bar of a frame of 256 x 144: so many times decoding and scaling, and seconds more."""
FASTER = 1.3
"""The bar at 512 x 288: so many times less than ffmpeg's own PNG files."""


class Measured:
    """CPU seconds of each frame, and bytes, of one size."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.scaled: list[float] = []
        self.files: list[float] = []
        self.ours: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self.bytes: dict[str, float] = {}

    def ms(self, values: Sequence[float]) -> float:
        """The median, in milliseconds."""
        return 1e3 * statistics.median(values)

    def lines(self) -> list[str]:
        """Rows of the table."""
        width, height = self.size
        floor, files = self.ms(self.scaled), self.ms(self.files)
        rows = []
        for kind in KINDS:
            ours = self.ms(self.ours[kind])
            bar, met = "-", "-"
            if kind == "png" and width == 256:
                most = TIMES * floor + 1e3 * PLUS
                bar, met = f"{most:.2f} ms", "yes" if ours <= most else "**no**"
            elif kind == "png":
                bar, met = f"{files / FASTER:.2f} ms", "yes" if ours <= files / FASTER else "**no**"
            rows.append(
                f"| {kind}, {width} x {height} | {ours:.2f} ms | {floor:.2f} ms | {files:.2f} ms "
                f"| {files / ours:.2f} | {bar} | {met} | {self.bytes[kind] / 1e3:.1f} KB |"
            )
        return rows


def main() -> None:
    """Measure, print, and write unless asked for a number of rounds."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    told = conditions("make bench-frames")
    lines = [
        told,
        "",
        "CPU of one frame, median; PNG of ffmpeg: `-vf fps=20,scale=W:H %06d.png`.",
        "",
        "| frames | GMapiServer | decoding and scaling | PNG of ffmpeg | times less | bar | met "
        "| bytes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory(prefix="gmapi-bench-") as name:
        folder = Path(name)
        clip = folder / "clip.mp4"
        run_ffmpeg([*CLIP, str(clip)])
        with Origin() as origin, GmapiServer(folder / "data", workers=1) as server:
            url = origin.add("/clip.mp4", clip.read_bytes(), etag='"clip"')
            for size in SIZES:
                measured = Measured(size)
                _cut(server, url, size, "png")  # the source comes, Python is warm
                for _ in range(rounds):
                    _round(measured, server, url, clip, folder)
                lines += measured.lines()
    print("\n".join(lines))
    if len(sys.argv) == 1:
        write_section("make bench-frames", lines)


def _round(measured: Measured, server: GmapiServer, url: str, clip: Path, folder: Path) -> None:
    width, height = measured.size
    scale = f"fps={FPS},scale={width}:{height}"
    source = ["-i", str(clip), "-an", "-vf"]
    files = folder / "bare"
    files.mkdir(exist_ok=True)
    for kind in KINDS:
        frames, cpu, size = _cut(server, url, measured.size, kind)
        measured.ours[kind].append(cpu / frames)
        measured.bytes[kind] = size / frames
        raw = [*source, f"{scale},format=rgb24", "-f", "rawvideo", "-"]
        measured.scaled.append(_piped(raw) / frames)
        measured.files.append(run_ffmpeg([*source, scale, str(files / "%06d.png")])[1] / frames)


def _piped(arguments: list[str]) -> float:
    """CPU seconds of a bare ffmpeg whose output is read by nobody."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [ffmpeg_program(), "-v", "error", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _cut(server: GmapiServer, url: str, size: tuple[int, int], kind: str) -> tuple[int, float, int]:
    """Frames of one task, CPU seconds of all processes, and bytes of all frames."""
    before = cpu_of(server.pid)
    look = {"w": size[0], "h": size[1], "fps": FPS, "frame_format": kind}
    values = {"video_url": url, "max_age": 0, **look}
    accepted = server.post("/api/video_frame/async", values).json()
    assert accepted["status"] == "success", accepted
    task = server.wait_for_task(accepted["task_id"], 600)
    assert task["status"] == "completed", task
    cpu = cpu_of(server.pid) - before
    packs = max(server.data_dir.rglob("frames.index"), key=lambda path: path.stat().st_mtime)
    stored = sum(path.stat().st_size for path in packs.parent.glob("*.pack"))
    return task["result"]["total_frames"], cpu, stored


if __name__ == "__main__":
    main()
