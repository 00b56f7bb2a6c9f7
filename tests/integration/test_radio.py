"""Stations as seconds of DFPWM: the tool itself, with real ffmpeg and a loopback origin."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import MediaError, SourceError
from gmapi.fetch import broadcast
from gmapi.fetch.song_title import TITLE_MAX
from gmapi.media.binaries import inspect
from gmapi.sandbox.launch import Child, Launch
from gmapi.sandbox.launcher import Launcher
from gmapi.tools import radio
from gmapi.tools.base import Work
from support.game.dfpwm import Decoder
from support.http.origin import Exchange, Origin, endless, redirect, status
from support.media.broadcasts import BYTES_A_SECOND, CODED, ICY, station
from support.media.broadcasts import broadcast as made
from support.media.programs import BUNDLED, PROGRAMS, ffmpeg_output, program_output
from support.media.stations import Playing, breaking, titled
from support.product.works import make_work as product_work

STEREO = ["-f", "lavfi", "-i", "sine=440:r=44100", "-f", "lavfi", "-i", "sine=999:r=44100",
          "-filter_complex", "[0][1]join=inputs=2:channel_layout=stereo"]  # fmt: skip


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has left is not waited for."""
    monkeypatch.setattr(radio, "UNHEARD_SECONDS", -radio.ACCESS_SECONDS)
    monkeypatch.setattr(radio, "LOOK_SECONDS", 0.0)


@pytest.fixture
def make_work(fetching: Callable[..., Work], own_origin: Origin) -> Callable[..., Work]:
    return lambda *program, **values: fetching(own_origin.url("/"), *program, **values)


@pytest.fixture(scope="session")
def stereo() -> bytes:
    """Twelve seconds, another tone on each side."""
    return ffmpeg_output(*STEREO, *CODED["mp3"], "-t", "12", "-f", "mp3", "-")


@pytest.mark.parametrize("program", PROGRAMS)
def test_seconds_put_together_are_the_sound_of_the_station(
    program: str,
    stereo: bytes,
    own_origin: Origin,
    make_work: Callable[..., Work],
    tmp_path: Path,
) -> None:
    url = own_origin.add("/radio", station(stereo))
    with Playing(make_work(program), url) as playing:
        told = playing.until(lambda told: told["last"] >= 15)
        sound = playing.seconds(1, 15)
    assert told["on_air"]
    assert told["station"] == "Test"
    assert told["second_bytes"] == 6000
    (tmp_path / "all.mp3").write_bytes(stereo * 2)
    pans = {"mono": "0.5*c0+0.5*c1", "left": "c0", "right": "c1"}
    for name, pan in pans.items():
        whole = program_output(
            program, "-f", "mp3", "-i", str(tmp_path / "all.mp3"),
            "-af", f"aresample=48000,pan=mono|c0={pan},asetnsamples=n=6000:p=0",
            "-f", "dfpwm", "-",
        )  # fmt: skip
        assert sound[name] == whole[: len(sound[name])], name
    assert sound["left"] != sound["right"]


