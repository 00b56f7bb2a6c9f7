"""Broadcasts and other sources without an end, through the tools, with real ffmpeg."""

from __future__ import annotations

import functools
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import SourceError
from gmapi.fetch import unending
from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.source_cache import SourceCache
from gmapi.media.binaries import Ffmpeg, inspect
from gmapi.sandbox.launcher import Launcher
from gmapi.settings import load_settings
from gmapi.storage.base import new_file_id
from gmapi.storage.local import LocalStorage
from gmapi.terminal.single_run import SingleRun
from gmapi.tools.base import FileResult, Work
from gmapi.tools.ffmpeg import FFMPEG, FfmpegRequest
from gmapi.tools.registry import TOOLS
from gmapi.tools.source_fetch import FetchedSources
from support.http.origin import Exchange, Handler, Origin, content, endless
from support.media.programs import BUNDLED, PROGRAMS
from support.screens.studio import Notes

ICY = b"ICY 200 OK\r\nicy-name:Test\r\nicy-br:128\r\nContent-Type:audio/mpeg\r\n\r\n"
ICECAST = (
    b"HTTP/1.0 200 OK\r\nServer: Icecast 2.4.4\r\nice-audio-info: bitrate=128\r\nicy-name: Test\r\n"
    b"Cache-Control: no-cache\r\n\r\n"
)
BYTES_A_SECOND = 16_000
CODED = {
    "mp3": ["-c:a", "libmp3lame", "-b:a", "128k", "-write_xing", "0", "-id3v2_version", "0"],
    "adts": ["-c:a", "aac", "-b:a", "64k"],
    "ogg": ["-c:a", "libopus"],
    "flac": ["-c:a", "flac"],
    "mpegts": ["-c:v", "mpeg2video", "-bf", "0", "-g", "5", "-c:a", "mp2"],
    "flv": ["-c:v", "flv1", "-g", "5", "-c:a", "libmp3lame", "-ar", "44100"],
    "matroska": ["-c:v", "libx264", "-bf", "0", "-g", "5", "-c:a", "libvorbis", "-live", "1"],
}


@functools.cache
def make_media(kind: str, seconds: int) -> bytes:
    """A tone, in containers for films with pictures to it, ten a second."""
    film = kind in ("mpegts", "flv", "matroska")
    pictures = ["-f", "lavfi", "-i", "testsrc=s=64x48:r=10"] if film else []
    tone = ["-f", "lavfi", "-i", "sine=440:r=48000"]
    words = [*pictures, *tone, *CODED[kind], "-t", str(seconds), "-f", kind, "-"]
    program = [BUNDLED, "-v", "error", "-nostdin"]
    return subprocess.run([*program, *words], check=True, stdout=subprocess.PIPE).stdout


@pytest.fixture(scope="module")
def song() -> bytes:
    """Twelve seconds of MP3 without a header, to be sent over and over."""
    return make_media("mp3", 12)


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as started:
        yield started


@functools.cache
def inspected(launcher: Launcher, program: str) -> Ffmpeg:
    return inspect(launcher, Path(program))


@pytest.fixture
def make_work(tmp_path: Path, launcher: Launcher, origin: Origin) -> Callable[..., Work]:
    def make(program: str = BUNDLED, **values: Any) -> Work:
        settings = load_settings(
            {"data_dir": str(tmp_path / "data"), "fetch_allow": origin.authority, **values}
        )
        ident = new_file_id()
        return Work(
            job_id=ident,
            file_id=ident,
            folder=tmp_path / ident,
            settings=settings,
            ffmpeg=inspected(launcher, program),
            launcher=launcher,
            sources=FetchedSources(
                SourceCache(tmp_path / "sources", FetchRules.from_settings(settings))
            ),
            storage=LocalStorage(tmp_path / "files"),
            reporter=Notes(),
        )

    return make


def station(song: bytes, head: bytes | None = ICY, **options: Any) -> Handler:
    """Twenty seconds of a song at once, as stations begin, then two a second."""

    def pace(exchange: Exchange, sent: int) -> None:
        exchange.wait(1.0 if sent > 20 * BYTES_A_SECOND else 0.0)

    return endless(song, head=head, piece=2 * BYTES_A_SECOND, pace=pace, **options)


