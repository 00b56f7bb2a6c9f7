"""Playlists from loopback origins: what is asked for, what is put together, what is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gmapi.errors import JobCancelled, RequestError
from gmapi.fetch import track_files
from gmapi.fetch.unending import Portion
from support.http.origin import (
    Exchange,
    Origin,
    broken_once,
    content,
    redirect,
    silent,
    status,
    truncated,
)
from support.http.playlist_rooms import Room, media, segment, segments_origin, sound_apart


@pytest.fixture
def origin() -> Iterator[Origin]:
    with segments_origin() as started:
        yield started


@pytest.fixture
def room(tmp_path: Path, origin: Origin) -> Room:
    return Room(tmp_path, (origin.authority,))


def test_segments_are_put_one_after_another(origin: Origin, room: Room) -> None:
    url = origin.add("/a/index.m3u8", media("/1.ts", "../2.ts", "//" + origin.authority + "/3.ts"))
    source = room.bring(url)
    assert source.paths == (room.folder / "source",)
    assert room.data == segment(1) + segment(2) + segment(3)
    assert (source.size, source.from_cache) == (300, False)
    assert room.told[-1] == (1.0, "3 of 3 segments")
    assert [r.path for r in origin.requests] == ["/a/index.m3u8", "/1.ts", "/2.ts", "/3.ts"]


def test_addresses_are_relative_to_where_the_playlist_was_in_the_end(
    origin: Origin, room: Room
) -> None:
    origin.add("/deep/er/index.m3u8", media("s.ts"))
    origin.add("/deep/er/s.ts", segment(7))
    origin.add("/master.m3u8", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmoved.m3u8\n")
    origin.add("/moved.m3u8", redirect("/deep/er/index.m3u8"))
    for entry in ("/moved.m3u8", "/master.m3u8"):
        room.bring(origin.url(entry))
        assert room.data == segment(7)


def test_one_line_serves_all_segments(tmp_path: Path) -> None:
    with Origin(keep_alive=True) as origin:
        for number in range(1, 6):
            origin.add(f"/{number}.ts", segment(number))
        url = origin.add("/x.m3u8", media(*(f"{n}.ts" for n in range(1, 6))))
        Room(tmp_path, (origin.authority,)).bring(url)
        assert len(origin.requests) == 6
        assert origin.connections == 2  # one for the playlist, one for all the rest


def test_a_line_that_the_server_has_closed_is_opened_again(tmp_path: Path) -> None:
    with Origin(keep_alive=True) as origin:

        def close_after(exchange: Exchange) -> None:
            content(segment(1))(exchange)
            exchange.hang_up()

        origin.add("/1.ts", close_after)
        origin.add("/2.ts", segment(2))
        room = Room(tmp_path, (origin.authority,))
        room.bring(origin.add("/x.m3u8", media("1.ts", "2.ts")))
        assert room.data == segment(1) + segment(2)


def test_a_list_of_one_song_leads_to_it(origin: Origin, room: Room) -> None:
    song = b"ID3\x04\x00" + bytes(500)
    origin.add("/song.mp3", song)
    pls = b"[playlist]\nFile1=song.mp3\nNumberOfEntries=1\n"
    for text in (b"#EXTM3U\n#EXTINF:-1,Song\nsong.mp3\n", pls):
        room.bring(origin.add("/list", text))
        assert room.data == song
    assert "names 2 sources" in room.refused(
        origin.add("/two", b"#EXTM3U\nsong.mp3\nother.mp3\n"), "source_playlist"
    )
    origin.add("/again", b"#EXTM3U\n/again\n")
    assert "another list" in room.refused(origin.url("/again"), "source_playlist")
    assert origin.count("/again") == 2


def test_pictures_and_sound_that_come_apart_are_two_files(origin: Origin, room: Room) -> None:
    master = (
        b'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",DEFAULT=YES,URI="s.m3u8"\n'
        b'#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="s"\np.m3u8\n'
    )
    origin.add("/p.m3u8", media("1.ts", "2.ts"))
    origin.add("/s.m3u8", media("3.ts"))
    source = room.bring(origin.add("/m.m3u8", master))
    assert [p.read_bytes() for p in source.paths] == [segment(1) + segment(2), segment(3)]
    assert source.size == 300


def test_parts_are_asked_for_and_must_be_what_comes(
    origin: Origin, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track_files, "_RETRY_SECONDS", 0.01)
    file = segment(1) + segment(2) + segment(3)
    origin.add("/all.ts", file)
    parts = b"#EXTM3U\n#EXT-X-BYTERANGE:80@100\n#EXTINF:1,\nall.ts\n#EXT-X-BYTERANGE:20\n"
    parts += b"#EXTINF:1,\nall.ts\n#EXT-X-BYTERANGE:10@290\n#EXTINF:1,\nall.ts\n#EXT-X-ENDLIST\n"
    url = origin.add("/x.m3u8", parts)
    room.bring(url)
    assert room.data == file[100:200] + file[290:300]
    spans = [r.headers.get("range") for r in origin.requests if r.path == "/all.ts"]
    assert spans == ["bytes=100-199", "bytes=290-299"]
    origin.add("/all.ts", content(file, ranges=False))
    assert "does not send parts" in room.refused(url, "source_status", use_cache=False)

    def other_part(exchange: Exchange) -> None:
        exchange.send(206, {"Content-Range": "bytes 0-99/300"}, file[:100])

    origin.add("/all.ts", other_part)
    assert "another part" in room.refused(url, "source_truncated", use_cache=False)
    # Parts beyond the end of the file.
    origin.add("/all.ts", file[:250])
    room.refused(url, "source_truncated", use_cache=False)


def test_the_caller_s_headers_stay_with_their_origin(origin: Origin, room: Room) -> None:
    with Origin() as other:
        other.add("/9.ts", segment(9))
        room.allow += (other.authority,)
        url = origin.add("/x.m3u8", media("1.ts", other.url("/9.ts")))
        room.bring(url, headers={"Authorization": "Bearer x", "Referer": "http://a.example/"})
        assert {r.headers.get("authorization") for r in origin.requests} == {"Bearer x"}
        (request,) = other.requests
        assert "authorization" not in request.headers
        assert request.headers["referer"] == "http://a.example/"
        with pytest.raises(RequestError):
            room.bring(url, headers={"Range": "bytes=0-"})


def test_a_finished_stream_is_kept_by_its_segments_and_version(origin: Origin, room: Room) -> None:
    url = origin.add("/x.m3u8", media("1.ts", "2.ts"), etag='"1"')
    assert not room.bring(url).from_cache
    assert room.bring(url).from_cache
    assert (room.data, origin.count("/1.ts")) == (segment(1) + segment(2), 1)
    # The playlist itself is asked for each time; a newer version means other segments.
    assert origin.count("/x.m3u8") == 2
    origin.add("/x.m3u8", media("1.ts", "2.ts"), etag='"2"')
    assert not room.bring(url).from_cache
    assert not room.bring(url, use_cache=False).from_cache
    assert not room.bring(url, headers={"X-Token": "t"}).from_cache
    assert origin.count("/1.ts") == 4


def test_a_stranger_s_playlist_of_the_same_segments_is_another_one(
    origin: Origin, room: Room
) -> None:
    """It says what version they are, and keeps headers from them, so it must spoil nothing."""

    def segment_of(exchange: Exchange) -> None:
        known = exchange.request.headers.get("x-key") == "1"
        exchange.send(200, {}, segment(2 if known else 3))

    origin.add("/x.ts", segment_of)
    listed = media(origin.url("/x.ts"))
    url = origin.add("/x.m3u8", listed, etag='"1"')
    with Origin() as other:
        room.allow += (other.authority,)
        foreign = other.add("/y.m3u8", listed, etag='"1"')
        room.bring(foreign, headers={"X-Key": "1"})
        assert room.data == segment(3)
        assert not room.bring(url, headers={"X-Key": "1"}).from_cache
        assert room.data == segment(2)
        assert room.bring(url, headers={"X-Key": "1"}).from_cache
        room.bring(foreign)
        assert not room.bring(url).from_cache


def test_max_duration_takes_the_beginning(origin: Origin, room: Room) -> None:
    room.bring(origin.add("/x.m3u8", media("1.ts", "2.ts", "3.ts", "4.ts")), seconds=3)
    assert room.data == segment(1) + segment(2)
    assert origin.count("/3.ts") == 0


# -- trouble ------------------------------------------------------------------------------------


def test_what_is_wrong_with_a_segment_is_said_with_its_number(origin: Origin, room: Room) -> None:
    origin.add("/gone.ts", status(404))
    origin.add("/page.ts", b"<!doctype html><p>no")
    url = origin.add("/x.m3u8", media("1.ts", "gone.ts"))
    message = room.refused(url, "source_status")
    assert "not segment 2: The server of the source answered HTTP 404 Not Found" in message
    assert origin.count("/gone.ts") == 1
    url = origin.add("/y.m3u8", media("1.ts", "2.ts", "page.ts"))
    assert "not segment 3: The source is a web page" in room.refused(url, "source_not_media")
    url = origin.add("/z.m3u8", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\ngone.ts\n")
    assert "not a playlist that it names: " in room.refused(url, "source_status")
    url = origin.add("/w.m3u8", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n1.ts\n")
    assert "something else than a playlist" in room.refused(url, "source_playlist")
    # Nothing is kept of a stream that failed.
    assert not [p for p in (room.folder / "cache").iterdir() if p.suffix == ".data"]


def test_a_segment_that_fails_by_chance_is_tried_again(
    origin: Origin, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track_files, "_RETRY_SECONDS", 0.01)
    answers = iter([status(503), truncated(segment(2), 50)])
    good = content(segment(2))
    origin.add("/2.ts", lambda exchange: next(answers, good)(exchange))
    origin.add("/3.ts", broken_once(segment(3), 40, etag='"3"'))
    room.bring(origin.add("/x.m3u8", media("1.ts", "2.ts", "3.ts")))
    assert room.data == segment(1) + segment(2) + segment(3)
    assert origin.count("/2.ts") == 3
    origin.add("/2.ts", status(503))
    message = room.refused(origin.add("/y.m3u8", media("1.ts", "2.ts")), "source_status")
    assert "HTTP 503" in message
    assert origin.count("/2.ts") == 3 + track_files.TRIES


def test_one_cap_holds_for_all_segments(origin: Origin, room: Room) -> None:
    url = origin.add("/x.m3u8", media(*["1.ts"] * 9))
    message = room.refused(url, "source_too_large", max_bytes=850)
    assert "together larger than the 850 bytes" in message
    assert origin.count("/1.ts") == 9  # the ninth one's length is refused before its body
    master = b'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",URI="s.m3u8"\n'
    master += b'#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="s"\np.m3u8\n'
    origin.add("/p.m3u8", media("1.ts", "2.ts", "3.ts", "4.ts"))
    origin.add("/s.m3u8", media("5.ts", "6.ts", "7.ts", "8.ts"))
    room.refused(origin.add("/m.m3u8", master), "source_too_large", max_bytes=750)
    assert origin.count("/8.ts") == 1


def test_one_deadline_holds_for_all_segments(origin: Origin, room: Room) -> None:
    def slow(exchange: Exchange) -> None:
        exchange.wait(0.15)
        content(segment(1))(exchange)

    origin.add("/slow.ts", slow)
    url = origin.add("/x.m3u8", media(*["slow.ts"] * 20))
    assert "the 1 seconds a download may take" in room.refused(url, "source_too_slow", deadline=1.0)
    assert origin.count("/slow.ts") < 10


def test_a_silent_segment_ends_at_the_stall_limit(origin: Origin, room: Room) -> None:
    origin.add("/mute.ts", silent)
    url = origin.add("/x.m3u8", media("1.ts", "mute.ts"))
    message = room.refused(url, "source_too_slow", stall=1.0)
    assert "segment 2: The source sent nothing for 1 seconds" in message


def test_a_cancelled_job_stops_between_and_inside_segments(origin: Origin, room: Room) -> None:
    reached = threading.Event()

    def held(exchange: Exchange) -> None:
        reached.set()
        silent(exchange)

    origin.add("/held.ts", held)
    url = origin.add("/x.m3u8", media("1.ts", "held.ts", "2.ts"))
    with pytest.raises(JobCancelled):
        room.bring(url, cancelled=reached.is_set)
    assert origin.count("/2.ts") == 0


def test_a_header_that_changes_is_refused_and_one_that_comes_again_is_not(
    origin: Origin, room: Room
) -> None:
    for name in "abc":
        origin.add(f"/{name}.mp4", b"\0header " + (b"other" if name == "c" else b"same "))

    def text(second: str) -> bytes:
        return (
            f'#EXTM3U\n#EXT-X-MAP:URI="a.mp4"\n#EXTINF:1,\n1.ts\n#EXT-X-DISCONTINUITY\n'
            f'#EXT-X-MAP:URI="{second}"\n#EXTINF:1,\n2.ts\n#EXT-X-ENDLIST\n'
        ).encode()

    room.bring(origin.add("/x.m3u8", text("b.mp4")))
    assert room.data == b"\0header same " + segment(1) + segment(2)
    url = origin.add("/y.m3u8", text("c.mp4"))
    assert "several headers" in room.refused(url, "source_playlist")


# -- live ---------------------------------------------------------------------------------------


class Live:
    """A playlist that shows a window of `width` segments and moves on with each reading; `last`
    is when it ends, if ever."""

    def __init__(self, width: int, last: int | None = None, start: int = 1) -> None:
        self.width = width
        self.last = last
        self.now = start

    def __call__(self, exchange: Exchange) -> None:
        newest = self.now + self.width - 1
        ended = self.last is not None and newest >= self.last
        names = [f"{n % 9 + 1}.ts" for n in range(self.now, newest + 1)]
        body = media(*names, end=ended, sequence=self.now)
        content(body, content_type="application/vnd.apple.mpegurl")(exchange)
        if not ended:
            self.now += 1


def _numbers(data: bytes) -> list[int]:
    return list(data[1::100])


def test_a_live_stream_is_recorded_from_near_its_newest_segment(origin: Origin, room: Room) -> None:
    url = origin.add("/live.m3u8", Live(5))
    source = room.bring(url, seconds=12)
    # The first look finds segments 1 to 5, the recording begins at its own look with 2 to 6.
    assert _numbers(room.data) == [n % 9 + 1 for n in range(4, 10)]
    assert not source.from_cache
    assert room.told[-1] == (1.0, "12 of 12 s of the live stream")
    assert source.is_part
    # It is another stream at each time: nothing is kept.
    assert room.bring(url, seconds=2).from_cache is False


def test_of_a_live_stream_no_more_is_recorded_than_the_work_needs(
    origin: Origin, room: Room
) -> None:
    url = origin.add("/live.m3u8", Live(5))
    assert room.bring(url, portion=Portion(enough=3)).is_part
    assert len(_numbers(room.data)) == 2


def test_a_live_stream_that_ends_is_taken_as_far_as_it_went(origin: Origin, room: Room) -> None:
    source = room.bring(origin.add("/live.m3u8", Live(3, last=6)), seconds=60, deadline=100.0)
    numbers = _numbers(room.data)
    assert not source.is_part
    assert numbers[-1] == 7
    assert numbers == list(range(numbers[0], 8))


def test_a_live_stream_that_stands_still_is_taken_as_far_as_it_went(
    origin: Origin, room: Room
) -> None:
    url = origin.add("/live.m3u8", media("1.ts", "2.ts", end=False))
    room.bring(url, seconds=10, stall=1.0)
    assert _numbers(room.data) == [1, 2]
    empty = origin.add("/empty.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:0\n")
    assert "no segments now" in room.refused(empty, "source_playlist", stall=1.0, seconds=10)


def test_pictures_and_sound_of_a_live_stream_are_recorded_together(
    origin: Origin, room: Room
) -> None:
    origin.add("/good.m3u8", Live(3))
    origin.add("/sound.m3u8", Live(3))
    source = room.bring(origin.add("/m.m3u8", sound_apart("sound.m3u8")), seconds=8)
    assert len(source.paths) == 2
    pictures, sound = (_numbers(path.read_bytes()) for path in source.paths)
    assert len(pictures) == len(sound) == 4


def test_a_recording_ends_when_its_job_does(origin: Origin, room: Room) -> None:
    url = origin.add("/live.m3u8", media("1.ts", end=False, target=1000))
    with pytest.raises(JobCancelled):
        # It waits for the next reading, which is far.
        room.bring(url, seconds=15, cancelled=lambda: origin.count("/1.ts") > 0)


def test_no_more_is_recorded_than_a_download_may_take(origin: Origin, room: Room) -> None:
    url = origin.add("/live.m3u8", Live(3))
    message = room.refused(url, "source_too_slow", seconds=21)
    assert "smaller max_duration" in message
    assert origin.count("/1.ts") == 0
