"""Live HLS streams played as stations: segments as they come, titles, breaks, ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gmapi.errors import SourceError
from gmapi.fetch import broadcast
from gmapi.tools import radio
from gmapi.tools.base import Work
from support.http.origin import Origin, status
from support.media.broadcasts import broadcast as media
from support.media.programs import ffmpeg_output
from support.media.stations import LiveList, Playing
from support.media.timed_titles import song as titled
from support.product.server import wait_for

SECONDS = 10


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has left is not waited for, and what is new is asked for soon."""
    monkeypatch.setattr(radio, "UNHEARD_SECONDS", -radio.ACCESS_SECONDS)
    monkeypatch.setattr(radio, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(broadcast, "PAUSE_FIRST", 0.2)


@pytest.fixture
def make_work(fetching: Callable[..., Work], own_origin: Origin) -> Callable[..., Work]:
    return lambda **values: fetching(own_origin.url("/"), **values)


def add_parts(origin: Origin, folder: Path, kind: str, *, titles: bool = False) -> None:
    """Ten parts of a second each, part1 and so on; packed sound with a title before it."""
    (folder / "whole").write_bytes(media(kind, SECONDS))
    words = ["-i", str(folder / "whole"), "-map", "0", "-c", "copy", "-f", "segment"]
    words += ["-segment_time", "1", "-segment_format", kind, "-segment_start_number", "1"]
    ffmpeg_output(*words, str(folder / "part%d"))
    for number in range(1, SECONDS + 1):
        title = titled(f"Song {number}", "Artist") if titles else b""
        origin.add(f"/part{number}", title + (folder / f"part{number}").read_bytes())


@pytest.mark.parametrize("kind", ["adts", "mp3", "mpegts"])
def test_segments_are_played_as_they_come(
    kind: str, tmp_path: Path, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    packed = kind != "mpegts"
    add_parts(own_origin, tmp_path, kind, titles=packed)
    live = LiveList()
    for _ in range(5):
        live.add()
    url = own_origin.add("/live.m3u8", live)
    with Playing(make_work(), url) as playing:
        # Near its newest segment: of five the last three.
        playing.until(lambda told: told["last"] >= 2)
        assert own_origin.count("/part1") == own_origin.count("/part2") == 0
        live.add()
        live.add()
        told = playing.until(lambda told: told["last"] >= 4)
        if packed:
            told = playing.until(lambda told: told.get("title") == "Artist - Song 7")
    assert told["reconnects"] == 0
    assert own_origin.count("/part5") == 1


def test_the_sound_of_a_master_playlist_is_enough(
    tmp_path: Path, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    add_parts(own_origin, tmp_path, "adts")
    live = LiveList()
    for _ in range(4):
        live.add()
    own_origin.add("/sound.m3u8", live)
    own_origin.add("/pictures.m3u8", LiveList("picture"))
    master = (
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",DEFAULT=YES,URI="/sound.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1000,AUDIO="a"\n/pictures.m3u8\n'
    )
    url = own_origin.add("/master.m3u8", master.encode())
    with Playing(make_work(), url) as playing:
        playing.until(lambda told: told["last"] >= 2)
    assert own_origin.count("/picture1") == 0


def test_fragments_have_their_header_before_them_also_after_a_break(
    tmp_path: Path, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    words = ["-f", "lavfi", "-i", "sine=440:r=48000", "-t", "8", "-c:a", "aac", "-f", "hls"]
    words += ["-hls_segment_type", "fmp4", "-hls_time", "1", "-hls_list_size", "0"]
    words += ["-hls_fmp4_init_filename", "init.mp4"]
    ffmpeg_output(*words, "-hls_segment_filename", str(tmp_path / "part%d"), f"{tmp_path}/x.m3u8")
    own_origin.add("/init.mp4", (tmp_path / "init.mp4").read_bytes())
    for number in range(1, 8):
        own_origin.add(f"/part{number}", (tmp_path / f"part{number}").read_bytes())
    live = LiveList(header='#EXT-X-MAP:URI="/init.mp4"\n')
    for _ in range(3):
        live.add()
    with Playing(make_work(), own_origin.add("/live.m3u8", live)) as playing:
        playing.until(lambda told: told["last"] >= 2)
        live.add("#EXT-X-DISCONTINUITY\n")
        live.add()
        live.add()
        playing.until(lambda told: told["last"] >= 4)
    assert own_origin.count("/init.mp4") == 2


def test_segments_that_are_missing_are_passed_over_and_none_is_heard_twice(
    tmp_path: Path, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    add_parts(own_origin, tmp_path, "adts")
    part4 = (tmp_path / "part4").read_bytes()
    own_origin.add("/part4", status(404))
    live = LiveList()
    for _ in range(3):
        live.add()
    with Playing(make_work(), own_origin.add("/live.m3u8", live)) as playing:
        playing.until(lambda told: told["last"] >= 2)
        live.add()
        live.add()
        playing.until(lambda told: told["last"] >= 3)
        assert playing.told["reconnects"] == 0
        own_origin.add("/part4", part4)
        # The playlist is gone for a moment: it is followed from where it was.
        own_origin.add("/live.m3u8", status(500))
        playing.until(lambda told: told["reconnects"] >= 1)
        live.add()
        own_origin.add("/live.m3u8", live)
        wait_for(lambda: own_origin.count("/part6") == 1, 60, "the next segment")
    assert [own_origin.count(f"/part{number}") for number in range(1, 7)] == [1] * 6


def test_a_stream_that_ends_and_stays_away_is_given_up(
    tmp_path: Path,
    own_origin: Origin,
    make_work: Callable[..., Work],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_parts(own_origin, tmp_path, "adts")
    live = LiveList()
    live.add()
    live.add()
    with Playing(make_work(), own_origin.add("/live.m3u8", live)) as playing:
        playing.until(lambda told: told["last"] >= 1)
        own_origin.add("/live.m3u8", status(404))
        monkeypatch.setattr(broadcast, "SILENT_SECONDS", 0.5)
        error = playing.failed()
    assert isinstance(error, SourceError)
    assert "given up" in error.message


def test_segments_are_fetched_by_the_same_door(
    own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    live = LiveList(f"http://127.0.0.2:{own_origin.port}/part")
    live.add()
    with Playing(make_work(), own_origin.add("/live.m3u8", live)) as playing:
        error = playing.failed()
    assert isinstance(error, SourceError)
    assert error.code == "source_refused"
    wait_for(lambda: own_origin.count("/live.m3u8") >= 1)
    assert own_origin.count("/part1") == 0