def convert(work: Work, tool: str = "ffmpeg", **fields: Any) -> Any:
    request = TOOLS[tool].request.model_validate(fields)
    TOOLS[tool].accept(request)
    return TOOLS[tool].run(work, request)


def length(path: Path) -> float:
    """Seconds of sound, as it is decoded."""
    words = ["-i", str(path), "-map", "0:a", "-ac", "1", "-ar", "8000", "-f", "s8", "-"]
    program = [BUNDLED, "-v", "fatal", "-nostdin"]
    return len(subprocess.run([*program, *words], check=True, stdout=subprocess.PIPE).stdout) / 8000


def taken(work: Work) -> str:
    """What the result will say of how much was taken."""
    return next((warning for warning in work.warnings if "were taken" in warning), "")


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
    head: bytes, song: bytes, origin: Origin, make_work: Callable[..., Work]
) -> None:
    url = origin.add("/radio", station(song, head))
    work = make_work()
    done = convert(work, input_url=url, output_format="wav", max_duration=5)
    assert done.duration == pytest.approx(5.0, abs=0.1)
    assert "5 s" in taken(work)
    assert "max_duration" in taken(work)
    assert "icy-metadata" not in origin.requests[0].headers
    # A broadcast is not kept: another time there is something else on.
    assert list((work.folder.parent / "sources").glob("*.data")) == []


def test_a_station_without_max_duration_is_a_minute(
    song: bytes, origin: Origin, make_work: Callable[..., Work]
) -> None:
    origin.add("/radio", endless(song, head=ICY))
    listed = f"[playlist]\nNumberOfEntries=1\nFile1={origin.url('/radio')}\nLength1=-1\n"
    url = origin.add("/radio.pls", listed.encode(), content_type="audio/x-scpls")
    work = make_work()
    done = convert(work, input_url=url, output_format="wav")
    assert done.duration == pytest.approx(60.0, abs=0.1)
    assert "60 s" in taken(work)


@pytest.mark.parametrize("name", ["radio.pls", "radio.m3u"])
def test_a_list_may_name_a_station(
    name: str, song: bytes, origin: Origin, make_work: Callable[..., Work]
) -> None:
    radio = origin.add("/radio", station(song))
    text = {
        "radio.pls": f"[playlist]\nNumberOfEntries=1\nFile1={radio}\nLength1=-1\n",
        "radio.m3u": f"#EXTM3U\n#EXTINF:-1,Test\n{radio}\n",
    }[name]
    url = origin.add(f"/{name}", text.encode(), content_type="audio/x-mpegurl")
    done = convert(make_work(), input_url=url, output_format="wav", max_duration=3)
    assert done.duration == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("kind", CODED)
def test_any_endless_media_ends_after_max_duration(
    kind: str, program: str, origin: Origin, make_work: Callable[..., Work]
) -> None:
    body = make_media(kind, 12)
    route = endless(body, chunks=kind < "g", piece=len(body), pace=lambda e, sent: e.wait(1.0))
    url = origin.add("/live", route)
    work = make_work(program)
    path = work.fetch(url, field="input_url", max_duration=4)
    assert length(path) == pytest.approx(4.0, abs=0.15)
    assert "4 s" in taken(work)
    assert list(work.outputs.iterdir()) == []


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
    origin: Origin,
    make_work: Callable[..., Work],
) -> None:
    url = origin.add("/radio", station(song))
    done = convert(make_work(), input_url=url, output_format="wav", **fields)
    assert done.duration == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize("chunks", [True, False], ids=["chunked", "until_close"])
def test_what_ends_by_itself_comes_whole(
    chunks: bool, song: bytes, origin: Origin, make_work: Callable[..., Work]
) -> None:
    body = song * 7  # 84 s: more than is taken of a broadcast
    url = origin.add("/song", endless(body, chunks=chunks, whole=len(body)))
    work = make_work()
    path = work.fetch(url, field="input_url")
    assert path.read_bytes() == body
    assert taken(work) == ""
    # It is kept, and cut as it would be when it comes, whichever was asked for first.
    short = make_work()
    assert length(short.fetch(url, field="input_url", max_duration=4)) == pytest.approx(4, abs=0.1)
    assert make_work().fetch(url, field="input_url").read_bytes() == body


