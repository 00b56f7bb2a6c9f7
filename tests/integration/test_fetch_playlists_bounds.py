"""What reading playlists costs while they are fetched: it ends with its job, and nothing is read or
kept more often than needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gmapi.errors import JobCancelled
from gmapi.fetch import live, segments, track_files
from gmapi.fetch.bounds import HEADERS_MAX
from gmapi.fetch.connection import Connection
from gmapi.fetch.segments import SEGMENTS_MAX
from support.cost import memory_below
from support.http.origin import Exchange, Origin, truncated
from support.http.playlist_rooms import Room, media, segment, segments_origin, sound_apart


@pytest.fixture
def origin() -> Iterator[Origin]:
    with segments_origin() as started:
        yield started


@pytest.fixture
def room(tmp_path: Path, origin: Origin) -> Room:
    return Room(tmp_path, (origin.authority,))


class Looked:
    """Counts the addresses of playlists that are looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        check_url = segments.check_url

        def counted(url: str) -> object:
            self.count += 1
            return check_url(url)

        monkeypatch.setattr(segments, "check_url", counted)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Looked:
    return Looked(monkeypatch)


def _long(end: bool) -> bytes:
    return media(*["/1.ts?" + "x" * 150] * SEGMENTS_MAX, end=end)


@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("named", [False, True], ids=["itself", "named by another"])
def test_a_cancelled_job_reads_no_further(
    origin: Origin, room: Room, looked: Looked, named: bool, end: bool
) -> None:
    """Also where it is read in the thread that fetches: nothing is left at work."""
    origin.add("/good.m3u8", media("1.ts"))
    url = origin.add("/long.m3u8", _long(end))
    if named:
        url = origin.add("/master.m3u8", sound_apart("/long.m3u8"))
    with pytest.raises(JobCancelled):
        room.bring(url, cancelled=lambda: looked.count > 10, max_bytes=10**8, deadline=60)
    assert "gmapi-fetch" not in [thread.name for thread in threading.enumerate()]
    assert looked.count < SEGMENTS_MAX


def test_reading_ends_at_the_deadline(
    origin: Origin, room: Room, looked: Looked, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = origin.add("/long.m3u8", _long(True))
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + (1000 if looked.count > 10 else 0))
    message = room.refused(url, "source_too_slow", max_bytes=10**8, deadline=60)
    assert "60 seconds" in message
    assert looked.count < SEGMENTS_MAX


def test_a_live_playlist_is_looked_at_once(origin: Origin, room: Room, looked: Looked) -> None:
    """Each time it comes again only what is new counts."""
    newest = iter(range(1, 100))

    def sliding(exchange: Exchange) -> None:
        last = 1000 + next(newest)
        names = [f"/1.ts?{number}" for number in range(last - 1000, last)]
        exchange.send(200, {}, media(*names, end=False, sequence=last - 1000))

    room.bring(origin.add("/live.m3u8", sliding), seconds=16)
    reloads = origin.count("/live.m3u8")
    assert reloads > 4
    # The first look tells what it is, the second where the newest segments are.
    assert looked.count < 2 * 1000 + 5 * reloads


def test_reading_again_takes_a_share_of_the_time(
    origin: Origin, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A playlist that took long to be read is asked for later."""
    pauses: list[float] = []

    def pause(self: Connection, seconds: float) -> None:
        pauses.append(seconds)

    used = iter(range(1000))
    monkeypatch.setattr(Connection, "pause", pause)
    monkeypatch.setattr(live.time, "thread_time", lambda: float(next(used)))
    newest = iter(range(1, 100))

    def growing(exchange: Exchange) -> None:
        exchange.send(200, {}, media(*["/1.ts"] * next(newest), end=False))

    room.bring(origin.add("/live.m3u8", growing), seconds=6)
    assert pauses
    assert min(pauses) >= 4


def test_playlists_that_come_again_count_as_bytes(origin: Origin, room: Room) -> None:
    sent = iter(range(1, 10_000))

    def live(exchange: Exchange) -> None:
        text = media(*["/1.ts"] * next(sent), end=False)
        exchange.send(200, {}, text + b"\n#" + b"x" * 15_000)

    url = origin.add("/live.m3u8", live)
    assert "200000 bytes" in room.refused(
        url, "source_too_large", seconds=10_000, max_bytes=200_000, deadline=20_000
    )
    assert origin.count("/live.m3u8") < 20


def test_what_was_fetched_in_vain_counts_as_bytes(
    origin: Origin, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track_files, "_RETRY_SECONDS", 0.01)
    good = segment(1, 1000)
    for number in (1, 2, 3):
        answers = iter([truncated(good * 400, 300_000)] * 2)
        origin.add(
            f"/{number}.ts",
            lambda exchange, answers=answers: next(answers, lambda e: e.send(200, {}, good))(
                exchange
            ),
        )
    url = origin.add("/x.m3u8", media("1.ts", "2.ts", "3.ts"))
    room.refused(url, "source_too_large", max_bytes=10**6)
    assert origin.count("/3.ts") == 0


def _headers(count: int) -> bytes:
    lines = ["#EXTM3U"]
    for number in range(count):
        lines += [f'#EXT-X-MAP:URI="/h.mp4?{number}"', "#EXTINF:1,", "/1.ts"]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]).encode()


def test_of_headers_no_copies_are_kept(origin: Origin, room: Room) -> None:
    header = segment(5, 8 * 2**20)
    origin.add("/h.mp4", header)
    url = origin.add("/x.m3u8", _headers(20))
    with memory_below(70):
        room.bring(url, max_bytes=10**9, deadline=120)
    assert room.data == header + segment(1) * 20
    assert origin.count("/h.mp4") == 20


def test_headers_that_differ_are_refused(origin: Origin, room: Room) -> None:
    origin.add("/h.mp4", lambda e: e.send(200, {}, segment(len(e.request.path))))
    assert "several headers" in room.refused(origin.add("/x", _headers(11)), "source_playlist")


def test_headers_of_a_live_stream_are_counted(
    origin: Origin, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gmapi.fetch.bounds.HEADERS_MAX", 5)
    assert HEADERS_MAX > 100
    origin.add("/h.mp4", segment(5))
    turn = iter(range(100))

    def live(exchange: Exchange) -> None:
        number = next(turn)
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:0.05\n#EXT-X-MEDIA-SEQUENCE:{number}\n"
        text += f'#EXT-X-MAP:URI="/h.mp4?{number}"\n#EXTINF:1,\n/1.ts\n'
        exchange.send(200, {}, text.encode())

    url = origin.add("/live.m3u8", live)
    assert "more than the 5 headers" in room.refused(url, "source_playlist", seconds=15)
