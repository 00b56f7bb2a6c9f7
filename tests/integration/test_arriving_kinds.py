"""What is made of a source that comes through a pipe is what is made of the whole file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gmapi.fetch.arrival import Arrival
from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.feeding import Feed
from gmapi.sandbox.launcher import Launcher
from gmapi.tools import arrival_plan
from gmapi.tools.arriving import ArrivingSource, ArrivingSources
from gmapi.tools.base import Work
from support.http.origin import Origin
from support.http.slow_origin import SlowFile
from support.media.making import H264, Maker
from support.product.outcomes import daily
from support.product.works import make_work, run_tool

PICTURES = ("-f", "lavfi", "-i", "testsrc2=s=96x72:r=25:d=3")
SOUND = ("-f", "lavfi", "-i", "sine=440:r=44100:d=8")
TITLE = ("-metadata", "title=Hello")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8")
FILMS = {
    "mkv": (*H264, "-c:a", "flac"),
    "webm": (*VP8, "-c:a", "libopus"),
    "flv": ("-c:v", "flv1", "-c:a", "libmp3lame"),
    "avi": ("-c:v", "mpeg4", "-c:a", "ac3"),
    "mpg": ("-c:v", "mpeg2video", "-c:a", "mp2"),
    "wmv": ("-c:v", "wmv2", "-c:a", "wmav2"),
}
SONGS = {
    "ts": ("-ac", "2", "-c:a", "mp2", "-b:a", "384k"),
    "wav": (),
    "aiff": (),
    "caf": (),
    "aac": ("-b:a", "160k"),
    "tta": (),
    "w64": (),
    "mp3": ("-b:a", "160k", "-write_xing", "0", "-id3v2_version", "0"),
}
# The encoder's settings stand in the file otherwise; threads cut pictures differently.
MP4 = ("-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-threads", "1")
WAITED = "waiting for all of the source"

Both = Callable[..., tuple[Any, Any]]


class Made:
    """What a job made of a source, and how."""

    def __init__(self, work: Work, folder: Path, url: str, fields: Mapping[str, Any]) -> None:
        result = run_tool(work, "ffmpeg", input_url=url, **fields)
        self.data = (folder / "files" / work.file_id / result.file_name).read_bytes()
        self.warnings = work.warnings
        self.lines: list[str] = work.reporter.lines  # type: ignore[attr-defined]
        self.was_piped = work.arriving.came_late(work.inputs / "input0")


@pytest.fixture
def both(
    tmp_path: Path,
    launcher: Launcher,
    ffmpeg: Ffmpeg,
    own_origin: Origin,
    monkeypatch: pytest.MonkeyPatch,
) -> Both:
    """The same of a file as it arrives, and as a whole. Of what can be read as it arrives each
    process gets all through a pipe, also what is whole by then."""

    def make(file: Path, output_format: str, *args: str) -> tuple[Made, Made]:
        fields = {"output_format": output_format, "args": list(args)}
        data = file.read_bytes()
        films = [SlowFile(data, etag=f'"{number}"') for number in range(2)]
        urls = [own_origin.add(f"/{number}", film) for number, film in enumerate(films)]
        made = []
        for film, url in zip(films, urls, strict=True):
            work = make_work(tmp_path, launcher, ffmpeg, fetch_allow=own_origin.authority)
            film.release(len(data) - 1)
            if film is films[1]:
                film.release_all()
            with monkeypatch.context() as patch:
                if film is films[0]:
                    _always_by_pipe(patch, film)
                made.append(Made(work, tmp_path, url, fields))
        return made[0], made[1]

    return make


def _always_by_pipe(patch: pytest.MonkeyPatch, film: SlowFile) -> None:
    add, wait_for_end = ArrivingSources.add, Arrival.wait_for_end
    sources: list[ArrivingSource] = []

    def begun(self: ArrivingSources, source: ArrivingSource) -> None:
        add(self, source)
        sources.append(source)
        film.release_all()

    def waiting(self: Arrival, check: Callable[[], None]) -> None:
        film.release_all()
        wait_for_end(self, check)

    def feeds(self: ArrivingSources) -> dict[Path, Feed]:
        return {source.path: Feed(source.arrival, source.plan) for source in sources}

    patch.setattr(arrival_plan, "WORTH_BYTES", 0)
    patch.setattr(ArrivingSources, "add", begun)
    patch.setattr(ArrivingSources, "feeds", feeds)
    patch.setattr(Arrival, "wait_for_end", waiting)


@pytest.mark.both_ffmpegs(kind=("mkv", "mpg"))
@pytest.mark.parametrize("kind", daily(FILMS, "mkv", "flv", "avi", "mpg", "wmv"))
def test_films_are_the_same(kind: str, make: Maker, both: Both) -> None:
    film = make(f"film.{kind}", *PICTURES, *SOUND, *TITLE, *FILMS[kind])
    piped, whole = both(film, "mp4", *MP4)
    assert piped.was_piped
    assert not any(WAITED in line for line in piped.lines)
    assert piped.data == whole.data
    assert piped.warnings == whole.warnings


@pytest.mark.both_ffmpegs(kind=("ts", "mp3"))
@pytest.mark.parametrize("kind", daily(SONGS, "ts", "wav", "caf", "aac", "mp3"))
def test_songs_are_the_same(kind: str, make: Maker, both: Both) -> None:
    song = make(f"song.{kind}", *SOUND, *SONGS[kind])
    piped, whole = both(song, "dfpwm")
    assert piped.was_piped
    assert not any(WAITED in line for line in piped.lines)
    assert piped.data == whole.data
    assert piped.warnings == whole.warnings


@pytest.mark.both_ffmpegs
def test_what_fails_by_pipe_is_made_of_the_whole_file(make: Maker, both: Both) -> None:
    # Its table of packets stands at the end.
    song = make("alac.caf", *SOUND, "-c:a", "alac")
    piped, whole = both(song, "dfpwm")
    assert piped.was_piped
    assert sum(WAITED in line for line in piped.lines) == 2  # by its header, then its sound
    assert piped.data == whole.data
    assert piped.warnings == whole.warnings == []


@pytest.mark.parametrize("kind", ["aiff", "tta", "mp3"])
def test_a_title_behind_the_sound_is_not_lost(
    kind: str, make: Maker, both: Both, tmp_path: Path
) -> None:
    words = ("-write_id3v2", "1") if kind == "aiff" else SONGS[kind]
    song = tmp_path / f"title.{kind}"
    song.write_bytes(make(f"title.{kind}", *SOUND, *TITLE, *words).read_bytes())
    if kind == "mp3":
        with song.open("ab") as file:
            file.write(b"TAG" + b"Hello".ljust(125, b"\0"))
    piped, whole = both(song, "flac", "-fflags", "+bitexact")
    assert not piped.was_piped
    assert piped.data == whole.data
    assert b"Hello" in piped.data


def test_a_title_in_front_needs_no_waiting(make: Maker, both: Both) -> None:
    song = make("title.mka", *SOUND, *TITLE, "-c:a", "flac")
    piped, whole = both(song, "flac", "-fflags", "+bitexact")
    assert piped.was_piped
    assert piped.data == whole.data
    assert b"Hello" in piped.data