def test_parts_of_one_song_are_fetched_once(
    song: bytes, origin: Origin, make_work: Callable[..., Work]
) -> None:
    url = origin.add("/song", endless(song, chunks=True, whole=len(song)))
    for start in ("0", "4", "8"):
        arguments = ["-ss", start, "-t", "3"]
        work = make_work()
        done = convert(work, input_url=url, output_format="wav", input_args=arguments)
        assert done.duration == pytest.approx(3.0, abs=0.05)
        assert work.warnings == []
    assert origin.count("/song") == 1


def test_what_comes_at_the_pace_of_playing_is_taken_for_a_broadcast(
    song: bytes,
    origin: Origin,
    make_work: Callable[..., Work],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unending, "LIVE_SECONDS", 2.0)

    began: list[float] = []

    def pace(exchange: Exchange, sent: int) -> None:
        began.append(time.monotonic())
        exchange.wait(max(0.0, began[0] + sent / BYTES_A_SECOND - began[-1]))

    url = origin.add("/live", endless(song, chunks=True, piece=1600, pace=pace))
    work = make_work()
    path = work.fetch(url, field="input_url")
    assert length(path) == pytest.approx(2.0, abs=0.1)
    assert "2 s" in taken(work)
    messages = work.reporter.messages  # type: ignore[attr-defined]
    assert any(" s, " in message for message in messages)


def test_at_the_largest_size_what_is_there_is_taken(
    song: bytes, origin: Origin, make_work: Callable[..., Work]
) -> None:
    url = origin.add("/live", endless(song, chunks=True))
    work = make_work(fetch_max_bytes=2_000_000)
    assert length(work.fetch(url, field="input_url")) == pytest.approx(60.0, abs=0.1)
    assert "60 s" in taken(work)
    small = make_work(fetch_max_bytes=160_000)
    assert length(small.fetch(url, field="input_url")) == pytest.approx(10.0, abs=0.5)
    # What is no media, or too little of it, is too large as ever.
    noise = origin.add("/noise", endless(bytes(range(256)) * 100, chunks=True))
    with pytest.raises(SourceError) as caught:
        make_work(fetch_max_bytes=2_000_000).fetch(noise, field="input_url")
    assert caught.value.code == "source_too_large"


def test_at_the_deadline_what_is_there_is_taken(
    song: bytes, origin: Origin, make_work: Callable[..., Work]
) -> None:
    url = origin.add("/live", station(song, None, chunks=True))
    work = make_work(fetch_deadline=3)
    path = work.fetch(url, field="input_url", max_duration=100)
    assert 15 < length(path) < 40
    assert "were taken" in taken(work)


def test_a_station_that_breaks_off_gives_what_has_come(
    song: bytes, origin: Origin, make_work: Callable[..., Work]
) -> None:
    def route(exchange: Exchange) -> None:
        exchange.head(200, {"icy-name": "Test", "Transfer-Encoding": "chunked"})
        exchange.raw(b"%x\r\n%s\r\n10000\r\n" % (len(song), song))

    work = make_work()
    assert length(work.fetch(origin.add("/a", route), field="input_url")) == pytest.approx(
        12.0, abs=0.2
    )
    assert "12 s" in taken(work)


