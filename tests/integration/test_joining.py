"""One download, read while it arrives by all who want the same source, whoever of them dies."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from gmapi.errors import JobCancelled, SourceError
from gmapi.fetch.source_cache import SourceCache
from gmapi.filelock import ACROSS_PROCESSES
from support.http.followers import Follower, FollowerProcess, shared_cache
from support.http.origin import Origin
from support.http.slow_origin import SlowFile
from support.product.outcomes import daily
from support.sandbox.arriving_file import nothing_left

pytestmark = pytest.mark.skipif(
    not ACROSS_PROCESSES, reason="this system has no locks between processes"
)

# Not text: it begins with a zero.
BODY = b"\0" + os.urandom(1_500_000)
HALF = len(BODY) // 2
OTHER = BODY[:1000] + os.urandom(len(BODY) - 1000)


@pytest.fixture
def cache(tmp_path: Path) -> SourceCache:
    return shared_cache(tmp_path)


Follow = Callable[..., Follower]


@pytest.fixture
def follow(cache: SourceCache, tmp_path: Path) -> Follow:
    """Starts followers of one cache in this process."""
    numbers = iter(range(100))

    def start(url: str, **options: bool) -> Follower:
        return Follower(cache, url, tmp_path / f"in{next(numbers)}", **options)

    return start


def _left(folder: Path) -> set[str]:
    """Kinds of files in the cache."""
    return {path.name.partition(".")[2] for path in (folder / "sources").iterdir()}


def test_three_processes_read_one_download_as_it_comes(own_origin: Origin, tmp_path: Path) -> None:
    film = SlowFile(BODY)
    url = own_origin.add("/film", film)
    film.release(HALF)
    readers = [FollowerProcess(tmp_path, url, number) for number in range(3)]
    for reader in readers:
        reader.await_bytes(HALF)
    film.release_all()
    outcomes = [reader.outcome() for reader in readers]
    assert {outcome[:2] for outcome in outcomes} == {("done", sha256(BODY).digest())}
    assert sorted(outcome[2] for outcome in outcomes) == [(0, 0, 1), (0, 1, 0), (0, 1, 0)]
    assert len(film.requests) == 1
    assert _left(tmp_path) == {"data", "json", "lock"}


@pytest.mark.parametrize("etag", daily(['"1"', 'W/"1"', None], '"1"', None))
def test_when_the_one_that_downloads_is_killed_the_others_go_on(
    own_origin: Origin, tmp_path: Path, etag: str | None
) -> None:
    film = SlowFile(BODY, etag=etag)
    url = own_origin.add("/film", film)
    film.release(HALF)
    holder = FollowerProcess(tmp_path, url, 0)
    holder.await_bytes(HALF)
    others = [FollowerProcess(tmp_path, url, number) for number in (1, 2)]
    for other in others:
        other.await_bytes(HALF)
    holder.kill()
    film.release_all()
    for other in others:
        assert other.outcome()[:2] == ("done", sha256(BODY).digest())
    # Exactly one more; those who waited for it may ask whether it is current.
    assert [each.status for each in film.requests].count(200) == 2
    assert _left(tmp_path) == {"data", "json", "lock"}


@pytest.mark.parametrize("etag", ['"1"', '"2"', None], ids=["same_name", "another", "none"])
def test_another_version_after_a_death_is_a_change_for_who_has_read(
    own_origin: Origin, tmp_path: Path, etag: str | None
) -> None:
    film = SlowFile(BODY)
    url = own_origin.add("/film", film)
    film.release(HALF)
    holder = FollowerProcess(tmp_path, url, 0)
    holder.await_bytes(HALF)
    cache = shared_cache(tmp_path)
    reader = Follower(cache, url, tmp_path / "in")
    reader.await_bytes(HALF)
    film.change(OTHER, etag)
    holder.kill()
    with pytest.raises(SourceError) as caught:
        reader.outcome()
    assert caught.value.code == "source_changed"
    film.release_all()
    assert Follower(cache, url, tmp_path / "again").outcome() == OTHER


def test_a_frozen_holder_keeps_its_file_when_others_stop_waiting_for_it(
    own_origin: Origin, tmp_path: Path
) -> None:
    film = SlowFile(BODY)
    url = own_origin.add("/film", film)
    film.release(HALF)
    holder = FollowerProcess(tmp_path, url, 0)
    holder.await_bytes(HALF)
    reader = Follower(shared_cache(tmp_path, stall=1.0), url, tmp_path / "in")
    reader.await_bytes(HALF)
    holder.freeze()
    film.await_requests(2)
    (unfinished,) = (
        path for path in (tmp_path / "sources").glob("*.tmp") if path.stat().st_size > 1000
    )
    assert unfinished.read_bytes() == BODY[:HALF]
    film.release_all()
    assert reader.outcome() == BODY
    holder.kill()
    assert Follower(shared_cache(tmp_path), url, tmp_path / "again").outcome() == BODY
    assert _left(tmp_path) == {"data", "json", "lock"}


@pytest.mark.parametrize("etag", ['"1"', None])
def test_when_the_one_that_downloads_has_enough_the_others_go_on(
    own_origin: Origin, follow: Follow, tmp_path: Path, etag: str | None
) -> None:
    film = SlowFile(BODY, etag=etag)
    url = own_origin.add("/film", film)
    film.release(HALF)
    with nothing_left():
        holder = follow(url)
        holder.await_bytes(HALF)
        others = [follow(url), follow(url)]
        for other in others:
            other.await_bytes(HALF)
        holder.cancel()
        film.await_requests(2)
        film.release_all()
        assert [other.outcome() for other in others] == [BODY, BODY]
        film.await_silence()
        _await_threads()
    assert [each.status for each in film.requests].count(200) == 2
    assert _left(tmp_path) == {"data", "json", "lock"}


@pytest.mark.parametrize("use_cache", [True, False])
def test_nothing_is_kept_of_what_nobody_needs_to_its_end(
    own_origin: Origin, follow: Follow, tmp_path: Path, use_cache: bool
) -> None:
    film = SlowFile(BODY)
    url = own_origin.add("/film", film)
    film.release(HALF)
    alone = follow(url, use_cache=use_cache)
    alone.await_bytes(HALF)
    alone.cancel()
    with pytest.raises(JobCancelled):
        alone.outcome()
    film.await_silence()
    assert film.requests[0].ended in ("abandoned", "broken")
    if use_cache:
        assert _left(tmp_path) == {"lock"}


def test_who_waits_can_go_without_harm_to_the_download(
    own_origin: Origin, follow: Follow, tmp_path: Path
) -> None:
    film = SlowFile(BODY)
    url = own_origin.add("/film", film)
    film.release(HALF)
    holder = follow(url)
    holder.await_bytes(HALF)  # so that it is the one that downloads
    leaving = follow(url)
    leaving.await_bytes(HALF)
    leaving.cancel()
    film.release_all()
    assert holder.outcome() == BODY
    assert len(film.requests) == 1


def test_hits_joins_and_misses_are_counted(
    own_origin: Origin, follow: Follow, cache: SourceCache
) -> None:
    film = SlowFile(BODY)
    url = own_origin.add("/film", film)
    film.release(HALF)
    first, second = follow(url), follow(url)
    for each in (first, second):
        each.await_bytes(HALF)
    film.release_all()
    assert first.outcome() == second.outcome() == BODY
    counts = cache.counts
    assert (counts.hits, counts.joins, counts.misses) == (0, 1, 1)
    third = follow(url)
    assert third.outcome() == BODY  # asked whether it is current, and it is
    assert third.arrival.beginning is None
    assert film.requests[-1].status == 304
    assert (counts.hits, counts.joins, counts.misses) == (1, 1, 1)
    assert follow(url, use_cache=False).outcome() == BODY
    assert (counts.hits, counts.joins, counts.misses) == (1, 1, 2)
    film.change(OTHER, '"2"')
    assert follow(url).outcome() == OTHER
    assert (counts.hits, counts.joins, counts.misses) == (1, 1, 3)


def test_without_validators_it_is_fresh_for_a_while(own_origin: Origin, follow: Follow) -> None:
    film = SlowFile(BODY, etag=None)
    url = own_origin.add("/film", film)
    film.release_all()
    assert follow(url).outcome() == BODY
    assert follow(url).outcome() == BODY
    assert len(film.requests) == 1


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_resumption_is_not_noticed_by_readers(
    own_origin: Origin, follow: Follow, use_cache: bool, ranges: bool
) -> None:
    film = SlowFile(BODY, ranges=ranges)
    url = own_origin.add("/film", film)
    film.release(HALF)
    reader = follow(url, use_cache=use_cache)
    reader.await_bytes(HALF)
    film.break_off()
    film.await_requests(2)
    film.release_all()
    assert reader.outcome() == BODY
    assert [each.status for each in film.requests] == [200, 206 if ranges else 200]


@pytest.mark.parametrize("use_cache", [True, False])
def test_another_version_at_a_resumption_is_a_change_for_who_has_read(
    own_origin: Origin, follow: Follow, tmp_path: Path, use_cache: bool
) -> None:
    film = SlowFile(BODY)
    url = own_origin.add("/film", film)
    film.release(HALF)
    reader = follow(url, use_cache=use_cache)
    reader.await_bytes(HALF)
    film.change(OTHER, '"2"')
    film.break_off()
    film.await_requests(2)
    film.release_all()
    with pytest.raises(SourceError) as caught:
        reader.outcome()
    assert caught.value.code == "source_changed"
    # What is kept, if anything, is the new one and whole.
    assert follow(url).outcome() == OTHER
    assert _left(tmp_path) == {"data", "json", "lock"}


def test_a_whole_source_takes_no_more_than_it_did(
    own_origin: Origin, follow: Follow, tmp_path: Path
) -> None:
    film = SlowFile(BODY)
    url = own_origin.add("/film", film)
    film.release_all()
    with nothing_left():
        assert follow(url).outcome() == BODY
        film.await_silence()
        _await_threads()
    assert os.path.samefile(tmp_path / "in0", next((tmp_path / "sources").glob("*.data")))


def _await_threads() -> None:
    """Until those of origins that have answered have ended."""
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(60)
