"""Broadcasts and other sources without an end, through the tools, with real ffmpeg."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import SourceError
from gmapi.settings import load_settings
from gmapi.terminal.single_run import SingleRun
from gmapi.tools.base import Work
from gmapi.tools.ffmpeg import FFMPEG, FfmpegRequest
from gmapi.tools.results import FileResult
from support.http.origin import Exchange, Origin, endless
from support.media import sounds
from support.media.broadcasts import (
    BYTES_A_SECOND,
    CODED,
    ICECAST,
    ICY,
    broadcast,
    station,
)
from support.media.programs import PROGRAMS, make_media
from support.media.readers import sound_length
from support.product.outcomes import daily
from support.product.works import Notes, run_tool, taken


@pytest.fixture
def make_work(fetching: Callable[..., Work], own_origin: Origin) -> Callable[..., Work]:
    return functools.partial(fetching, own_origin.url("/"))


@pytest.mark.parametrize(
    "head",
    [
        ICY,
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nicy-br:128\r\nContent-Length: 54000000\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nicy-br:128\r\nContent-Length: 99999999999\r\n\r\n",
        ICECAST,
    ],
    ids=["shoutcast", "without_headers", "length", "large_length", "icecast"],
)
def test_a_station_ends_after_max_duration(
    head: bytes, song: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    url = own_origin.add("/radio", station(song, head))
    work = make_work()
    done = run_tool(work, "ffmpeg", input_url=url, output_format="wav", max_duration=5)
    assert done.duration == pytest.approx(5.0, abs=0.1)
    assert "5 s" in taken(work)
    assert "max_duration" in taken(work)
    assert "icy-metadata" not in own_origin.requests[0].headers
    # A broadcast is not kept: another time there is something else on.
    assert list((work.folder.parent / "sources").glob("*.data")) == []


def test_a_station_without_max_duration_is_a_minute(
    song: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    own_origin.add("/radio", endless(song, head=ICY))
    listed = f"[playlist]\nNumberOfEntries=1\nFile1={own_origin.url('/radio')}\nLength1=-1\n"
    url = own_origin.add("/radio.pls", listed.encode(), content_type="audio/x-scpls")
    work = make_work()
    done = run_tool(work, "ffmpeg", input_url=url, output_format="wav")
    assert done.duration == pytest.approx(60.0, abs=0.1)
    assert "60 s" in taken(work)


@pytest.mark.parametrize("name", ["radio.pls", "radio.m3u"])
def test_a_list_may_name_a_station(
    name: str, song: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    radio = own_origin.add("/radio", station(song))
    text = {
        "radio.pls": f"[playlist]\nNumberOfEntries=1\nFile1={radio}\nLength1=-1\n",
        "radio.m3u": f"#EXTM3U\n#EXTINF:-1,Test\n{radio}\n",
    }[name]
    url = own_origin.add(f"/{name}", text.encode(), content_type="audio/x-mpegurl")
    done = run_tool(make_work(), "ffmpeg", input_url=url, output_format="wav", max_duration=3)
    assert done.duration == pytest.approx(3.0, abs=0.1)


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("kind", daily(CODED, "mp3", "ogg", "matroska"))
def test_any_endless_media_ends_after_max_duration(
    kind: str, program: str, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    body = broadcast(kind, 12)
    route = endless(body, chunks=kind < "g", piece=len(body), pace=lambda e, sent: e.wait(1.0))
    url = own_origin.add("/live", route)
    work = make_work(program)
    path = work.fetch(url, field="input_url", max_duration=4)
    assert sound_length(path) == pytest.approx(4.0, abs=0.15)
    assert "4 s" in taken(work)
    assert list(work.outputs.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "title", "over"),
    [
        ({"max_duration": 3}, 1, 1.1),
        pytest.param({"args": ["-t", "3"]}, 1, 0.1, marks=pytest.mark.slow),
        # The first title is longer than what is wanted.
        pytest.param({"max_duration": 3}, 5, 0.1, marks=pytest.mark.slow),
        ({"args": ["-t", "3"]}, 5, 0.1),
    ],
)
def test_titles_that_come_at_full_speed_end_as_well(
    fields: dict[str, Any],
    title: float,
    over: float,
    own_origin: Origin,
    make_work: Callable[..., Work],
    tmp_path: Path,
) -> None:
    """Ogg stations write a stream for each title, here of two shapes in turn."""
    shapes = [(44100, "stereo"), (48000, "mono")]
    chain = b"".join(
        make_media(
            tmp_path / f"{rate}.ogg",
            *sounds.tone(440, title, rate=rate, layout=layout),
            "-c:a", "libvorbis", "-serial_offset", str(rate),
        ).read_bytes()
        for rate, layout in shapes
    )  # fmt: skip
    url = own_origin.add("/radio", endless(chain, chunks=True, piece=50 * len(chain)))
    work = make_work()
    done = run_tool(work, "ffmpeg", input_url=url, output_format="wav", **fields)
    # To the end of a page, where another title has begun.
    assert 3 - 0.1 <= done.duration <= 3 + over
    assert not [each for each in work.warnings if "were taken" not in each]


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"args": ["-ss", "2", "-to", "0:05"]}, 3),
        ({"input_args": ["-ss", "4"], "args": ["-t", "3"]}, 3),
        ({"args": ["-t", "3"], "max_duration": 100}, 3),
        ({"args": ["-t", "100"], "max_duration": 2}, 2),
    ],
)
def test_the_caller_s_own_end_ends_the_fetch(
    fields: dict[str, Any],
    seconds: float,
    song: bytes,
    own_origin: Origin,
    make_work: Callable[..., Work],
) -> None:
    url = own_origin.add("/radio", station(song))
    done = run_tool(make_work(), "ffmpeg", input_url=url, output_format="wav", **fields)
    assert done.duration == pytest.approx(seconds, abs=0.1)


def test_at_the_largest_size_what_is_there_is_taken(
    song: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    url = own_origin.add("/live", endless(song, chunks=True))
    work = make_work(fetch_max_bytes=2_000_000)
    assert sound_length(work.fetch(url, field="input_url")) == pytest.approx(60.0, abs=0.1)
    assert "60 s" in taken(work)
    small = make_work(fetch_max_bytes=160_000)
    assert sound_length(small.fetch(url, field="input_url")) == pytest.approx(10.0, abs=0.5)
    # What is no media, or too little of it, is too large as ever.
    noise = own_origin.add("/noise", endless(bytes(range(256)) * 100, chunks=True))
    with pytest.raises(SourceError) as caught:
        make_work(fetch_max_bytes=2_000_000).fetch(noise, field="input_url")
    assert caught.value.code == "source_too_large"


def test_at_the_deadline_what_is_there_is_taken(
    song: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    url = own_origin.add("/live", station(song, None, chunks=True))
    work = make_work(fetch_deadline=3)
    path = work.fetch(url, field="input_url", max_duration=100)
    assert 15 < sound_length(path) < 40
    assert "were taken" in taken(work)


def test_a_station_that_breaks_off_gives_what_has_come(
    song: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    def route(exchange: Exchange) -> None:
        exchange.head(200, {"icy-name": "Test", "Transfer-Encoding": "chunked"})
        exchange.raw(b"%x\r\n%s\r\n10000\r\n" % (len(song), song))

    work = make_work()
    assert sound_length(
        work.fetch(own_origin.add("/a", route), field="input_url")
    ) == pytest.approx(12.0, abs=0.2)
    assert "12 s" in taken(work)


@pytest.mark.parametrize("head", [ICY, ICECAST], ids=["shoutcast", "icecast"])
def test_a_station_that_hangs_up_is_not_kept(
    head: bytes, song: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    url = own_origin.add("/radio", endless(song, head=head, whole=len(song)))
    for count in (1, 2):
        work = make_work()
        assert work.fetch(url, field="input_url").read_bytes() == song
        assert own_origin.count("/radio") == count
    assert list((work.folder.parent / "sources").glob("*.data")) == []


def test_titles_that_nobody_asked_for_are_no_sound(
    song: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    title = b"StreamTitle='A - B';".ljust(32, b"\0")
    mixed = b"".join(
        song[at : at + 1000] + (b"\x02" + title if at % 3000 == 0 else b"\0")
        for at in range(0, len(song) // 1000 * 1000, 1000)
    )
    head = b"ICY 200 OK\r\nicy-metaint:1000\r\n\r\n" + mixed
    url = own_origin.add("/radio", lambda exchange: exchange.raw(head))
    path = make_work().fetch(url, field="input_url")
    assert path.read_bytes() == song[: len(song) // 1000 * 1000]


def test_two_may_listen_to_one_station(
    song: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    """The second does not wait until the first has all it wants."""
    heard = threading.Event()

    def pace(exchange: Exchange, sent: int) -> None:
        while sent > 20 * BYTES_A_SECOND and not heard.is_set():
            exchange.wait(0.05)
            if exchange.origin.closing.is_set():
                return

    url = own_origin.add("/radio", endless(song, head=ICY, piece=2 * BYTES_A_SECOND, pace=pace))
    first, second = make_work(), make_work()
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(first.fetch, url, field="input_url", max_duration=40)
        while own_origin.count("/radio") == 0 and not long.done():
            heard.wait(0.05)
        short = second.fetch(url, field="input_url", max_duration=3)
        assert not long.done()
        heard.set()
        assert sound_length(short) == pytest.approx(3.0, abs=0.1)
        assert sound_length(long.result()) == pytest.approx(40.0, abs=0.1)


def test_a_film_without_end_is_cut_into_frames(
    own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    url = own_origin.add("/live", endless(broadcast("flv", 12), whole=10**7))
    done = run_tool(make_work(), "video_frame", video_url=url, max_duration=2, fps=10, w=64, h=48)
    assert done.total_frames == pytest.approx(20, abs=2)


def test_without_a_server_it_is_the_same(song: bytes, own_origin: Origin, tmp_path: Path) -> None:
    url = own_origin.add("/radio", station(song))
    settings = load_settings({"data_dir": str(tmp_path / "data")})
    notes = Notes()
    request = FfmpegRequest.model_validate(
        {"input_url": url, "output_format": "dfpwm", "max_duration": 4}
    )
    with SingleRun(settings, FFMPEG, request, allow_private=True) as run:
        done = run.convert(notes)
    assert isinstance(done.result, FileResult)
    assert done.result.duration == pytest.approx(4.0, abs=0.1)
    assert any("were taken" in line for line in notes.lines)