def test_titles_that_nobody_asked_for_are_no_sound(
    song: bytes, origin: Origin, make_work: Callable[..., Work]
) -> None:
    title = b"StreamTitle='A - B';".ljust(32, b"\0")
    mixed = b"".join(
        song[at : at + 1000] + (b"\x02" + title if at % 3000 == 0 else b"\0")
        for at in range(0, len(song) // 1000 * 1000, 1000)
    )
    head = b"ICY 200 OK\r\nicy-metaint:1000\r\n\r\n" + mixed
    url = origin.add("/radio", lambda exchange: exchange.raw(head))
    path = make_work().fetch(url, field="input_url")
    assert path.read_bytes() == song[: len(song) // 1000 * 1000]


def test_two_may_listen_to_one_station(
    song: bytes, origin: Origin, make_work: Callable[..., Work]
) -> None:
    """The second does not wait until the first has all it wants."""
    heard = threading.Event()

    def pace(exchange: Exchange, sent: int) -> None:
        while sent > 20 * BYTES_A_SECOND and not heard.is_set():
            exchange.wait(0.05)
            if exchange.origin.closing.is_set():
                return

    url = origin.add("/radio", endless(song, head=ICY, piece=2 * BYTES_A_SECOND, pace=pace))
    first, second = make_work(), make_work()
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(first.fetch, url, field="input_url", max_duration=40)
        while origin.count("/radio") == 0 and not long.done():
            heard.wait(0.05)
        short = second.fetch(url, field="input_url", max_duration=3)
        assert not long.done()
        heard.set()
        assert length(short) == pytest.approx(3.0, abs=0.1)
        assert length(long.result()) == pytest.approx(40.0, abs=0.1)


def test_a_film_without_end_is_cut_into_frames(
    origin: Origin, make_work: Callable[..., Work]
) -> None:
    url = origin.add("/live", endless(make_media("flv", 12), whole=10**7))
    done = convert(make_work(), "video_frame", video_url=url, max_duration=2, fps=10, w=64, h=48)
    assert done.total_frames == pytest.approx(20, abs=2)


def test_without_a_server_it_is_the_same(song: bytes, origin: Origin, tmp_path: Path) -> None:
    url = origin.add("/radio", station(song))
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


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("kind", ["gif", "apng", "avif"])
def test_animations_come_whole(
    kind: str, program: str, origin: Origin, make_work: Callable[..., Work], tmp_path: Path
) -> None:
    """They are files, and their streams would mean something else in another container."""
    made = tmp_path / f"made.{kind}"
    words = ["-f", "lavfi", "-i", "testsrc=s=64x48:r=2:d=3", "-f", kind, str(made)]
    subprocess.run([BUNDLED, "-v", "error", "-nostdin", *words], check=True)
    body = made.read_bytes()
    url = origin.add("/a", endless(body, chunks=True, whole=len(body)))
    work = make_work(program)
    assert work.fetch(url, field="input_url", max_duration=1).read_bytes() == body
    assert work.warnings == []


def turned_film(folder: Path) -> bytes:
    """Four seconds of a telephone's film, with its index in front."""
    film, turned = folder / "film.mp4", folder / "turned.mp4"
    program = [BUNDLED, "-v", "error", "-nostdin"]
    pictures = ["-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=4", "-f", "lavfi"]
    codecs = ["-c:v", "libx264", "-bf", "0", "-g", "5", "-c:a", "aac"]
    tone = ["-i", "sine=440:r=48000:d=4"]
    subprocess.run([*program, *pictures, *tone, *codecs, str(film)], check=True)
    turn = ["-display_rotation", "90", "-i", str(film), "-c", "copy", "-movflags", "faststart"]
    subprocess.run([*program, *turn, str(turned)], check=True)
    return turned.read_bytes()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_beginning_of_a_film_is_turned_as_it_was(
    program: str, origin: Origin, make_work: Callable[..., Work], tmp_path: Path
) -> None:
    body = turned_film(tmp_path)
    url = origin.add("/film", endless(body, chunks=True, whole=len(body)))
    work = make_work(program)
    path = work.fetch(url, field="input_url", max_duration=2)
    assert length(path) == pytest.approx(2.0, abs=0.1)
    picture = work.select(path).picture
    assert picture is not None
    assert (picture.width, picture.height) == (48, 64)


def test_known_lengths_are_as_they_were(
    song: bytes, origin: Origin, make_work: Callable[..., Work]
) -> None:
    for number, headers in enumerate(({}, {"icy-name": "x", "Last-Modified": "y"})):
        url = origin.add(f"/{number}", content(song * 6, headers=headers))
        path = make_work().fetch(url, field="input_url", max_duration=2)
        assert path.read_bytes() == song * 6
