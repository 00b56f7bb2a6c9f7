"""Files whose server tells no length: whole where they end, else as much as is wanted."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gmapi.fetch import unending
from gmapi.tools.base import Work
from support.http.origin import Exchange, Origin, content, endless
from support.media.broadcasts import (
    BYTES_A_SECOND,
)
from support.media.programs import PROGRAMS, make_media
from support.media.readers import sound_length
from support.product.outcomes import daily
from support.product.works import run_tool, taken


@pytest.fixture
def make_work(fetching: Callable[..., Work], own_origin: Origin) -> Callable[..., Work]:
    return functools.partial(fetching, own_origin.url("/"))


@pytest.mark.parametrize("chunks", [True, False], ids=["chunked", "until_close"])
def test_what_ends_by_itself_comes_whole(
    chunks: bool, song: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    body = song * 7  # 84 s: more than is taken of a broadcast
    url = own_origin.add("/song", endless(body, chunks=chunks, whole=len(body)))
    work = make_work()
    path = work.fetch(url, field="input_url")
    assert path.read_bytes() == body
    assert taken(work) == ""
    # It is kept, and cut as it would be when it comes, whichever was asked for first.
    short = make_work()
    assert sound_length(short.fetch(url, field="input_url", max_duration=4)) == pytest.approx(
        4, abs=0.1
    )
    assert make_work().fetch(url, field="input_url").read_bytes() == body


def test_parts_of_one_song_are_fetched_once(
    song: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    url = own_origin.add("/song", endless(song, chunks=True, whole=len(song)))
    for start in ("0", "4", "8"):
        arguments = ["-ss", start, "-t", "3"]
        work = make_work()
        done = run_tool(work, "ffmpeg", input_url=url, output_format="wav", input_args=arguments)
        assert done.duration == pytest.approx(3.0, abs=0.05)
        assert work.warnings == []
    assert own_origin.count("/song") == 1


def test_what_comes_at_the_pace_of_playing_is_taken_for_a_broadcast(
    song: bytes,
    own_origin: Origin,
    make_work: Callable[..., Work],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unending, "LIVE_SECONDS", 2.0)

    began: list[float] = []

    def pace(exchange: Exchange, sent: int) -> None:
        began.append(time.monotonic())
        exchange.wait(max(0.0, began[0] + sent / BYTES_A_SECOND - began[-1]))

    url = own_origin.add("/live", endless(song, chunks=True, piece=1600, pace=pace))
    work = make_work()
    path = work.fetch(url, field="input_url")
    assert sound_length(path) == pytest.approx(2.0, abs=0.1)
    assert "2 s" in taken(work)
    messages = work.reporter.messages  # type: ignore[attr-defined]
    assert any(" s, " in message for message in messages)


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("kind", daily(["gif", "apng", "avif"], "avif"))
def test_animations_come_whole(
    kind: str, program: str, own_origin: Origin, make_work: Callable[..., Work], tmp_path: Path
) -> None:
    """They are files, and their streams would mean something else in another container."""
    words = ["-f", "lavfi", "-i", "testsrc=s=64x48:r=2:d=3", "-f", kind]
    body = make_media(tmp_path / f"made.{kind}", *words).read_bytes()
    url = own_origin.add("/a", endless(body, chunks=True, whole=len(body)))
    work = make_work(program)
    assert work.fetch(url, field="input_url", max_duration=1).read_bytes() == body
    assert work.warnings == []


def turned_film(folder: Path) -> bytes:
    """Four seconds of a telephone's film, with its index in front."""
    pictures = ["-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=4", "-f", "lavfi"]
    codecs = ["-c:v", "libx264", "-bf", "0", "-g", "5", "-c:a", "aac"]
    tone = ["-i", "sine=440:r=48000:d=4"]
    film = make_media(folder / "film.mp4", *pictures, *tone, *codecs)
    turn = ["-display_rotation", "90", "-i", str(film), "-c", "copy", "-movflags", "faststart"]
    return make_media(folder / "turned.mp4", *turn).read_bytes()


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_beginning_of_a_film_is_turned_as_it_was(
    program: str, own_origin: Origin, make_work: Callable[..., Work], tmp_path: Path
) -> None:
    body = turned_film(tmp_path)
    url = own_origin.add("/film", endless(body, chunks=True, whole=len(body)))
    work = make_work(program)
    path = work.fetch(url, field="input_url", max_duration=2)
    assert sound_length(path) == pytest.approx(2.0, abs=0.1)
    picture = work.select(path).picture
    assert picture is not None
    assert (picture.width, picture.height) == (48, 64)


def test_known_lengths_are_as_they_were(
    song: bytes, own_origin: Origin, make_work: Callable[..., Work]
) -> None:
    for number, headers in enumerate(({}, {"icy-name": "x", "Last-Modified": "y"})):
        url = own_origin.add(f"/{number}", content(song * 6, headers=headers))
        path = make_work().fetch(url, field="input_url", max_duration=2)
        assert path.read_bytes() == song * 6
