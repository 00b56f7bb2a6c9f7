"""Running an exploit in ffmpeg, with no protection but those that are asked for."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from attacks.catalogue import NEW, OLD, ArgumentExploit, MediaExploit
from attacks.traps import TOKEN, VARIABLE, Traps
from gmapi.errors import LimitError
from gmapi.media import process
from gmapi.media.command import guarded_input
from gmapi.sandbox.launcher import Child, Grants, Launch, Launcher
from gmapi.sandbox.limits import Limits
from support.media.files import ffmpeg_program

SOON = 3.0
"""Seconds; an exploit that is to run without an end has shown by then that it does."""
PATIENCE = 30.0
"""Seconds that any other run may take on a busy machine."""
MEMORY = 400 << 20
"""Bytes; what takes more counts as too much."""
MAX_PIXELS = 40_000_000
NO_LIMITS = Limits(None, None, None, None, None, None)

PROGRAMS = {NEW: ffmpeg_program(), OLD: shutil.which("ffmpeg") or ""}
"""Where the two versions are that the catalogue speaks of: the product's own, and the system's."""


@functools.cache
def program(version: str) -> str:
    """The path of a version; skips the test when this machine has another one or none."""
    path = PROGRAMS[version]
    if not path:
        pytest.skip("this machine has no ffmpeg of its own")
    words = subprocess.run([path, "-version"], capture_output=True, text=True, check=True).stdout
    major = re.match(r"ffmpeg version n?(\d+)", words)
    if major is None or f"ffmpeg {major[1]}" != version:
        pytest.skip(f"{path} is another version than {version}")
    return path


@dataclass(frozen=True)
class Outcome:
    """How a run ended: what was told, and what it went beyond: time, memory or bytes of output."""

    log: bytes
    beyond: tuple[str, ...] = ()
    code: int | None = None


def _memory(pid: int) -> int:
    """The most real memory a process has had, bytes; 0 when it has ended."""
    try:
        match = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    except OSError:
        return 0
    return int(match[1]) * 1024 if match else 0


@dataclass(frozen=True)
class Job:
    """The folder of one run: what it may write is in `out`, what it may read is `sources`."""

    folder: Path
    sources: tuple[Path, ...]

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @classmethod
    def new(cls, folder: Path, *sources: Path) -> Job:
        job = cls(folder, sources)
        job.out.mkdir(exist_ok=True)
        return job


Run = Callable[[Sequence[str], Job, float], Outcome]
"""Runs a command for a job, for at most so many seconds."""


def bare(argv: Sequence[str], job: Job, seconds: float) -> Outcome:
    """The command as a careless server would start it: with the server's environment."""
    log = job.folder / "log"
    started = time.monotonic()
    with log.open("wb") as stream:
        child = subprocess.Popen(
            argv,
            cwd=job.folder,
            env={**os.environ, VARIABLE: TOKEN.decode()},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        most = 0
        while (code := child.poll()) is None and time.monotonic() - started < seconds:
            most = max(most, _memory(child.pid))
            time.sleep(0.01)
        if code is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    beyond = ["time"] if code is None else []
    if most > MEMORY:
        beyond.append("memory")
    return Outcome(log.read_bytes()[:1_000_000], tuple(beyond), code)


class CarelessLauncher(Launcher):
    """One that gives children a secret in their environment, which the product never does: so
    that what keeps it there is the locks."""

    def launch(self, spec: Launch) -> Child:
        return super().launch(replace(spec, env={VARIABLE: TOKEN.decode()}))


def launched(launcher: Launcher, limits: Limits = NO_LIMITS, *, max_bytes: int = 256 << 20) -> Run:
    """Runs through a launcher of the product, with whatever protection that gives; at most so
    many bytes of output in all."""

    def run(argv: Sequence[str], job: Job, seconds: float) -> Outcome:
        lines: list[str] = []
        watch = process.Watch((job.out,), max_bytes, 1000, seconds)
        try:
            done = process.run(
                launcher, argv, cwd=job.folder, limits=limits, watch=watch,
                grants=Grants(job.sources, (job.out,)), on_line=lines.append,
            )  # fmt: skip
        except LimitError as error:
            what = "time" if "took longer" in error.message else "bytes"
            return Outcome("\n".join([*lines, error.message]).encode(), (what,))
        return Outcome("\n".join(lines).encode(), (), done.returncode)

    return run


def run_arguments(
    exploit: ArgumentExploit,
    program: str,
    traps: Traps,
    job: Job,
    run: Run,
    seconds: float = PATIENCE,
) -> Outcome:
    """A conversion of the job's first source with arguments that nobody has checked."""
    argv = [
        program, "-hide_banner", "-nostdin", "-y", *traps.fill(exploit.input_args),
        "-i", str(job.sources[0]), *traps.fill(exploit.args),
        str(job.out / f"out.{exploit.output}"),
    ]  # fmt: skip
    return run(argv, job, seconds)


def attack_by_arguments(
    exploit: ArgumentExploit,
    program: str,
    traps: Traps,
    folder: Path,
    run: Run = bare,
    *,
    seconds: float = PATIENCE,
) -> list[str]:
    """What the exploit reaches when its arguments are not checked."""
    job = Job.new(folder, traps.media / "film.mkv")
    return _reached(traps, job, run_arguments(exploit, program, traps, job, run, seconds))


def attack_by_media(
    exploit: MediaExploit,
    program: str,
    traps: Traps,
    folder: Path,
    run: Run = bare,
    *,
    address: str | None = None,
    guarded: bool = False,
    seconds: float = PATIENCE,
) -> list[str]:
    """What a hostile file reaches in a plain conversion, with or without the product's flags for
    inputs; with `address` ffmpeg opens that instead of the file."""
    source = folder / exploit.name
    source.write_bytes(exploit.content(lambda text: traps.fill([text])[0]))
    (folder / "neighbour.ts").symlink_to(traps.fill(["@ts@"])[0])
    given = guarded_input(source, MAX_PIXELS) if guarded else ["-i", address or str(source)]
    job = Job.new(folder, source)
    argv = [
        program, "-hide_banner", "-nostdin", "-y", *given, "-t", "1",
        str(job.out / "out.mkv"),
    ]  # fmt: skip
    return _reached(traps, job, run(argv, job, seconds))


def _reached(traps: Traps, job: Job, outcome: Outcome) -> list[str]:
    made = [path.read_bytes()[:1_000_000] for path in job.out.iterdir() if path.is_file()]
    return [*traps.sprung(outcome.log, made), *(f"beyond its {what}" for what in outcome.beyond)]