def test_titles_are_told_as_they_change_cleaned(
    stereo: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    now = [b"Artist - Don't stop"]
    url = own_origin.add("/radio", titled(stereo, lambda: now[-1]))
    # The name that a station gives itself, and the wish for titles, survive the way to it.
    moved = own_origin.add("/moved", redirect(url.replace("127.0.0.1", "localhost")))
    work = make_work(fetch_allow=f"127.0.0.1:{own_origin.port},localhost:{own_origin.port}")
    with Playing(work, moved) as playing:
        told = playing.until(lambda told: told.get("title") == "Artist - Don't stop")
        assert told["station"] == "Radio été [0m"
        assert 1 <= told["title_second"] <= told["last"] + 1
        now.append(b"")
        assert "title_second" not in playing.until(lambda told: "title" not in told)
        now.append("Été\x1b[2J\u202e".encode() + b"x" * 4000)
        long = playing.until(lambda told: told.get("title", "").startswith("Été"))["title"]
        assert long.isprintable()
        assert len(long) == TITLE_MAX
        now.append(b"\xe9t\xe9")
        playing.until(lambda told: told.get("title") == "été")
    assert "now: Artist - Don't stop" in playing.notes.lines


def test_titles_are_told_of_ogg_as_well(own_origin: Origin, make_work: Callable[..., Work]) -> None:
    tone = ["-f", "lavfi", "-i", "sine=440:r=48000", "-t", "12", "-c:a", "libopus"]
    song = ffmpeg_output(
        *tone, "-metadata", "title=Song", "-metadata", "artist=A", "-f", "ogg", "-"
    )
    head = b"HTTP/1.0 200 OK\r\nServer: Icecast 2.4.4\r\nContent-Type: application/ogg\r\n\r\n"
    url = own_origin.add("/radio", endless(song, head=head))
    with Playing(make_work(), url) as playing:
        playing.until(lambda told: told.get("title") == "A - Song" and told["last"] >= 1)


def test_a_station_that_breaks_off_is_connected_to_again(
    stereo: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    url = own_origin.add("/radio", breaking(stereo, ICY, after=BYTES_A_SECOND * 3))
    with Playing(make_work(), url) as playing:
        playing.until(lambda told: told["last"] >= 2)
        own_origin.add("/radio", status(503))
        playing.until(lambda told: not told["on_air"])
        own_origin.add("/radio", breaking(stereo, ICY, after=BYTES_A_SECOND * 3))
        last = playing.told["last"]
        told = playing.until(lambda told: told["on_air"] and told["last"] >= last + 3)
        sound = playing.seconds(1, last + 3)["mono"]
    assert told["reconnects"] >= 1
    assert told["first"] == 1
    assert loud(sound[:6000])
    assert loud(sound[-6000:])


def test_a_station_away_for_long_is_given_up(
    stereo: bytes,
    own_origin: Origin,
    make_work: Callable[..., Work],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = own_origin.add("/radio", breaking(stereo, ICY, after=BYTES_A_SECOND))
    with Playing(make_work(), url) as playing:
        playing.until(lambda told: told["on_air"])
        own_origin.add("/radio", status(503))
        monkeypatch.setattr(broadcast, "SILENT_SECONDS", 0.5)
        error = playing.failed()
    assert isinstance(error, SourceError)
    assert "given up" in error.message


def test_a_station_that_stays_silent_is_given_up(
    own_origin: Origin, make_work: Callable[..., Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "FIRST_SECONDS", 0.5)
    url = own_origin.add("/radio", lambda exchange: (exchange.raw(ICY), exchange.wait(30))[0])
    with Playing(make_work(), url) as playing:
        error = playing.failed()
    assert isinstance(error, SourceError)
    assert error.code == "source_too_slow"


def test_what_is_no_station_is_an_error_at_once(
    stereo: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    ended = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp3\n#EXT-X-ENDLIST\n"
    pages = {
        "/file.mp3": (stereo, "source_not_live"),
        "/film.m3u8": (ended.encode(), "source_not_live"),
        "/page": (b"<html><body>no</body></html>", "source_not_media"),
        "/empty": (b"", "source_empty"),
    }
    for path, (body, code) in pages.items():
        with Playing(make_work(), own_origin.add(path, body)) as playing:
            error = playing.failed()
        assert isinstance(error, SourceError), path
        assert error.code == code, path
    for path, code in {"/missing": "source_status"}.items():
        with Playing(make_work(), own_origin.url(path)) as playing:
            error = playing.failed()
        assert isinstance(error, SourceError)
        assert error.code == code
    assert all(own_origin.count(path) == 1 for path in (*pages, "/missing"))


def test_addresses_are_checked_as_for_all_sources(
    stereo: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    own_origin.add("/radio", station(stereo))
    with Playing(make_work(fetch_allow=""), own_origin.url("/radio")) as playing:
        error = playing.failed()
    assert isinstance(error, SourceError)
    assert error.code == "source_refused"
    assert own_origin.requests == []


def test_its_process_may_touch_no_file_and_reads_nothing_but_the_pipe(
    stereo: bytes,
    own_origin: Origin,
    make_work: Callable[..., Work],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launched: list[Launch] = []
    launch = Launcher.launch

    def noted(self: Launcher, spec: Launch) -> Child:
        launched.append(spec)
        return launch(self, spec)

    work = make_work()
    monkeypatch.setattr(Launcher, "launch", noted)
    with Playing(work, own_origin.add("/radio", station(stereo))) as playing:
        playing.until(lambda told: told["last"] >= 1)
    (spec,) = launched
    assert (spec.grants.read, spec.grants.write) == ((), ())
    assert spec.argv[spec.argv.index("-protocol_whitelist") + 1] == "pipe"
    assert not any("127.0.0.1" in word for word in spec.argv)


def test_sound_that_nothing_can_be_made_of_is_an_error(
    own_origin: Origin, make_work: Callable[..., Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(radio, "_IDLE_LOOKS_MAX", 2)
    noise = bytes(range(7)) * 5000
    url = own_origin.add("/radio", endless(noise, head=ICY, piece=16_000))
    with Playing(make_work(), url) as playing:
        error = playing.failed()
    assert isinstance(error, MediaError)
    assert "station" in error.message


def test_who_sends_faster_than_it_plays_waits(
    stereo: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    url = own_origin.add("/radio", endless(stereo, head=ICY))
    with Playing(make_work(), url) as playing:
        began = time.monotonic()
        playing.until(lambda told: told["last"] >= 30)
        time.sleep(0.5)
        told, passed = playing.told, time.monotonic() - began
    # What is on its way through the process comes on top of the 30; all of it stays in the window.
    assert told["last"] <= 45 + passed
    assert told["first"] == 1


def test_the_window_moves_on(
    stereo: bytes,
    own_origin: Origin,
    make_work: Callable[..., Work],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(radio, "WINDOW_SECONDS", 5)
    work = make_work()
    work.attempt = 3
    with Playing(work, own_origin.add("/radio", station(stereo))) as playing:
        # Numbers of another attempt are others.
        told = playing.until(lambda told: told["last"] >= 20_000_010)
        with work.storage.part_reader(work.file_id, "sound") as reader:
            bounds = reader.bounds()
    assert told["last"] - told["first"] == 4
    assert bounds is not None
    assert bounds[1] - bounds[0] == 4
    assert playing.result is not None
    assert not playing.result.on_air
    assert playing.listeners.prolonged > 0


def test_a_station_outlasts_its_processes(
    stereo: bytes,
    own_origin: Origin,
    make_work: Callable[..., Work],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And GMAPI_JOB_TIMEOUT: it ends whatever does not prove that it works."""
    monkeypatch.setattr(radio, "_ROUND_LEAST", 0.3)
    begun: list[float] = []
    play = radio._Radio._play

    def counted(self: Any, *args: Any, **options: Any) -> None:
        begun.append(time.monotonic())
        play(self, *args, **options)

    monkeypatch.setattr(radio._Radio, "_play", counted)
    url = own_origin.add("/radio", endless(stereo, head=ICY, piece=4000, pace=tenth))
    with Playing(make_work(job_timeout=0.3), url) as playing:
        playing.until(lambda told: told["last"] >= 3 and len(begun) >= 3)
    # What was on its way while they changed was kept, but for a hair.
    assert own_origin.count("/radio") == 1


def tenth(exchange: Exchange, sent: int) -> None:
    exchange.wait(0.1)


def loud(sound: bytes) -> bool:
    samples = Decoder().decode(sound)
    return max(samples[4000:]) > 5


def test_launchers_that_pass_no_pipes_by_number_do(
    stereo: bytes, own_origin: Origin, tmp_path: Path
) -> None:
    """As on Windows and macOS."""
    url = own_origin.add("/radio", station(stereo))
    with Launcher(plain=True) as launcher:
        ffmpeg = inspect(launcher, Path(BUNDLED))
        work = product_work(tmp_path, launcher, ffmpeg, fetch_allow=own_origin.authority)
        with Playing(work, url) as playing:
            playing.until(lambda told: told["last"] >= 2)
            assert loud(playing.seconds(2, 2)["left"])


@pytest.mark.parametrize("kind", ["adts", "ogg", "flac", "mpegts", "matroska"])
def test_stations_of_all_kinds_play_on_where_one_piece_follows_another(
    kind: str, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    """Also where what they send begins anew without a break of the line."""
    head = b"ICY 200 OK\r\nicy-name: Test\r\n\r\n"
    url = own_origin.add("/radio", endless(made(kind, 12), head=head))
    with Playing(make_work(), url) as playing:
        playing.until(lambda told: told["last"] >= 14)
        sound = playing.seconds(1, 14)["mono"]
    assert all(loud(sound[6000 * n : 6000 * (n + 1)]) for n in range(14))
