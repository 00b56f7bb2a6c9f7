"""A full queue refuses more, of one client and of all, and says when to come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import LEASE, SONG, Bench, SqliteBackend, held_source, serve_file
from support.http.origin import Origin, silent
from support.http.refusals import FFMPEG, assert_refused
from support.product.server import Answer, GmapiServer, wait_for

OF_ALL, OF_ONE = 3, 2


@pytest.fixture(scope="module")
def narrow(backend: SqliteBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A server that lets few jobs wait; it believes callers who they are."""
    limits = {"queue_max": OF_ALL, "queue_max_per_client": OF_ONE, "trusted_proxies": "127.0.0.1"}
    folder = tmp_path_factory.mktemp("narrow")
    settings = {"workers": 1, "lease_seconds": LEASE, **backend.settings()}
    with GmapiServer(folder, **limits, **settings) as server:
        yield Bench(backend, server)


def of(client: int) -> dict[str, str]:
    """What the proxy says of a client; each is in a network of its own."""
    return {"X-Forwarded-For": f"198.51.{client}.1"}


def ask(bench: Bench, client: int, url: str) -> Answer:
    """One more job of a client."""
    values = {**FFMPEG, "input_url": url}
    return bench.server.post("/api/ffmpeg/async", values, headers=of(client))


def cancel(bench: Bench, client: int, task_id: str) -> None:
    """By whom it is: to a proxy that names nobody, all tasks are somebody else's."""
    answer = bench.server.post(f"/api/task/{task_id}/cancel", headers=of(client))
    assert answer.json()["status"] == "cancelled"


def test_full_queues_are_told_when_to_come_back(
    narrow: Bench, origin: Origin, song_file: Path
) -> None:
    bench = narrow
    with held_source(origin, song_file) as source:
        tasks = [bench.submit({**SONG, "input_url": source.url})]
        bench.wait_until_running(tasks[0])
        answers = [ask(bench, client, serve_file(origin, song_file)) for client in (1, 1, 2)]
        assert [answer.status for answer in answers] == [202, 202, 202]
        tasks += [answer.json()["task_id"] for answer in answers]
        for client, word in ((2, "queue is full"), (1, "full")):
            answer = ask(bench, client, serve_file(origin, song_file))
            assert answer.status == 429
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.json()["error_code"] == "queue_full"
            assert word in answer.json()["error"]
        cancel(bench, 2, tasks.pop())
        # There is room again, but not for this one.
        answer = ask(bench, 1, serve_file(origin, song_file))
        assert answer.status == 429
        assert "You have 2 jobs waiting" in answer.json()["error"]
        assert int(answer.headers["Retry-After"]) > 0
        source.release.set()
        for task in tasks:
            bench.completed(task)


@pytest.mark.parametrize("clients", [(1, 1), (1, 1, 2)], ids=["of one client", "of all"])
def test_a_full_queue_refuses_what_is_new_only(
    narrow: Bench, origin: Origin, clients: tuple[int, ...], song_file: Path
) -> None:
    last, before = clients[-1], narrow.published()
    with held_source(origin, song_file) as source:
        first = narrow.submit({**SONG, "input_url": source.url}, headers=of(9))
        narrow.wait_until_running(first)
        urls = [origin.add(f"/wait/{last}/{n}", silent) for n in range(len(clients) + 2)]
        waiting = [
            ask(narrow, client, url).json()["task_id"]
            for client, url in zip(clients, urls[1:], strict=False)
        ]
        full = ask(narrow, last, urls[0])
        assert_refused(full, 429, "queue_full", None, "[Tt]ry again")
        assert int(full.headers["Retry-After"]) > 0
        # What exists already may be joined all the same.
        assert ask(narrow, last, urls[len(clients)]).json()["task_id"] == waiting[-1]
        for client, task_id in reversed([(9, first), *zip(clients, waiting, strict=True)]):
            cancel(narrow, client, task_id)
        later = ask(narrow, last, urls[-1])
        assert later.status == 202
        wait_for(lambda: narrow.published() == before, what="nothing new")
    cancel(narrow, last, later.json()["task_id"])
