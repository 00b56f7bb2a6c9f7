"""Sources that go wrong while they are converted: each has its sentence, nothing short is ever
called done, and nothing is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import JobCancelled, LeaseLost, MediaError, SourceError
from gmapi.fetch.connection import Connection
from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.launcher import Launcher
from gmapi.tools.base import Work
from support.http.origin import Origin, redirect, status
from support.http.slow_origin import SlowFile
from support.media.waves import stereo_wave
from support.product.arriving_jobs import ArrivingJob, HeardNotes
from support.product.works import make_work, run_tool
from support.sandbox.arriving_file import nothing_left

SONG = stereo_wave(8)
HALF = len(SONG) // 2


class Desk:
    """What the tests start jobs with."""

    def __init__(self, folder: Path, origin: Origin, fetching: Callable[..., Work]) -> None:
        self.origin = origin
        self.folder = folder
        self.notes = HeardNotes()
        self.fetching = fetching
        self.work: Work

    def start(
        self, film: SlowFile, *, released: int = HALF, hurried: bool = False, **options: object
    ) -> ArrivingJob:
        """A job whose source has come so far."""
        fields = {"args": options.pop("args")} if "args" in options else {}
        url = self.origin.add("/song", film)
        film.release(released)
        self.work = self.fetching(url, notes=self.notes, **options)
        job = ArrivingJob(self.work, self.notes, url, **fields)
        job.await_converting(or_end=hurried)
        return job

    def made(self, result: Any) -> bytes:
        """The file of a result of the last work."""
        return (self.folder / "files" / self.work.file_id / result.file_name).read_bytes()

    def expected(self, song: bytes, **fields: object) -> bytes:
        """What comes of a song that is there."""
        url = self.origin.add("/there", song)
        self.work = self.fetching(url)
        fields = {"output_format": "dfpwm", "no_cache": True, **fields}
        return self.made(run_tool(self.work, "ffmpeg", input_url=url, **fields))


@pytest.fixture(scope="module")
def begun() -> set[str]:
    """Holds something when what is started once has been started."""
    return set()


@pytest.fixture
def desk(
    own_origin: Origin, fetching: Callable[..., Work], tmp_path: Path, begun: set[str]
) -> Iterator[Desk]:
    made = Desk(tmp_path, own_origin, fetching)
    if not begun:
        made.expected(stereo_wave(1))
        begun.add("all")
    with nothing_left():
        yield made
        own_origin.closing.set()
        for thread in threading.enumerate():
            if "process_request_thread" in thread.name:
                thread.join(60)


def _fails(desk: Desk, job: ArrivingJob, code: str) -> str:
    """The sentence of a job that fails so and has published and kept nothing."""
    with pytest.raises(SourceError) as caught:
        job.outcome()
    assert caught.value.code == code
    _nothing_kept(desk)
    return caught.value.message


def _nothing_kept(desk: Desk) -> None:
    assert not (desk.folder / "files" / desk.work.file_id).exists()
    kept = {path.name.partition(".")[2] for path in (desk.folder / "sources").iterdir()}
    assert kept <= {"lock"}


def test_a_song_is_converted_while_it_comes(desk: Desk) -> None:
    film = SlowFile(SONG)
    job = desk.start(film)
    assert not job.is_done
    film.release_all()
    made = desk.made(job.outcome())
    assert made == desk.expected(SONG)
    assert not any("waiting for all" in line for line in desk.notes.lines)


def test_one_that_breaks_off_is_resumed_unnoticed(desk: Desk) -> None:
    film = SlowFile(SONG)
    job = desk.start(film)
    film.break_off()
    film.await_requests(2)
    film.release_all()
    assert desk.made(job.outcome()) == desk.expected(SONG)
    assert [each.status for each in film.requests] == [200, 206]


@pytest.mark.parametrize(("etag", "requests"), [('"1"', 4), ('W/"1"', 1), (None, 1)])
def test_one_that_breaks_off_for_good_makes_nothing(
    desk: Desk, etag: str | None, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause = Connection.pause
    monkeypatch.setattr(Connection, "pause", lambda self, seconds: pause(self, seconds / 10))
    film = SlowFile(SONG, etag=etag)
    job = desk.start(film)
    film.break_off(100)
    assert "broke off" in _fails(desk, job, "source_truncated")
    assert len(film.requests) == requests


def test_one_that_stalls_makes_nothing(desk: Desk) -> None:
    film = SlowFile(SONG)
    job = desk.start(film, hurried=True, fetch_stall=0.5)
    _fails(desk, job, "source_too_slow")


def test_one_that_takes_too_long_makes_nothing(desk: Desk) -> None:
    film = SlowFile(SONG)
    job = desk.start(film, hurried=True, fetch_deadline=1)
    _fails(desk, job, "source_too_slow")


def test_one_that_changes_at_a_resumption_makes_nothing(desk: Desk) -> None:
    film = SlowFile(SONG)
    job = desk.start(film)
    film.change(SONG[:1000] + bytes(len(SONG) - 1000), '"2"')
    film.break_off()
    assert "changed while" in _fails(desk, job, "source_changed")


def test_one_that_changes_its_length_at_a_resumption_makes_nothing(desk: Desk) -> None:
    film = SlowFile(SONG)
    job = desk.start(film)
    film.change(SONG + bytes(1000), '"2"')
    film.break_off()
    _fails(desk, job, "source_changed")


@pytest.mark.parametrize("etag", [{}, {"ETag": '"1"'}, {"ETag": '"2"'}])
def test_a_page_behind_a_redirect_at_a_resumption_makes_nothing(
    desk: Desk, etag: dict[str, str]
) -> None:
    film = SlowFile(SONG)
    job = desk.start(film, sites="off")
    page = b"<!DOCTYPE html><html><title>Log in</title>" + bytes(b" " * 2000)
    desk.origin.add("/login", status(200, page, **etag))
    desk.origin.add("/song", redirect("/login"))
    film.break_off()
    _fails(desk, job, "source_changed")


def test_a_length_that_is_too_great_makes_nothing(desk: Desk) -> None:
    film = SlowFile(SONG, etag=None, length=len(SONG) + 1000)
    job = desk.start(film)
    film.release_all()
    assert "broke off" in _fails(desk, job, "source_truncated")


def test_a_length_that_is_too_small_is_all_there_is(desk: Desk) -> None:
    told = len(SONG) - 48_000
    film = SlowFile(SONG, etag=None, length=told)
    job = desk.start(film)
    film.release_all()
    assert desk.made(job.outcome()) == desk.expected(SONG[:told])


def test_one_that_is_too_large_is_refused_at_once(desk: Desk) -> None:
    film = SlowFile(SONG)
    url = desk.origin.add("/song", film)
    film.release(HALF)
    desk.work = desk.fetching(url, notes=desk.notes, fetch_max_bytes=len(SONG) - 1)
    job = ArrivingJob(desk.work, desk.notes, url)
    _fails(desk, job, "source_too_large")
    assert not any(told.startswith("Converting") for told in desk.notes.messages)


def test_a_part_that_is_enough_ends_the_download(desk: Desk) -> None:
    film = SlowFile(SONG)
    # ffmpeg looks at five seconds of samples before it takes the first.
    result = desk.start(film, released=len(SONG) * 3 // 4, args=["-t", "2"]).outcome()
    assert result.duration == pytest.approx(2.0, abs=0.01)
    made = desk.made(result)
    film.await_silence()
    assert film.requests[0].ended == "abandoned"
    kept = {path.name.partition(".")[2] for path in (desk.folder / "sources").iterdir()}
    assert kept == {"lock"}
    assert made == desk.expected(SONG, args=["-t", "2"])
    assert desk.work.warnings == []


def test_a_broadcast_that_is_encrypted_after_a_while_is_told_to_be(desk: Desk) -> None:
    clear, scrambled = (bytes([0x47, 1, 0, flags]).ljust(188, b"x") for flags in (0x10, 0xD0))
    film = SlowFile(clear * 400 + scrambled * 8000)
    url = desk.origin.add("/song", film)
    film.release(400 * 188)
    desk.work = desk.fetching(url, notes=desk.notes)
    job = ArrivingJob(desk.work, desk.notes, url)
    film.await_sent(400 * 188)
    film.release_all()
    with pytest.raises(MediaError, match="encrypted"):
        job.outcome()
    assert not any(told.startswith("Converting") for told in desk.notes.messages)


@pytest.mark.parametrize("reason", [JobCancelled(), LeaseLost()])
def test_a_job_that_must_stop_leaves_nothing(desk: Desk, reason: Exception) -> None:
    film = SlowFile(SONG)
    job = desk.start(film)
    desk.notes.stopped = reason
    with pytest.raises(type(reason)):
        job.outcome()
    _nothing_kept(desk)
    film.await_silence()
    assert film.requests[0].ended == "abandoned"


def test_a_plain_launcher_waits_for_the_whole(
    own_origin: Origin, tmp_path: Path, ffmpeg: Ffmpeg
) -> None:
    film = SlowFile(SONG)
    url = own_origin.add("/song", film)
    film.release(HALF)
    notes = HeardNotes()
    with Launcher(plain=True) as plain:
        work = make_work(
            tmp_path, plain, ffmpeg, notes=notes, fetch_allow=own_origin.authority, sandbox="off"
        )
        job = ArrivingJob(work, notes, url)
        film.await_sent(HALF)
        notes.await_message("Fetching", lambda: job.is_done)
        assert not any(told.startswith("Converting") for told in notes.messages)
        film.release_all()
        assert job.outcome().duration == pytest.approx(8.0, abs=0.01)
