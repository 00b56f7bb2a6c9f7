"""A source in view of its readers while it is fetched, also where its download begins again."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gmapi.errors import JobCancelled, SourceError
from gmapi.fetch.arrival import Arrival, Beginning, Note

BODY = os.urandom(3_000_000)
URL = "http://127.0.0.1/film"
LONG = 60.0

needs_links = pytest.mark.skipif(not hasattr(os, "link"), reason="this system has no hard links")


class Downloads:
    """The fetch of an `Arrival`, done by the test step by step in the fetch's own thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "cache"
        self.folder.mkdir()
        self.arrival = Arrival(folder / "input", self._fetch)
        self._steps: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._count = 0
        self.arrival.start()

    def _fetch(self, arrival: Arrival) -> None:
        while not arrival.is_stopped:
            try:
                step = self._steps.get(timeout=0.02)
            except queue.Empty:
                continue
            if step is None:
                return
            step()
        raise JobCancelled

    def do(self, step: Callable[[], object]) -> None:
        done = threading.Event()

        def run() -> None:
            try:
                step()
            finally:
                done.set()

        self._steps.put(run)
        assert done.wait(LONG)

    def begin(self, data: bytes = b"", total: int = len(BODY), etag: str | None = None) -> Path:
        """A download in a new file."""
        self._count += 1
        file = self.folder / f"{self._count}.tmp"
        file.write_bytes(data)
        self.do(lambda: self.arrival.begin(Beginning(file, URL, total, etag)))
        return file

    def end(self, file: Path) -> None:
        """It is whole, and handed out as the cache does it."""

        def hand_out() -> None:
            self.arrival.path.unlink(missing_ok=True)
            os.link(file, self.arrival.path)

        self.do(hand_out)
        self._steps.put(None)

    def fail(self, error: Exception) -> None:
        def step() -> None:
            raise error

        self._steps.put(step)

    def take(self) -> None:
        beginning = self.arrival.beginning
        assert beginning is not None
        assert self.arrival.take(beginning)


@pytest.fixture
def downloads(tmp_path: Path) -> Iterator[Downloads]:
    before = len(os.listdir("/dev/fd"))
    made = Downloads(tmp_path)
    yield made
    made.arrival.stop()
    assert len(os.listdir("/dev/fd")) == before
    assert not [thread for thread in threading.enumerate() if thread.name == "gmapi-arrival"]


def _append(file: Path, data: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(data)


def _go() -> None:
    pass


@needs_links
def test_the_growing_file_is_seen_at_its_own_path(downloads: Downloads) -> None:
    arrival = downloads.arrival
    file = downloads.begin(BODY[:10])
    assert arrival.wait_to_begin(_go) == Beginning(file, URL, len(BODY), None)
    assert arrival.path.read_bytes() == BODY[:10]
    assert arrival.wait(0, LONG) == 10
    _append(file, BODY[10:])
    assert arrival.wait(10, LONG) == len(BODY)
    assert not arrival.is_whole
    downloads.end(file)
    arrival.wait_for_end(_go)
    assert arrival.is_whole
    assert arrival.wait(len(BODY), LONG) == len(BODY)
    assert arrival.path.read_bytes() == BODY
    assert sorted(path.name for path in downloads.folder.iterdir()) == [file.name]


@needs_links
@pytest.mark.parametrize("etag", ['"1"', None])
def test_a_download_that_begins_again_with_the_same_bytes_is_gone_on_with(
    downloads: Downloads, etag: str | None
) -> None:
    arrival = downloads.arrival
    downloads.begin(BODY[: 2 << 20], etag=etag)
    downloads.take()
    again = downloads.begin(etag=etag)
    # Until it has what was there, that is what there is.
    assert arrival.wait(0, LONG) == 2 << 20
    assert os.pread(arrival.fileno(), 100, 1 << 20) == BODY[1 << 20 :][:100]
    _append(again, BODY[: 1 << 20])
    assert arrival.wait(0, LONG) == 2 << 20
    _append(again, BODY[1 << 20 :])
    assert arrival.wait(2 << 20, LONG) == len(BODY)
    assert os.pread(arrival.fileno(), len(BODY), 0) == BODY
    downloads.end(again)
    arrival.wait_for_end(_go)
    assert arrival.path.read_bytes() == BODY


@needs_links
def test_a_download_that_begins_again_several_times_is_gone_on_with(downloads: Downloads) -> None:
    arrival = downloads.arrival
    downloads.begin(BODY[:1000])
    downloads.take()
    downloads.begin(BODY[:500])
    assert arrival.wait(0, LONG) == 1000
    third = downloads.begin(BODY[:2000])
    assert arrival.wait(1000, LONG) == 2000
    _append(third, BODY[2000:])
    downloads.end(third)
    arrival.wait_for_end(_go)
    assert arrival.size == len(BODY)


def _one_byte_differs(at: int) -> bytes:
    return BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]


