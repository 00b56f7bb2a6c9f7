"""Films that are cut and converted while they arrive, against the same films as files."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import SourceError
from gmapi.fetch.parts import Parts
from gmapi.fetch.ranges import Range
from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.launcher import Launcher
from gmapi.tools import arrival_plan, outlook
from gmapi.tools.base import Work
from support.http.origin import Origin
from support.http.slow_origin import SlowFile
from support.media.making import Maker
from support.product.arrivals import Watched, made, same
from support.product.outcomes import daily, daily_rows
from support.product.works import make_work, run_tool

SECONDS = 14
SHORT = 4
"""Seconds of films of which players would not wait for 200 frames."""
FPS = 20
FRAMES = SECONDS * FPS
VIDEO = {"output_format": "32vid", "width": 60}
KINDS = {
    "mkv": ("film.mkv", "-c:v", "mpeg4", "-c:a", "flac"),
    "mute": ("mute.mkv", "-an", "-c:v", "mpeg4"),
    "ts": ("film.ts", "-c:v", "mpeg2video", "-c:a", "mp2"),
    "avi": ("film.avi", "-c:v", "mpeg4", "-bf", "2", "-c:a", "mp2"),
    "ogv": ("film.ogv", "-c:v", "libtheora", "-c:a", "libvorbis"),
    "late": ("late.mkv", "-c:v", "mpeg4", "-c:a", "flac"),
    "mp4": ("film.mp4", "-c:v", "mpeg4", "-c:a", "aac", "-movflags", "faststart"),
    "mp4 end": ("end.mp4", "-c:v", "mpeg4", "-c:a", "aac"),
    "mp4 late": ("late.mp4", "-c:v", "mpeg4", "-c:a", "aac", "-movflags", "faststart"),
}
"""Name and codecs; of the late ones the sound goes on for two seconds after the pictures. Some
pictures of the AVI tell no time."""


Films = Callable[..., Path]


@pytest.fixture
def films(make: Maker) -> Films:
    """Makes films of these kinds, each once."""

    def film(kind: str, seconds: int = SECONDS) -> Path:
        name, *codecs = KINDS[kind]
        noise = f"testsrc2=s=192x144:r=24:d={seconds},noise=alls=40:allf=t"
        longer = seconds + 2 if kind.endswith("late") else seconds
        rate = "1500k" if seconds > SHORT else "2500k"
        return make(
            name, "-f", "lavfi", "-i", noise,
            "-f", "lavfi", "-i", f"sine=440:r=48000:d={longer}", "-b:v", rate, *codecs,
        )  # fmt: skip

    return film


class Bench:
    """Runs a tool on a film from an origin and on the same as a file."""

    def __init__(self, folder: Path, launcher: Launcher, ffmpeg: Ffmpeg, origin: Origin) -> None:
        self._folder = folder
        self._launcher = launcher
        self._ffmpeg = ffmpeg
        self._origin = origin
        self.notes = Watched()

    def served(self, film: SlowFile) -> Work:
        return make_work(
            self._folder / "served", self._launcher, self._ffmpeg,
            notes=self.notes, fetch_allow=self._origin.authority,
        )  # fmt: skip

    def add(self, film: SlowFile) -> str:
        return self._origin.add("/film", film)

    def whole(self, path: Path, tool: str, **fields: Any) -> tuple[Any, dict[str, bytes]]:
        """Result and files of a run on a file."""
        field = "video_url" if tool == "video_frame" else "input_url"
        work = make_work(self._folder / "whole", self._launcher, self._ffmpeg, files={field: path})
        result = run_tool(work, tool, **{field: "http://127.0.0.1/film"}, **fields)
        return result, made(self._folder / "whole", work)

    def files(self, work: Work) -> dict[str, bytes]:
        return made(self._folder / "served", work)


@pytest.fixture
def bench(
    tmp_path: Path,
    launcher: Launcher,
    ffmpeg: Ffmpeg,
    own_origin: Origin,
    monkeypatch: pytest.MonkeyPatch,
) -> Bench:
    # So that the end of these short films is none that is due anyway, and no film is too short.
    monkeypatch.setattr(outlook, "END_BYTES", 1 << 18)
    monkeypatch.setattr(arrival_plan, "WORTH_BYTES", 1 << 19)
    return Bench(tmp_path, launcher, ffmpeg, own_origin)


@pytest.mark.both_ffmpegs(kind="late")
@pytest.mark.parametrize("kind", daily(["mute", "mkv", "ts", "avi", "late"], "mute", "ts", "late"))
def test_frames_and_sound_are_those_of_the_whole_film(
    kind: str, films: Films, bench: Bench, pool: ThreadPoolExecutor
) -> None:
    data = films(kind).read_bytes()
    film = SlowFile(data)
    work, url = bench.served(film), bench.add(film)
    film.release(len(data) * 88 // 100)
    running = pool.submit(run_tool, work, "video_frame", video_url=url, w=96)
    early = bench.notes.wait(
        lambda result: (
            result["current_frames"] >= (200 if kind == "mute" else 199)
            and "total_is_estimate" not in result
        ),
        running,
    )
    assert not film.requests[0].ended
    # V1: the total is known early, and what is told in vain are at most ten.
    assert FRAMES - 3 <= early["total_frames"] <= FRAMES + 2
    film.release_all()
    result = running.result(60)
    whole, files = bench.whole(films(kind), "video_frame", w=96)
    assert bench.files(work) == files
    assert same(result, whole)
    assert result.total_is_estimate is None


@pytest.mark.both_ffmpegs(kind="mp4 end")
@pytest.mark.parametrize("kind", daily(["mp4", "mp4 end"], "mp4 end"))
def test_an_mp4_plays_with_its_sound_before_it_is_there(
    kind: str, films: Films, bench: Bench, pool: ThreadPoolExecutor
) -> None:
    data = films(kind).read_bytes()
    film = SlowFile(data)
    work, url = bench.served(film), bench.add(film)
    film.release(len(data) * 1 // 4)
    running = pool.submit(run_tool, work, "video_frame", video_url=url, w=96)
    # Of the film a quarter, of its sound all: players begin as soon as 200 frames are there (V3).
    bench.notes.wait(lambda result: "audio_urls" in result, running)
    film.release(len(data) * 88 // 100)
    early = bench.notes.wait(lambda result: result["current_frames"] >= 200, running)
    assert not film.requests[0].ended
    assert early["audio_urls"]
    assert early["total_frames"] == FRAMES
    assert "total_is_estimate" not in early
    film.release_all()
    result = running.result(60)
    whole, files = bench.whole(films(kind), "video_frame", w=96)
    assert bench.files(work) == files
    assert same(result, whole)


def test_what_is_lost_of_sound_that_came_first_is_told(
    films: Films, bench: Bench, pool: ThreadPoolExecutor
) -> None:
    data = bytearray(films("mp4").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = random.Random(5).randbytes(20_000)
    film = SlowFile(bytes(data))
    work, url = bench.served(film), bench.add(film)
    film.release(len(data) // 4)
    running = pool.submit(run_tool, work, "video_frame", video_url=url, w=96)
    bench.notes.wait(lambda result: "audio_urls" in result, running)
    film.release_all()
    running.result(60)
    assert any("fetched first" in line for line in bench.notes.lines)
    assert any("of the sound." in sentence for sentence in work.warnings)
    assert not any("ends early" in sentence for sentence in work.warnings)


def test_sound_that_came_first_and_is_none_comes_with_the_pictures(
    films: Films, bench: Bench, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = films("mp4")

    def garbage(parts: Parts, ranges: Sequence[Range], connections: int) -> list[bytes]:
        return [bytes(length) for _, length in ranges]

    monkeypatch.setattr(Parts, "gather", garbage)
    film = SlowFile(path.read_bytes())
    work, url = bench.served(film), bench.add(film)
    film.release(film.size // 4)
    running = pool.submit(run_tool, work, "video_frame", video_url=url, w=96)
    bench.notes.wait(lambda result: result["current_frames"] > 0, running)
    film.release_all()
    running.result(60)
    assert any("fetched first" in line for line in bench.notes.lines)
    assert bench.files(work) == bench.whole(path, "video_frame", w=96)[1]


def test_sound_that_is_not_whole_holds_the_count(
    films: Films, bench: Bench, pool: ThreadPoolExecutor
) -> None:
    data = films("mkv").read_bytes()
    film = SlowFile(data)
    work, url = bench.served(film), bench.add(film)
    film.release(len(data) - 1000)
    running = pool.submit(run_tool, work, "video_frame", video_url=url, w=96)
    bench.notes.wait(
        lambda result: "250 of" in bench.notes.messages[-1] or result["current_frames"] == 199,
        running,
    )
    film.release_all()
    running.result(60)
    for result in bench.notes.results:
        assert result["current_frames"] <= 199 or "audio_urls" in result


def test_a_film_that_tells_no_end_is_held_and_guessed(
    films: Films, bench: Bench, pool: ThreadPoolExecutor
) -> None:
    data = films("ts").read_bytes()
    film = SlowFile(data, ranges=False, etag=None)
    work, url = bench.served(film), bench.add(film)
    film.release(len(data) - 1000)
    running = pool.submit(run_tool, work, "video_frame", video_url=url, w=96, fps=FPS)
    held = bench.notes.wait(lambda result: result["current_frames"] == 199, running)
    assert held["total_is_estimate"] is True
    film.release_all()
    whole, _ = bench.whole(films("ts"), "video_frame", w=96, fps=FPS)
    assert running.result(60).current_frames == whole.current_frames
    assert all(
        result["current_frames"] <= 199
        for result in bench.notes.results
        if result.get("total_is_estimate")
    )


@pytest.mark.both_ffmpegs(kind="ts")
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        *daily_rows([("mkv", VIDEO), ("mp4 end", VIDEO)]),
        ("late", VIDEO),
        ("ts", {**VIDEO, "quality": "exact", "fps": 10}),
        ("mute", {"output_format": "raw", "width": 40, "fps": 12}),
        ("avi", {"output_format": "gif", "width": 30}),
        ("ogv", {"output_format": "32vid", "width": 60}),
        ("mkv", {"output_format": "gif", "width": 30, "fps": 5}),
        ("mp4 late", VIDEO),
    ],
)
def test_screens_are_those_of_the_whole_film(
    kind: str,
    fields: dict[str, Any],
    films: Films,
    bench: Bench,
    pool: ThreadPoolExecutor,
) -> None:
    # Of a broadcast more has to come before anything begins.
    path = films(kind, SECONDS if kind == "ts" else SHORT)
    data = path.read_bytes()
    film = SlowFile(data)
    work, url = bench.served(film), bench.add(film)
    film.release(len(data) * 88 // 100)
    running = pool.submit(run_tool, work, "sanjuuni", input_url=url, **fields)
    if fields["output_format"] != "gif":
        bench.notes.wait(lambda result: result["frames"] >= 20, running)
        assert not film.requests[0].ended
    film.release_all()
    result = running.result(60)
    whole, files = bench.whole(path, "sanjuuni", **fields)
    assert bench.files(work) == files
    assert same(result, whole)


@pytest.mark.parametrize("kind", ["mute", "avi"])
def test_a_film_that_was_cut_off_is_not_believed(
    kind: str, films: Films, bench: Bench, pool: ThreadPoolExecutor
) -> None:
    whole = films(kind).read_bytes()
    film = SlowFile(whole[: len(whole) * 4 // 5])
    work, url = bench.served(film), bench.add(film)
    film.release(film.size * 96 // 100)
    running = pool.submit(run_tool, work, "video_frame", video_url=url, w=96, fps=24)
    bench.notes.wait(lambda result: result["current_frames"] >= 199, running)
    film.release_all()
    made = running.result(60)
    assert made.duration < SECONDS * 0.9
    # V1: nothing is told to be there that is not.
    for told in bench.notes.results:
        if "total_is_estimate" not in told:
            assert told["total_frames"] <= made.total_frames + 10
        assert abs(told.get("duration", made.duration) - made.duration) < 0.2


@pytest.mark.parametrize("kind", ["mp4", "mute"])
def test_of_two_films_in_one_it_is_told_what_is_lost(
    kind: str, films: Films, bench: Bench, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    data = films(kind).read_bytes()
    glued = tmp_path / "glued"
    glued.write_bytes(data + data)
    film = SlowFile(glued.read_bytes())
    work, url = bench.served(film), bench.add(film)
    # All that ffmpeg reads comes, and the rest later.
    film.release(len(data) + 5000)
    running = pool.submit(run_tool, work, "video_frame", video_url=url, w=96)
    bench.notes.wait(lambda result: result["current_frames"] >= 199, running)
    film.release_all()
    result = running.result(60)
    whole, files = bench.whole(glued, "video_frame", w=96)
    assert bench.files(work) == files
    assert same(result, whole)
    assert work.warnings == [
        "The source is several files glued together, of which only the first was used: "
        f"{len(data):,} of {2 * len(data):,} bytes."
    ]


def test_a_film_that_breaks_off_is_never_called_done(
    films: Films, bench: Bench, pool: ThreadPoolExecutor
) -> None:
    data = films("mkv", SHORT).read_bytes()
    film = SlowFile(data, etag=None, ranges=False)
    work, url = bench.served(film), bench.add(film)
    film.release(len(data) * 3 // 4)
    running = pool.submit(run_tool, work, "sanjuuni", input_url=url, **VIDEO)
    bench.notes.wait(lambda result: result["frames"] >= 10, running)
    film.break_off()
    with pytest.raises(SourceError) as caught:
        running.result(60)
    assert caught.value.code == "source_truncated"
    assert bench.files(work) == {}


def test_a_part_of_the_sound_does_not_wait_for_the_film(
    films: Films, bench: Bench, pool: ThreadPoolExecutor
) -> None:
    data = films("mkv").read_bytes()
    film = SlowFile(data)
    work, url = bench.served(film), bench.add(film)
    film.release(len(data) // 2)
    part: dict[str, Any] = {"output_format": "dfpwm", "args": ["-t", "3"]}
    running = pool.submit(run_tool, work, "ffmpeg", input_url=url, **part)
    result = running.result(60)
    whole, files = bench.whole(films("mkv"), "ffmpeg", **part)
    assert bench.files(work) == files
    assert same(result, whole)
    film.await_silence()
    assert film.requests[0].ended == "abandoned"
