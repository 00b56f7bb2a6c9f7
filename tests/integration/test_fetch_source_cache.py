"""The cache of sources: sharing, revalidating, crashing, clearing."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import JobCancelled, SourceError
from gmapi.fetch import source_cache
from gmapi.fetch.address import check_url
from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.source_cache import Fetched, SourceCache
from gmapi.filelock import ACROSS_PROCESSES
from gmapi.hosts import parse_allow
from support.http.origin import Exchange, Origin, content, status

BODY = b"\x00" + random.Random(2).randbytes(49_999)
needs_shared_locks = pytest.mark.skipif(
    not ACROSS_PROCESSES, reason="this system has no locks between processes"
)


def _cache(folder: Path) -> SourceCache:
    rules = FetchRules(parse_allow(["127.0.0.1"]), max_bytes=10**6, deadline=20, stall=10)
    return SourceCache(folder / "sources", rules)


@pytest.fixture
def cache(tmp_path: Path) -> SourceCache:
    return _cache(tmp_path)


@pytest.fixture
def fetch(cache: SourceCache, tmp_path: Path) -> Callable[..., Fetched]:
    """Fetch into a new file and check that it holds BODY, or `expected`."""
    numbers = iter(range(1000))

    def call(url: str, expected: bytes = BODY, **options: Any) -> Fetched:
        into = tmp_path / f"in{next(numbers)}"
        options.setdefault("cancelled", lambda: False)
        fetched = cache.fetch(check_url(url), into, on_progress=lambda *_: None, **options)
        assert into.read_bytes() == expected
        assert fetched.size == len(expected)
        return fetched

    return call


def _names(cache: SourceCache, suffix: str) -> list[Path]:
    return sorted(cache.folder.glob(f"*{suffix}"))


def _poll(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    "validators", [{"etag": '"1"'}, {"etag": 'W/"1"'}, {"last_modified": 1_700_000_000}]
)
def test_a_known_version_is_confirmed_and_not_sent_again(
    own_origin: Origin, fetch: Callable[..., Fetched], validators: dict[str, Any]
) -> None:
    url = own_origin.add("/a", BODY, content_type="audio/mpeg", **validators)
    assert fetch(url) == Fetched(len(BODY), url, "audio/mpeg", from_cache=False)
    assert fetch(url) == Fetched(len(BODY), url, "audio/mpeg", from_cache=True)
    assert fetch(url).from_cache
    assert own_origin.count("/a") == 3


def test_a_new_version_replaces_the_old_one(
    own_origin: Origin, cache: SourceCache, fetch: Callable[..., Fetched]
) -> None:
    url = own_origin.add("/a", BODY, etag='"1"')
    fetch(url)
    own_origin.add("/a", BODY[::-1], etag='"2"')
    assert not fetch(url, BODY[::-1]).from_cache
    assert fetch(url, BODY[::-1]).from_cache
    assert len(_names(cache, ".data")) == 1


def test_a_file_handed_out_stays_as_it_is_when_the_source_changes(
    own_origin: Origin, cache: SourceCache, tmp_path: Path, fetch: Callable[..., Fetched]
) -> None:
    url = own_origin.add("/a", BODY, etag='"1"')
    fetch(url)
    own_origin.add("/a", BODY[::-1], etag='"2"')
    fetch(url, BODY[::-1])
    cache.evict(10**9)
    assert (tmp_path / "in0").read_bytes() == BODY
    assert (tmp_path / "in1").read_bytes() == BODY[::-1]


def test_without_validators_a_source_is_fresh_for_a_minute(
    own_origin: Origin, fetch: Callable[..., Fetched], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = own_origin.add("/a", BODY)
    assert not fetch(url).from_cache
    assert fetch(url).from_cache
    assert own_origin.count("/a") == 1
    monkeypatch.setattr(source_cache, "FRESH_SECONDS", 0.0)
    assert not fetch(url).from_cache
    assert own_origin.count("/a") == 2


def test_no_store_is_not_kept(
    own_origin: Origin, cache: SourceCache, fetch: Callable[..., Fetched]
) -> None:
    url = own_origin.add("/a", BODY, etag='"1"', headers={"Cache-Control": "no-store"})
    fetch(url)
    assert not fetch(url).from_cache
    assert "if-none-match" not in own_origin.requests[1].headers
    assert not _names(cache, ".data") + _names(cache, ".json") + _names(cache, ".tmp")


def test_the_cache_can_be_bypassed(
    own_origin: Origin, cache: SourceCache, fetch: Callable[..., Fetched]
) -> None:
    url = own_origin.add("/a", BODY)
    fetch(url)
    own_origin.add("/a", BODY[::-1])
    assert not fetch(url, BODY[::-1], use_cache=False).from_cache
    assert fetch(url).from_cache


def test_headers_and_queries_are_kept_apart(
    own_origin: Origin, fetch: Callable[..., Fetched]
) -> None:
    url = own_origin.add("/a", BODY)
    assert not fetch(url, headers={"Authorization": "a"}).from_cache
    assert not fetch(url, headers={"Authorization": "b"}).from_cache
    assert not fetch(url).from_cache
    assert not fetch(url + "?b").from_cache
    assert fetch(url, headers={"authorization": "a"}).from_cache


def test_a_failure_is_not_kept(
    own_origin: Origin, cache: SourceCache, fetch: Callable[..., Fetched]
) -> None:
    url = own_origin.add("/a", status(404))
    with pytest.raises(SourceError):
        fetch(url)
    assert not _names(cache, ".data") + _names(cache, ".json") + _names(cache, ".tmp")
    own_origin.add("/a", BODY)
    fetch(url)


def test_a_copy_does_where_links_do_not(
    own_origin: Origin, fetch: Callable[..., Fetched], monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object) -> None:
        raise OSError("links are not supported here")

    monkeypatch.setattr(os, "link", link)
    fetch(own_origin.add("/a", BODY))


@pytest.mark.parametrize(
    "sidecar", ["", "{", "[]", "null", '{"url": 1}', '{"url": "x", "size": "y"}', "\ufffd" * 9]
)
def test_a_torn_record_is_a_miss(
    own_origin: Origin, cache: SourceCache, fetch: Callable[..., Fetched], sidecar: str
) -> None:
    url = own_origin.add("/a", BODY, etag='"1"')
    fetch(url)
    _names(cache, ".json")[0].write_text(sidecar)
    assert not fetch(url).from_cache
    assert fetch(url).from_cache


def test_missing_or_short_data_are_a_miss(
    own_origin: Origin, cache: SourceCache, fetch: Callable[..., Fetched]
) -> None:
    url = own_origin.add("/a", BODY, etag='"1"')
    fetch(url)
    data = _names(cache, ".data")[0]
    data.unlink()
    assert not fetch(url).from_cache
    data.unlink()
    data.write_bytes(BODY[:100])
    assert not fetch(url).from_cache


def test_a_record_never_describes_the_data_of_another_version(
    own_origin: Origin, fetch: Callable[..., Fetched], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(Exception):
        pass

    def write(*_: object) -> None:
        raise Crash

    url = own_origin.add("/a", BODY, etag='"1"')
    fetch(url)
    own_origin.add("/a", BODY[::-1], etag='"2"')
    with monkeypatch.context() as patch:
        patch.setattr(source_cache.Entry, "write", write)
        with pytest.raises(Crash):
            fetch(url)
    own_origin.add("/a", BODY, etag='"1"')
    assert not fetch(url).from_cache


def _held(body: bytes, go: threading.Event, **options: Any) -> Callable[[Exchange], None]:
    """A file that is sent as soon as `go` is set."""

    def handle(exchange: Exchange) -> None:
        go.wait(60)
        content(body, **options)(exchange)

    return handle


def _fetch_in_process(folder: str, url: str, number: int, answers: Any) -> None:
    into = Path(folder) / f"process{number}"

    def cancelled() -> bool:
        answers.put(("asked", number))
        return False

    fetched = _cache(Path(folder)).fetch(
        check_url(url), into, cancelled=cancelled, on_progress=lambda *_: None
    )
    answers.put(("done", fetched.from_cache, into.read_bytes() == BODY))


@needs_shared_locks
@pytest.mark.parametrize("options", [{}, {"etag": '"1"'}])
def test_processes_that_want_the_same_source_fetch_it_once(
    own_origin: Origin, tmp_path: Path, options: dict[str, Any]
) -> None:
    go = threading.Event()
    url = own_origin.add("/a", _held(BODY, go, **options))
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [
        context.Process(target=_fetch_in_process, args=(str(tmp_path), url, number, answers))
        for number in range(3)
    ]
    for process in processes:
        process.start()
    asking: set[int] = set()
    while len(asking) < 3:  # one downloads, the others wait for it: all of them poll
        asking.add(answers.get(timeout=30)[1])
    go.set()
    done = []
    while len(done) < 3:
        answer = answers.get(timeout=30)
        done += [answer] if answer[0] == "done" else []
    for process in processes:
        process.join(30)
    answers.close()
    answers.join_thread()
    assert sorted(done) == [("done", False, True), ("done", True, True), ("done", True, True)]
    assert own_origin.count("/a") == 1


@needs_shared_locks
def test_what_a_killed_process_leaves_is_swept_and_its_lock_is_free(
    own_origin: Origin, cache: SourceCache, tmp_path: Path, fetch: Callable[..., Fetched]
) -> None:
    def halfway(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(len(BODY))})
        exchange.raw(BODY[:20_000])
        exchange.origin.closing.wait()

    url = own_origin.add("/a", halfway)
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=_fetch_in_process, args=(str(tmp_path), url, 0, answers))
    process.start()
    assert process.pid
    _poll(lambda: bool(_names(cache, ".tmp")))
    assert cache.sweep(time.time() + 10**6, 1) == 0  # it is in work
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    answers.close()
    left = cache.used_bytes()
    assert cache.sweep(time.time(), 3600) == left
    assert list(cache.folder.iterdir()) == []
    own_origin.add("/a", BODY)
    assert not fetch(url).from_cache


def test_a_waiter_can_be_cancelled_and_the_entry_in_work_is_left_alone(
    own_origin: Origin, cache: SourceCache, fetch: Callable[..., Fetched]
) -> None:
    go = threading.Event()
    url = own_origin.add("/a", _held(BODY, go))
    done: list[Fetched] = []
    thread = threading.Thread(target=lambda: done.append(fetch(url)))
    thread.start()
    _poll(lambda: own_origin.count("/a") == 1)
    with pytest.raises(JobCancelled):
        fetch(url, cancelled=lambda: True)
    assert cache.sweep(time.time() + 10**6, 1) == 0
    assert cache.evict(10**9) == 0
    go.set()
    thread.join()
    assert done[0].size == len(BODY)


@needs_shared_locks
def test_a_frozen_process_does_not_hold_up_the_others(own_origin: Origin, tmp_path: Path) -> None:
    go = threading.Event()
    url = own_origin.add("/frozen", _held(BODY, go))
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    frozen = spawn.Process(target=_fetch_in_process, args=(str(tmp_path), url, 0, answers))
    frozen.start()
    try:
        _poll(lambda: own_origin.count("/frozen") == 1)
        assert frozen.pid is not None
        os.kill(frozen.pid, signal.SIGSTOP)
        go.set()
        rules = FetchRules(parse_allow(["127.0.0.1"]), max_bytes=10**6, deadline=20, stall=1.0)
        fetched = SourceCache(_cache(tmp_path).folder, rules).fetch(
            check_url(url),
            tmp_path / "second",
            cancelled=lambda: False,
            on_progress=lambda *_: None,
        )
        assert not fetched.from_cache
        assert (tmp_path / "second").read_bytes() == BODY
    finally:
        assert frozen.pid is not None
        os.kill(frozen.pid, signal.SIGKILL)
        frozen.join(60)


def test_sweep_removes_what_was_not_used_for_long(
    own_origin: Origin, cache: SourceCache, tmp_path: Path, fetch: Callable[..., Fetched]
) -> None:
    old, new = own_origin.add("/old", BODY), own_origin.add("/new", BODY[::-1])
    fetch(old)
    (about,) = _names(cache, ".json")
    fetch(new, BODY[::-1])
    for path in tmp_path.glob("in*"):
        path.unlink()
    os.utime(about, (time.time() - 500, time.time() - 500))
    used = cache.used_bytes()
    freed = cache.sweep(time.time(), 400)
    assert freed > len(BODY)
    assert cache.used_bytes() == used - freed
    assert fetch(new, BODY[::-1]).from_cache
    assert not fetch(old).from_cache


def test_use_keeps_an_entry(
    own_origin: Origin, cache: SourceCache, fetch: Callable[..., Fetched]
) -> None:
    url = own_origin.add("/a", BODY)
    fetch(url)
    (about,) = _names(cache, ".json")
    os.utime(about, (1, 1))
    assert fetch(url).from_cache
    assert cache.sweep(time.time(), 400) == 0
    assert fetch(url).from_cache


def test_evict_takes_the_longest_unused_first_and_spares_what_jobs_hold(
    own_origin: Origin, cache: SourceCache, tmp_path: Path, fetch: Callable[..., Fetched]
) -> None:
    abouts = []
    for number, name in enumerate(("/held", "/older", "/newer")):
        before = set(_names(cache, ".json"))
        fetch(own_origin.add(name, BODY))
        (about,) = set(_names(cache, ".json")) - before
        os.utime(about, (1000 + number, 1000 + number))
        abouts.append(about)
        if name != "/held":
            (tmp_path / f"in{number}").unlink()
    assert cache.evict(1) >= len(BODY)
    assert [about.exists() for about in abouts] == [True, False, True]
    assert cache.evict(10**9) >= len(BODY)
    assert [about.exists() for about in abouts] == [True, False, False]
    assert not (cache.folder / abouts[1].name.replace(".json", ".lock")).exists()


def test_an_unused_cache_is_empty(cache: SourceCache) -> None:
    assert (cache.used_bytes(), cache.sweep(time.time(), 1), cache.evict(1)) == (0, 0, 0)