@needs_links
@pytest.mark.parametrize("at", [0, 999, (1 << 20) + 5])
def test_a_version_with_other_bytes_is_a_change(downloads: Downloads, at: int) -> None:
    arrival = downloads.arrival
    downloads.begin(BODY[: 2 << 20], etag='"1"')
    downloads.take()
    downloads.begin(_one_byte_differs(at), etag='"1"')  # it may say what it likes
    for _ in range(2):
        with pytest.raises(SourceError) as caught:
            arrival.wait(2 << 20, LONG)
        assert caught.value.code == "source_changed"
    assert arrival.is_stopped  # nobody needs the rest of it
    with pytest.raises(SourceError, match="changed"):
        arrival.wait_for_end(_go)
    assert not arrival.is_whole


@needs_links
def test_a_version_of_another_length_is_a_change(downloads: Downloads) -> None:
    downloads.begin(BODY[:10])
    downloads.take()
    downloads.begin(BODY[:10], total=len(BODY) + 1)
    with pytest.raises(SourceError) as caught:
        downloads.arrival.wait(10, LONG)
    assert caught.value.code == "source_changed"


@needs_links
@pytest.mark.parametrize("etag", ['"2"', None])
def test_a_version_of_another_name_is_a_change(downloads: Downloads, etag: str | None) -> None:
    downloads.begin(BODY[:10], etag='"1"')
    downloads.take()
    downloads.begin(BODY, etag=etag)  # its end may have been read ahead, by that name
    with pytest.raises(SourceError) as caught:
        downloads.arrival.wait(10, LONG)
    assert caught.value.code == "source_changed"


@needs_links
def test_what_nobody_has_read_may_change(downloads: Downloads) -> None:
    arrival = downloads.arrival
    downloads.begin(b"another", total=7, etag='"1"')
    first = arrival.beginning
    again = downloads.begin(BODY, etag='"2"')
    assert first is not None
    assert not arrival.take(first)
    downloads.take()
    assert arrival.wait(0, LONG) == len(BODY)
    assert arrival.path.read_bytes() == BODY
    downloads.end(again)
    arrival.wait_for_end(_go)


@needs_links
@pytest.mark.parametrize(
    "whole", [_one_byte_differs(5), BODY[:-1], BODY + b"x", b""], ids=["byte", "short", "long", ""]
)
def test_a_whole_file_that_is_not_what_had_come_is_a_change(
    downloads: Downloads, tmp_path: Path, whole: bytes
) -> None:
    downloads.begin(BODY[:1000])
    downloads.take()
    other = tmp_path / "other"
    other.write_bytes(whole)
    downloads.end(other)
    with pytest.raises(SourceError) as caught:
        downloads.arrival.wait_for_end(_go)
    assert caught.value.code == "source_changed"
    assert not downloads.arrival.is_whole


@needs_links
def test_a_whole_file_of_others_with_the_same_bytes_does(
    downloads: Downloads, tmp_path: Path
) -> None:
    downloads.begin(BODY[:1000])
    downloads.take()
    other = tmp_path / "other"
    other.write_bytes(BODY)
    downloads.end(other)
    downloads.arrival.wait_for_end(_go)
    assert downloads.arrival.wait(1000, LONG) == len(BODY)


@needs_links
def test_a_failure_reaches_all_who_wait(downloads: Downloads) -> None:
    downloads.begin(BODY[:10])
    failures: list[BaseException] = []

    def wait(how: Callable[[], object]) -> None:
        try:
            how()
        except ValueError as error:
            failures.append(error)

    arrival = downloads.arrival
    ways = (lambda: arrival.wait(10, LONG), lambda: arrival.wait_for_end(_go))
    threads = [threading.Thread(target=wait, args=(way,)) for way in ways]
    for thread in threads:
        thread.start()
    downloads.fail(ValueError("broken off"))
    for thread in threads:
        thread.join(LONG)
    assert len(failures) == 2
    with pytest.raises(ValueError, match="broken off"):
        arrival.wait_to_begin(_go)


def test_what_a_waiter_is_told_passes_through(downloads: Downloads) -> None:
    def cancelled() -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        downloads.arrival.wait_to_begin(cancelled)
    with pytest.raises(JobCancelled):
        downloads.arrival.wait_for_end(cancelled)


@needs_links
def test_a_file_that_has_ended_before_it_is_looked_at_begins_nothing(
    downloads: Downloads, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    downloads.do(lambda: downloads.arrival.begin(Beginning(gone, URL, 10, None)))
    assert downloads.arrival.beginning is None
    assert not downloads.arrival.path.exists()


@needs_links
def test_where_no_links_can_be_made_the_whole_is_waited_for(
    downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise OSError

        patch.setattr(os, "link", refuse)
        file = downloads.begin(BODY)
    assert downloads.arrival.beginning is None
    downloads.end(file)
    assert downloads.arrival.wait_to_begin(_go) is None
    assert downloads.arrival.is_whole


def test_what_others_told_is_read_as_far_as_it_makes_sense(tmp_path: Path) -> None:
    note = Note(tmp_path / "KEY.arriving.tmp")
    assert note.read() is None
    told = Beginning(tmp_path / "KEY.1.tmp", URL, 10, '"1"')
    note.write(told)
    assert note.read() == told
    for nonsense in ("", "{", "[]", "{}", '{"file": 1, "url": "", "total": 1, "etag": null}'):
        (tmp_path / "KEY.arriving.tmp").write_text(nonsense)
        assert note.read() is None
    note.remove()
    note.remove()
    assert list(tmp_path.iterdir()) == []
