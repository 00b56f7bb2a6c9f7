"""A source handed to ffmpeg through a pipe: inside of the locks, at each process's own pace, and
gone without a trace however it ends."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import JobCancelled, SourceError
from gmapi.media import command
from gmapi.media.binaries import Ffmpeg
from gmapi.media.process import Finished, Watch, run
from gmapi.sandbox.feeding import Feed, Span
from gmapi.sandbox.launcher import Child, Grants, Launch, Launcher
from gmapi.sandbox.limits import Limits
from gmapi.sandbox.protection import Lock
from support.media.making import Maker
from support.sandbox.arriving_file import ArrivingFile, nothing_left

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pipes are for the fork server")

BOXES: dict[str, frozenset[Lock]] = {
    "landlock": frozenset({"landlock", "seccomp"}),
    "bubblewrap": frozenset({"bubblewrap", "seccomp"}),
}
LONG = 60.0


class _Spying(Launcher):
    """Keeps what was started."""

    launched: list[Launch]
    children: list[Child]

    def launch(self, spec: Launch) -> Child:
        self.launched.append(spec)
        self.children.append(super().launch(spec))
        return self.children[-1]


@pytest.fixture(scope="module")
def box(request: pytest.FixtureRequest) -> Iterator[_Spying]:
    with _Spying(locks=BOXES[getattr(request, "param", "landlock")]) as launcher:
        if launcher.protection.state != "full":
            pytest.skip(f"not here: {', '.join(launcher.protection.missing)}")
        yield launcher


@pytest.fixture
def spy(box: _Spying) -> _Spying:
    box.launched, box.children = [], []
    return box


@pytest.fixture(scope="module")
def song(make: Maker) -> bytes:
    """Twelve seconds, more than any pipe holds."""
    words = ("-f", "lavfi", "-i", "sine=440:r=48000:d=12", "-ac", "2")
    return make("song.wav", *words).read_bytes()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[ArrivingFile]:
    (tmp_path / "in").mkdir()
    made = ArrivingFile(tmp_path / "in" / "input0")
    yield made
    made.close()


@pytest.fixture
def convert(
    tmp_path: Path, spy: _Spying, ffmpeg: Ffmpeg, source: ArrivingFile
) -> Callable[..., Finished]:
    """Runs the source through ffmpeg as raw samples into a file, with words for the output."""
    out = tmp_path / "out"
    out.mkdir()
    # Everything that is ever started has to be there before anything is counted.
    spy.launch(Launch((str(ffmpeg.path), "-version"), cwd=tmp_path, limits=Limits())).wait(LONG)
    spy.launched.clear()
    spy.children.clear()

    def start(
        *words: str, name: str = "made", feed: Feed | None = None, **options: Any
    ) -> Finished:
        return run(
            spy,
            [
                *command.head(ffmpeg, 0),
                *command.guarded_input(source.path, 10**6),
                *words,
                "-f", "s16le", "-flush_packets", "1", f"file:{out / name}",
            ],
            cwd=tmp_path,
            limits=Limits(),
            grants=Grants(read=(source.path,), write=(out,)),
            watch=Watch((out,), 10**8, 10, LONG),
            feeds={source.path: feed or Feed(source)},
            **options,
        )  # fmt: skip

    return start


def _samples(song: bytes) -> bytes:
    return song[song.index(b"data") + 8 :]


@pytest.mark.parametrize("box", BOXES, indirect=True)
def test_a_piped_source_needs_no_right_to_any_file(
    convert: Callable[..., Finished],
    spy: _Spying,
    source: ArrivingFile,
    song: bytes,
    tmp_path: Path,
) -> None:
    source.append(song)
    source.end()
    with nothing_left():
        assert convert().returncode == 0
    (spec,) = spy.launched
    assert spec.grants.read == ()
    words = list(spec.argv)
    assert words[words.index("-i") + 1] == "pipe:3"
    assert words[words.index("-protocol_whitelist") + 1] == "pipe"
    assert not any(str(source.path) in word for word in words)
    assert (tmp_path / "out" / "made").read_bytes() == _samples(song)


@pytest.mark.both_ffmpegs
def test_it_is_read_as_it_comes_and_by_each_process_at_its_own_pace(
    convert: Callable[..., Finished], source: ArrivingFile, song: bytes, tmp_path: Path
) -> None:
    samples, out = _samples(song), tmp_path / "out"
    begun = threading.Event()

    def told(progress: Any) -> None:
        if progress.out_time:
            begun.set()

    with nothing_left():
        first = threading.Thread(
            target=convert, kwargs={"name": "first", "on_progress": told}, daemon=True
        )
        first.start()
        source.append(song[: len(song) // 2])
        assert begun.wait(LONG)  # though half of it is to come
        # One that wants only the beginning, and one of its own parts.
        assert convert("-t", "2", name="short").returncode == 0
        head = song[: -len(samples)]
        part = Feed(source, (head, Span(len(head) + 192_000, 192_000)))
        assert convert(name="second", feed=part).returncode == 0
        source.append(song[len(song) // 2 :])
        source.end()
        first.join(LONG)
    assert (out / "first").read_bytes() == samples
    assert (out / "short").read_bytes() == samples[: 2 * 192_000]
    assert (out / "second").read_bytes() == samples[192_000:][:192_000]


@pytest.mark.both_ffmpegs(sent=(0, 1_000_000))
@pytest.mark.parametrize("sent", [0, 100, 1_000_000])
def test_what_fails_kills_its_reader_before_that_sees_an_end(
    convert: Callable[..., Finished], spy: _Spying, source: ArrivingFile, song: bytes, sent: int
) -> None:
    source.append(song[:sent])
    source.end(SourceError("broken off", code="source_truncated"))
    with nothing_left(), pytest.raises(SourceError, match="Broken off"):
        convert()
    # A signal: ffmpeg has not come to an end by itself, as it does when a pipe is closed.
    assert spy.children[-1].poll() == -9


def test_a_process_that_is_cancelled_leaves_nothing(
    convert: Callable[..., Finished], spy: _Spying, source: ArrivingFile, song: bytes
) -> None:
    source.append(song[:1_000_000])

    def cancelled() -> None:
        raise JobCancelled

    with nothing_left(), pytest.raises(JobCancelled):
        convert(cancelled=cancelled)
    assert spy.children[-1].poll() == -9


@pytest.mark.both_ffmpegs
def test_a_reader_that_ends_by_an_error_leaves_nothing(
    convert: Callable[..., Finished], source: ArrivingFile
) -> None:
    source.append(os.urandom(1 << 20))
    with nothing_left():
        assert convert().returncode not in (0, -9)


def test_a_program_that_cannot_be_started_leaves_nothing(
    spy: _Spying, source: ArrivingFile, tmp_path: Path
) -> None:
    argv = [str(tmp_path / "none"), *command.guarded_input(source.path, 10**6)]
    with nothing_left(), pytest.raises(FileNotFoundError):
        run(
            spy, argv, cwd=tmp_path, limits=Limits(), feeds={source.path: Feed(source)},
            watch=Watch((), 0, 0, math.inf),
        )  # fmt: skip
