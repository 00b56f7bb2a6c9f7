"""ffmpeg inside of the locks: what it needs works, and what arguments could make it do does not.

The policy for arguments is left out on purpose: the commands here never reach a server's ffmpeg.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gmapi.media.binaries import Ffmpeg
from gmapi.media.process import Watch, run
from gmapi.sandbox.launcher import Grants, Launcher
from gmapi.sandbox.limits import Limits
from gmapi.sandbox.protection import Lock
from support.media.files import ffmpeg_program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the locks are for Linux")

BOXES: dict[str, frozenset[Lock]] = {
    "open": frozenset(),
    "landlock": frozenset({"landlock", "seccomp"}),
    "bubblewrap": frozenset({"bubblewrap", "seccomp"}),
}
SECRET = b"the secret of another job " * 40

Convert = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module", params=["landlock", "bubblewrap"])
def box(request: pytest.FixtureRequest) -> Iterator[Launcher]:
    with Launcher(locks=BOXES[request.param]) as launcher:
        if launcher.protection.state != "full":
            pytest.skip(f"not here: {', '.join(launcher.protection.missing)}")
        yield launcher


@pytest.fixture(scope="module")
def unlocked() -> Iterator[Launcher]:
    with Launcher(locks=BOXES["open"]) as launcher:
        yield launcher


class Job:
    """The folders of a job, and beside them what it must not touch."""

    def __init__(self, folder: Path) -> None:
        self.source, self.out = folder / "job" / "in" / "input", folder / "job" / "out"
        self.secret = folder / "another" / "secret"
        for each in (self.source.parent, self.out, self.secret.parent):
            each.mkdir(parents=True)
        self.source.write_bytes(bytes(range(256)) * 64)
        self.secret.write_bytes(SECRET)

    def ffmpeg(self, launcher: Launcher, program: Path, *words: str) -> tuple[int, str]:
        """The return code, and the log."""
        lines: list[str] = []
        finished = run(
            launcher,
            [str(program), "-hide_banner", "-nostdin", "-y", "-v", "info", *words],
            cwd=self.out,
            limits=Limits(),
            watch=Watch((self.out,), 1 << 28, 100, 60.0),
            grants=Grants((self.source,), (self.out,)),
            on_line=lines.append,
        )
        return finished.returncode, "\n".join(lines)

    def stolen(self) -> bool:
        """Whether what another job has is in an output of this one."""
        return any(SECRET[:60] in path.read_bytes() for path in self.out.iterdir())


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


@pytest.mark.both_ffmpegs
def test_a_conversion_has_what_it_needs(box: Launcher, ffmpeg: Ffmpeg, job: Job) -> None:
    """The system's fonts, all processors for x265, and its own output again for a fast start."""
    if not list(Path("/usr/share/fonts").rglob("*.ttf")):
        pytest.skip("there are no fonts here")
    picture, film = job.out / "text.rgb", job.out / "film.mp4"
    code, said = job.ffmpeg(
        box, ffmpeg.path, "-f", "lavfi", "-i",
        "color=black:s=640x360:d=0.1,drawtext=text=Hello:fontcolor=white:fontsize=40",
        "-frames:v", "1", "-f", "rawvideo", str(picture),
        "-c:v", "libx265", "-preset", "ultrafast", "-movflags", "+faststart", str(film),
    )  # fmt: skip
    assert code == 0, said
    assert max(picture.read_bytes()) > 200
    assert b"moov" in film.read_bytes()[:100]
    assert "No thread pool" not in said
    match = re.search(r"Thread pool (?:0 using|created using) (\d+) threads", said)
    assert match is not None, said
    assert int(match[1]) == len(os.sched_getaffinity(0))


def thefts(secret: Path) -> dict[str, list[str]]:
    """Ways to read a file beside the job; what they read lands in `theft.wav`."""
    copy = ["-c", "copy", "theft.wav"]
    return {
        "input": ["-f", "u8", "-i", str(secret), *copy],
        "file protocol": ["-f", "u8", "-i", f"file:{secret}", *copy],
        "relative": ["-f", "u8", "-i", "../../another/secret", *copy],
        "subfile": ["-f", "u8", "-i", f"subfile,,start,0,end,0,,:{secret}", *copy],
        "amovie": ["-f", "lavfi", "-i", f"amovie={secret}:f=u8", "-c:a", "pcm_u8", "theft.wav"],
        "attachment": ["-f", "lavfi", "-i", "sine=d=0.1", "-attach", str(secret),
                       "-metadata:s:t", "mimetype=text/plain", "theft.mka"],
    }  # fmt: skip


@pytest.mark.parametrize("way", thefts(Path("/")))
def test_other_files_cannot_be_read(box: Launcher, unlocked: Launcher, job: Job, way: str) -> None:
    program, words = Path(ffmpeg_program()), thefts(job.secret)[way]
    job.ffmpeg(unlocked, program, *words)
    assert job.stolen(), "the control: without locks this works"
    for path in job.out.iterdir():
        path.unlink()
    code, _ = job.ffmpeg(box, program, *words)
    assert code != 0
    assert not job.stolen()


@pytest.mark.parametrize("words", [
    ["-f", "u8", "{place}"],
    ["-f", "tee", "-map", "0:a", "-c:a", "pcm_u8", "[f=u8]{place}"],
    ["-f", "null", "-progress", "file:{place}", "-"],
    ["-f", "ffmetadata", "{place}"],
])  # fmt: skip
def test_nothing_is_written_elsewhere(
    box: Launcher, unlocked: Launcher, job: Job, words: list[str]
) -> None:
    program, place = Path(ffmpeg_program()), job.secret.parent / "written"
    argv = ["-f", "u8", "-i", str(job.source), *[word.format(place=place) for word in words]]
    job.ffmpeg(unlocked, program, *argv)
    assert place.exists(), "the control: without locks this works"
    place.unlink()
    job.ffmpeg(box, program, *argv)
    assert not place.exists()


@pytest.mark.parametrize("scheme", ["tcp", "udp", "http"])
def test_nothing_is_sent(box: Launcher, unlocked: Launcher, job: Job, scheme: str) -> None:
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as listener:
        listener.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            listener.listen()
        listener.setblocking(False)
        port = listener.getsockname()[1]
        # Not http itself as an output: it would wait for an answer that nobody gives.
        target = f"{'tcp' if scheme == 'http' else scheme}://127.0.0.1:{port}"
        words = ["-f", "u8", "-i", str(job.source), "-f", "u8", target]
        if scheme == "http":
            words = ["-rw_timeout", "300000", "-f", "u8", "-i", f"http://127.0.0.1:{port}/", "-f",
                     "null", "-"]  # fmt: skip

        def reached() -> bool:
            try:
                if kind == socket.SOCK_DGRAM:
                    listener.recv(100)
                else:
                    listener.accept()[0].close()
            except BlockingIOError:
                return False
            return True

        program = Path(ffmpeg_program())
        job.ffmpeg(unlocked, program, *words)
        assert reached(), "the control: without locks this works"
        while reached():
            pass
        code, _ = job.ffmpeg(box, program, *words)
        assert code != 0
        assert not reached()
